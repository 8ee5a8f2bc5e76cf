/** Tags that the reader puts into the text. */

import type { Entity } from "@openai/chatkit";

import { type Draft, moveTags, type TagContent, written } from "./draft.js";

export function entityTag({ id, title, data = {}, group, interactive }: Entity): TagContent {
  return {
    type: "input_tag",
    id,
    text: title,
    data,
    ...(group !== undefined && { group }),
    ...(interactive !== undefined && { interactive }),
  };
}

/** Puts a tag in the place of a part of the text, with a space after it. */
export function insertTag(draft: Draft, from: number, to: number, content: TagContent): Draft {
  const name = written(content);
  const rest = draft.text.slice(to);
  const text = `${draft.text.slice(0, from)}${name}${/^\s/.test(rest) ? "" : " "}${rest}`;
  const moved = moveTags(draft.tags, draft.text, text, text.length - rest.length);
  const tags = [...moved, { start: from, content }].sort((a, b) => a.start - b.start);
  return { ...draft, text, tags };
}
