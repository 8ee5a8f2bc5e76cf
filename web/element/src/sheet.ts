/** Style sheets of parts that are loaded when they are first shown. */

import type { RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

const sheets = new Map<string, CSSStyleSheet>();

/** For the ref of a part's outermost node: the shadow root that it stands in takes its styles, once. */
export function useStyles<E extends HTMLElement>(css: string): RefObject<E | null> {
  const node = useRef<E>(null);
  useLayoutEffect(() => {
    const root = node.current?.getRootNode();
    if (root instanceof ShadowRoot) adopt(root, css);
  }, []);
  return node;
}

export function adopt(root: ShadowRoot, css: string): void {
  let sheet = sheets.get(css);
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    sheets.set(css, sheet);
  }
  if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets.push(sheet);
}
