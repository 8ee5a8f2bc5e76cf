"""A small Docusaurus site with whatever may get in the plugin's way, made anew for the tests."""

import json
import os
import subprocess
from pathlib import Path
from textwrap import dedent
from typing import Any

from tests.browser.site import WEB

BASE = "/x/"
MODULES = WEB / "site" / "node_modules"
DOCUSAURUS = MODULES / "@docusaurus" / "core" / "bin" / "docusaurus.mjs"

OPTIONS: dict[str, Any] = {
    "url": "/chatkit",
    "domainKey": "domain_pk_fixture",
    "prompts": ["How do I start?", {"label": "Price", "prompt": "What does it cost?"}],
    "offset": {"x": 40, "y": "3rem"},
    "shortcut": "mod+i",
    "setup": "./src/chat.ts",
    "theme": {"density": "compact"},
    "history": {"enabled": False},
    "disclaimer": {"text": "Answers may be wrong."},
}

CONFIG = """
module.exports = {
  title: "Fixture",
  url: "http://127.0.0.1",
  baseUrl: %(base)s,
  trailingSlash: %(trailing_slash)s,
  i18n: { defaultLocale: %(default)s, locales: %(locales)s },
  storage: { namespace: true },
  presets: [["classic", {
    blog: false,
    docs: { breadcrumbs: false },
    theme: { customCss: "./src/custom.css" },
  }]],
  plugins: [["docusaurus-plugin-chatkit", require("./chat.json")]],
  themeConfig: {
    navbar: { title: "Fixture", items: [{ to: "/docs/next/guide", label: "Next" }] },
    prism: { additionalLanguages: ["bash"] },
  },
};
"""

FILES = {
    "src/pages/index.js": """
        import Link from "@docusaurus/Link";
        import Layout from "@theme/Layout";
        export default () => (
          <Layout>
            <main>
              <h1>Fixture</h1>
              <Link to="/docs/guide">Guide</Link>
              <Link to="/docs/guide?ask=How%20long%3F&tab=two">Ask how long</Link>
              <a href="#ask">Ask us</a>
            </main>
          </Layout>
        );
        """,
    # A site's own root that knows nothing of anybody else's.
    "src/theme/Root.js": """
        export default ({ children }) => <div id="own-root">{children}</div>;
        """,
    "src/custom.css": """
        :root { --ifm-color-primary: rgb(150, 20, 90); }
        [data-brand="green"] { --ifm-color-primary: rgb(0, 110, 60); }
        .chatkit-bubble { border-radius: 11px; }
        button, [type="button"] { padding: 0; border-radius: 0; background: none; color: inherit; }
        svg { width: 1em; stroke: none; }
        section { max-width: 200px; min-height: 100vh; margin: 4rem auto; padding: 4rem; }
        """,
    "src/chat.ts": """
        import type { Setup } from "docusaurus-plugin-chatkit";

        const setup: Setup = {
          headers: async () => ({ Authorization: "Bearer token-of-the-reader" }),
          page: (page) => ({ ...page, title: page.title?.toUpperCase() }),
          onResponseEnd: () => document.body.classList.add("answered"),
        };
        export default setup;
        """,
    "docs/guide.md": "# Guide\n\n"
    + "Words of the guide.\n\n" * 40
    + "## The end\n\nThe last words.\n",
    "versions.json": '["1.0"]',
    "versioned_docs/version-1.0/guide.md": "# Old guide\n\nWords of the old guide.\n",
    "versioned_docs/version-1.0/été.md": "# Été\n\nDes mots.\n\n## La fin\n\nLa fin.\n",
    "versioned_sidebars/version-1.0-sidebars.json": "{}",
    "i18n/de/docusaurus-plugin-chatkit/texts.json": json.dumps(
        {
            "prompt.How do I start?": {"message": "Wie fange ich an?"},
            "disclaimer": {"message": "Antworten können falsch sein."},
        }
    ),
    "i18n/de/docusaurus-plugin-content-docs/current/guide.md": "# Anleitung\n\nWörter.\n",
}


def write_site(
    folder: Path,
    options: dict[str, Any],
    *,
    base: str = BASE,
    locales: tuple[str, ...] = ("en",),
    trailing_slash: bool = True,
) -> Path:
    """The sources of the site; the packages are those of the documentation site."""
    config = CONFIG % {
        "base": json.dumps(base),
        "default": json.dumps(locales[0]),
        "locales": json.dumps(locales),
        "trailing_slash": json.dumps(trailing_slash),
    }
    files = FILES | {"docusaurus.config.js": config, "chat.json": json.dumps(options)}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(dedent(text).lstrip())
    (folder / "package.json").write_text('{"name": "fixture", "private": true}')
    (folder / "node_modules").symlink_to(MODULES)
    return folder


def docusaurus(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        ["node", str(DOCUSAURUS), *arguments],
        cwd=folder,
        env={**os.environ, "CI": "1", "DO_NOT_TRACK": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"docusaurus {' '.join(arguments)}:\n{done.stdout[-4000:]}")


def build_site(folder: Path) -> Path:
    docusaurus(folder, "build", "--no-minify")
    return folder / "build"
