/** Reads Markdown that grows at its end, as an answer does while it streams. */

import { getDefaults, Lexer, type Token, type TokensList } from "marked";

// Not the defaults that a page may set: its marked may be ours.
const options = { ...getDefaults(), gfm: true };

/** Blocks at the end that more text may still change: a list goes on after an empty line. */
const OPEN_BLOCKS = 2;

/**
 * The blocks of a text. Those of an earlier reading are the same objects again as far as the text
 * is the same, and only the rest is read: a long answer would else be read whole for each frame.
 */
export function lex(source: string, earlier?: TokensList): TokensList {
  const text = source.replace(/\r\n?/g, "\n");
  const kept = earlier ? settled(text, earlier) : [];
  if (kept.length > 0) {
    const rest = new Lexer(options).lex(text.slice(length(kept)));
    if (!definesLinks(rest)) return Object.assign([...kept, ...rest], { links: rest.links });
  }
  return new Lexer(options).lex(text);
}

/** The blocks that further text leaves as they are. */
function settled(text: string, tokens: TokensList): Token[] {
  // An address that is defined, or changed, at the end may be one that was used long before.
  if (definesLinks(tokens)) return [];
  let at = 0;
  const changed = tokens.findIndex(({ raw }) => {
    const same = text.startsWith(raw, at);
    at += raw.length;
    return !same;
  });
  let end = changed < 0 ? tokens.length : changed;
  for (let open = 0; end > 0 && open < OPEN_BLOCKS; end--) {
    if (tokens[end - 1]?.type !== "space") open++;
  }
  return tokens.slice(0, end);
}

function definesLinks({ links }: TokensList): boolean {
  return Object.keys(links).length > 0;
}

function length(tokens: readonly Token[]): number {
  return tokens.reduce((n, token) => n + token.raw.length, 0);
}
