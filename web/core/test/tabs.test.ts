/** What the visitor's other tabs are told of. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Chat } from "../src/chat.js";
import { ChatClient } from "../src/client.js";
import type { Thread } from "../src/protocol.js";

const content = [{ type: "input_text", text: "How?" }] as const;
const question = { type: "user_message", id: "msg_1", content } as const;
const answer = {
  type: "assistant_message",
  id: "msg_2",
  content: [{ type: "output_text", text: "So.", annotations: [] }],
} as const;
const done = { type: "thread.item.done", item: answer };
const thread = { id: "thr_1", items: { data: [question] } } as unknown as Thread;

const loaded = () => Response.json(thread);
const idle = () => new Response(null, { status: 204, headers: { "X-Chatkit-Turn": "completed" } });
const busy = () =>
  Response.json({ error: { code: "busy", message: "An answer is on its way." } }, { status: 409 });
const stream = () =>
  new Response(`data: ${JSON.stringify(done)}\n\n`, {
    headers: { "Content-Type": "text/event-stream" },
  });

/** All that a chat asks of its server and says to other tabs, in its order. */
function open(...replies: (() => Response)[]): { chat: Chat; log: string[] } {
  const log: string[] = [];
  const client = new ChatClient({
    url: "http://server.test/chatkit",
    resume: true,
    fetch: (_, init) => {
      const { type } = JSON.parse((init?.body as string | undefined) ?? '{"type":"turn"}') as {
        type: string;
      };
      log.push(type);
      const reply = replies.shift();
      assert.ok(reply, `no reply is left for ${type}`);
      return Promise.resolve(reply());
    },
  });
  const chat = new Chat({
    client: () => client,
    changed: () => undefined,
    emit: () => undefined,
    giveBack: () => undefined,
    online: () => true,
    pause: () => Promise.resolve(),
    tell: (threadId) => log.push(`told of ${threadId}`),
  });
  return { chat, log };
}

test("a question that had to wait for an answer is told when it is taken", async () => {
  const waiting = [busy, stream, loaded, idle, loaded];
  const { chat, log } = open(idle, loaded, ...waiting, stream);
  await chat.open("thr_1");
  await chat.send({ content: [...content] });
  assert.deepEqual(log.slice(-2), ["threads.add_user_message", "told of thr_1"]);
});
