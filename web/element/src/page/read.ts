/** What the reader has in front of them, on a page of any kind. */

import type { PageContext } from "@docs-chatkit/core";

/** The longest of what is sent: a request with more is refused. */
const LONGEST = 300;
/** Parts of a page that hold headings of other things than its text. */
const BESIDE =
  "nav, aside, footer, dialog, [role='navigation'], [role='dialog'], [hidden], " +
  // Its headings have a place in some browsers.
  "details:not([open]) > :not(summary)";

/** The server gets it with every request. */
export function readPage(): PageContext {
  const locale =
    readMeta("docusaurus_locale") ??
    readMeta("docsearch:language") ??
    document.documentElement.lang;
  const version = readMeta("docusaurus_version") ?? readMeta("docsearch:version");
  const heading = readHeading();
  return {
    // Without the query, which may hold what is nobody's business, as may a fragment.
    url: cut(location.origin + location.pathname + (target() ? location.hash : "")),
    title: cut(document.title),
    ...(heading && { heading: cut(heading) }),
    ...(version && { version: cut(version) }),
    ...(locale && { locale: cut(locale) }),
  };
}

/** Where the text of the page is. */
export function findContent(): Element {
  const main = document.querySelector("main, [role='main']") ?? document.body;
  // A page of docs has one article, beside the table of contents; a list of posts has many.
  const [article, ...others] = main.querySelectorAll("article");
  return article && others.length === 0 ? article : main;
}

/** The heading that the reader has scrolled to. */
function readHeading(): string | undefined {
  const headings = [...findContent().querySelectorAll("h1, h2, h3, h4")].filter(isShown);
  const { scrollY, innerHeight } = window;
  const atEnd = scrollY > 0 && scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
  const top = (heading: Element) => heading.getBoundingClientRect().top;
  // The last sections of a page never come up to the line where one reads: what the reader has
  // gone to is meant, or the very last.
  const aimed = atEnd && headings.find((one) => one === target() && top(one) >= 0);
  const line = atEnd ? innerHeight : innerHeight / 3;
  const heading = aimed || (headings.findLast((one) => top(one) <= line) ?? headings[0]);
  return heading && textOf(heading);
}

/** Not in a tab or a part that is closed, which has no place on the page and so none above. */
function isShown(heading: Element): boolean {
  return (
    heading.getClientRects().length > 0 && !heading.closest(`${BESIDE}, a`) && !!textOf(heading)
  );
}

/** A heading without the sign that links to it: a zero-width space, "#" or "¶". */
function textOf(heading: Element): string {
  return heading.textContent
    .replace(/[\u200b\ufeff]/g, "")
    .replace(/\s*¶\s*$|\s+[#§]\s*$|^\s*[#§]\s+/g, "")
    .replace(/\s+/g, " ")
    .trim();
}

/** What the fragment names; one that names nothing may be a token. */
function target(): Element | null {
  const name = location.hash.slice(1);
  if (!name) return null;
  try {
    return document.getElementById(decodeURIComponent(name));
  } catch {
    return document.getElementById(name);
  }
}

function readMeta(name: string): string | undefined {
  return document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content || undefined;
}

function cut(text: string): string {
  return text.slice(0, LONGEST);
}
