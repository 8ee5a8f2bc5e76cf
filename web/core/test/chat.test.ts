import assert from "node:assert/strict";
import { test } from "node:test";

import { Chat } from "../src/chat.js";
import { ChatClient } from "../src/client.js";
import type { StreamEvent, ThreadItem } from "../src/protocol.js";
import type { ChatEvents, Message } from "../src/state.js";

const QUESTION: Message = { content: [{ type: "input_text", text: "How?" }] };
const created: StreamEvent = { type: "thread.created", thread: { id: "thr_1" } };
const asked = {
  type: "thread.item.done" as const,
  item: { type: "user_message", id: "msg_1", content: QUESTION.content } satisfies ThreadItem,
};
const answered = {
  type: "thread.item.done" as const,
  item: {
    type: "assistant_message",
    id: "msg_2",
    content: [{ type: "output_text", text: "So.", annotations: [] }],
  } satisfies ThreadItem,
};

interface Sent {
  type: string;
  params: Record<string, unknown>;
}

/** A server that answers each request with the next reply of its script. */
class ScriptedServer {
  readonly requests: Sent[] = [];
  readonly events: [string, unknown][] = [];
  readonly givenBack: Message[] = [];
  tool: ((call: { name: string }) => unknown) | undefined;
  /** What this tab runs, and whether others do. */
  readonly claimed: string[] = [];
  claims = true;
  /** What a claim waits for. */
  claiming = Promise.resolve();
  readonly chat: Chat;

  constructor(...replies: ((signal: AbortSignal | undefined) => Response)[]) {
    const client = new ChatClient({
      url: "http://server.test/chatkit",
      fetch: (_, init) => {
        this.requests.push(JSON.parse(init?.body as string) as Sent);
        const reply = replies.shift();
        if (!reply) return Promise.reject(new TypeError("Failed to fetch"));
        return new Promise((resolve) => resolve(reply(init?.signal ?? undefined)));
      },
    });
    this.chat = new Chat({
      client: () => client,
      changed: () => undefined,
      emit: (name, detail) => this.events.push([name, detail]),
      giveBack: (message) => this.givenBack.push(message),
      runTool: (call) => this.tool?.(call),
      claim: async (id) => {
        if (!this.claims) return null;
        this.claimed.push(id);
        await this.claiming;
        return () => this.claimed.splice(this.claimed.indexOf(id), 1);
      },
      online: () => true,
      pause: () => Promise.resolve(),
      tell: () => undefined,
    });
  }

  details(name: keyof ChatEvents): unknown[] {
    return this.events.filter(([other]) => other === name).map(([, detail]) => detail);
  }
}

const json =
  (body: unknown, status = 200) =>
  () =>
    Response.json(body, { status });
const away = () => {
  throw new TypeError("Failed to fetch");
};
const failure =
  (status: number, message: string, headers = {}) =>
  () =>
    Response.json({ error: { code: "some_code", message } }, { status, headers });
const stream =
  (...events: StreamEvent[]) =>
  () =>
    new Response(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(""));

/** Sends its events and then hangs until it is aborted. */
const hangingStream =
  (...events: StreamEvent[]) =>
  (signal: AbortSignal | undefined) =>
    new Response(
      new ReadableStream({
        start(controller) {
          const text = events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
          controller.enqueue(new TextEncoder().encode(text));
          signal?.addEventListener("abort", () => {
            controller.error(signal.reason);
          });
        },
      }),
    );

test("the first message makes a thread, the second goes into it", async () => {
  const server = new ScriptedServer(stream(created, asked, answered), stream());
  await server.chat.send(QUESTION);
  assert.deepEqual(types(server), ["user_message", "assistant_message"]);
  await server.chat.send(QUESTION);
  assert.deepEqual(server.requests, [
    { type: "threads.create", params: { input: inputOf(QUESTION) } },
    {
      type: "threads.add_user_message",
      params: { thread_id: "thr_1", input: inputOf(QUESTION) },
    },
  ]);
  assert.deepEqual(server.details("thread.change"), [{ threadId: "thr_1" }]);
  assert.equal(server.details("response.start").length, 2);
  assert.equal(server.details("response.end").length, 2);
});

test("stop aborts the request and keeps what came", async () => {
  const server = new ScriptedServer(
    hangingStream(created, asked, {
      type: "thread.item.added",
      item: {
        type: "assistant_message",
        id: "msg_2",
        content: [{ type: "output_text", text: "Half", annotations: [] }],
      },
    }),
  );
  const sending = server.chat.send(QUESTION);
  await until(() => server.chat.state.thread.items.length === 2);
  server.chat.stop();
  await sending;
  const { phase, stopped, failure: failed } = server.chat.state;
  assert.deepEqual({ phase, stopped, failed }, { phase: "idle", stopped: true, failed: null });
  assert.deepEqual(types(server), ["user_message", "assistant_message"]);
  assert.equal(server.details("response.end").length, 1);
  assert.deepEqual(server.details("error"), []);
});

test("a long thread is loaded page by page", async () => {
  const item = (n: number): ThreadItem => ({ type: "user_message", id: `m${n}`, content: [] });
  const server = new ScriptedServer(
    json({ id: "thr_1", items: { data: [item(1)], has_more: true, after: "m1" } }),
    json({ data: [], has_more: true, after: "m2" }),
    json({ data: [item(3)], has_more: false }),
  );
  await server.chat.open("thr_1", { initial: true });
  assert.deepEqual(
    server.chat.state.thread.items.map(({ id }) => id),
    ["m1", "m3"],
  );
  assert.deepEqual(server.requests[2], {
    type: "items.list",
    params: { thread_id: "thr_1", limit: 100, after: "m2", order: "asc" },
  });
});

test("a stored thread that is gone leaves a new one that works", async () => {
  const server = new ScriptedServer(failure(404, "No such thread"), stream(created, asked));
  await server.chat.open("thr_gone", { initial: true });
  assert.equal(server.chat.state.threadId, null);
  assert.equal(server.chat.state.failure, null);
  assert.deepEqual(server.details("thread.change"), [{ threadId: null }]);
  await server.chat.send(QUESTION);
  assert.equal(server.requests[1]?.type, "threads.create");
  assert.equal(server.chat.state.threadId, "thr_1");
});

test("a load that failed for another reason keeps the thread and can be repeated", async () => {
  const server = new ScriptedServer(
    failure(503, "Down"),
    json({ id: "thr_1", title: "Back", items: { data: [] } }),
  );
  await server.chat.open("thr_1", { initial: true });
  assert.equal(server.chat.state.failure?.error.message, "Down");
  assert.equal(server.chat.state.threadId, "thr_1");
  await server.chat.tryAgain();
  assert.equal(server.chat.state.thread.thread?.title, "Back");
  assert.equal(server.chat.state.failure, null);
});

test("a message that never arrived is sent again as it was", async () => {
  const server = new ScriptedServer(
    failure(503, "Down", { "Retry-After": "7" }),
    stream(created, asked, answered),
  );
  await server.chat.send(QUESTION);
  assert.equal(server.chat.state.failure?.error.retryAfter, 7);
  assert.deepEqual(types(server), ["user_message"]);
  await server.chat.tryAgain();
  assert.deepEqual(server.requests[1], server.requests[0]);
  assert.deepEqual(types(server), ["user_message", "assistant_message"]);
});

test("an answer that broke off is asked for again, and its beginning goes", async () => {
  const error: StreamEvent = { type: "error", code: "stream.error", allow_retry: true };
  const server = new ScriptedServer(stream(created, asked, answered, error), stream(answered));
  await server.chat.send(QUESTION);
  assert.equal(server.chat.state.failure?.error.allowRetry, true);
  const retry = server.chat.tryAgain();
  assert.deepEqual(types(server), ["user_message"]);
  await retry;
  assert.deepEqual(server.requests[1], {
    type: "threads.retry_after_item",
    params: { thread_id: "thr_1", item_id: "msg_1" },
  });
  assert.deepEqual(types(server), ["user_message", "assistant_message"]);
});

test("a message that the server refuses is given back", async () => {
  const server = new ScriptedServer(failure(413, "Too long"));
  await server.chat.send(QUESTION);
  assert.deepEqual(server.givenBack, [QUESTION]);
  assert.deepEqual(types(server), []);
  assert.equal(server.chat.state.failure?.error.code, "some_code");
});

test("a client tool runs and its result goes back", async () => {
  const call: StreamEvent = {
    type: "thread.item.done",
    item: { type: "client_tool_call", id: "c1", name: "theme", arguments: { dark: true } },
  };
  const server = new ScriptedServer(stream(created, asked, call), stream(answered));
  server.tool = (wanted) => ({ did: wanted.name });
  await server.chat.send(QUESTION);
  assert.deepEqual(server.requests[1], {
    type: "threads.add_client_tool_output",
    params: { thread_id: "thr_1", result: { did: "theme" } },
  });
  assert.equal(server.details("response.start").length, 1);
  assert.equal(server.chat.state.thread.items.at(-1)?.type, "assistant_message");
});

test("a question is answered anew from its answer, and what came after it goes", async () => {
  const second: StreamEvent = {
    type: "thread.item.done",
    item: { type: "user_message", id: "msg_3", content: QUESTION.content },
  };
  const server = new ScriptedServer(stream(created, asked, answered), stream(second), stream());
  await server.chat.send(QUESTION);
  await server.chat.send(QUESTION);
  const retry = server.chat.retry("msg_2");
  assert.deepEqual(types(server), ["user_message"]);
  await retry;
  assert.deepEqual(server.requests[2], {
    type: "threads.retry_after_item",
    params: { thread_id: "thr_1", item_id: "msg_1" },
  });
});

test("a form's answers go to the server, which replaces the form", async () => {
  const form: ThreadItem = { type: "structured_input", id: "f", inputs: [] };
  const server = new ScriptedServer(
    stream(created, asked, { type: "thread.item.done", item: form }),
    stream({ type: "thread.item.replaced", item: { ...form, status: "answered" } }, answered),
  );
  await server.chat.send(QUESTION);
  const input = { status: "answered" as const, answers: { os: { values: ["Linux"] } } };
  await server.chat.submitForm("f", input);
  assert.deepEqual(server.requests[1], {
    type: "threads.add_structured_input",
    params: { thread_id: "thr_1", item_id: "f", input },
  });
  const item = server.chat.state.thread.items[1];
  assert.equal(item?.type === "structured_input" && item.status, "answered");
});

test("a synchronous action changes its item while an answer goes on", async () => {
  const widget: ThreadItem = { type: "widget", id: "w", widget: { type: "Card" } };
  const liked: ThreadItem = { ...widget, widget: { type: "ListView" } };
  const server = new ScriptedServer(
    hangingStream(created, asked, { type: "thread.item.done", item: widget }),
    json({ updated_item: liked }),
  );
  const sending = server.chat.send(QUESTION);
  await until(() => server.chat.state.thread.items.length === 2);
  await server.chat.syncAction({ type: "like" }, "w");
  assert.deepEqual(server.requests[1], {
    type: "threads.sync_custom_action",
    params: { thread_id: "thr_1", action: { type: "like" }, item_id: "w" },
  });
  assert.deepEqual(server.chat.state.thread.items[1], liked);
  assert.equal(server.chat.state.phase, "answering");
  server.chat.close();
  await sending;
});

test("an action that failed is what is tried again, and not the question before it", async () => {
  const loaded = { id: "thr_1", items: { data: [asked.item, answered.item] } };
  const server = new ScriptedServer(
    stream(created, asked, answered),
    failure(503, "Down"),
    json(loaded),
    stream(answered),
  );
  await server.chat.send(QUESTION);
  await server.chat.customAction({ type: "like" }, "msg_2");
  assert.equal(server.chat.state.failure?.error.message, "Down");
  await server.chat.tryAgain();
  assert.equal(server.chat.state.failure, null);
  assert.deepEqual(sent(server), [
    "threads.create",
    "threads.custom_action",
    "threads.get_by_id",
    "threads.custom_action",
  ]);
  assert.deepEqual(server.requests[3], server.requests[1]);
});

test("an action of which something has come is not done again", async () => {
  const more: ThreadItem = { type: "widget", id: "w", widget: { type: "Card" } };
  const server = new ScriptedServer(
    stream(created, asked, answered),
    away,
    json({ id: "thr_1", items: { data: [asked.item, answered.item, more] } }),
  );
  await server.chat.send(QUESTION);
  await server.chat.customAction({ type: "like" }, "msg_2");
  await server.chat.tryAgain();
  assert.deepEqual(types(server), ["user_message", "assistant_message", "widget"]);
  assert.equal(server.chat.state.failure, null);
  assert.deepEqual(sent(server).slice(1), ["threads.custom_action", "threads.get_by_id"]);
});

test("an action whose answer broke off is done again when the reader wants it", async () => {
  const broken: StreamEvent = { type: "error", code: "stream.error", allow_retry: true };
  const server = new ScriptedServer(
    stream(created, asked, answered),
    stream(broken),
    stream(answered),
  );
  await server.chat.send(QUESTION);
  await server.chat.customAction({ type: "like" });
  await server.chat.tryAgain();
  assert.deepEqual(sent(server).slice(1), ["threads.custom_action", "threads.custom_action"]);
});

test("a synchronous action that failed is said and can be tried again", async () => {
  const server = new ScriptedServer(
    stream(created, asked, answered),
    failure(503, "Down"),
    failure(503, "Still down"),
    json({ updated_item: answered.item }),
  );
  await server.chat.send(QUESTION);
  await assert.rejects(server.chat.syncAction({ type: "like" }, "msg_2"), { message: "Down" });
  assert.equal(server.chat.state.failure?.error.message, "Down");
  await server.chat.tryAgain();
  assert.equal(server.chat.state.failure.error.message, "Still down");
  await server.chat.tryAgain();
  assert.equal(server.chat.state.failure, null);
  assert.deepEqual(sent(server).slice(1), Array(3).fill("threads.sync_custom_action"));
});

test("a form that did not arrive is sent again, and one that did is not", async () => {
  const form: ThreadItem = { type: "structured_input", id: "f", inputs: [] };
  const loaded = (status: "pending" | "answered") => ({
    id: "thr_1",
    items: { data: [asked.item, { ...form, status }] },
  });
  const input = { status: "answered" as const, answers: { os: { values: ["Linux"] } } };
  const begin = stream(created, asked, { type: "thread.item.done", item: form });
  const lost = new ScriptedServer(begin, away, json(loaded("pending")), stream(answered));
  await lost.chat.send(QUESTION);
  await lost.chat.submitForm("f", input);
  await lost.chat.tryAgain();
  assert.deepEqual(sent(lost).slice(1), [
    "threads.add_structured_input",
    "threads.get_by_id",
    "threads.add_structured_input",
  ]);
  const taken = new ScriptedServer(begin, away, json(loaded("answered")));
  await taken.chat.send(QUESTION);
  await taken.chat.submitForm("f", input);
  await taken.chat.tryAgain();
  assert.deepEqual(sent(taken).slice(1), ["threads.add_structured_input", "threads.get_by_id"]);
  assert.equal(taken.chat.state.failure, null);
});

test("what a tool gave is sent again, and the tool does not run twice", async () => {
  const call: ThreadItem = { type: "client_tool_call", id: "c1", name: "theme", status: "pending" };
  const server = new ScriptedServer(
    stream(created, asked, { type: "thread.item.done", item: call }),
    failure(503, "Down"),
    json({ id: "thr_1", items: { data: [asked.item, call] } }),
    stream(answered),
  );
  let runs = 0;
  server.tool = () => ({ runs: ++runs });
  await server.chat.send(QUESTION);
  await server.chat.tryAgain();
  assert.equal(runs, 1);
  assert.deepEqual(server.requests[3], server.requests[1]);
  assert.equal(server.chat.state.thread.items.at(-1)?.type, "assistant_message");
});

test("a tool that the server still waits for after a reload runs in one tab", async () => {
  const call: ThreadItem = { type: "client_tool_call", id: "c1", name: "theme", status: "pending" };
  const loaded = json({ id: "thr_1", items: { data: [asked.item, call] } });
  const server = new ScriptedServer(loaded, stream(answered));
  server.tool = ({ name }) => ({ did: name, claimed: [...server.claimed] });
  await server.chat.open("thr_1", { initial: true });
  await until(() => server.chat.state.thread.items.length === 3);
  await until(() => server.chat.state.phase === "idle");
  assert.deepEqual(server.requests[1], {
    type: "threads.add_client_tool_output",
    params: { thread_id: "thr_1", result: { did: "theme", claimed: ["c1"] } },
  });
  assert.deepEqual(server.claimed, []);

  const other = new ScriptedServer(loaded);
  other.claims = false;
  other.tool = () => assert.fail("another tab runs it");
  await other.chat.open("thr_1", { initial: true });
  await settled(other);
  assert.equal(other.requests.length, 1);
  assert.equal(other.chat.state.failure, null);
});

test("each call of an answer is claimed while its tool runs", async () => {
  const call = (id: string) => ({
    type: "thread.item.done" as const,
    item: { type: "client_tool_call", id, name: "theme", status: "pending" } satisfies ThreadItem,
  });
  const server = new ScriptedServer(
    stream(created, asked, call("c1")),
    stream(call("c2")),
    stream(answered),
  );
  const claimed: string[][] = [];
  server.tool = () => void claimed.push([...server.claimed]);
  await server.chat.send(QUESTION);
  assert.deepEqual(claimed, [["c1"], ["c2"]]);
  assert.deepEqual(server.claimed, []);
});

test("no tool runs for a reader who has left while its call was claimed", async () => {
  const call: ThreadItem = { type: "client_tool_call", id: "c1", name: "theme", status: "pending" };
  const server = new ScriptedServer(
    stream(created, asked, { type: "thread.item.done", item: call }),
  );
  let claim = () => {};
  server.claiming = new Promise((resolve) => (claim = resolve));
  let runs = 0;
  server.tool = () => ++runs;
  const sent = server.chat.send(QUESTION);
  await until(() => server.claimed.length === 1);
  await server.chat.open(null);
  claim();
  await sent;
  assert.equal(runs, 0);
  assert.deepEqual(server.claimed, []);
});

test("a tool's call of a chat that the reader opens is left alone", async () => {
  const call: ThreadItem = { type: "client_tool_call", id: "c1", name: "theme", status: "pending" };
  const server = new ScriptedServer(json({ id: "thr_1", items: { data: [asked.item, call] } }));
  server.tool = () => assert.fail("nobody has asked for it now");
  await server.chat.open("thr_1");
  await settled(server);
  assert.equal(server.requests.length, 1);
  assert.equal(server.chat.state.failure, null);
});

test("a thread that is renamed has its title in the list and in the header", async () => {
  const server = new ScriptedServer(
    json({ id: "thr_1", title: "Old" }),
    json({ data: [{ id: "thr_1", title: "Old" }] }),
    json({ id: "thr_1", title: "New" }),
    failure(503, "Down"),
  );
  await server.chat.open("thr_1");
  await server.chat.openHistory();
  await server.chat.rename("thr_1", "New");
  assert.equal(server.chat.state.thread.thread?.title, "New");
  assert.equal(server.chat.history.state.threads[0]?.title, "New");
  await server.chat.rename("thr_1", "Newer");
  assert.equal(server.chat.state.thread.thread.title, "New");
  assert.equal(server.chat.history.state.error?.message, "Down");
});

test("the answer of a thread that was left does not reach the next one", async () => {
  const server = new ScriptedServer(hangingStream(created, asked), json({ id: "thr_2" }));
  const sending = server.chat.send(QUESTION);
  await until(() => server.chat.state.threadId === "thr_1");
  await server.chat.open("thr_2");
  await sending;
  assert.equal(server.chat.state.threadId, "thr_2");
  assert.deepEqual(types(server), []);
  assert.equal(server.chat.state.phase, "idle");
});

test("an event that makes no sense is logged and the answer goes on", async () => {
  const broken = { type: "thread.item.added" } as StreamEvent;
  const server = new ScriptedServer(stream(created, broken, asked, answered));
  await server.chat.send(QUESTION);
  assert.deepEqual(types(server), ["user_message", "assistant_message"]);
  assert.equal(server.details("log").length, 1);
});

test("history grows by pages, and deleting the open thread leaves a new one", async () => {
  const server = new ScriptedServer(
    json({ id: "thr_1" }),
    json({ data: [{ id: "thr_1" }], has_more: true, after: "thr_1" }),
    json({ data: [{ id: "thr_0" }], has_more: false }),
    json({}),
  );
  await server.chat.open("thr_1", { initial: true });
  await server.chat.openHistory();
  await server.chat.history.loadMore();
  assert.deepEqual(threadIds(server), ["thr_1", "thr_0"]);
  assert.equal(server.chat.history.state.after, null);
  await server.chat.deleteThread("thr_1");
  assert.deepEqual(threadIds(server), ["thr_0"]);
  assert.equal(server.chat.state.threadId, null);
  assert.deepEqual(server.details("thread.change"), [{ threadId: null }]);
});

test("a thread that another tab deleted leaves the list all the same", async () => {
  const server = new ScriptedServer(json({ data: [{ id: "thr_1" }] }), failure(404, "Gone"));
  await server.chat.openHistory();
  await server.chat.deleteThread("thr_1");
  assert.deepEqual(threadIds(server), []);
  assert.equal(server.chat.history.state.error, null);
});

test("words about what the page has sent are for its author", async () => {
  const words = "params.input.content may have 20 parts.";
  const server = new ScriptedServer(failure(400, words), failure(400, "Please be shorter."));
  await server.chat.send(QUESTION);
  const error = server.chat.state.failure?.error;
  assert.equal(error?.message, "The server could not use this message.");
  assert.equal(error.generic, true);
  assert.equal(error.cause, words);
  await server.chat.send(QUESTION);
  assert.equal(server.chat.state.failure?.error.message, "Please be shorter.");
});

test("a proxy's page becomes a sentence about its status", async () => {
  const server = new ScriptedServer(() => new Response("<h1>Bad gateway</h1>", { status: 502 }));
  await server.chat.send(QUESTION);
  const error = server.chat.state.failure?.error;
  assert.equal(error?.message, "The server met an error.");
  assert.equal(error.allowRetry, true);
});

function inputOf(message: Message) {
  return { content: message.content, attachments: [], inference_options: {} };
}

function types(server: ScriptedServer): string[] {
  return server.chat.state.thread.items.map((item) => item.type);
}

function sent(server: ScriptedServer): string[] {
  return server.requests.map(({ type }) => type);
}

function threadIds(server: ScriptedServer): string[] {
  return server.chat.history.state.threads.map((thread) => thread.id);
}

/** After all that follows a load by itself. */
async function settled({ chat }: ScriptedServer): Promise<void> {
  await until(() => chat.state.phase === "idle");
  for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets queued work run until `condition` holds; the test's own time limit ends it otherwise. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
