import assert from "node:assert/strict";
import { test } from "node:test";

import { ChatClient } from "../src/client.js";
import { ChatError, isLost } from "../src/errors.js";

const { signal } = new AbortController();

/** A client whose server answers like this, and what it asked for. */
function clientOf(answer: () => Response, { url = "/chatkit", resume = true } = {}) {
  const asked: { address: string; init: RequestInit }[] = [];
  const client = new ChatClient({
    url,
    resume,
    fetch: (address, init = {}) => {
      asked.push({ address: address as string, init });
      return Promise.resolve(answer());
    },
  });
  return { client, asked };
}

const stream = (body: BodyInit) => () =>
  new Response(body, { headers: { "Content-Type": "text/event-stream; charset=utf-8" } });
const failure = (status: number, code: string) => () =>
  Response.json({ error: { code, message: "No." } }, { status });
const page = (status: number) => () => new Response("<h1>Docs</h1>", { status });

test("an answer that is being written is read from its address", async () => {
  const { client, asked } = clientOf(stream('data: {"type":"progress_update"}\n\n'), {
    url: "https://api.test/chatkit/?site=docs",
  });
  const turn = await client.takeUp("thr/1", signal);
  assert.ok(turn.running);
  assert.deepEqual(await collect(turn.events), [{ type: "progress_update" }]);
  assert.equal(asked[0]?.address, "https://api.test/chatkit/turns/thr%2F1?site=docs");
  assert.equal(asked[0].init.method, undefined);
});

test("a stream whose server fills its silence is lost when nothing comes any more", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const read = async (headers: Record<string, string>, ...pieces: string[]) => {
    let isCancelled = false;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      },
      cancel: () => {
        isCancelled = true;
      },
    });
    const { client } = clientOf(() => new Response(body, { headers }));
    const retry = { thread_id: "thr_1", item_id: "msg_1" };
    const events = client.stream({ type: "threads.retry_after_item", params: retry });
    let end: unknown = "open";
    void collect(events).catch((error: unknown) => {
      end = error;
    });
    // Time stands still: all that has come is read now.
    await new Promise(setImmediate);
    const after = async (seconds: number) => {
      t.mock.timers.tick(seconds * 1000);
      await new Promise(setImmediate);
      return { end, isCancelled };
    };
    return { after };
  };
  const filled = { "X-Chatkit-Keep-Alive": "15" };
  const open = { end: "open", isCancelled: false };

  const dead = await read(filled, ": ping\n\n", 'data: {"type":"progress_update"}\n\n');
  assert.deepEqual(await dead.after(44), open);
  const { end, isCancelled } = await dead.after(1);
  assert.ok(isLost(end));
  assert.match(String(end.cause), /nothing has come for 45 seconds/);
  assert.ok(isCancelled);

  // A server that says nothing of its silence; a proxy that holds everything back.
  const patient = [await read({}, ": ping\n\n"), await read(filled)];
  for (const { after } of patient) assert.deepEqual(await after(3600), open);
});

test("an answer that was taken up and not read can be left", async () => {
  let cancelled = false;
  const body = new ReadableStream({
    cancel: () => {
      cancelled = true;
    },
  });
  const turn = await clientOf(stream(body)).client.takeUp("thr_1", signal);
  assert.ok(turn.running);
  turn.close();
  assert.ok(cancelled);
});

test("the server says how the last answer ended", async () => {
  for (const end of ["completed", "stopped", "failed", "interrupted", "none"]) {
    const headers = { "X-Chatkit-Turn": end };
    const { client } = clientOf(() => new Response(null, { status: 204, headers }));
    assert.deepEqual(await client.takeUp("thr_1", signal), { running: false, end });
  }
  for (const headers of [{ "X-Chatkit-Turn": "exploded" }, undefined]) {
    const { client } = clientOf(() => new Response(null, { status: 204, headers }));
    assert.deepEqual(await client.takeUp("thr_1", signal), { running: false, end: "unknown" });
    assert.ok(client.resumes);
  }
});

test("a server that doesn't know the addresses is not asked again", async () => {
  for (const answer of [page(404), page(405), page(501), page(200)]) {
    const { client, asked } = clientOf(answer);
    assert.deepEqual(await client.takeUp("thr_1", signal), { running: false, end: "unknown" });
    assert.equal(client.resumes, false);
    await client.takeUp("thr_1", signal);
    assert.equal(await client.stop("thr_1", signal), false);
    assert.equal(asked.length, 1);
  }
  const { client, asked } = clientOf(page(404));
  assert.equal(await client.stop("thr_1", signal), false);
  assert.equal(client.resumes, false);
  assert.equal(await client.stop("thr_1", signal), false);
  assert.equal(asked.length, 1);
});

test("only a client that resumes says so, and none asks another server for turns", async () => {
  const { client, asked } = clientOf(stream(""), { resume: false });
  await client.takeUp("thr_1", signal);
  assert.equal(await client.stop("thr_1", signal), false);
  assert.equal(asked.length, 0);
  const retry = { thread_id: "thr_1", item_id: "msg_1" };
  const request = { type: "threads.retry_after_item", params: retry } as const;
  await collect(client.stream(request));
  assert.equal(new Headers(asked[0]?.init.headers).has("X-Chatkit-Resume"), false);
  const resuming = clientOf(stream(""));
  await collect(resuming.client.stream(request));
  assert.equal(new Headers(resuming.asked[0]?.init.headers).get("X-Chatkit-Resume"), "1");
});

test("stop names the thread", async () => {
  const { client, asked } = clientOf(() => new Response(null, { status: 204 }));
  assert.equal(await client.stop("thr_1", signal), true);
  assert.equal(asked[0]?.address, "/chatkit/stop");
  assert.equal(asked[0].init.method, "POST");
  assert.equal(asked[0].init.body, '{"thread_id":"thr_1"}');
});

test("what fails for a reason is an error, and the server still resumes", async () => {
  for (const answer of [failure(404, "not_found"), failure(429, "rate_limited"), page(503)]) {
    const { client } = clientOf(answer);
    const { status } = answer();
    const isError = (error: unknown) => error instanceof ChatError && error.status === status;
    await assert.rejects(client.takeUp("thr_1", signal), isError);
    await assert.rejects(client.stop("thr_1", signal), isError);
    assert.ok(client.resumes);
  }
});

test("where no chat server is, whoever runs the page hears of it once", async () => {
  const html = { headers: { "Content-Type": "text/html; charset=utf-8" } };
  const nobody = [
    page(404),
    page(405),
    page(501),
    () => new Response("<h1>Docs</h1>", html),
    () => Response.json({ detail: "Not Found" }, { status: 404 }),
  ];
  for (const answer of nobody) {
    const told: string[] = [];
    const client = new ChatClient({
      url: "/chatkit",
      fetch: () => Promise.resolve(answer()),
      unreached: (address) => told.push(address),
    });
    const isNobody = (error: unknown) => error instanceof ChatError && error.code === "no_server";
    await assert.rejects(client.call("threads.list", {}), isNobody);
    await assert.rejects(client.call("threads.list", {}), isNobody);
    assert.deepEqual(told, ["/chatkit"]);
  }
});

test("a thread that a server does not know is no missing server", async () => {
  const { client } = clientOf(() => Response.json({ detail: "No thread" }, { status: 404 }));
  await assert.rejects(client.call("threads.get_by_id", { thread_id: "thr_1" }), { status: 404 });
});

test("a server that was never heard from may refuse the site; a known one is lost", async () => {
  const told: string[] = [];
  let isUp = false;
  const client = new ChatClient({
    url: "https://chat.test/chatkit",
    fetch: () =>
      isUp
        ? Promise.resolve(Response.json({ data: [] }))
        : Promise.reject(new TypeError("Failed to fetch")),
    unreached: (address) => told.push(address),
  });
  const refused = { code: "connection", message: /can’t be reached, or doesn’t accept this site/ };
  await assert.rejects(client.call("threads.list", {}), refused);
  await assert.rejects(client.call("threads.list", {}), refused);
  isUp = true;
  await client.call("threads.list", {});
  isUp = false;
  const lost = { code: "connection", message: /connection was lost/ };
  await assert.rejects(client.call("threads.list", {}), lost);
  assert.deepEqual(told, ["https://chat.test/chatkit"]);
});

async function collect<T>(events: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const event of events) all.push(event);
  return all;
}
