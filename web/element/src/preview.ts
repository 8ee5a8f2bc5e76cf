/** What a citation leads to, shown beside its number while that is pointed at or has the focus. */

import type { Described } from "@docs-chatkit/core";

import css from "./preview.css";
import { adopt } from "./sheet.js";

/** Time to bring the pointer from the number to what it shows. */
const GRACE_MS = 200;
const GAP_PX = 6;

let close: (() => void) | undefined;

export function showPreview(mark: HTMLElement, { title, section, extract }: Described): void {
  showCard(mark, (card) => {
    for (const [name, text] of Object.entries({ title, heading: section, extract })) {
      if (!text) continue;
      const line = document.createElement("span");
      line.className = name;
      line.dir = "auto";
      line.textContent = text;
      card.append(line);
    }
  });
}

/** Stays until the pointer leaves both, the focus goes on, or Escape is pressed. */
export function showCard(mark: HTMLElement, fill: (card: HTMLElement) => void): void {
  const isWanted = mark.matches(":hover") || mark.matches(":focus-visible");
  // The pointer may have gone while this was loading; old browsers know no top layer.
  if (!isWanted || !("showPopover" in mark) || mark.hasAttribute("aria-describedby")) return;
  close?.();
  const card = document.createElement("span");
  card.className = "preview";
  card.role = "tooltip";
  card.id = "citation-preview";
  card.popover = "manual";
  // In the shadow root with its mark, but out of what Preact owns.
  const root = mark.getRootNode() as ShadowRoot;
  adopt(root, css);
  (root.querySelector(".app") ?? root).append(card);
  fill(card);
  card.showPopover();
  place(card, mark);
  mark.setAttribute("aria-describedby", card.id);

  let leaving: ReturnType<typeof setTimeout> | undefined;
  const ended = new AbortController();
  const { signal } = ended;
  const end = () => {
    clearTimeout(leaving);
    ended.abort();
    card.remove();
    mark.removeAttribute("aria-describedby");
    close = undefined;
  };
  const leave = () => {
    clearTimeout(leaving);
    leaving = setTimeout(() => {
      if (!mark.matches(":hover, :focus-visible") && !card.matches(":hover")) end();
    }, GRACE_MS);
  };
  for (const part of [mark, card]) part.addEventListener("pointerleave", leave, { signal });
  mark.addEventListener("blur", end, { signal });
  mark.addEventListener("click", end, { signal });
  addEventListener("scroll", end, { signal, capture: true });
  addEventListener("resize", end, { signal });
  // First of all, and for itself: the page closes the whole chat by the same key.
  const escape = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    end();
  };
  addEventListener("keydown", escape, { signal, capture: true });
  close = end;
}

function place(card: HTMLElement, mark: HTMLElement): void {
  const at = mark.getBoundingClientRect();
  const { width, height } = card.getBoundingClientRect();
  const left = Math.min(Math.max(GAP_PX, at.left - 16), innerWidth - width - GAP_PX);
  const above = at.top - height - GAP_PX;
  card.style.left = `${left}px`;
  card.style.top = `${above >= GAP_PX ? above : at.bottom + GAP_PX}px`;
}
