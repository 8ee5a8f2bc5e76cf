"""What somebody may write where text of theirs is shown, to have the page run it or lie for it.

The texts go into questions, answers, titles, sources, quotes and widgets. A page that falls for one
sets `window.ran`; `check_harmless` also looks for what would only run when it is clicked.
"""

from typing import Any

from playwright.sync_api import Page

RUN = "window.ran=1"

SCRIPTS = [
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f'"><script>{RUN}</script>',
    f"<img src=x onerror={RUN}>",
    f'<img src=x:x onerror="{RUN}"//',
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={RUN}>",
    f"<details open ontoggle={RUN}>",
    f"<body onload={RUN}>",
    f"<input autofocus onfocus={RUN}>",
    f"<video><source onerror={RUN}></video>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<iframe src=javascript:parent.{RUN}></iframe>",
    f'<form action="javascript:{RUN}"><button>Send</button></form>',
    f'<a href="javascript:{RUN}">more</a>',
    f"<template shadowrootmode=open><img src=x onerror={RUN}></template>",
    f"&lt;img src=x onerror={RUN}&gt;",
    f"&#60;script&#62;{RUN}&#60;/script&#62;",
    f"<!--><img src=x onerror={RUN}>-->",
    f"<style>@import 'x'</style><img src=x onerror={RUN}>",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
    f"${{{RUN}}}",
    f"';{RUN};//",
    f"<base href='javascript:{RUN}//'><meta http-equiv=refresh content='0;url=javascript:{RUN}'>",
]
"""Each would run without a click where it was taken for HTML."""

ADDRESSES = [
    f"javascript:{RUN}",
    f"JaVaScRiPt:{RUN}",
    f" javascript:{RUN}",
    f"\x01javascript:{RUN}",
    f"java\nscript:{RUN}",
    f"java\tscript:{RUN}",
    f"javascript://example.com/%0a{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    "data:text/html;base64,PHNjcmlwdD53aW5kb3cucmFuPTE8L3NjcmlwdD4=",
    f"vbscript:{RUN}",
    "blob:https://example.com/1",
    "file:///etc/passwd",
    "filesystem:https://example.com/x",
    "view-source:https://example.com/",
]
"""Addresses that nothing may link to, load or open."""

MARKDOWN = [
    *(f"[more]({address})" for address in ADDRESSES),
    *(f"![image]({address})" for address in ADDRESSES),
    f"[more](javascript&colon;{RUN}) [more](&#106;avascript:{RUN})",
    f"[more]: javascript:{RUN}\n\n[more]",
    f"<javascript:{RUN}>",
    f'[more](https://example.com/ "x\\" onmouseover=\\"{RUN}")',
    f'![x](https://example.com/x.png\\"onerror=\\"{RUN})',
    f"`` ` `` <img src=x onerror={RUN}>",
    f"```html\n<script>{RUN}</script>\n```",
    f"| a |\n|---|\n| <svg onload={RUN}> |",
]

RIGHT_TO_LEFT = "\u202e"
DISGUISED = [
    f"example.com/{RIGHT_TO_LEFT}gnp.exe",
    "\u2066hidden\u2069 text",
    "zero\u200b\u200dwidth",
    "a\u0000b\u0007c\u009bd",
]
"""Characters that make a text look like another one, or change what stands beside it."""

TEXTS = [*SCRIPTS, *MARKDOWN, *DISGUISED]
LONG = "Averylongword" * 400

_FIND = """(root) => {
  const found = [];
  const addresses = ["href", "src", "srcset", "action", "formaction", "xlink:href", "data"];
  const unsafe = (value) => {
    try {
      const { protocol } = new URL(value, location.href);
      return !["http:", "https:", "mailto:", "tel:"].includes(protocol);
    } catch { return true; }
  };
  const look = (node) => {
    if (node instanceof Element) {
      if (node.matches("script, iframe, object, embed, base, meta, link, style, frame, portal")) {
        found.push(node.outerHTML);
      }
      for (const { name, value } of node.attributes) {
        const image = node.localName === "img" && /^(data:image\\/|blob:)/.test(value);
        if (name.startsWith("on") || name === "srcdoc" || name === "style" && /url\\(/.test(value)
            || addresses.includes(name) && unsafe(value) && !image) found.push(node.outerHTML);
      }
      if (node.shadowRoot) look(node.shadowRoot);
    }
    for (const child of node.children) look(child);
  };
  for (const node of document.querySelectorAll(root)) look(node);
  return found;
}"""


def check_harmless(page: Page, root: str = "docs-chatkit") -> None:
    """Nothing ran, and nothing below `root`, shadow roots included, would run when it is used."""
    found: Any = page.evaluate(_FIND, root)
    assert found == []
    assert page.evaluate("window.ran ?? null") is None
