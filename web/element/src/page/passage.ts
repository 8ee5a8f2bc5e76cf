/** Goes to the words that a citation names, on the page as it is, and marks them. */

import { findContent } from "./read.js";

/** Letters that may lie between the beginning of what is cited and its end. */
const REACH = 600;
/** How long a page may take to be there. */
const PATIENCE_MS = 10_000;
const MARK = "chatkit-passage";

export interface Destination {
  /** The address without the words, for a router. */
  url: URL;
  /** What is cited: all of it, or its beginning and its end. */
  words: string[];
}

/** Takes an address apart that may end with a text directive. */
export function readDestination(href: string): Destination {
  const url = new URL(href);
  const [hash = "", directive = ""] = url.hash.split(":~:");
  // A lone "#" would be another address than none.
  url.hash = hash === "#" ? "" : hash;
  const text = /^text=([^&]+)/.exec(directive)?.[1];
  return { url, words: text?.split(",").map(decode) ?? [] };
}

let forget: (() => void) | undefined;

/**
 * Shows what is cited once its page is there: opens what hides it, scrolls to it and marks it until
 * the reader goes on. `before` is the text that the page had when the way began; without it the page
 * is there already.
 */
export async function showPassage({ url, words }: Destination, before?: string): Promise<void> {
  forget?.();
  const ended = new AbortController();
  const { signal } = ended;
  const end = () => {
    ended.abort();
    unmark();
  };
  const isOver = () => signal.aborted;
  forget = end;
  const id = decode(url.hash.slice(1));
  await contentOf(id, before, signal);
  if (isOver()) return;
  const heading = id ? document.getElementById(id) : null;
  const section = sectionOf(heading);
  const found = words.length > 0 ? findWords(section, words) : null;
  const range = found ?? (heading && rangeOf(heading));
  if (!range) return;
  uncover(range.startContainer);
  // Frameworks open their tabs and scroll to the heading in their own time.
  await painted();
  if (isOver()) return;
  scrollTo(range, found !== null);
  mark(range);
  // A page that is left takes the mark along: its nodes go, and the range with them.
  for (const type of ["hashchange", "popstate"]) addEventListener(type, end, { signal });
}

/** Two frames on, what was asked for before is on the screen. */
function painted(): Promise<void> {
  return new Promise((resolve) => {
    requestAnimationFrame(() => requestAnimationFrame(() => resolve()));
  });
}

/** What a page says, to tell it from the next one: routers keep its elements. */
export function pageText(): string {
  return findContent().textContent;
}

/** Waits for the new page; a router changes the address first. */
function contentOf(id: string, before: string | undefined, signal: AbortSignal): Promise<void> {
  const isThere = () => pageText() !== before && (!id || document.getElementById(id) !== null);
  return new Promise((resolve) => {
    if (before === undefined || isThere()) {
      resolve();
      return;
    }
    const done = () => {
      clearTimeout(timer);
      observer.disconnect();
      resolve();
    };
    const observer = new MutationObserver(() => {
      if (isThere()) done();
    });
    const timer = setTimeout(done, PATIENCE_MS);
    observer.observe(document.body, { childList: true, subtree: true });
    signal.addEventListener("abort", done, { once: true });
  });
}

/** From a heading to the next one of its level or above; all of the page without one. */
function sectionOf(heading: Element | null): Range {
  const range = document.createRange();
  const content = findContent();
  range.selectNodeContents(heading && !content.contains(heading) ? document.body : content);
  if (!heading) return range;
  range.setStartBefore(heading);
  const level = /^H([1-6])$/.exec(heading.tagName)?.[1];
  if (!level) return range;
  const next = [...content.querySelectorAll("h1, h2, h3, h4, h5, h6")].find(
    (other) =>
      other.tagName <= heading.tagName &&
      heading.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING,
  );
  if (next) range.setEndBefore(next);
  return range;
}

/** A heading itself, where the words of its section are not to be found. */
function rangeOf(heading: Element): Range {
  const range = document.createRange();
  range.selectNodeContents(heading);
  return range;
}

/** Looks for letters and digits alone: how the words are set doesn't matter. */
function findWords(within: Range, words: readonly string[]): Range | null {
  const places: [Text, number][] = [];
  let letters = "";
  const root = within.commonAncestorContainer;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode() as Text | null; node; node = walker.nextNode() as Text | null) {
    if (!within.intersectsNode(node) || node.parentElement?.closest("script, style")) continue;
    for (const [at, letter] of lettersOf(node.data)) {
      letters += letter;
      places.push([node, at]);
    }
  }
  const [first = "", last = ""] = words.map((part) =>
    lettersOf(part)
      .map(([, letter]) => letter)
      .join(""),
  );
  const start = first ? letters.indexOf(first) : -1;
  if (start < 0) return null;
  const after = start + first.length;
  const ending = last ? letters.indexOf(last, after) : after;
  const end = last && ending >= 0 && ending - after <= REACH ? ending + last.length : after;
  const from = places[start];
  const to = places[end - 1];
  if (!from || !to) return null;
  const range = document.createRange();
  range.setStart(...from);
  range.setEnd(to[0], to[1] + 1);
  return range;
}

/** Each UTF-16 unit of a letter or digit, in lower case where that keeps its length. */
function lettersOf(text: string): [at: number, letter: string][] {
  return Array.from(text.matchAll(/[\p{L}\p{N}]/gu)).flatMap(({ 0: sign, index }) => {
    const lower = sign.toLowerCase().length === sign.length ? sign.toLowerCase() : sign;
    return Array.from({ length: lower.length }, (_, i): [number, string] => [
      index + i,
      lower.charAt(i),
    ]);
  });
}

/** Opens what is closed around a node, by the controls that the reader would use. */
function uncover(node: Node): void {
  const parents: Element[] = [];
  for (let at = node.parentElement; at; at = at.parentElement) parents.unshift(at);
  for (const parent of parents) {
    if (parent instanceof HTMLDetailsElement) {
      // Docusaurus has one of its own below, which is closed by an attribute.
      const isClosed = !parent.open || parent.dataset.collapsed === "true";
      const summary = parent.querySelector("summary");
      if (isClosed && !summary?.contains(node)) summary?.click();
    } else if (parent.role === "tabpanel" && (parent as HTMLElement).hidden) {
      tabOf(parent)?.click();
    }
  }
}

function tabOf(panel: Element): HTMLElement | null {
  const named = panel.getAttribute("aria-labelledby");
  const byName = named
    ? document.getElementById(named)
    : panel.id
      ? document.querySelector<HTMLElement>(`[role="tab"][aria-controls="${CSS.escape(panel.id)}"]`)
      : null;
  if (byName) return byName;
  // Without names, as in Docusaurus, a tab and its panel have the same place in their lists.
  const panels = [...(panel.parentElement?.children ?? [])].filter((el) => el.role === "tabpanel");
  for (let around = panel.parentElement; around; around = around.parentElement) {
    const list = around.querySelector('[role="tablist"]');
    if (list)
      return list.querySelectorAll<HTMLElement>('[role="tab"]')[panels.indexOf(panel)] ?? null;
  }
  return null;
}

/** A heading goes to the top, below what is fixed there; words that it hides go to the middle. */
function scrollTo(range: Range, isText: boolean): void {
  const element = elementOf(range);
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "auto";
  if (!isText) {
    element?.scrollIntoView({ block: "start", behavior });
    return;
  }
  const { top, bottom } = range.getBoundingClientRect();
  const isInView = top >= innerHeight * 0.15 && bottom <= innerHeight * 0.85;
  if (isInView) return;
  // What scrolls around it, as a wide table, comes along; then the page, to where one reads.
  element?.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
  scrollBy({ top: range.getBoundingClientRect().top - innerHeight * 0.3, behavior });
}

let sheet: CSSStyleSheet | undefined;

/** By the browser's own highlight, which changes no node; by an outline where it has none. */
function mark(range: Range): void {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(`
      ::highlight(${MARK}) { background-color: #ffe066; color: #1b1b1b; }
      [data-${MARK}] { outline: 2px solid #b58900; outline-offset: 0.25em; }
    `);
    document.adoptedStyleSheets.push(sheet);
  }
  // Not there in browsers of before 2025.
  const highlights = (CSS as { highlights?: HighlightRegistry }).highlights;
  if (highlights) highlights.set(MARK, new Highlight(range));
  else elementOf(range)?.setAttribute(`data-${MARK}`, "");
}

/** What holds the beginning of a range. */
function elementOf({ startContainer }: Range): Element | null {
  return startContainer instanceof Element ? startContainer : startContainer.parentElement;
}

function unmark(): void {
  (CSS as { highlights?: HighlightRegistry }).highlights?.delete(MARK);
  for (const marked of document.querySelectorAll(`[data-${MARK}]`)) {
    marked.removeAttribute(`data-${MARK}`);
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
