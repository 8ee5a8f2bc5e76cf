/** What the reader said. */

import type { UserMessageItem } from "@docs-chatkit/core";
import type { EntitiesOption } from "@openai/chatkit";

import { textOf } from "./draft.js";
import { lazy } from "./lazy.js";
import type { MarkdownRules } from "./markdown.js";
import { strings } from "./strings.js";

const SentFiles = lazy(() => import("./sent.js").then((parts) => parts.SentFiles));
const SentTags = lazy(() => import("./sent.js").then((parts) => parts.SentTags));

interface QuestionProps {
  item: UserMessageItem;
  entities: EntitiesOption | undefined;
  rules: MarkdownRules;
}

export function Question({ item, entities, rules }: QuestionProps) {
  const { content, quoted_text: quote, attachments } = item;
  const text = textOf(content);
  const hasTags = content.some((part) => part.type === "input_tag");
  return (
    <article class="question">
      <h2 class="sr">{strings.youSaid}</h2>
      {quote && (
        <blockquote class="quote" dir="auto">
          {quote}
        </blockquote>
      )}
      {attachments && attachments.length > 0 && <SentFiles files={attachments} />}
      {text !== "" && (
        <p dir="auto">
          {hasTags ? (
            <SentTags
              content={content}
              onClick={entities?.onClick}
              onPreview={rules.onPreview}
              placeholder={text}
            />
          ) : (
            text
          )}
        </p>
      )}
    </article>
  );
}
