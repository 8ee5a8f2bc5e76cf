/** What the address of the page asks of the chat. */
export interface AddressRequest {
  /** Empty to open the chat and no more. */
  question: string;
  /** Whether the question may be sent, or only be written for the reader to send. */
  trusted: boolean;
}

/**
 * Takes `#ask` or `?ask=question` out of the address, so that neither a reload nor a bookmark asks
 * again. `previous` is where the site's router was before, `null` for the page that was loaded.
 */
export function takeRequest(previous: Location | null): AddressRequest | null {
  const url = new URL(location.href);
  const question = url.searchParams.get("ask");
  // A heading may have that id.
  const isHash = url.hash === "#ask" && !document.getElementById("ask");
  if (question === null && !isHash) return null;
  url.searchParams.delete("ask");
  if (isHash) url.hash = "";
  const samePage = previous?.pathname === location.pathname;
  const top = scrollY;
  history.replaceState(history.state, "", url);
  // The router keeps the address too, and would bring it back with the next tab that it remembers there.
  dispatchEvent(new PopStateEvent("popstate", { state: history.state as unknown }));
  if (samePage && isHash) {
    // It scrolls to the top of what it takes for another address.
    requestAnimationFrame(() => scrollTo({ top, behavior: "instant" }));
  }
  return {
    question: question?.trim() ?? "",
    trusted: previous !== null || isOwn(document.referrer),
  };
}

/**
 * A page elsewhere must not make the reader ask something. Links within the site are taken by its
 * router, or name the site as where the reader came from, which no other site can.
 */
function isOwn(referrer: string): boolean {
  return referrer !== "" && new URL(referrer).origin === location.origin;
}
