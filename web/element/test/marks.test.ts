import assert from "node:assert/strict";
import { test } from "node:test";

import { insertMarks, splitMarks, takeMarks } from "../src/marks.js";

/** The source with its marks as [1], to be readable here. */
function marked(source: string, ...marks: [at: number, number: number][]): string {
  const inserted = insertMarks(
    source,
    marks.map(([at, id]) => ({ at, id, number: id })),
  );
  return splitMarks(inserted)
    .map((part) => (typeof part === "number" ? `[${part}]` : part))
    .join("");
}

test("a mark stands at its position, several in their order", () => {
  assert.equal(marked("One. Two.", [4, 1], [4, 2], [9, 1]), "One.[1][2] Two.[1]");
});

test("a mark after a space or a line's end belongs to the text before", () => {
  assert.equal(marked("One.\n\n- two", [6, 1]), "One.[1]\n\n- two");
  assert.equal(marked("One. ", [5, 1]), "One.[1] ");
});

test("a mark behind a closing fence gets a line of its own", () => {
  const source = "```js\ncode\n```\nAfter.";
  const at = source.indexOf("\nAfter");
  assert.equal(
    marked(`One.\n${source}`, [4, 2], [at + 5, 1]),
    `One.[2]\n${source.replace("\n```\n", "\n```\n[1]\n")}`,
  );
  assert.equal(marked(source, [at, 1], [at, 2]), "```js\ncode\n```\n[1][2]\nAfter.");
});

test("a mark behind a table row goes into its last cell", () => {
  assert.equal(marked("| a | b |", [9, 1]), "| a | b[1] |");
});

test("a mark past the end or before the beginning is kept", () => {
  assert.equal(marked("One.", [99, 1]), "One.[1]");
  assert.equal(marked(" One.", [0, 1]), "[1] One.");
});

test("signs of a model that look like marks are no marks", () => {
  assert.deepEqual(splitMarks(insertMarks("a\u2e4e7\u2e4fb", [])), ["a\ufffd7\ufffdb"]);
});

test("marks are taken out of an address", () => {
  const source = insertMarks("https://a.example/b", [{ at: 19, id: 4, number: 1 }]);
  assert.deepEqual(takeMarks(source), { text: "https://a.example/b", ids: [4] });
});
