import assert from "node:assert/strict";
import { test } from "node:test";

import { listedSources, numberSources, placeMarks, utf16Index } from "../src/citations.js";
import type { Annotation } from "../src/protocol.js";

const cite = (url: string, index?: number): Annotation => ({
  type: "annotation",
  source: { type: "url", url, title: "Page" },
  ...(index !== undefined && { index }),
});

test("an index counts code points, a position UTF-16 units", () => {
  const text = "👩‍🚀 é 😀!";
  const codePoints = Array.from(text).length;
  assert.equal(utf16Index(text, codePoints - 1), text.length - 1);
  assert.equal(utf16Index(text, 1), 2);
  assert.equal(utf16Index(text, 1000), text.length);
  assert.equal(utf16Index(text, -1), 0);
});

test("one number for each distinct URL", () => {
  const annotations = [cite("/a", 1), cite("/b", 2), cite("/a", 3)];
  const sources = numberSources(annotations);
  assert.deepEqual(
    sources.map(({ number, source }) => [number, source.type === "url" && source.url]),
    [
      [1, "/a"],
      [2, "/b"],
    ],
  );
  assert.deepEqual(placeMarks("abcdef", annotations, sources), [
    { at: 1, id: 1, number: 1 },
    { at: 2, id: 2, number: 2 },
    { at: 3, id: 1, number: 1 },
  ]);
});

test("other words of one section have its number and a mark of their own", () => {
  const words = (description: string, index: number): Annotation => ({
    type: "annotation",
    source: { type: "url", url: "/a#b", title: "Page", description },
    index,
  });
  const annotations = [words("B\nfirst", 1), words("B\nsecond", 3), cite("/c", 5)];
  const sources = numberSources(annotations);
  assert.deepEqual(placeMarks("abcdef", annotations, sources), [
    { at: 1, id: 1, number: 1 },
    { at: 3, id: 2, number: 1 },
    { at: 5, id: 3, number: 2 },
  ]);
  assert.deepEqual(
    listedSources(sources).map(({ id }) => id),
    [1, 3],
  );
});

test("marks stand in the order of the text, doubled ones once, those without a place at the end", () => {
  const annotations = [cite("/a", 4), cite("/b"), cite("/a", 4), cite("/c", 1)];
  assert.deepEqual(placeMarks("abcdef", annotations, numberSources(annotations)), [
    { at: 1, id: 3, number: 3 },
    { at: 4, id: 1, number: 1 },
    { at: 6, id: 2, number: 2 },
  ]);
});

test("many places are found from one to the next, emoji and impossible places included", () => {
  const text = "😀 one 🚀 two 🎉 three";
  const indexes = [9, -3, 2, 9000, 9, 14, 0];
  const annotations = indexes.map((index, n) => cite(`/${n}`, index));
  const marks = placeMarks(text, annotations, numberSources(annotations));
  assert.deepEqual(
    marks.map(({ at, number }) => [at, number]),
    [
      [0, 2],
      [0, 7],
      [3, 3],
      [11, 1],
      [11, 5],
      [17, 6],
      [text.length, 4],
    ],
  );
});
