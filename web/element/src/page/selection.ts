/** Offers to ask about a text that the reader has marked on the page. */

import { findContent } from "./read.js";

export interface SelectionOptions {
  /** What the button says. */
  label: string;
  /** Opens the chat with the marked text as a quote. */
  ask: (quote: string) => void;
  /** Whether there is a chat to ask at the moment. */
  isOn?: () => boolean;
}

const LONGEST = 1000;
/** A letter or two are marked by accident, and nobody asks about them. */
const SHORTEST = 3;
/** The reader has stopped marking; handles on a touch screen tell nothing of their end. */
const SETTLED_MS = 250;
const GAP_PX = 8;
const SHORTCUT = "Alt+Q";
/** Where marking text is part of writing it. */
const EDITORS =
  "input, textarea, select, [contenteditable]:not([contenteditable='false']), " +
  "[role='textbox'], [role='application'], .cm-editor, .monaco-editor, .ace_editor";

/** Shows the button below each text that is marked in the content of the page, from now on. */
export function watchSelection({ label, ask, isOn = () => true }: SelectionOptions): void {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "chatkit-ask";
  button.textContent = label;
  button.title = SHORTCUT;
  button.setAttribute("aria-keyshortcuts", SHORTCUT);
  button.hidden = true;
  document.adoptedStyleSheets.push(styles());
  document.body.append(button);
  let settled: ReturnType<typeof setTimeout> | undefined;
  let isPressed = false;

  const hide = () => {
    clearTimeout(settled);
    button.hidden = true;
  };
  const update = () => {
    const range = isOn() ? readRange() : null;
    // The body may be another than that which it was put into.
    if (!button.isConnected) document.body.append(button);
    button.hidden = range === null;
    if (range) place(button, range);
  };
  const updateSoon = () => {
    clearTimeout(settled);
    settled = setTimeout(update, SETTLED_MS);
  };
  const use = () => {
    const range = readRange();
    hide();
    if (range) ask(quoteOf(range));
  };

  // A press on it would take the mark from the page.
  button.onpointerdown = (event) => {
    event.preventDefault();
  };
  button.onclick = use;
  document.addEventListener("selectionchange", () => {
    if (getSelection()?.isCollapsed !== false) hide();
    else if (!isPressed) updateSoon();
  });
  addEventListener(
    "pointerdown",
    ({ target }) => {
      isPressed = target !== button;
    },
    true,
  );
  for (const type of ["pointerup", "pointercancel"]) {
    addEventListener(
      type,
      () => {
        isPressed = false;
        updateSoon();
      },
      true,
    );
  }
  addEventListener("keydown", (event) => {
    if (button.hidden) return;
    const { altKey, ctrlKey, metaKey, shiftKey } = event;
    if (event.key === "Escape") hide();
    // By its place on the keyboard: with Alt, a Mac types another letter.
    else if (event.code === "KeyQ" && altKey && !ctrlKey && !metaKey && !shiftKey) {
      event.preventDefault();
      use();
    }
  });
  for (const type of ["scroll", "resize"]) {
    addEventListener(
      type,
      () => {
        if (!button.hidden) update();
      },
      { capture: true, passive: true },
    );
  }
  updateSoon();
}

/** What is marked of the content; null for anything else, as what the reader writes. */
function readRange(): Range | null {
  const selection = getSelection();
  if (!selection || selection.isCollapsed || selection.rangeCount === 0) return null;
  const range = selection.getRangeAt(0);
  const node = range.commonAncestorContainer;
  const element = node instanceof Element ? node : node.parentElement;
  if (!element || !findContent().contains(element) || element.closest(EDITORS)) return null;
  return quoteOf(range).length < SHORTEST ? null : range;
}

function quoteOf(range: Range): string {
  // As it is on the screen, with line breaks; the signs behind headings are not.
  const shown = getSelection()?.toString() ?? range.toString();
  const text = shown.replace(/[\u200b\ufeff]/g, "").trim();
  return text.length > LONGEST ? `${text.slice(0, LONGEST).trimEnd()} …` : text;
}

/** Below the end of what is seen of it: above the beginning a touch screen has its own menu. */
function place(button: HTMLElement, range: Range): void {
  const last = [...range.getClientRects()].findLast(
    ({ width, top, bottom }) => width > 0 && bottom > 0 && top < innerHeight,
  );
  // Gone with its text, where that is scrolled away.
  button.style.visibility = last ? "" : "hidden";
  if (!last) return;
  const { width, height } = button.getBoundingClientRect();
  const top = Math.min(last.bottom + GAP_PX, innerHeight - height - GAP_PX);
  const left = Math.min(Math.max(GAP_PX, last.right - width), innerWidth - width - GAP_PX);
  button.style.top = `${top}px`;
  button.style.left = `${left}px`;
}

function styles(): CSSStyleSheet {
  const sheet = new CSSStyleSheet();
  // In the colours of a Docusaurus site, or of the system.
  sheet.replaceSync(`
    .chatkit-ask {
      position: fixed;
      z-index: 290;
      min-height: 2.25rem;
      padding: 0.25rem 0.75rem;
      border: 1px solid var(--ifm-color-emphasis-500, GrayText);
      border-radius: 0.5rem;
      background: var(--ifm-background-surface-color, Canvas);
      color: var(--ifm-font-color-base, CanvasText);
      box-shadow: 0 0.25rem 1rem #0003;
      font: 500 0.875rem var(--ifm-font-family-base, system-ui, sans-serif);
      cursor: pointer;
      user-select: none;
    }
    .chatkit-ask:hover { background: var(--ifm-color-emphasis-200, ButtonFace); }
    .chatkit-ask:focus-visible {
      outline: 3px solid var(--ifm-color-primary, Highlight);
      outline-offset: 2px;
    }
    @media print { .chatkit-ask { display: none; } }
  `);
  return sheet;
}
