/**
 * Carries citation marks through the Markdown lexer: they are written into the source as an id
 * between two rare signs of punctuation, which the lexer leaves where they are. Punctuation,
 * because a letter in their place would keep `**bold:**` from closing.
 */

import type { Mark } from "@docs-chatkit/core";

const OPEN = "\u2e4e";
const CLOSE = "\u2e4f";
const ANY = /\u2e4e(\d+)\u2e4f/g;

export function insertMarks(source: string, marks: readonly Mark[]): string {
  const text = source.replace(/[\u2e4e\u2e4f]/g, "\ufffd");
  let result = "";
  let done = 0;
  for (const { at, id } of marks) {
    const place = Math.max(settle(text, at), done);
    // A second mark at the same place follows the first.
    if (place > done) result += text.slice(done, place) + lineBreakAfterFence(text, place);
    result += `${OPEN}${id}${CLOSE}`;
    done = place;
  }
  return result + text.slice(done);
}

/** Marks as footnotes of Markdown. */
export function footnoteMarks(source: string, marks: readonly Mark[]): string {
  const numbered = marks.map(({ at, number }) => ({ at, number, id: number }));
  return insertMarks(source, numbered).replace(ANY, "[^$1]");
}

/** Texts and ids of marks in turn. */
export function splitMarks(text: string): (string | number)[] {
  return text
    .split(ANY)
    .map((part, i) => (i % 2 ? Number(part) : part))
    .filter((part) => part !== "");
}

/** For places that can show no mark, as an address: the text without them, and their ids. */
export function takeMarks(text: string): { text: string; ids: number[] } {
  const ids = Array.from(text.matchAll(ANY), (match) => Number(match[1]));
  return { text: text.replace(ANY, ""), ids };
}

/** A mark belongs to the text before it: not to the next line, nor behind a table row's end. */
function settle(text: string, at: number): number {
  let place = skipSpaceBack(text, at);
  const line = text.slice(text.lastIndexOf("\n", place - 1) + 1, place);
  if (/^\s*\|.*\|$/.test(line)) place = skipSpaceBack(text, place - 1);
  return place === 0 ? at : place;
}

function skipSpaceBack(text: string, at: number): number {
  let place = at;
  while (place > 0 && /\s/.test(text.charAt(place - 1))) place--;
  return place;
}

/** On the line of a closing fence a mark would keep the code block open: it gets its own line. */
function lineBreakAfterFence(text: string, place: number): string {
  const line = text.slice(text.lastIndexOf("\n", place - 1) + 1, place);
  const fence = /^(\s*)(?:`{3,}|~{3,})$/.exec(line);
  return fence ? `\n${fence[1] ?? ""}` : "";
}
