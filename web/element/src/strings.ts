/** Every text that the element itself shows or says, in the page's language. */

import { ChatError, describeFailure, FAILURES } from "@docs-chatkit/core";

import type { LaterStrings } from "./later.js";

export const english = {
  chat: "Chat",
  newChat: "New chat",
  close: "Close",
  history: "Chat history",
  back: "Back to the chat",
  greeting: "What can I help with today?",
  placeholder: "Ask a question",
  message: "Message",
  send: "Send message",
  stop: "Stop answering",
  messages: "Chat messages",
  youSaid: "You",
  answer: "Answer",
  thinking: "Thinking",
  loading: "Loading the chat",
  stopped: "This answer was stopped.",
  sources: "Sources",
  source: (number: number, title: string) => `Source ${number}: ${title}`,
  copyCode: "Copy code",
  copyAnswer: "Copy answer",
  copied: "Copied",
  code: (language: string) => (language ? `Code, ${language}` : "Code"),
  table: "Table",
  done: "Done",
  open: "Not done",
  good: "Good answer",
  bad: "Bad answer",
  tryAgain: "Try again",
  tryAgainIn: (seconds: number) =>
    seconds === 1 ? "Try again in a second." : `Try again in ${seconds} seconds.`,
  toLatest: "Scroll to the latest message",
  answerAgain: "Answer again",
  removeQuote: "Remove the quote",
  image: "Image",
  answering: "The answer is being written.",
  answered: (sources: number) =>
    sources === 0
      ? "The answer is complete."
      : `The answer is complete, with ${sources} ${sources === 1 ? "source" : "sources"}.`,
  reconnecting: "The connection was lost. Reconnecting…",
  offline: "You are offline. The chat goes on when the connection is back.",
  notLoaded: "This part of the chat could not be loaded.",
  hostedApi: "This element needs options.api.url: it talks to a ChatKit server of your own.",
  /** By HTTP status, where the server gave no words of its own; 0 is a lost connection. */
  failures: FAILURES,
};

export type Strings = typeof english;

/** What a language file says: that of the parts that are loaded later as well. */
export type Language = Strings & LaterStrings;

/** Loaded when a page is in the language, and never otherwise. */
const LANGUAGES: Record<string, () => Promise<{ strings: Language }>> = {
  de: () => import("./languages/de.js"),
  es: () => import("./languages/es.js"),
  fr: () => import("./languages/fr.js"),
  ja: () => import("./languages/ja.js"),
  pt: () => import("./languages/pt.js"),
  zh: () => import("./languages/zh.js"),
  "zh-Hant": () => import("./languages/zh-hant.js"),
};

/** The language that is spoken now. One for the whole page, as pages have one. */
export let strings: Strings = english;

/** How dates and numbers are written: in the language that is spoken, as its region does. */
export let locale = "en";

let wanted = "en";

/** The name of the language to speak for a tag such as `de-AT`; English where it has none. */
export function languageFor(tag: string): string {
  try {
    const { language, script } = new Intl.Locale(tag).maximize();
    const name = script === "Hant" ? "zh-Hant" : language;
    return name in LANGUAGES ? name : "en";
  } catch {
    return "en";
  }
}

/** Fails where the language can't be loaded; the one spoken so far then stays. */
export async function speak(tag: string): Promise<void> {
  wanted = tag;
  const name = languageFor(tag);
  const loaded = await LANGUAGES[name]?.();
  // Another language may have been asked for in the meantime.
  if (wanted !== tag) return;
  strings = loaded?.strings ?? english;
  locale = name === "en" && !/^en\b/i.test(tag) ? "en" : tag;
}

/** A server's own words stay as they are; ours are said in the page's language. */
export function wordsOf(error: Error): string {
  const generic = error instanceof ChatError && error.generic;
  return generic ? describeFailure(error.status, strings.failures) : error.message;
}
