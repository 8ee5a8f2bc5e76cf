/** What a screen reader is told of an answer: that it begins, and what has come of it. */

import { type Chat, listedSources, numberSources } from "@docs-chatkit/core";

import { strings } from "./strings.js";

/** Null where the event is none to tell of. */
export function announcementOf(event: string, state: Chat["state"]): string | null {
  if (event === "response.start") return strings.answering;
  if (event !== "response.end") return null;
  // A failure is an alert of its own.
  if (state.failure) return "";
  if (state.stopped) return strings.stopped;
  const { items } = state.thread;
  const asked = items.findLastIndex((item) => item.type === "user_message");
  // Of the whole turn: a widget may follow what is cited.
  const parts = items
    .slice(asked + 1)
    .flatMap((item) => (item.type === "assistant_message" ? item.content : []));
  const sources = listedSources(numberSources(parts.flatMap((part) => part.annotations)));
  return strings.answered(sources.length);
}
