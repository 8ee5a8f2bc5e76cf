/** The numbers in an answer that lead to its sources, and the list of the sources below it. */

import type { CitedSource, Source } from "@docs-chatkit/core";

import { safeHref } from "./links.js";
import { linkTarget } from "./markdown.js";
import { strings } from "./strings.js";

export function Citation({ cited: { number, source } }: { cited: CitedSource }) {
  const label = [titleOf(source), headingOf(source)].filter(Boolean).join(", ");
  const href = hrefOf(source);
  const mark = { class: "cite", title: label, "aria-label": strings.source(number, label) };
  return (
    <sup>
      {href === null ? (
        <span {...mark} role="note">
          {number}
        </span>
      ) : (
        <a {...mark} href={href} {...linkTarget(href)}>
          {number}
        </a>
      )}
    </sup>
  );
}

export function Sources({ sources }: { sources: readonly CitedSource[] }) {
  return (
    <section class="sources" aria-label={strings.sources}>
      <h3>{strings.sources}</h3>
      <ol>
        {sources.map((cited) => (
          <li key={cited.number}>
            <SourceCard {...cited} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function SourceCard({ number, source }: CitedSource) {
  const href = hrefOf(source);
  const content = (
    <>
      <span class="number" aria-hidden="true">
        {number}
      </span>
      <span class="names">
        <span class="title">{titleOf(source)}</span>
        {headingOf(source) && <span class="heading">{headingOf(source)}</span>}
      </span>
    </>
  );
  return href === null ? (
    <span class="source">{content}</span>
  ) : (
    <a class="source" href={href} {...linkTarget(href)}>
      {content}
    </a>
  );
}

function titleOf(source: Source): string {
  if (source.title) return source.title;
  return source.type === "url" ? source.url : source.type === "file" ? source.filename : source.id;
}

function headingOf(source: Source): string | null {
  return source.description && source.description !== titleOf(source) ? source.description : null;
}

function hrefOf(source: Source): string | null {
  return source.type === "url" ? safeHref(source.url) : null;
}
