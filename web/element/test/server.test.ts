import assert from "node:assert/strict";
import { test } from "node:test";

test("importing the element on a server does nothing and does not fail", async () => {
  assert.equal("HTMLElement" in globalThis, false);
  const { define, DocsChatKit, TAG } = await import("../src/index.js");
  assert.equal(TAG, "docs-chatkit");
  assert.equal(typeof define, "function");
  assert.equal(typeof DocsChatKit, "function");
  assert.equal("customElements" in globalThis, false);
});
