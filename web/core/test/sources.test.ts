import assert from "node:assert/strict";
import { test } from "node:test";

import { clean, describe } from "../src/index.js";

const url = "https://docs.example/neon#pooling";

test("a description is the section, and below it what is cited", () => {
  const source = { type: "url", url, title: "Neon" } as const;
  assert.deepEqual(describe({ ...source, description: "Pooling\nUse the pooled host." }), {
    title: "Neon",
    section: "Pooling",
    extract: "Use the pooled host.",
  });
  assert.deepEqual(describe({ ...source, description: "\nUse the pooled host." }), {
    title: "Neon",
    section: "",
    extract: "Use the pooled host.",
  });
  assert.equal(describe({ ...source, description: "Neon" }).section, "");
  assert.deepEqual(describe(source), { title: "Neon", section: "", extract: "" });
});

test("a source without a title is called by what it is", () => {
  assert.equal(describe({ type: "url", url }).title, "docs.example/neon#pooling");
  assert.equal(
    describe({ type: "url", url, title: " \u200b " }).title,
    "docs.example/neon#pooling",
  );
  assert.equal(describe({ type: "file", filename: "a.pdf" }).title, "a.pdf");
  assert.equal(describe({ type: "entity", id: "e1" }).title, "e1");
});

test("a title has no signs that hide or turn around its words, and an end", () => {
  assert.equal(clean("safe\u202egnp.exe\u2069 \u0000 \n x"), "safe gnp.exe x");
  assert.equal(clean("نمی\u200cخواهم 👩\u200d💻"), "نمی\u200cخواهم 👩\u200d💻");
  assert.equal(clean("x".repeat(5000)).length, 201);
});
