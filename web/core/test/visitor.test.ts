import assert from "node:assert/strict";
import { test } from "node:test";

import {
  browserStorage,
  type KeyValueStorage,
  makeSecret,
  storedThread,
  visitorFetch,
} from "../src/visitor.js";

const SECRET = /^[A-Za-z0-9_-]{43}$/;

test("every request carries the same secret, kept under the namespace", async () => {
  const storage = mapStorage();
  const { requests, fetch } = recorder();
  await visitorFetch({ namespace: "site", storage, fetch })("/chatkit", { method: "POST" });
  await visitorFetch({ namespace: "site", storage, fetch })("/chatkit", {
    headers: { Accept: "text/event-stream" },
  });
  const secrets = requests.map((request) => request.headers.get("X-Session-Id"));
  assert.match(secrets[0] ?? "", SECRET);
  assert.equal(secrets[0], secrets[1]);
  assert.equal(storage.getItem("site:visitor"), secrets[0]);
  assert.equal(requests[1]?.headers.get("Accept"), "text/event-stream");
});

test("a stored value that is no secret is replaced", async () => {
  const storage = mapStorage();
  storage.setItem("docs-chatkit:visitor", "short");
  const { requests, fetch } = recorder();
  await visitorFetch({ storage, fetch })("/chatkit");
  assert.match(requests[0]?.headers.get("X-Session-Id") ?? "", SECRET);
});

test("the page of the moment goes into the metadata, beside what is there", async () => {
  const { requests, fetch } = recorder();
  let url = "/docs/a";
  const visit = visitorFetch({ storage: mapStorage(), fetch, page: () => ({ url }) });
  const init = { method: "POST", body: '{"type":"threads.list","metadata":{"mine":1}}' };
  await visit("http://server.test/chatkit", init);
  url = "/docs/b";
  await visit("http://server.test/chatkit", init);
  const bodies = await Promise.all(requests.map((request) => request.json()));
  assert.deepEqual(bodies, [
    { type: "threads.list", metadata: { mine: 1, page: { url: "/docs/a" } } },
    { type: "threads.list", metadata: { mine: 1, page: { url: "/docs/b" } } },
  ]);
});

test("where storage is blocked the secret and the thread live in memory", async () => {
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    get: () => {
      throw new Error("The operation is insecure.");
    },
  });
  try {
    const storage = browserStorage();
    const { requests, fetch } = recorder();
    const visit = visitorFetch({ storage, fetch });
    await visit("/chatkit");
    await visit("/chatkit");
    const [first, second] = requests.map((request) => request.headers.get("X-Session-Id"));
    assert.match(first ?? "", SECRET);
    assert.equal(first, second);

    // Options that are set anew make a fetch of their own.
    await visitorFetch({ fetch })("/chatkit");
    assert.equal(requests[2]?.headers.get("X-Session-Id"), first);

    const thread = storedThread({ storage });
    thread.write("thr_1");
    assert.equal(thread.read(), "thr_1");
    thread.write(null);
    assert.equal(thread.read(), null);
  } finally {
    Reflect.deleteProperty(globalThis, "localStorage");
  }
});

test("secrets need no randomUUID and differ", () => {
  const secrets = new Set(Array.from({ length: 100 }, makeSecret));
  assert.equal(secrets.size, 100);
  for (const secret of secrets) assert.match(secret, SECRET);
});

function mapStorage(): KeyValueStorage {
  const map = new Map<string, string>();
  return {
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, value) => map.set(key, value),
    removeItem: (key) => map.delete(key),
  };
}

function recorder() {
  const requests: Request[] = [];
  const fetch = (input: RequestInfo | URL, init?: RequestInit) => {
    const url = typeof input === "string" ? new URL(input, "http://server.test") : input;
    requests.push(new Request(url, init));
    return Promise.resolve(Response.json({}));
  };
  return { requests, fetch };
}
