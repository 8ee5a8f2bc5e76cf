/** What the reader has prepared to send: text with tags in it, files, and what should answer it. */

import type { Attachment, UserContent } from "@docs-chatkit/core";
import type { ModelOption } from "@openai/chatkit";

export type TagContent = Extract<UserContent, { type: "input_tag" }>;

/** A tag as it stands in the text, where it is written like `@Title`. */
export interface Tag {
  readonly start: number;
  readonly content: TagContent;
}

export interface DraftFile {
  readonly key: string;
  readonly name: string;
  /** From 0 to 1; `null` while nothing is known of it. */
  readonly progress: number | null;
  /** Absent until the server has it all. */
  readonly attachment: Attachment | null;
  readonly upload: AbortController | null;
}

export interface Draft {
  readonly text: string;
  /** In the order of the text. */
  readonly tags: readonly Tag[];
  readonly quote: string | null;
  readonly files: readonly DraftFile[];
  /** What could not be attached or understood, in sentences. */
  readonly problems: readonly string[];
  readonly toolId: string | null;
  readonly modelId: string | null;
}

export const EMPTY_DRAFT: Draft = {
  text: "",
  tags: [],
  quote: null,
  files: [],
  problems: [],
  toolId: null,
  modelId: null,
};

export type DraftChange = Partial<Draft> | ((draft: Draft) => Partial<Draft>);

export function written(tag: TagContent): string {
  return `@${tag.text}`;
}

export function endOf({ start, content }: Tag): number {
  return start + written(content).length;
}

export function textOf(content: readonly UserContent[]): string {
  return content.map((part) => (part.type === "input_tag" ? written(part) : part.text)).join("");
}

/** The text that stands for some content. */
export function draftOf(content: readonly UserContent[]): Pick<Draft, "text" | "tags"> {
  const tags: Tag[] = [];
  content.forEach((part, i) => {
    if (part.type === "input_tag") {
      tags.push({ start: textOf(content.slice(0, i)).length, content: part });
    }
  });
  return { text: textOf(content), tags };
}

/** What is sent for a text, without white space around it. */
export function contentOf({ text, tags }: Pick<Draft, "text" | "tags">): UserContent[] {
  const content: UserContent[] = [];
  let from = text.length - text.trimStart().length;
  const add = (end: number) => {
    if (end > from) content.push({ type: "input_text", text: text.slice(from, end) });
  };
  for (const tag of tags) {
    add(tag.start);
    content.push(tag.content);
    from = endOf(tag);
  }
  add(text.trimEnd().length);
  return content;
}

/**
 * Where the tags are after the text was edited; one that the edit touched is a tag no longer. The
 * caret, which is at the end of whatever was typed, tells `aa|a` from `a|aa`.
 */
export function moveTags(
  tags: readonly Tag[],
  before: string,
  after: string,
  caret: number,
): readonly Tag[] {
  if (tags.length === 0) return tags;
  const longestTail = Math.min(before.length, after.length - caret);
  let tail = 0;
  while (tail < longestTail && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const longestHead = Math.min(before.length, after.length) - tail;
  let head = 0;
  while (head < longestHead && before[head] === after[head]) head++;
  const editedTo = before.length - tail;
  return tags.flatMap((tag) => {
    if (endOf(tag) <= head) return [tag];
    if (tag.start < editedTo) return [];
    return [{ ...tag, start: tag.start + after.length - before.length }];
  });
}

/** The model that a message goes to: the reader's choice, else the page's, else the first. */
export function modelOf(
  models: readonly ModelOption[] | undefined,
  chosen: string | null,
): string | null {
  if (chosen !== null) return chosen;
  const usable = models?.filter((model) => !model.disabled) ?? [];
  return (usable.find((model) => model.default) ?? usable[0])?.id ?? null;
}

export function canSend({ text, files }: Draft): boolean {
  const said = text.trim() !== "" || files.length > 0;
  return said && files.every((file) => file.attachment !== null);
}
