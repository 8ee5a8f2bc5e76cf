// What a site gets: the built plugin, as the tarball holds it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { normalizePluginOptions as validate } from "@docusaurus/utils-validation";

import plugin from "../lib/index.js";

const { default: chatkit, validateOptions } = plugin;

const check = (options) => validateOptions({ validate, options });

/** The page options that the plugin hands to every page. */
function pageOptions(options, namespace = "") {
  let data;
  const { contentLoaded } = chatkit({ siteStorage: { type: "localStorage", namespace } }, options);
  contentLoaded({ actions: { setGlobalData: (value) => (data = value) } });
  return data;
}

test("only the url is needed", () => {
  assert.deepEqual(pageOptions(check({ url: "/chatkit" })), {
    url: "/chatkit",
    title: "Ask the docs",
    greeting: "What would you like to know?",
    prompts: [],
    placeholder: "Ask a question",
    position: "bottom-right",
    namespace: "docs-chatkit",
  });
});

test("a missing url is asked for", () => {
  assert.throws(() => check({}), /option "url" is missing.*"\/chatkit"/s);
});

for (const url of [
  "/chatkit",
  "/docs/chatkit?site=1",
  "http://localhost:8000/chatkit",
  "https://chat.example.com",
]) {
  test(`${url} is a url`, () => assert.equal(check({ url }).url, url));
}

for (const url of [
  "chatkit",
  "//chat.example.com/chatkit",
  "javascript:alert(1)",
  "https://user:password@chat.example.com/",
  "https://",
  "/chat kit",
]) {
  test(`${url} is refused as a url`, () => {
    assert.throws(
      () => check({ url }),
      ({ message }) => message.includes(`"url" is "${url}"`) && message.includes('begins with "/"'),
    );
  });
}

test("OpenAI's UI is refused with the reason", () => {
  assert.throws(
    () => check({ url: "/chatkit", ui: "openai" }),
    /"ui" is "openai".*cannot be opened by this version/s,
  );
});

test("an unknown option is named", () => {
  assert.throws(() => check({ url: "/chatkit", apiKey: "sk-1" }), /"apiKey" is not allowed/);
});

test("a prompt is a question, or a label with its question", () => {
  const prompts = ["How?", { label: "Why", prompt: "Why is it so?" }];
  assert.deepEqual(pageOptions(check({ url: "/chatkit", prompts })).prompts, [
    { label: "How?", prompt: "How?" },
    { label: "Why", prompt: "Why is it so?" },
  ]);
});

test("a prompt without its question is refused", () => {
  assert.throws(
    () => check({ url: "/chatkit", prompts: [{ label: "Why" }] }),
    /"prompts\[0\]\.prompt" is required/,
  );
});

test("a prompt that is neither is refused", () => {
  assert.throws(
    () => check({ url: "/chatkit", prompts: [5] }),
    /"prompts\[0\]" must be a question, or an object with a label and a prompt/,
  );
});

test("a second bubble is refused", () => {
  assert.throws(
    () => chatkit({ siteStorage: { namespace: "" } }, check({ url: "/chatkit", id: "other" })),
    /only once; "other"/,
  );
});

test("sites with a storage namespace of their own keep their chats apart", () => {
  assert.equal(pageOptions(check({ url: "/chatkit" }), "-a1b2").namespace, "docs-chatkit-a1b2");
});

test("the bubble weighs less than 1.5 KB", () => {
  const weight = ["client.js", "bubble.css"]
    .map((name) => gzipSync(readFileSync(new URL(`../lib/${name}`, import.meta.url))).length)
    .reduce((sum, size) => sum + size);
  assert.ok(weight < 1536, `${weight} bytes`);
});

test("React, Prism and Docusaurus stay the site's own", () => {
  const panel = readFileSync(new URL("../lib/panel.js", import.meta.url), "utf8");
  const imported = [...panel.matchAll(/^import[^;]*?from "([^"]+)";/gm)].map(([, name]) => name);
  assert.deepEqual(
    [...new Set(imported)].filter((name) => !/^(@docusaurus|@generated)\//.test(name)).sort(),
    ["prism-react-renderer", "react", "react-dom/client", "react/jsx-runtime"],
  );
});
