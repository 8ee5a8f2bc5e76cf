/** The numbers in an answer that lead to its sources, and the list of the sources below it. */

import {
  type CitedSource,
  describe,
  type Described,
  listedSources,
  type Source,
} from "@docs-chatkit/core";

import { citedHref, isExternal, safeHref } from "./links.js";
import { linkTarget, type MarkdownRules } from "./markdown.js";
import { strings } from "./strings.js";

interface CitationProps {
  cited: CitedSource;
  rules: MarkdownRules;
}

export function Citation({ cited: { number, source }, rules }: CitationProps) {
  const described = describe(source);
  const href = hrefOf(source, described);
  const show = ({ currentTarget }: { currentTarget: HTMLElement }) => {
    if (source.type === "entity" && rules.onPreview) {
      rules.onPreview(currentTarget, source);
      return;
    }
    void import("./preview.js").then(({ showPreview }) => {
      showPreview(currentTarget, { ...described, section: placeOf(described, href) });
    });
  };
  const mark = {
    class: "cite",
    "aria-label": strings.source(number, labelOf(described)),
    onFocus: show,
    // A finger that taps goes there at once.
    onPointerEnter: (event: PointerEvent & { currentTarget: HTMLElement }) => {
      if (event.pointerType !== "touch") show(event);
    },
  };
  const open = opening(source, rules);
  return (
    <sup>
      {open ? (
        <button type="button" {...mark} onClick={open}>
          {number}
        </button>
      ) : href === null ? (
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

interface SourcesProps {
  sources: readonly CitedSource[];
  rules: MarkdownRules;
}

export function Sources({ sources, rules }: SourcesProps) {
  return (
    <section class="sources" aria-label={strings.sources}>
      <h3>{strings.sources}</h3>
      <ol>
        {listedSources(sources).map((cited) => (
          <li key={cited.number}>
            <SourceCard cited={cited} rules={rules} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function SourceCard({ cited: { number, source }, rules }: CitationProps) {
  const described = describe(source);
  const href = hrefOf(source, described);
  const place = placeOf(described, href);
  const content = (
    <>
      <span class="number" aria-hidden="true">
        {number}
      </span>
      <span class="names">
        <span class="title" dir="auto">
          {described.title}
        </span>
        {place && (
          <span class="heading" dir="auto">
            {place}
          </span>
        )}
        {described.extract && (
          <span class="extract" dir="auto">
            {described.extract}
          </span>
        )}
      </span>
    </>
  );
  const open = opening(source, rules);
  if (open) {
    return (
      <button type="button" class="source" onClick={open}>
        {content}
      </button>
    );
  }
  return href === null ? (
    <span class="source">{content}</span>
  ) : (
    <a class="source" href={href} {...linkTarget(href)}>
      {content}
    </a>
  );
}

function opening(source: Source, { onEntity }: MarkdownRules): (() => void) | undefined {
  if (source.type !== "entity" || !source.interactive || !onEntity) return undefined;
  return () => onEntity(source);
}

export function labelOf({ title, section }: Described): string {
  return section ? `${title}, ${section}` : title;
}

/** Where a source is: its section, and its host where that is not the page's own. */
function placeOf({ section }: Described, href: string | null): string {
  const host = href !== null && isExternal(href) ? new URL(href, location.href).host : "";
  return [host, section].filter(Boolean).join(" · ");
}

function hrefOf(source: Source, { extract }: Described): string | null {
  const href = source.type === "url" ? safeHref(source.url) : null;
  return href && citedHref(href, extract);
}
