import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";

import type { LoadContext, Plugin } from "@docusaurus/types";

import type { Length, Options, ValidOptions } from "./options";
import { parseShortcut, spokenShortcut } from "./shortcut";
import { type Texts, textsFor, translate, translationFiles } from "./texts";

export { validateOptions } from "./options";
export type { Options, Prompt } from "./options";
export type { Setup } from "./setup";

const NAME = "docusaurus-plugin-chatkit";

/** What every page loads. Whoever reads a page's source sees it, as they see `ChatOptions`. */
export interface BubbleOptions extends Pick<Texts, "title" | "failed"> {
  position: ValidOptions["position"];
  /** Custom properties for the bubble and the panel. */
  style?: string;
  shortcut?: string[];
  spokenShortcut?: string;
  openByLink: boolean;
  /** What the button beside a marked text says; without it there is none. */
  askSelection?: string;
  consent: boolean;
  /** Two sites on one host keep their chats apart when Docusaurus gives each its own namespace. */
  namespace: string;
}

/** What the first click loads. */
export interface ChatOptions
  extends
    Omit<Texts, "failed" | "askSelection">,
    Pick<
      Options,
      "theme" | "composer" | "uploadStrategy" | "history" | "threadItemActions" | "disclaimer"
    > {
  url: string;
  /** There only if OpenAI's UI is to be tried. */
  domainKey?: string;
  prompts: { label: string; prompt: string }[];
  locale: string;
}

export interface Content {
  bubble: BubbleOptions;
  chat: ChatOptions;
}

/** Puts a bubble on every page, which opens a chat with the server at `options.url`. */
export default function chatkit(context: LoadContext, options: ValidOptions): Plugin<Content> {
  if (options.id !== "default") {
    throw new Error(
      `${NAME} can stand in the configuration only once; "${options.id}" is a second one`,
    );
  }
  const setup = findSetup(context.siteDir, options.setup);
  return {
    name: NAME,
    getClientModules: () => [path.join(__dirname, "client.js")],
    configureWebpack: () => ({
      resolve: { alias: { "@docs-chatkit/setup": setup } },
      // Docusaurus' own modules are imported without their extensions.
      module: {
        rules: [{ test: /\.mjs$/, include: __dirname, resolve: { fullySpecified: false } }],
      },
    }),
    loadContent: () => contentOf(context, options),
    getTranslationFiles: ({ content }) => translationFiles(content),
    translateContent: ({ content, translationFiles: files }) => translate(content, files),
    contentLoaded: async ({ content, actions }) => {
      actions.setGlobalData(content.bubble);
      // Not with the bubble: global data is a part of what every page loads.
      await actions.createData("chat.json", content.chat);
    },
  };
}

function contentOf(context: LoadContext, options: ValidOptions): Content {
  const { currentLocale: locale } = context.i18n;
  const texts = textsFor(locale);
  const title = options.title ?? texts.title;
  const shortcut = options.shortcut ? parseShortcut(options.shortcut) : null;
  const { ui, domainKey, theme, composer, history, threadItemActions, disclaimer } = options;
  const uploadStrategy =
    options.uploadStrategy ??
    (composer?.attachments?.enabled ? ({ type: "two_phase" } as const) : undefined);
  return {
    bubble: {
      title,
      failed: texts.failed,
      position: options.position,
      ...(options.offset && { style: offsetStyle(options.offset) }),
      ...(shortcut && { shortcut, spokenShortcut: spokenShortcut(shortcut) }),
      openByLink: options.openByLink,
      ...(options.askSelection && { askSelection: texts.askSelection }),
      consent: options.consent,
      namespace: `docs-chatkit${storageNamespace(context)}`,
    },
    chat: {
      url: options.url,
      ...(ui !== "self-hosted" && domainKey && { domainKey }),
      title,
      greeting: options.greeting ?? texts.greeting,
      prompts: options.prompts.map((prompt) =>
        typeof prompt === "string" ? { label: prompt, prompt } : { ...prompt },
      ),
      placeholder: options.placeholder ?? texts.placeholder,
      loading: texts.loading,
      resize: texts.resize,
      locale,
      ...(theme && { theme }),
      // Translating changes texts in place.
      ...(composer && { composer: structuredClone(composer) }),
      ...(uploadStrategy && { uploadStrategy }),
      ...(history && { history }),
      ...(threadItemActions && { threadItemActions }),
      ...(disclaimer && { disclaimer: { ...disclaimer } }),
    },
  };
}

function offsetStyle({ x, y }: { x?: Length; y?: Length }): string {
  const property = (name: string, value: Length | undefined) =>
    value === undefined ? "" : `${name}:${typeof value === "number" ? `${value}px` : value};`;
  return property("--chatkit-x", x) + property("--chatkit-y", y);
}

/** The module that gives the hooks; one that gives none where the author has none. */
function findSetup(siteDir: string, setup: string | undefined): string {
  if (setup === undefined) return path.join(__dirname, "no-setup.js");
  const file = path.resolve(siteDir, setup);
  if (!existsSync(file)) {
    throw new Error(`${NAME}: the option "setup" is "${setup}", and there is no file ${file}`);
  }
  return file;
}

/**
 * Docusaurus makes an automatic namespace from the address of a language's edition: the reader who
 * changes the language would find another chat.
 */
function storageNamespace({ siteConfig, siteStorage, i18n }: LoadContext): string {
  type Storage = { namespace?: string | boolean };
  const { storage, future } = siteConfig as {
    storage?: Storage;
    future?: { experimental_storage?: Storage };
  };
  if ((storage ?? future?.experimental_storage)?.namespace !== true) return siteStorage.namespace;
  const { currentLocale, defaultLocale } = i18n;
  const { baseUrl } = siteConfig;
  const edition = `/${i18n.localeConfigs[currentLocale]?.path ?? currentLocale}/`;
  const isEdition = currentLocale !== defaultLocale && baseUrl.endsWith(edition);
  const site = isEdition ? baseUrl.slice(0, 1 - edition.length) : baseUrl;
  return `-${createHash("sha256").update(site).digest("hex").slice(0, 6)}`;
}
