import assert from "node:assert/strict";
import { test } from "node:test";

import type { StreamEvent, ThreadItem, WidgetNode } from "../src/protocol.js";
import {
  applyEvent,
  EMPTY_THREAD,
  loadedThread,
  LOCAL_PREFIX,
  pendingToolCall,
  type ThreadState,
} from "../src/thread.js";

const cite = (url: string, index: number) => ({
  type: "annotation" as const,
  index,
  source: { type: "url" as const, url, title: url },
});

test("deltas fill an item that came without content, before its part was announced", () => {
  const state = after(
    { type: "thread.item.added", item: { type: "assistant_message", id: "m" } },
    delta("m", "Hel", 1),
    update("m", { type: "assistant_message.content_part.added", content_index: 1, content: {} }),
    delta("m", "lo", 1),
  );
  assert.deepEqual(texts(state), ["", "Hello"]);
});

test("a part that is done without annotations keeps those that came one by one", () => {
  const state = after(
    { type: "thread.item.added", item: { type: "assistant_message", id: "m", content: [] } },
    delta("m", "Hello"),
    update("m", {
      type: "assistant_message.content_part.annotation_added",
      content_index: 0,
      annotation_index: 0,
      annotation: cite("/docs/neon", 5),
    }),
    update("m", {
      type: "assistant_message.content_part.done",
      content_index: 0,
      content: { text: "Hello.", annotations: [] },
    }),
  );
  const message = state.items[0];
  assert.ok(message?.type === "assistant_message");
  assert.deepEqual(message.content, [
    { type: "output_text", text: "Hello.", annotations: [cite("/docs/neon", 5)] },
  ]);
});

test("the server's copy of a message takes the place of the local one", () => {
  const local: ThreadItem = { type: "user_message", id: `${LOCAL_PREFIX}1`, content: [] };
  const state = applyEvent(
    { ...EMPTY_THREAD, items: [local] },
    {
      type: "thread.item.done",
      item: { type: "user_message", id: "msg_1", content: [{ type: "input_text", text: "Hi" }] },
    },
  );
  assert.deepEqual(
    state.items.map((item) => item.id),
    ["msg_1"],
  );
});

test("a task that is announced twice stands once", () => {
  const task = { type: "web_search", title_query: "pooling" };
  const state = after(
    { type: "thread.item.added", item: { type: "workflow", id: "w", workflow: { tasks: [task] } } },
    update("w", { type: "workflow.task.added", task_index: 0, task }),
    update("w", {
      type: "workflow.task.updated",
      task_index: 0,
      task: { ...task, status_indicator: "complete" },
    }),
  );
  const item = state.items[0];
  assert.ok(item?.type === "workflow");
  assert.deepEqual(item.workflow.tasks, [{ ...task, status_indicator: "complete" }]);
});

test("items are replaced and removed by id", () => {
  const state = after(
    { type: "thread.item.added", item: { type: "assistant_message", id: "a" } },
    { type: "thread.item.added", item: { type: "assistant_message", id: "b" } },
    {
      type: "thread.item.replaced",
      item: { type: "assistant_message", id: "a", content: [{ text: "new" }] },
    },
    { type: "thread.item.removed", item_id: "b" },
  );
  assert.deepEqual(texts(state), ["new"]);
});

test("progress lasts until the next text; notices stay", () => {
  const working = after(
    { type: "thread.item.added", item: { type: "assistant_message", id: "m" } },
    { type: "notice", level: "warning", message: "Cut short" },
    { type: "progress_update", text: "Searching", icon: "search" },
  );
  assert.deepEqual(working.progress, { text: "Searching", icon: "search" });
  const answering = applyEvent(working, delta("m", "x") as StreamEvent);
  assert.equal(answering.progress, null);
  assert.deepEqual(
    answering.notices.map(({ message, afterItem }) => [message, afterItem]),
    [["Cut short", "m"]],
  );
});

test("a widget's text grows, its parts are replaced, and the rest stays the same object", () => {
  const other = { type: "Row", children: [{ type: "Button", id: "b", label: "0 likes" }] };
  const wrapped = { type: "Transition", children: { type: "Text", id: "t", value: "Hel" } };
  const shown = after({
    type: "thread.item.added",
    item: { type: "widget", id: "w", widget: { type: "Card", children: [other, wrapped] } },
  });
  const grown = [
    update("w", {
      type: "widget.streaming_text.value_delta",
      component_id: "t",
      delta: "lo",
      done: true,
    }),
    update("w", {
      type: "widget.component.updated",
      component_id: "b",
      component: { type: "Button", label: "1 like" },
    }),
  ].map((event) => event as StreamEvent);
  const text = grown.slice(0, 1).reduce(applyEvent, shown);
  assert.deepEqual(widget(text).children, [
    other,
    { ...wrapped, children: { type: "Text", id: "t", value: "Hello", streaming: false } },
  ]);
  assert.equal((widget(text).children as unknown[])[0], other);
  const liked = grown.slice(1).reduce(applyEvent, text);
  assert.deepEqual((widget(liked).children as unknown[])[0], {
    type: "Row",
    children: [{ type: "Button", id: "b", label: "1 like" }],
  });
  const root = { type: "widget.root.updated", widget: { type: "ListView", children: [] } };
  assert.equal(widget(applyEvent(liked, update("w", root) as StreamEvent)).type, "ListView");
});

test("an update for a component that a widget doesn't have changes nothing", () => {
  const state = after({
    type: "thread.item.added",
    item: { type: "widget", id: "w", widget: { type: "Card", children: [] } },
  });
  const change = { type: "widget.streaming_text.value_delta", component_id: "x", delta: "?" };
  assert.equal(applyEvent(state, update("w", change) as StreamEvent), state);
});

test("a generated image comes in steps", () => {
  const state = after(
    { type: "thread.item.added", item: { type: "generated_image", id: "g" } },
    update("g", {
      type: "generated_image.updated",
      image: { id: "i", url: "data:image/png;base64,AA" },
      progress: 0.5,
    }),
  );
  assert.deepEqual(state.items[0], {
    type: "generated_image",
    id: "g",
    image: { id: "i", url: "data:image/png;base64,AA" },
    progress: 0.5,
  });
});

test("items that are not for readers are left out", () => {
  const hidden = { type: "hidden_context_item", id: "h", content: "passages" };
  assert.deepEqual(after({ type: "thread.item.done", item: hidden }).items, []);
  assert.deepEqual(loadedThread({ id: "t" }, [hidden as ThreadItem]).items, []);
});

test("unknown events and updates change nothing", () => {
  const state = after({
    type: "thread.item.added",
    item: { type: "assistant_message", id: "m", content: [{ text: "x" }] },
  });
  for (const event of [
    { type: "thread.exploded" },
    update("m", { type: "assistant_message.sparkles" }),
    delta("unknown item", "x"),
  ]) {
    assert.equal(applyEvent(state, event as StreamEvent), state);
  }
});

test("items of unknown types are kept for others to ignore", () => {
  const state = after({ type: "thread.item.added", item: { type: "hologram", id: "h" } });
  assert.equal(state.items.length, 1);
});

test("only the last item can be a tool call that waits", () => {
  const call = { type: "client_tool_call", id: "c", name: "open", status: "pending" };
  const waiting = after({ type: "thread.item.done", item: call });
  assert.equal(pendingToolCall(waiting)?.name, "open");
  const over = applyEvent(waiting, {
    type: "thread.item.done",
    item: { type: "end_of_turn", id: "e" },
  });
  assert.equal(pendingToolCall(over), null);
});

test("a loaded thread has no fields missing", () => {
  const bare = [{ type: "assistant_message", id: "m" }] as ThreadItem[];
  assert.deepEqual(texts(loadedThread({ id: "t" }, bare)), []);
});

/** Events as a server may send them: any field may be missing, which the types forbid us. */
function after(...events: object[]): ThreadState {
  return (events as StreamEvent[]).reduce(applyEvent, EMPTY_THREAD);
}

function update(item_id: string, change: object) {
  return { type: "thread.item.updated", item_id, update: change };
}

function delta(id: string, text: string, content_index?: number) {
  const type = "assistant_message.content_part.text_delta";
  return update(id, { type, content_index, delta: text });
}

function widget(state: ThreadState): WidgetNode {
  const item = state.items[0];
  assert.ok(item?.type === "widget");
  return item.widget;
}

function texts(state: ThreadState): string[] {
  return state.items.flatMap((item) =>
    item.type === "assistant_message" ? item.content.map((part) => part.text) : [],
  );
}
