/** One answer: its text with citations, its sources, and what can be done with it. */

import {
  type AssistantMessageItem,
  listedSources,
  numberSources,
  placeMarks,
  type AssistantContent,
  type CitedSource,
  describe,
  type Source,
} from "@docs-chatkit/core";
import { useMemo } from "preact/hooks";

import { labelOf, Sources } from "./citation.js";
import { CopyButton } from "./code.js";
import { Icon } from "./icons.js";
import { safeHref } from "./links.js";
import { Markdown, type MarkdownRules } from "./markdown.js";
import { footnoteMarks } from "./marks.js";
import { memo } from "./memo.js";
import { strings } from "./strings.js";

interface AnswerProps {
  item: AssistantMessageItem;
  streaming: boolean;
  rules: MarkdownRules;
  /** Absent where feedback is not asked for. */
  onRate: ((itemId: string, kind: "positive" | "negative") => void) | undefined;
  onRetry: ((itemId: string) => void) | undefined;
  rating: "positive" | "negative" | undefined;
}

export const Answer = memo(({ item, streaming, rules, onRate, onRetry, rating }: AnswerProps) => {
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
      {!streaming && sources.length > 0 && <Sources sources={sources} rules={rules} />}
      {!streaming && (
        <div class="actions">
          <CopyButton text={() => asMarkdown(item.content, sources)} label={strings.copyAnswer} />
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
          {onRetry && (
            <button
              type="button"
              class="icon-button small"
              aria-label={strings.answerAgain}
              title={strings.answerAgain}
              onClick={() => onRetry(item.id)}
            >
              <Icon name="retry" />
            </button>
          )}
        </div>
      )}
    </article>
  );
});

/** The answer with its citations as footnotes, whose addresses hold on any page. */
function asMarkdown(content: readonly AssistantContent[], sources: readonly CitedSource[]) {
  const text = content
    .map(({ text, annotations }) => footnoteMarks(text, placeMarks(text, annotations, sources)))
    .join("\n\n");
  const notes = listedSources(sources).map(
    ({ number, source }) => `[^${number}]: ${footnote(source)}`,
  );
  return [text.trimEnd(), ...(notes.length > 0 ? ["", ...notes] : []), ""].join("\n");
}

function footnote(source: Source): string {
  const label = labelOf(describe(source)).replace(/[\\[\]*_`<>]/g, "\\$&");
  if (source.type !== "url" || safeHref(source.url) === null) return label;
  const { href } = new URL(source.url, location.href);
  return `[${label}](${href.replace(/[()]/g, (sign) => (sign === "(" ? "%28" : "%29"))})`;
}

interface PartProps {
  part: AssistantContent;
  sources: readonly CitedSource[];
  rules: MarkdownRules;
}

const Part = memo(({ part: { text, annotations }, sources, rules }: PartProps) => {
  const marks = useMemo(() => placeMarks(text, annotations, sources), [text, annotations, sources]);
  return <Markdown text={text} marks={marks} sources={sources} rules={rules} />;
});
