/** What one task thought, searched for and found. */

import type { Source, Task } from "@docs-chatkit/core";

import css from "./details.css";
import { safeHref } from "./links.js";
import { linkTarget, Markdown, type MarkdownRules } from "./markdown.js";
import { useStyles } from "./sheet.js";

export function TaskDetails({ task, rules }: { task: Task; rules: MarkdownRules }) {
  const { content, queries = [], sources = [] } = task;
  return (
    <div class="task-details" ref={useStyles<HTMLDivElement>(css)}>
      {content && <Markdown text={content} rules={rules} />}
      {queries.length > 1 && (
        <ul>
          {queries.map((query, i) => (
            <li key={i}>“{query}”</li>
          ))}
        </ul>
      )}
      {sources.length > 0 && (
        <ul>
          {sources.map((source, i) => (
            <li key={i}>
              <SourceLine source={source} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function SourceLine({ source }: { source: Source }) {
  const title = source.title || (source.type === "file" ? source.filename : "");
  const href = source.type === "url" ? safeHref(source.url) : null;
  if (href === null) return <span>{title}</span>;
  return (
    <a href={href} {...linkTarget(href)}>
      {title || href}
    </a>
  );
}
