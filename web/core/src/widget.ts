/** How a widget's tree changes while it is shown. Nodes that stay the same stay the same object. */

import type { WidgetNode } from "./protocol.js";

/** Deeper trees than anybody draws, and a stack that still holds. */
const MAX_DEPTH = 100;

/** The tree with another node in place of the one with this id; the same tree where it has none. */
export function replaceComponent(root: WidgetNode, id: string, component: WidgetNode): WidgetNode {
  // A component that comes without its id could not be found by the next update.
  return changeNode(root, id, () => ({ ...component, id: component.id ?? id }));
}

/** The tree with more text in the node with this id. */
export function appendText(
  root: WidgetNode,
  id: string,
  { delta = "", done = false }: { delta?: string; done?: boolean },
): WidgetNode {
  return changeNode(root, id, (node) => {
    const value = (typeof node["value"] === "string" ? node["value"] : "") + delta;
    return { ...node, value, streaming: !done };
  });
}

export function childrenOf({ children }: WidgetNode): readonly WidgetNode[] {
  if (!children) return [];
  return Array.isArray(children) ? children : [children];
}

function changeNode(
  node: WidgetNode,
  id: string,
  change: (node: WidgetNode) => WidgetNode,
  depth = 0,
): WidgetNode {
  if (node.id === id) return change(node);
  if (!node.children || depth > MAX_DEPTH) return node;
  if (!Array.isArray(node.children)) {
    const child = changeNode(node.children, id, change, depth + 1);
    return child === node.children ? node : { ...node, children: child };
  }
  for (const [i, child] of node.children.entries()) {
    const changed = changeNode(child, id, change, depth + 1);
    if (changed !== child) return { ...node, children: node.children.with(i, changed) };
  }
  return node;
}
