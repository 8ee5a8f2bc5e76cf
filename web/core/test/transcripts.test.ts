/** The chat against what the SDK streams and stores; `tests/contract/transcripts` records it. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { Chat } from "../src/chat.js";
import { ChatClient } from "../src/client.js";
import type { ChatError } from "../src/errors.js";
import type { StreamEvent, StreamRequest, Thread, ThreadItem, UserInput } from "../src/protocol.js";
import { readEvents } from "../src/sse.js";
import type { ChatEvents, Message } from "../src/state.js";
import { applyEvent, EMPTY_THREAD, loadedThread } from "../src/thread.js";

interface Transcript {
  turns: { request: StreamRequest; frames: string[] }[];
  /** The answer to `threads.get_by_id` after the last turn. */
  thread: Thread;
}

const FOLDER = "test/transcripts";
const NAMES = readdirSync(FOLDER).map((name) => name.replace(/\.json$/, ""));

for (const name of NAMES) {
  test(`what a reader sees of "${name}" is what the server has stored`, async () => {
    const seed = name === "text" ? null : Date.now();
    const replay = new Replay(read(name), seed);
    await replay.run();
    const { thread } = replay.transcript;
    const stored = loadedThread(thread, thread.items?.data ?? []);
    const shown = replay.chat.state.thread;
    assert.deepEqual(shown.items, stored.items, `cut by the seed ${seed}`);
    assert.deepEqual(shown.thread, stored.thread);
    assert.deepEqual(replay.details("log"), []);
  });
}

test("updates alone make an item what it is when it is done", async () => {
  const compared = new Set<string>();
  for (const name of NAMES) {
    let state = EMPTY_THREAD;
    for (const { frames } of read(name).turns) {
      for await (const data of readEvents(bodyOf(frames, null))) {
        const event = JSON.parse(data) as StreamEvent;
        const next = applyEvent(state, event);
        if (event.type === "thread.item.done") {
          const built = growing(state.items.find(({ id }) => id === event.item.id));
          const done = growing(next.items.find(({ id }) => id === event.item.id));
          if (built) assert.deepEqual(built, done, `${name}: ${event.item.id}`);
          if (built) compared.add(event.item.type);
        }
        state = next;
      }
    }
  }
  assert.deepEqual([...compared].sort(), ["assistant_message", "widget", "workflow"]);
});

test("notices and effects are handed on, and last as long as they should", async () => {
  const replay = new Replay(read("notices"), null);
  await replay.run();
  const { notices, progress } = replay.chat.state.thread;
  const answer = replay.chat.state.thread.items.at(-1);
  const message = "This chat is **full**. 🧺";
  const notice = { level: "warning", title: "Long", message, afterItem: answer?.id };
  assert.deepEqual(notices, [notice]);
  assert.equal(progress, null);
  assert.deepEqual(replay.details("effect"), [{ name: "scroll", data: { to: "#pool" } }]);
});

test("errors say what the server said of them", async () => {
  const replay = new Replay(read("retry"), null);
  await replay.run();
  const errors = replay.details("error") as { error: ChatError }[];
  assert.deepEqual(
    errors.map(({ error }) => [error.message, error.code, error.allowRetry]),
    [
      ["The search is down 🔧", "custom", true],
      ["The answer could not be finished.", "stream.error", true],
    ],
  );
});

/** A chat that does what a recorded reader did, and gets what that one got. */
class Replay {
  readonly chat: Chat;
  readonly #events: [string, unknown][] = [];
  #turn = 0;

  /** Streams are cut at every byte, or in pieces that come from the seed. */
  constructor(
    readonly transcript: Transcript,
    seed: number | null,
  ) {
    const client = new ChatClient({
      url: "http://server.test/chatkit",
      fetch: (_, init) => {
        const turn = transcript.turns[this.#turn++];
        assert.deepEqual(JSON.parse(init?.body as string), turn?.request);
        return Promise.resolve(new Response(bodyOf(turn?.frames ?? [], seed)));
      },
    });
    this.chat = new Chat({
      client: () => client,
      changed: () => undefined,
      emit: (name, detail) => this.#events.push([name, detail]),
      giveBack: () => undefined,
      runTool: () => {
        const request = transcript.turns[this.#turn]?.request;
        assert.ok(request?.type === "threads.add_client_tool_output");
        return request.params.result;
      },
      online: () => true,
      pause: () => Promise.resolve(),
      tell: () => undefined,
    });
  }

  async run(): Promise<void> {
    while (this.#turn < this.transcript.turns.length) {
      const before = this.#turn;
      await this.#act(this.transcript.turns[before]?.request);
      assert.ok(this.#turn > before, "the chat has asked for nothing");
    }
  }

  details(name: keyof ChatEvents): unknown[] {
    return this.#events.filter(([other]) => other === name).map(([, detail]) => detail);
  }

  async #act(request: StreamRequest | undefined): Promise<void> {
    switch (request?.type) {
      case "threads.create":
      case "threads.add_user_message":
        return this.chat.send(messageOf(request.params.input));
      case "threads.retry_after_item":
        return this.chat.retry(request.params.item_id);
      case "threads.custom_action":
        return this.chat.customAction(request.params.action, request.params.item_id);
      case "threads.add_structured_input":
        return this.chat.submitForm(request.params.item_id, request.params.input);
      default:
        assert.fail(`nobody asks for ${request?.type ?? "nothing"} by hand`);
    }
  }
}

function read(name: string): Transcript {
  return JSON.parse(readFileSync(`${FOLDER}/${name}.json`, "utf8")) as Transcript;
}

function messageOf(input: UserInput): Message {
  const { content, quoted_text: quotedText, inference_options: options } = input;
  return { content, quotedText, toolId: options.tool_choice?.id, model: options.model };
}

function bodyOf(frames: string[], seed: number | null): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(frames.join(""));
  let random = seed ?? 0;
  let at = 0;
  return new ReadableStream({
    pull: (controller) => {
      if (at >= bytes.length) {
        controller.close();
        return;
      }
      random = (random * 1103515245 + 12345) % 2 ** 31;
      const size = seed === null ? 1 : 1 + (random % 700);
      controller.enqueue(bytes.slice(at, (at += size)));
    },
  });
}

/** The part of an item that grows by updates. */
function growing(item: ThreadItem | undefined): unknown {
  if (item?.type === "assistant_message") return item.content;
  if (item?.type === "workflow") return item.workflow.tasks;
  if (item?.type === "widget") return item.widget;
  return undefined;
}
