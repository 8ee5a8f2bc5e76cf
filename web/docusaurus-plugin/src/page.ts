import type { PageContext } from "@docs-chatkit/core";

/** What the reader has in front of them; the server gets it with every request. */
export function readPage(): PageContext {
  return {
    // Without the query, which may hold what is nobody's business.
    url: location.origin + location.pathname + location.hash,
    title: document.title,
    heading: readHeading(),
    // By the names that Docusaurus gives them for searching: an edition may be "en" with the lang "en-GB".
    version: readMeta("docusaurus_version"),
    locale: readMeta("docusaurus_locale") ?? document.documentElement.lang,
  };
}

function readMeta(name: string): string | undefined {
  return document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content;
}

/** The last heading that the reader has scrolled to. */
function readHeading(): string | undefined {
  let heading: string | undefined;
  for (const element of document.querySelectorAll("main :is(h1, h2, h3)")) {
    if (heading !== undefined && element.getBoundingClientRect().top > innerHeight / 3) break;
    // Docusaurus ends each heading with a link whose text is a zero-width space.
    heading = element.textContent.replace(/\u200b/g, "").trim();
  }
  return heading;
}
