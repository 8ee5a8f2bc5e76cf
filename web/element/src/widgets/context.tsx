/** What every component of one widget shares, and how it renders its children. */

import { childrenOf, type WidgetNode } from "@docs-chatkit/core";
import { type ComponentType, createContext } from "preact";
import { useContext, useState } from "preact/hooks";

import type { MarkdownRules } from "../markdown.js";
import { memo } from "../memo.js";
import { type ActionConfig, type Field, type Loading, readAction } from "./action.js";
import { isRecord, type Scheme } from "./values.js";

/** A component's properties, as the server sent them. */
export type Props = Readonly<Record<string, unknown>>;
export type WidgetComponent = ComponentType<{ node: WidgetNode; depth: number }>;

export interface WidgetContext {
  scheme: Scheme;
  rules: MarkdownRules;
  components: Readonly<Record<string, WidgetComponent>>;
  /** Whether the server is writing an answer, and takes no action that would begin another. */
  busy: boolean;
  fieldId: (name: string) => string;
  /** Whether there is a Label for the field. */
  isLabelled: (name: string) => boolean;
  act: (
    action: ActionConfig,
    options: { container: boolean; form: HTMLFormElement | null; own?: Field },
  ) => Promise<void>;
}

export const WidgetScope = createContext<WidgetContext | null>(null);

export function useWidget(): WidgetContext {
  const context = useContext(WidgetScope);
  if (!context) throw new Error("A widget component stands outside of a widget.");
  return context;
}

export const MAX_DEPTH = 60;

export function Children({ node, depth }: { node: WidgetNode; depth: number }) {
  if (depth > MAX_DEPTH) return null;
  const keys = new Set<string>();
  return (
    <>
      {childrenOf(node)
        .filter((child) => isRecord(child))
        .map((child, i) => {
          const own = child.key ?? child.id ?? `#${i}`;
          // Of two with the same key one would be lost.
          const key = keys.has(own) ? `${own}#${i}` : own;
          keys.add(key);
          return <Node key={key} node={child} depth={depth + 1} />;
        })}
    </>
  );
}

const Node = memo((props: { node: WidgetNode; depth: number }) => <Component {...props} />);

/** Of a component that is not known, what is in it is shown. */
function Component({ node, depth }: { node: WidgetNode; depth: number }) {
  const { components } = useWidget();
  const Known = Object.hasOwn(components, node.type) ? components[node.type] : undefined;
  return Known ? <Known node={node} depth={depth} /> : <Children node={node} depth={depth} />;
}

interface UsedAction {
  type: string;
  /** Shown as under way on the component itself. */
  loading: boolean;
  disabled: boolean;
  run: (element: HTMLElement, own?: Field) => void;
}

/** The action of one property; `auto` is what its loading behaviour means in this place. */
export function useAction(value: unknown, auto: Exclude<Loading, "auto">): UsedAction | null {
  const { act, busy } = useWidget();
  const [loading, setLoading] = useState(false);
  const action = readAction(value);
  if (!action) return null;
  const behavior = action.loadingBehavior === "auto" ? auto : action.loadingBehavior;
  return {
    type: action.type,
    loading,
    disabled: loading || (busy && action.handler === "server"),
    run: (element, own) => {
      if (loading) return;
      const form = element.closest("form");
      const container = behavior === "container";
      if (behavior === "self") setLoading(true);
      void act(action, { container, form, ...(own && { own }) }).finally(() => {
        setLoading(false);
      });
    },
  };
}
