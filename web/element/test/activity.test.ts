import assert from "node:assert/strict";
import { test } from "node:test";

import { describeWorkflow } from "../src/activity.js";

type Workflow = Parameters<typeof describeWorkflow>[0];

const texts = (workflow: Workflow) => describeWorkflow(workflow).lines.map(({ text }) => text);
const heading = (workflow: Workflow) => describeWorkflow(workflow).heading?.text;

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
  assert.equal(heading({ tasks: [], summary: { title: "Done" } }), "Done");
});

test("reasoning is one line, with the thoughts below it", () => {
  const tasks = [{ type: "thought", content: "**Hm.**\nSo be it." }];
  assert.equal(heading({ type: "reasoning", tasks }), "Thinking it through");
  assert.equal(heading({ type: "reasoning", tasks, summary: { duration: 4 } }), "Thought for 4 s");
  assert.deepEqual(texts({ type: "reasoning", tasks }), ["Hm."]);
});

test("several tasks that are done are told by how long they took, a single one by itself", () => {
  const task = { type: "custom", title: "Counted" };
  const summary = { duration: 7 };
  assert.equal(heading({ type: "custom", tasks: [task, task], summary }), "Worked for 7 s");
  assert.equal(heading({ type: "custom", tasks: [task], summary }), undefined);
  assert.equal(heading({ type: "custom", tasks: [task, task] }), undefined);
});
