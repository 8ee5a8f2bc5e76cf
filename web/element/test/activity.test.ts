import assert from "node:assert/strict";
import { test } from "node:test";

import { describeWorkflow } from "../src/activity.js";

const texts = (workflow: Parameters<typeof describeWorkflow>[0]) =>
  describeWorkflow(workflow).map(({ text }) => text);

test("a search is told by its query, in the tense of its state", () => {
  const search = { type: "web_search", title_query: "pooling" };
  assert.deepEqual(texts({ tasks: [{ ...search, status_indicator: "loading" }] }), [
    "Searching the docs for “pooling”",
  ]);
  assert.deepEqual(texts({ tasks: [{ ...search, status_indicator: "complete" }] }), [
    "Searched the docs for “pooling”",
  ]);
  assert.deepEqual(texts({ tasks: [{ type: "web_search", queries: ["a", "b"] }] }), [
    "Searched the docs for “a”",
  ]);
});

test("a title of the server's own wins", () => {
  assert.deepEqual(texts({ tasks: [{ type: "web_search", title: "Looked", queries: ["a"] }] }), [
    "Looked",
  ]);
});

test("tasks of unknown types without a title are left out", () => {
  assert.deepEqual(texts({ tasks: [{ type: "juggling" }] }), []);
  assert.deepEqual(texts({ tasks: [], summary: { title: "Done" } }), ["Done"]);
});

test("reasoning is one line, whatever was thought", () => {
  const tasks = [{ type: "thought", content: "Hm." }];
  assert.deepEqual(texts({ type: "reasoning", tasks }), ["Thinking it through"]);
  assert.deepEqual(texts({ type: "reasoning", tasks, summary: { duration: 4 } }), [
    "Thought for 4 s",
  ]);
});
