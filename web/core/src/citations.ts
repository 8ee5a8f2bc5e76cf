/** Where an answer's annotations stand in its text, and what number each source has. */

import type { Annotation, Source } from "./protocol.js";

export interface CitedSource {
  /** From 1; annotations of one URL share it. */
  readonly number: number;
  readonly source: Source;
}

/** One citation mark: the number of its source, and a position in UTF-16 units. */
export interface Mark {
  readonly at: number;
  readonly number: number;
}

/** Each distinct source once, numbered in the order of the annotations. */
export function numberSources(annotations: readonly Annotation[]): CitedSource[] {
  const seen = new Map<string, CitedSource>();
  for (const { source } of annotations) {
    const key = sourceKey(source);
    if (!seen.has(key)) seen.set(key, { number: seen.size + 1, source });
  }
  return [...seen.values()];
}

/** The marks of one text, by position; two for the same source at one place become one. */
export function placeMarks(
  text: string,
  annotations: readonly Annotation[],
  sources: readonly CitedSource[],
): Mark[] {
  const numbers = new Map(sources.map(({ source, number }) => [sourceKey(source), number]));
  const marks: Mark[] = [];
  const ordered = annotations.toSorted((a, b) => (a.index ?? Infinity) - (b.index ?? Infinity));
  let at = 0;
  let counted = 0;
  for (const { source, index } of ordered) {
    const number = numbers.get(sourceKey(source));
    if (number === undefined) continue;
    // From the mark before, and not from the beginning: a long answer has many.
    at = index == null ? text.length : utf16Index(text, index - counted, at);
    counted = Math.max(counted, index ?? 0);
    if (!marks.some((mark) => mark.at === at && mark.number === number)) marks.push({ at, number });
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
