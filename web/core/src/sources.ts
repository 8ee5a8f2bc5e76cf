/** What a source is called, in words that show what they are. */

import type { Source } from "./protocol.js";

const LONGEST = 200;

/** Signs that are not seen, and those that turn around what stands beside them. */
const UNSEEN =
  /[\p{Cc}\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]+/gu;

export interface Described {
  title: string;
  /** The path of headings that leads to it; empty where there is none. */
  section: string;
  /** The words of it that an answer rests on; empty where they aren't known. */
  extract: string;
}

/** A source's description is its section, and from the second line on what is cited of it. */
export function describe(source: Source): Described {
  const [section = "", ...cited] = (source.description ?? "").split("\n");
  const title = clean(source.title ?? "") || clean(nameOf(source));
  const heading = clean(section);
  return { title, section: heading === title ? "" : heading, extract: clean(cited.join(" ")) };
}

/** A title on one line, not too long. */
export function clean(text: string): string {
  const line = text.replace(UNSEEN, " ").replace(/\s+/g, " ").trim();
  return line.length > LONGEST ? `${line.slice(0, LONGEST).trimEnd()}…` : line;
}

function nameOf(source: Source): string {
  if (source.type === "url") return source.url.replace(/^https?:\/\//, "");
  return source.type === "file" ? source.filename : source.id;
}
