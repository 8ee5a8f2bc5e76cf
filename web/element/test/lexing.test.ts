import assert from "node:assert/strict";
import { test } from "node:test";

import { lexer, type TokensList } from "marked";

import { lex } from "../src/lexing.js";

const GROWING = [
  "# Title\n\nA paragraph\nof two lines.\n\nAnother\n===\n\nA third one\n---\n\n***\n\nEnd.",
  "- a\n- b\n\n  more of b\n\n- c\n  - d\n\n    deep\n\n1. e\n2. f\n\n\n- g\n\ntext\n- h\n",
  "```js\nlet a;\n\n# no title\n```\n\n~~~\nnever closed\n\n- x\n",
  "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 |\n\nend | of\ntable\n\n| not | one\n",
  "> quoted\n> - list\n\nlazy\n\n> again\nlazy\n\n    code\n\n    more code\n\ntext\n    no code\n",
  "See [one] and [two][1].\n\n- [one]\n\nText.\n\nText.\n\n[one]: /docs/one\n[1]: /docs/two 'x'\n\nEnd [1].",
  "<div>\n\n**bold**\n\n</div>\n\n<!-- never\n\nclosed\n\n- x\n",
  "[a]: /a\n\n[b]: /b\n\nText [a] [b]\n\n[b]: /other\n\nText\n\nText [a]\n",
  "\n\n\na\r\nb\r\n\r\n- c\r\n\r\n- d\r\n\r\n\r\ne\n \n\tf\n\n* * *\n",
  "**open\n\n`open\n\n[open](\n\n![open\n\n\\",
];

/** As JSON, which leaves out nothing that is shown. */
function shown(tokens: TokensList): string {
  return JSON.stringify([...tokens]);
}

test("text that comes letter by letter is read as if it had come at once", () => {
  for (const text of GROWING) {
    let tokens: TokensList | undefined;
    for (let end = 1; end <= text.length; end++) {
      tokens = lex(text.slice(0, end), tokens);
      assert.equal(shown(tokens), shown(lexer(text.slice(0, end))), text.slice(0, end));
    }
  }
});

test("a text that changes anywhere is read as if it had not been read before", () => {
  for (const text of GROWING) {
    const before = lex(text);
    for (let at = 0; at < text.length; at++) {
      for (const change of ["", "\n\n", "`", "[1]: /x\n"]) {
        const changed = text.slice(0, at) + change + text.slice(at + 1);
        assert.equal(shown(lex(changed, before)), shown(lexer(changed)), changed);
      }
    }
  }
});

test("only the end of a long text is read again", () => {
  const text = "## Title\n\nA paragraph.\n\n- a list\n- of two\n\n".repeat(100);
  const before = lex(text);
  const after = lex(`${text}And`, before);
  const blocks = [...after].filter((token) => token.type !== "space");
  const fresh = blocks.filter((token) => !before.includes(token));
  assert.equal(blocks.length, 301);
  assert.deepEqual(
    fresh.map((token) => token.type),
    ["paragraph", "list", "paragraph"],
  );
});
