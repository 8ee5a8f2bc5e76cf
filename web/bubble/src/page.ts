import type { PageContext } from "@docs-chatkit/core";

/** What the reader has in front of them; the server gets it with every request. */
export function readPage(): PageContext {
  const heading = readHeading();
  return {
    // Without the query, which may hold what is nobody's business.
    url: location.origin + location.pathname + location.hash,
    title: document.title,
    locale: document.documentElement.lang,
    ...(heading && { heading }),
  };
}

/** The last heading that the reader has scrolled to. */
function readHeading(): string | undefined {
  let heading: string | undefined;
  for (const element of document.querySelectorAll(":is(main, article) :is(h1, h2, h3)")) {
    if (heading !== undefined && element.getBoundingClientRect().top > innerHeight / 3) break;
    heading = element.textContent.trim();
  }
  return heading;
}
