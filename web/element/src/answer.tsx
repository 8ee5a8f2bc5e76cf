/** One answer: its text with citations, its sources, and what can be done with it. */

import {
  type AssistantMessageItem,
  numberSources,
  placeMarks,
  type CitedSource,
  type AssistantContent,
} from "@docs-chatkit/core";
import { useMemo } from "preact/hooks";

import { Sources } from "./citation.js";
import { CopyButton } from "./code.js";
import { Icon } from "./icons.js";
import { Markdown, type MarkdownRules } from "./markdown.js";
import { memo } from "./memo.js";
import { strings } from "./strings.js";

interface AnswerProps {
  item: AssistantMessageItem;
  streaming: boolean;
  rules: MarkdownRules;
  /** Absent where feedback is not asked for. */
  onRate: ((itemId: string, kind: "positive" | "negative") => void) | undefined;
  rating: "positive" | "negative" | undefined;
}

export const Answer = memo(({ item, streaming, rules, onRate, rating }: AnswerProps) => {
  const annotations = item.content.flatMap((part) => part.annotations);
  // The same array for as long as the sources are the same, so that blocks need no new rendering.
  const key = JSON.stringify(annotations.map(({ source }) => source));
  const sources = useMemo(() => numberSources(annotations), [key]);
  const text = item.content.map((part) => part.text).join("\n\n");
  if (text === "") return null;
  return (
    <article class="answer">
      <h2 class="sr">{strings.answer}</h2>
      {item.content.map((part, i) => (
        <Part key={i} part={part} sources={sources} rules={rules} />
      ))}
      {/* Not while text is coming: the list would be pushed down with every line. */}
      {!streaming && sources.length > 0 && <Sources sources={sources} />}
      {!streaming && (
        <div class="actions">
          <CopyButton text={text} label={strings.copyAnswer} />
          {onRate &&
            (["positive", "negative"] as const).map((kind) => (
              <button
                key={kind}
                type="button"
                class="icon-button small"
                aria-label={kind === "positive" ? strings.good : strings.bad}
                aria-pressed={rating === kind}
                onClick={() => onRate(item.id, kind)}
              >
                <Icon name={kind === "positive" ? "good" : "bad"} />
              </button>
            ))}
        </div>
      )}
    </article>
  );
});

interface PartProps {
  part: AssistantContent;
  sources: readonly CitedSource[];
  rules: MarkdownRules;
}

const Part = memo(({ part: { text, annotations }, sources, rules }: PartProps) => {
  const marks = useMemo(() => placeMarks(text, annotations, sources), [text, annotations, sources]);
  return <Markdown text={text} marks={marks} sources={sources} rules={rules} />;
});
