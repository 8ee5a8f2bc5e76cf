import { matchPath } from "@docusaurus/router";
import routes from "@generated/routes";

import { pageText, readDestination, showPassage } from "./page";

type Routes = typeof routes;

/** Whether the site has a page at `pathname`; its host may serve other things beside it. */
function isOfSite(pathname: string): boolean {
  // Docs have their route as it is read, "/docs/été"; pages as it stands in an address.
  return isPage(pathname, routes) || isPage(decode(pathname), routes);
}

function isPage(pathname: string, among: Routes): boolean {
  return among.some(
    ({ path, exact, routes: below }) =>
      path !== "*" &&
      matchPath(pathname, { path, exact }) !== null &&
      (below === undefined || isPage(pathname, below as Routes)),
  );
}

function decode(pathname: string): string {
  try {
    return decodeURI(pathname);
  } catch {
    return pathname;
  }
}

/** A site may be served with the last slash or without. */
function normalPath(pathname: string): string {
  return pathname.replace(/(?:\/index\.html|\.html|\/)$/, "");
}

/** The chat lies in a shadow root: event.target is only its host. */
function linkOf(event: Event): HTMLAnchorElement | undefined {
  return event.composedPath().find((node) => node instanceof HTMLAnchorElement);
}

/** Keeps back from the page that a link opens, in whichever way, where the link was. */
export function hideOrigin(event: Event): void {
  const link = linkOf(event);
  if (link) link.rel = "noopener noreferrer";
}

/**
 * Opens a clicked link in the page behind the chat without loading it anew, and every address that
 * is not a page of this site in a tab of its own. Returns whether the page behind changed.
 */
export function followLink(event: MouseEvent): boolean {
  if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) {
    return false;
  }
  const link = linkOf(event);
  if (!link?.href || link.hasAttribute("download")) return false;
  const destination = readDestination(link.href);
  const { url } = destination;
  if (url.origin !== location.origin || !isOfSite(url.pathname)) {
    link.target = "_blank";
    return false;
  }
  event.preventDefault();
  const isHere = normalPath(url.pathname) === normalPath(location.pathname);
  const before = isHere ? undefined : pageText();
  if (url.href !== location.href) {
    history.pushState(null, "", url);
    // The router listens for this; it loads the page and scrolls to the heading.
    dispatchEvent(new PopStateEvent("popstate"));
  }
  void showPassage(destination, before);
  return true;
}
