import assert from "node:assert/strict";
import { test } from "node:test";

import { EventParser, readEvents } from "../src/sse.js";

const BODY =
  'data: {"a":"é😀"}\n\n: ping\n\ndata: one\ndata: two\r\n\r\n: ping\r\n\r\nid: 7\ndata:x\n\n';
const EVENTS = ['{"a":"é😀"}', "one\ntwo", "x"];

test("events are the same wherever the bytes are split", async () => {
  const bytes = new TextEncoder().encode(BODY);
  for (let size = 1; size <= bytes.length; size++) {
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.slice(at, at + size));
    assert.deepEqual(await collect(chunks), EVENTS, `chunks of ${size}`);
  }
});

test("a ping between two events is not glued to the next one", () => {
  const parser = new EventParser();
  assert.deepEqual(parser.push("data: 1\n\n: ping\r\n\r\nda"), ["1"]);
  assert.deepEqual(parser.push("ta: 2\n\n"), ["2"]);
});

test("an event comes as soon as its blank line is there, and not before", () => {
  const parser = new EventParser();
  assert.deepEqual(parser.push("data: 1\n"), []);
  assert.deepEqual(parser.push("\n"), ["1"]);
});

test("an event that the end of the stream cuts off is not given", async () => {
  assert.deepEqual(await collect([new TextEncoder().encode('data: 1\n\ndata: {"half')]), ["1"]);
});

test("a byte order mark at the beginning is not part of the first line", async () => {
  const bytes = new TextEncoder().encode("\uFEFFdata: 1\n\ndata: \uFEFF2\n\n");
  for (let size = 1; size <= bytes.length; size++) {
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.slice(at, at + size));
    assert.deepEqual(await collect(chunks), ["1", "\uFEFF2"], `chunks of ${size}`);
  }
  const parser = new EventParser();
  assert.deepEqual(parser.push(""), []);
  assert.deepEqual(parser.push("\uFEFFdata: 1\n\n"), ["1"]);
  assert.deepEqual(parser.push("\uFEFFdata: 2\n\n"), []);
});

test("a reader that leaves early cancels the body", async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode("data: 1\n\n")),
    cancel: () => {
      cancelled = true;
    },
  });
  for await (const data of readEvents(body)) {
    assert.equal(data, "1");
    break;
  }
  assert.ok(cancelled);
});

async function collect(chunks: Uint8Array[]): Promise<string[]> {
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  const events: string[] = [];
  for await (const data of readEvents(body)) events.push(data);
  return events;
}
