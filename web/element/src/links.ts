/** Which addresses an answer may link to and load. */

const SAFE = new Set(["http:", "https:", "mailto:"]);
/** Words of a citation's beginning, and of its end, that an address has. */
const ENDS = 4;
const DEEPLINK = "chatkit-link:";

export interface Deeplink {
  name: string;
  data?: Record<string, unknown>;
}

/** The address as written if it is safe to follow; relative ones are. */
export function safeHref(href: string): string | null {
  const url = parse(href);
  return url && SAFE.has(url.protocol) ? href.trim() : null;
}

/**
 * The address with a text directive: a browser that loads it scrolls to the words that are cited
 * and marks them, or goes to the heading where it doesn't find them.
 */
export function citedHref(href: string, extract: string): string {
  const words = extract.replace(/…$/, "").trim().split(/\s+/);
  if (words[0] === "" || href.includes(":~:") || !/^(?:https?:|[^:]*(?:[/?#]|$))/i.test(href)) {
    return href;
  }
  // By its beginning and its end, since what lies between may be set in several blocks.
  const ends = words.length > 2 * ENDS ? [words.slice(0, ENDS), words.slice(-ENDS)] : [words];
  const text = ends.map((part) => encodeURIComponent(part.join(" ")).replaceAll("-", "%2D"));
  return `${href}${href.includes("#") ? "" : "#"}:~:text=${text.join(",")}`;
}

/** Whether a link leads away from the page's own site. */
export function isExternal(href: string): boolean {
  return parse(href)?.origin !== location.origin;
}

export function parseDeeplink(href: string): Deeplink | null {
  if (!href.startsWith(DEEPLINK)) return null;
  const [name = "", query = ""] = href.slice(DEEPLINK.length).replace(/^\/+/, "").split("?");
  const data = Object.fromEntries(new URLSearchParams(query));
  return Object.keys(data).length > 0 ? { name, data } : { name };
}

/**
 * The image's address if it may be loaded: from the page's own host or a host that the thread
 * allows. An image from anywhere else could carry the chat's content away in its address.
 */
export function safeImage(src: string, domains: readonly string[]): string | null {
  const url = parse(src);
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:")) return null;
  const allowed =
    url.origin === location.origin ||
    domains.some((domain) => url.hostname === domain || url.hostname.endsWith(`.${domain}`));
  return allowed ? url.href : null;
}

/** An image that is in the address itself comes from nowhere else, and an <img> runs no script. */
export function imageSource(src: string, domains: readonly string[]): string | null {
  if (/^data:image\/[\w.+-]+[;,]/i.test(src)) return src;
  return src === "" ? null : safeImage(src, domains);
}

function parse(href: string): URL | null {
  try {
    return new URL(href, location.href);
  } catch {
    return null;
  }
}
