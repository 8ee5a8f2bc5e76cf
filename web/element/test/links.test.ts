import assert from "node:assert/strict";
import { before, test } from "node:test";

import { decodeEntities } from "../src/entities.js";
import { isExternal, parseDeeplink, safeHref, safeImage } from "../src/links.js";

before(() => {
  Object.assign(globalThis, { location: new URL("https://docs.example/guide/page") });
});

test("only http, https, mailto and addresses of the site can be followed", () => {
  for (const href of ["https://a.example", "http://a.example", "mailto:a@b.example"]) {
    assert.equal(safeHref(href), href);
  }
  for (const href of ["/docs/neon#pooling", "other", "#here", "?q=1"]) {
    assert.equal(safeHref(href), href);
  }
  for (const href of [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "blob:https://docs.example/1",
    "file:///etc/passwd",
    "https://",
  ]) {
    assert.equal(safeHref(href), null, href);
  }
});

test("another origin is external, the site's own addresses are not", () => {
  assert.equal(isExternal("/docs"), false);
  assert.equal(isExternal("https://docs.example/x"), false);
  assert.equal(isExternal("//other.example"), true);
  assert.equal(isExternal("mailto:a@b.example"), true);
});

test("images load from the site and from allowed hosts only", () => {
  assert.equal(safeImage("/img/a.png", []), "https://docs.example/img/a.png");
  assert.equal(
    safeImage("https://cdn.ok.example/a.png", ["ok.example"]),
    "https://cdn.ok.example/a.png",
  );
  for (const src of [
    "https://evil.example/a.png",
    "https://notok.example/a.png",
    "https://ok.example.evil.example/a.png",
    "data:image/png;base64,x",
  ]) {
    assert.equal(safeImage(src, ["ok.example"]), null, src);
  }
});

test("a deep link has a name and its data", () => {
  assert.deepEqual(parseDeeplink("chatkit-link://settings?tab=keys"), {
    name: "settings",
    data: { tab: "keys" },
  });
  assert.deepEqual(parseDeeplink("chatkit-link://home"), { name: "home" });
  assert.equal(parseDeeplink("https://a.example"), null);
});

test("character references become characters, unknown ones stay", () => {
  assert.equal(
    decodeEntities("a &lt; b &amp;&amp; c &#8212; &#x1F680; &what;"),
    "a < b && c — 🚀 &what;",
  );
});
