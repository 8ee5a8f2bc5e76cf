// What a site gets: the built plugin, as the tarball holds it.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { transformSync } from "esbuild";
import { normalizePluginOptions as validate } from "@docusaurus/utils-validation";

import plugin from "../lib/index.js";

const { default: chatkit, validateOptions } = plugin;

const check = (options) => validateOptions({ validate, options });

const SITE = {
  siteDir: import.meta.dirname,
  siteConfig: { baseUrl: "/" },
  siteStorage: { type: "localStorage", namespace: "" },
  i18n: { currentLocale: "en", defaultLocale: "en", localeConfigs: {} },
};

/** What the plugin hands to every page, and what to the chat. */
async function built(options, site = {}, messages) {
  const context = { ...SITE, ...site };
  const made = chatkit(context, check(options));
  let content = await made.loadContent();
  if (messages) {
    const files = [{ path: "texts", content: messages }];
    content = made.translateContent({ content, translationFiles: files });
  }
  const given = {};
  await made.contentLoaded({
    content,
    actions: {
      setGlobalData: (value) => (given.bubble = value),
      createData: async (_, value) => (given.chat = value),
    },
  });
  return given;
}

function german(site = {}) {
  return { i18n: { ...SITE.i18n, currentLocale: "de" }, ...site };
}

test("only the url is needed", async () => {
  assert.deepEqual(await built({ url: "/chatkit" }), {
    bubble: {
      title: "Ask the docs",
      failed: "The chat could not be loaded. Try again, or reload the page.",
      position: "bottom-right",
      openByLink: true,
      askSelection: "Ask about this",
      consent: false,
      namespace: "docs-chatkit",
    },
    chat: {
      url: "/chatkit",
      title: "Ask the docs",
      greeting: "What would you like to know?",
      prompts: [],
      placeholder: "Ask a question",
      loading: "Loading the chat",
      resize: "Resize the chat: drag, or press the arrow keys",
      locale: "en",
    },
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

for (const [options, expected] of [
  [{ ui: "auto" }, undefined],
  [{ ui: "auto", domainKey: "domain_pk_1" }, "domain_pk_1"],
  [{ ui: "openai", domainKey: "domain_pk_1" }, "domain_pk_1"],
  [{ ui: "self-hosted", domainKey: "domain_pk_1" }, undefined],
]) {
  test(`${JSON.stringify(options)} ${expected ? "tries OpenAI's UI" : "asks no third party"}`, async () => {
    const { chat } = await built({ url: "/chatkit", ...options });
    assert.equal(chat.domainKey, expected);
  });
}

test("OpenAI's UI without its key stops the build", () => {
  assert.throws(
    () => check({ url: "/chatkit", ui: "openai" }),
    /"ui" is "openai", and "domainKey" is missing.*leave "ui" out/s,
  );
});

test("another ui is refused with those that there are", () => {
  assert.throws(
    () => check({ url: "/chatkit", ui: "intercom" }),
    /"ui" is "intercom"; it must be "auto", "openai" or "self-hosted"/,
  );
});

for (const [options, hint] of [
  [{ greetin: "Hi" }, /"greetin" is not known; did you mean "greeting"\?/],
  [{ domainkey: "k" }, /"domainkey" is not known; did you mean "domainKey"\?/],
  [{ apiKey: "sk-1" }, /"apiKey" is not known; there are: url, ui, domainKey/],
  [{ composer: { model: [] } }, /"composer.model" is not known; did you mean "models"\?/],
  [
    { composer: { tools: [{ id: "a", label: "A", icon: "cube", pined: true }] } },
    /"composer.tools\[0\].pined" is not known; did you mean "pinned"\?/,
  ],
]) {
  test(`${JSON.stringify(options)} is refused with the name that was meant`, () => {
    assert.throws(() => check({ url: "/chatkit", ...options }), hint);
  });
}

for (const [options, reason] of [
  [
    { offset: { x: "2 apples" } },
    /"offset.x" is "2 apples"; it must be a number of pixels or a CSS length/,
  ],
  [{ shortcut: "i" }, /"shortcut" is "i"; it needs "mod", "ctrl" or "meta"/],
  [{ shortcut: "/" }, /"shortcut" is "\/"; it must be a key after "mod"/],
  [{ shortcut: "mod+k" }, /"shortcut" is "mod\+k"; it belongs to the site's search/],
  [{ shortcut: "hyper+i" }, /"shortcut" is "hyper\+i"; it must be a key after "mod"/],
  [
    { uploadStrategy: { type: "direct" } },
    /The option "uploadStrategy" must have the type "two_phase"/,
  ],
  [
    { theme: { density: "dense" } },
    /The option "theme.density" is "dense"; it must be one of \[compact, normal, spacious\]\.$/,
  ],
  [{ disclaimer: {} }, /The option "disclaimer.text" is missing\.$/],
  [{ prompts: "How?" }, /The option "prompts" is "How\?"; it must be an array\.$/],
  [{ history: true }, /The option "history" is true; it must be of type object\.$/],
  [{ askSelection: "yes" }, /The option "askSelection" is "yes"; it must be a boolean\.$/],
  [{ placeholder: "" }, /The option "placeholder" is empty; give it a text/],
]) {
  test(`${JSON.stringify(options)} is refused`, () => {
    assert.throws(() => check({ url: "/chatkit", ...options }), reason);
  });
}

test("a shortcut is compared with the keys of each system", async () => {
  const { bubble } = await built({ url: "/chatkit", shortcut: "Mod+Shift+i" });
  assert.deepEqual(bubble.shortcut, ["ctrl+shift+i", "shift+meta+i"]);
  assert.equal(bubble.spokenShortcut, "Control+Shift+I Shift+Meta+I");
});

test("an offset is in pixels or any CSS length", async () => {
  const { bubble } = await built({ url: "/chatkit", offset: { x: 8, y: "2rem" } });
  assert.equal(bubble.style, "--chatkit-x:8px;--chatkit-y:2rem;");
});

test("attachments are uploaded in two phases unless the author says otherwise", async () => {
  const composer = { attachments: { enabled: true } };
  const { chat } = await built({ url: "/chatkit", composer });
  assert.deepEqual(chat.uploadStrategy, { type: "two_phase" });
});

test("a setup module that is not there stops the build", () => {
  assert.throws(
    () => chatkit(SITE, check({ url: "/chatkit", setup: "./src/chat.ts" })),
    /"setup" is "\.\/src\/chat\.ts", and there is no file .*src\/chat\.ts/,
  );
});

test("a prompt is a question, or a label with its question", async () => {
  const prompts = ["How?", { label: "Why", prompt: "Why is it so?" }];
  assert.deepEqual((await built({ url: "/chatkit", prompts })).chat.prompts, [
    { label: "How?", prompt: "How?" },
    { label: "Why", prompt: "Why is it so?" },
  ]);
});

test("a site in another language has texts in it", async () => {
  const { bubble, chat } = await built({ url: "/chatkit" }, german());
  assert.equal(bubble.title, "Die Doku fragen");
  assert.equal(chat.title, "Die Doku fragen");
  assert.equal(chat.greeting, "Was möchten Sie wissen?");
  assert.equal(chat.locale, "de");
});

for (const [locale, title] of [
  ["pt-BR", "Perguntar à documentação"],
  ["zh-TW", "向文件提問"],
  ["zh-Hans", "向文档提问"],
  ["tlh", "Ask the docs"],
]) {
  test(`${locale} has the texts of ${title}`, async () => {
    const i18n = { ...SITE.i18n, currentLocale: locale };
    assert.equal((await built({ url: "/chatkit" }, { i18n })).bubble.title, title);
  });
}

test("translators get every text, and every text can be translated", async () => {
  const options = {
    url: "/chatkit",
    prompts: ["How?", { label: "Why", prompt: "Why is it so?" }],
    disclaimer: { text: "May be wrong." },
    composer: {
      tools: [{ id: "web", label: "Web", icon: "globe" }],
      models: [{ id: "small", label: "Small", description: "Fast" }],
    },
  };
  const made = chatkit(SITE, check(options));
  const [{ path, content }] = made.getTranslationFiles({ content: await made.loadContent() });
  assert.equal(path, "texts");
  const messages = Object.fromEntries(
    Object.entries(content).map(([key, { message }]) => [key, { message: `<${message}>` }]),
  );

  const { bubble, chat } = await built(options, {}, messages);

  assert.equal(bubble.title, "<Ask the docs>");
  assert.equal(chat.title, bubble.title);
  assert.equal(chat.greeting, "<What would you like to know?>");
  assert.deepEqual(chat.prompts, [
    { label: "<How?>", prompt: "<How?>" },
    { label: "<Why>", prompt: "<Why is it so?>" },
  ]);
  assert.equal(chat.disclaimer.text, "<May be wrong.>");
  assert.equal(chat.composer.tools[0].label, "<Web>");
  assert.equal(chat.composer.models[0].description, "<Fast>");
});

test("a prompt without its question is refused", () => {
  assert.throws(
    () => check({ url: "/chatkit", prompts: [{ label: "Why" }] }),
    /The option "prompts\[0\]\.prompt" is missing/,
  );
});

test("a prompt that is neither is refused", () => {
  assert.throws(
    () => check({ url: "/chatkit", prompts: [5] }),
    /"prompts\[0\]" is 5; it must be a question, or an object with a label and a prompt/,
  );
});

test("a second bubble is refused", () => {
  assert.throws(() => chatkit(SITE, check({ url: "/chatkit", id: "other" })), /only once; "other"/);
});

test("sites with a storage namespace of their own keep their chats apart", async () => {
  const siteStorage = { namespace: "-a1b2" };
  const { bubble } = await built({ url: "/chatkit" }, { siteStorage });
  assert.equal(bubble.namespace, "docs-chatkit-a1b2");
});

test("with an automatic namespace the languages of a site share a chat", async () => {
  const site = (baseUrl, namespace) => ({
    siteConfig: { baseUrl, storage: { namespace: true } },
    siteStorage: { namespace },
  });
  const english = await built({ url: "/chatkit" }, site("/docs/", "-aaa"));
  const other = await built({ url: "/chatkit" }, german(site("/docs/de/", "-bbb")));
  const elsewhere = await built({ url: "/chatkit" }, site("/other/", "-ccc"));
  assert.match(english.bubble.namespace, /^docs-chatkit-[0-9a-f]{6}$/);
  assert.equal(other.bubble.namespace, english.bubble.namespace);
  assert.notEqual(elsewhere.bubble.namespace, english.bubble.namespace);
});

// Alone; in a site it is compressed with the site's own code, which takes a third off: see
// `npm run measure-bubble` in web/site, which holds it below 1.5 KB.
test("the bubble stays small", () => {
  const code = ["client.js", "bubble.css"].map((name) => {
    const source = readFileSync(new URL(`../lib/${name}`, import.meta.url), "utf8");
    return transformSync(source, { loader: name.split(".")[1], minify: true }).code;
  });
  const weight = gzipSync(code.join("")).length;
  assert.ok(weight < 1900, `${weight} bytes`);
});

test("React, Prism and Docusaurus stay the site's own", () => {
  const lib = new URL("../lib/", import.meta.url);
  const panels = readdirSync(lib).filter((name) => /^panel.*\.mjs$/.test(name));
  const code = panels.map((name) => readFileSync(new URL(name, lib), "utf8")).join("\n");
  const imported = [...code.matchAll(/^import[^;]*?from "([^"]+)";/gm)].map(([, name]) => name);
  assert.deepEqual(
    [...new Set(imported)].filter((name) => !/^(@docusaurus|@generated|\.)\//.test(name)).sort(),
    [
      "@docs-chatkit/setup",
      "prism-react-renderer",
      "react",
      "react-dom/client",
      "react/jsx-runtime",
    ],
  );
});

test("a build by Rspack is not broken by what is for development only", () => {
  // It writes `undefined` for import.meta.webpackHot, and a call of that for `import.meta.webpackHot?.…`.
  const client = readFileSync(new URL("../lib/client.js", import.meta.url), "utf8");
  assert.match(client, /if \(import\.meta\.webpackHot\) \{/);
  assert.doesNotMatch(client, /webpackHot\?\./);
});
