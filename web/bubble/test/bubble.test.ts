import assert from "node:assert/strict";
import { test } from "node:test";

import { readOptions, readPrompts } from "../src/options.js";
import { lightness } from "../src/scheme.js";

test("a page's ground is light or dark in every notation that browsers compute", () => {
  for (const dark of [
    "rgb(22, 24, 29)",
    "rgba(0, 0, 0, 0.9)",
    "oklch(0.21 0.034 264.66)",
    "oklab(0.2 0 0)",
    "lab(12 0 0)",
    "color(srgb 0.1 0.1 0.1)",
    "color(display-p3 0.1 0.1 0.1 / 0.8)",
  ]) {
    assert.ok((lightness(dark) ?? 1) < 0.5, dark);
  }
  for (const light of [
    "rgb(255, 255, 255)",
    "oklch(0.98 0 0)",
    "lab(96 0 0)",
    "color(srgb 1 1 1)",
  ]) {
    assert.ok((lightness(light) ?? 0) > 0.5, light);
  }
  for (const none of ["rgba(0, 0, 0, 0)", "oklch(0.2 0 0 / 0.1)", "transparent", ""]) {
    assert.equal(lightness(none), null, none);
  }
});

test("prompts are questions with | between them, or JSON", () => {
  assert.deepEqual(readPrompts("How do I start? | Is it free?|"), [
    { label: "How do I start?", prompt: "How do I start?" },
    { label: "Is it free?", prompt: "Is it free?" },
  ]);
  assert.deepEqual(readPrompts('["One?", {"label": "Two", "prompt": "What is two?"}, 3, null]'), [
    { label: "One?", prompt: "One?" },
    { label: "Two", prompt: "What is two?" },
  ]);
  assert.deepEqual(readPrompts(undefined), []);
});

test("what the page configures comes over the attributes, and later over earlier", () => {
  const tools = [{ id: "search", label: "Search", icon: "search" as const }];
  const options = readOptions({ greeting: "Hello", placeholder: "Ask" }, [
    { composer: { tools }, startScreen: { greeting: "Welcome" } },
    { startScreen: { greeting: "Welcome back" } },
  ]);
  assert.deepEqual(options.startScreen, { greeting: "Welcome back", prompts: [] });
  assert.deepEqual(options.composer, { placeholder: "Ask", tools });
});
