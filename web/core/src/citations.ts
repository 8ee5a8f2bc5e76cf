/** Where an answer's annotations stand in its text, and what number each source has. */

import type { Annotation, Source } from "./protocol.js";

export interface CitedSource {
  /** From 1, of its own. */
  readonly id: number;
  /** From 1; those of one URL share it, as different words of one section do. */
  readonly number: number;
  readonly source: Source;
}

/** One citation mark: the source that it leads to, and a position in UTF-16 units. */
export interface Mark {
  readonly at: number;
  readonly id: number;
  readonly number: number;
}

/** Each distinct source once, numbered in the order of the annotations. */
export function numberSources(annotations: readonly Annotation[]): CitedSource[] {
  const numbers = new Map<string, number>();
  const seen = new Map<string, CitedSource>();
  for (const { source } of annotations) {
    const key = sourceKey(source);
    const number = numbers.get(key) ?? numbers.size + 1;
    numbers.set(key, number);
    const cited = citedKey(source);
    if (!seen.has(cited)) seen.set(cited, { id: seen.size + 1, number, source });
  }
  return [...seen.values()];
}

/** The first of each number: what a list of the sources holds. */
export function listedSources(sources: readonly CitedSource[]): CitedSource[] {
  return sources.filter(({ number }, i) => sources.findIndex((s) => s.number === number) === i);
}

/** The marks of one text, by position; two for the same source at one place become one. */
export function placeMarks(
  text: string,
  annotations: readonly Annotation[],
  sources: readonly CitedSource[],
): Mark[] {
  const known = new Map(sources.map((cited) => [citedKey(cited.source), cited]));
  const marks: Mark[] = [];
  const ordered = annotations.toSorted((a, b) => (a.index ?? Infinity) - (b.index ?? Infinity));
  let at = 0;
  let counted = 0;
  for (const { source, index } of ordered) {
    const cited = known.get(citedKey(source));
    if (!cited) continue;
    const { id, number } = cited;
    // From the mark before, and not from the beginning: a long answer has many.
    at = index == null ? text.length : utf16Index(text, index - counted, at);
    counted = Math.max(counted, index ?? 0);
    if (!marks.some((mark) => mark.at === at && mark.number === number)) {
      marks.push({ at, id, number });
    }
  }
  return marks;
}

/** The wire counts code points, as Python does; a string here is indexed by UTF-16 units. */
export function utf16Index(text: string, codePoints: number, from = 0): number {
  let at = from;
  for (let left = codePoints; left > 0 && at < text.length; left--) {
    at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  }
  return at;
}

function sourceKey(source: Source): string {
  switch (source.type) {
    case "url":
      return source.url;
    case "file":
      return `file:${source.filename}`;
    default:
      return `entity:${source.id}`;
  }
}

/** The words that are cited of a source stand in its description. */
function citedKey(source: Source): string {
  return `${sourceKey(source)}\n${source.description ?? ""}`;
}
