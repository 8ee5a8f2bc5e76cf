"""A page of any generator says what its reader would read, at the addresses its links have."""

from pathlib import Path

import pytest

from chatkit_tools.errors import UnreadablePageError
from chatkit_tools.html_page import HtmlPage, read_page, read_places
from chatkit_tools.page_file import MAX_PAGE_BYTES

PAGES = Path(__file__).parent / "pages"
URL = "https://rocket.example/guide/install"


def read(name: str) -> HtmlPage:
    return read_page((PAGES / f"{name}.html").read_bytes(), URL)


def read_html(html: str, url: str = URL) -> HtmlPage:
    return read_page(html.encode(), url)


def outline(page: HtmlPage) -> list[tuple[str | None, tuple[str, ...]]]:
    return [(piece.anchor, piece.headings) for piece in page.pieces]


def text(page: HtmlPage) -> str:
    return "\n\n".join(piece.text for piece in page.pieces)


def test_a_page_of_docusaurus_is_its_text() -> None:
    page = read("docusaurus")

    assert page.title == "Install"
    assert (page.version, page.locale, page.breadcrumbs) == ("2.1.0", "en", ("Guide",))
    assert page.canonical == "https://rocket.example/docs/2.1.0/guide/install"
    assert not page.left_out
    assert outline(page) == [
        (None, ()),
        ("with-npm", ("With npm",)),
        ("options", ("With npm", "Options")),
    ]
    assert text(page) == (
        "Get **Rocket** with a package manager, see"
        " [the start](https://rocket.example/docs/2.1.0/guide/start#first).\n\n"
        "Choose your manager:\n\n"
        "**npm**\n\n**terminal**\n\n"
        "```bash\nnpm i rocket\n\n  rocket --version | tee <file>\n```\n\n"
        "**Yarn**\n\n```bash\nyarn add rocket\n```\n\n"
        "**Mind the fuel**\n\nKerosene burns.\n\n"
        "| Option | Means |\n| --- | --- |\n"
        f"| `--a\\|b` | either [way]({URL}#with-npm) |\n\n"
        "- [x] done\n\n"
        "**More of it**\n\nHidden at first.\n\n"
        "Thrust is `$F = m a_1$`. A rocket on its pad"
    )


def test_a_page_of_material_is_its_text() -> None:
    page = read("material")

    assert (page.title, page.breadcrumbs) == ("Install", ("Guide",))
    assert outline(page) == [(None, ()), ("with-pip", ("With pip",))]
    assert text(page) == (
        "Get Rocket with `pip`.\n\n**Mind the fuel**\n\nKerosene burns.\n\n"
        "**Old versions**\n\nThey are gone.\n\n"
        "**Linux**\n\nUse apt.\n\n**macOS**\n\nUse brew.\n\n"
        "**launch.py**\n\n```python\nimport rocket\nrocket.launch()\n```\n\n"
        "**`--dry-run`**\n\nLifts nothing.\n\nThen `$x^2$`."
    )


def test_a_page_of_sphinx_has_the_addresses_of_its_sections_and_signatures() -> None:
    page = read("sphinx")

    assert (page.title, page.version, page.breadcrumbs) == ("rocket.launch", "stable", ("API",))
    rocket = ("Reference", "class rocket.launch.Rocket(fuel)")
    assert outline(page) == [
        (None, ()),
        ("counting-down", ("Counting down",)),
        ("rocket.launch.Rocket", rocket),
        ("rocket.launch.Rocket.abort", (*rocket, "abort()")),
    ]
    assert (
        page.pieces[0].text
        == "Launches. See [Landing](https://rocket.example/guide/land.html#land)."
    )
    assert page.pieces[1].text == (
        "Numbers first:\n\n```python\nfor i in range(3):\n    print(i)\n```\n\n"
        "**Note**\n\nStand back."
    )
    assert page.pieces[3].text == "Stops it.\n\n**Returns:**\n\nwhether it stopped"


def test_a_page_of_vitepress_is_its_text() -> None:
    page = read("vitepress")

    assert (page.title, page.locale) == ("Installer", "fr")
    assert outline(page) == [(None, ()), ("avec-npm", ("Avec npm",))]
    assert text(page) == (
        "Obtenez Rocket.\n\n**ATTENTION**\n\nLe kérosène brûle.\n\n"
        "**config.js**\n\n```js\nexport default {\n}\n```\n\n"
        "**config.ts**\n\n```ts\nlet a: T<B>\n```"
    )


def test_a_page_of_hugo_is_its_text() -> None:
    page = read("hugo")

    assert (page.title, page.breadcrumbs) == ("Install", ("Documentation",))
    assert outline(page) == [(None, ()), ("with-go", ("With Go",))]
    assert text(page) == (
        "Get Rocket quickly.\n\n```go\npackage main\nfunc main() {}\n```\n\n"
        "**Mind the fuel**\n\nKerosene burns.\n\n"
        "**Linux**\n\nUse apt.\n\n**Windows**\n\nUse winget."
    )


def test_a_page_of_mdbook_may_have_several_chapters() -> None:
    page = read("mdbook")

    assert page.title == "Install"
    assert [(piece.anchor, piece.headings, piece.text) for piece in page.pieces] == [
        (None, (), "Get Rocket."),
        ("with-cargo", ("With cargo",), "```rust\nlet a = 1;\n```"),
        ("update", ("Update",), "Run it again."),
    ]


def test_a_page_of_starlight_is_its_text() -> None:
    page = read("starlight")

    assert page.title == "Install"
    assert outline(page) == [(None, ()), ("with-pnpm", ("With pnpm",))]
    assert text(page) == (
        "Get Rocket.\n\n**One**\n\nFirst way.\n\n**Two**\n\nSecond way.\n\n"
        "**a.js**\n\n```js\nconst a = 1;\nuse(a);\n```\n\n**Tip**\n\nKerosene burns."
    )


def test_a_page_written_by_hand_is_read_as_a_browser_would() -> None:
    page = read("plain")

    assert page.title == "Installing Rocket"
    assert [(piece.anchor, piece.headings, piece.text) for piece in page.pieces] == [
        (None, (), "Unclosed & old\n\ntext."),
        (
            "fuel",
            ("Fuel",),
            "Kerosene\nburns. [More](https://rocket.example/guide/b.html#x) Script",
        ),
        ("engine", ("Engine",), "```\n  indented\n    code\n```"),
        # It has no address of its own.
        ("engine", ("Engine", "Nozzle"), "Hot.\n\n| key | value |\n| --- | --- |\n| a | 1 |"),
    ]


@pytest.mark.parametrize(
    ("html", "title"),
    [
        ("<title>Install | Rocket</title><p>a", "Install"),
        ("<title>Options - a - b · Rocket</title><p>a", "Options - a - b"),
        ("<title>Well-known ports</title><p>a", "Well-known ports"),
        ("<meta property=og:site_name content='My Docs'><title>A: My Docs</title><p>a", "A"),
        ("<title>x</title><body><header><h1>Brand</h1></header><main><h1>Page</h1><p>a", "Page"),
        ("<p>a", "install"),
    ],
)
def test_a_page_has_a_title(html: str, title: str) -> None:
    assert read_html(html).title == title


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("<meta name=robots content='noindex, follow'><p>a", "noindex"),
        ("<meta property=robots content=noindex><p>a", "noindex"),
        ("<meta name=ROBOTS content=none><p>a", "noindex"),
        (
            "<meta http-equiv=refresh content='0; url=../start/'><p>a",
            "https://rocket.example/start/",
        ),
        ("<html class='docs-tags-list-page'><p>a", "tags"),
        ("<html class='blog-list-page'><p>a", "blog posts"),
        ("<html class='plugin-blog plugin-id-default'><p>a", "blog posts"),
        ("<main><div id=search-results></div>Searching</main>", "search page"),
        ("<main><nav>Only this</nav><script>text()</script></main>", "no text"),
        ("", "no text"),
    ],
)
def test_a_page_that_is_not_for_search_says_why(html: str, reason: str) -> None:
    assert reason in read_html(html).left_out


def test_a_post_of_docusaurus_is_for_search() -> None:
    assert not read_html("<html class='blog-wrapper blog-post-page plugin-blog'><p>a").left_out


def test_the_page_for_what_was_not_found_is_left_out() -> None:
    assert "not found" in read_html("<p>a", "https://a.example/404.html").left_out
    assert not read_html("<p>a", "https://a.example/errors/404s").left_out


def test_a_page_that_reloads_itself_is_kept() -> None:
    assert not read_html("<meta http-equiv=refresh content=300><p>a").left_out


def test_links_are_absolute_and_lead_to_the_web() -> None:
    html = (
        "<base href='/v2/'><p><a href='b#c'>B</a> <a href=mailto:a@b.c>m</a>"
        " <a href='javascript:x()'>j</a> <a href='http://[bad'>bad</a> "
        "<a href=//cdn.example/x>x</a> <a href=#y>y</a></p>"
    )

    assert text(read_html(html)) == (
        "[B](https://rocket.example/v2/b#c) [m](mailto:a@b.c) j bad [x](https://cdn.example/x)"
        " [y](https://rocket.example/v2/#y)"
    )
    assert read_places(html.encode(), URL) == (
        "",
        ("https://rocket.example/v2/b", "https://cdn.example/x", "https://rocket.example/v2/"),
    )


def test_text_that_looks_like_markdown_stays_text() -> None:
    page = read_html(
        "<h1>T</h1><p>a\n# b {#c}\n- d\n```\ne</p><p># f</p><h2>no id {#own}</h2><p>&lt;b&gt; g</p>"
    )

    assert outline(page) == [(None, ()), (None, ("no id {#own}",))]
    assert page.pieces[0].text == "a # b {#c} - d ``` e\n\n\\# f"
    assert page.pieces[1].text == "<b> g"


def test_an_id_with_braces_or_spaces_is_escaped() -> None:
    page = read_html("<h1>T</h1><h2 id='a {b}'>A</h2><p>x</p><h2 id='größe_2'>B</h2><p>y</p>")

    assert [piece.anchor for piece in page.pieces] == ["a%20%7Bb%7D", "größe_2"]


def test_headings_within_lists_and_cells_are_words_of_them() -> None:
    page = read_html(
        "<h1>T</h1><ul><li><h3 id=a>A</h3>x</li></ul><table><tr><td><h4>B</h4></table>"
    )

    assert outline(page) == [(None, ())]
    assert page.pieces[0].text == "- **A**\n\n  x\n\n| **B** |\n| --- |"


def test_the_latest_of_several_versions_comes_first() -> None:
    assert read_html("<meta name=docsearch:version content='2.0.0,latest'><p>a").version == "2.0.0"
    assert read_html("<meta name=docusaurus_tag content=docs-api-v1-rc><p>a").version == "v1-rc"
    assert read_html("<meta name=docusaurus_tag content=default><p>a").version == ""


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("utf-8-sig", "Größe"),
        ("utf-16", "Größe"),
        ("windows-1252", "Größe – “zitiert”"),
        ("latin-1", "Größe"),
        ("gb18030", "安装火箭"),
        ("shift_jis", "ロケットを設置する"),
        ("koi8-r", "Установка"),
    ],
)
def test_the_encoding_may_be_declared(encoding: str, words: str) -> None:
    declared = f"<meta charset={encoding}><p>{words}</p>".encode(encoding)
    by_pragma = f"<meta http-equiv=Content-Type content='text/html; charset={encoding}'><p>{words}"
    bare = f"<p>{words}</p>".encode(encoding)

    assert text(read_page(declared, URL)) == words
    assert text(read_page(by_pragma.encode(encoding), URL)) == words
    assert text(read_page(bare, URL, encoding)) == words


@pytest.mark.parametrize(
    ("encoding", "start", "words"),
    [
        ("utf-8", "", "Größe 安装"),
        (
            "windows-1252",
            "",
            "Die Größe des Triebwerks hängt vom gewählten Kraftstoff ab, also prüfe.",
        ),
        ("gb18030", "", "火箭发动机的大小取决于所选择的燃料，因此请先检查说明文档中的表格。"),
        ("shift_jis", "<html lang=ja>", "ロケットの大きさは、燃料によって異なります。"),
        ("big5", "<html lang='zh-TW'>", "火箭發動機的大小取決於所選擇的燃料"),
    ],
)
def test_the_encoding_may_be_missing_or_wrong(encoding: str, start: str, words: str) -> None:
    page = f"{start}<p>{words}</p>".encode(encoding)

    assert text(read_page(page, URL)) == words
    assert text(read_page(b"<meta charset=utf-8>" + page, URL)) == words


def test_utf8_declared_as_something_else_is_utf8() -> None:
    page = "<meta charset=iso-8859-1><p>Größe</p>".encode()

    assert text(read_page(page, URL, "iso-8859-1")) == "Größe"


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-7", "zip", "nonsense", "punycode", ""])
def test_a_page_does_not_choose_among_all_of_pythons_codecs(charset: str) -> None:
    assert text(read_page(b"<p>a +ADw-b \\x41</p>", URL, charset)) == "a +ADw-b \\x41"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary"),
        (b" " * (MAX_PAGE_BYTES + 1), "limit is 10 MB"),
        (b"<div>" * 10_000 + b"x", "deep"),
        (b"<ul><li>" * 100_000 + b"x", "deep"),
    ],
)
def test_what_is_no_page_says_so(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePageError, match=reason):
        read_page(data, URL)


@pytest.mark.parametrize(
    "tag", ["div", "ul><li", "blockquote", "span", "b", "dl><dd", "table><tr><td"]
)
def test_what_is_nested_as_deep_as_allowed_is_read(tag: str) -> None:
    tags = tag.split("><")
    depth = 40 if tag != "div" else 490
    opened, closed = f"<{tag}>" * depth, "".join(f"</{name}>" for name in reversed(tags)) * depth

    assert "word" in text(read_html(f"<h1>T</h1>{opened}word{closed}"))


def test_a_page_with_100_000_headings_is_read() -> None:
    page = read_html("<h1>T</h1>" + "".join(f"<h2 id=a>A{n}</h2><p>t" for n in range(100_000)))

    assert len(page.pieces) == 100_000
    assert page.pieces[-1].anchor == "a"
    assert page.pieces[-1].headings == ("A99999",)


def test_pictures_leave_only_their_words() -> None:
    huge = "M0 0" * 500_000
    page = read_html(
        f"<p>a<svg><title>t</title><path d='{huge}'/></svg><img alt=Pad src='data:image/png;base64,"
        f"{huge}'> b</p>"
    )

    assert text(page) == "aPad b"


def test_half_a_character_in_a_breadcrumb_stops_no_run() -> None:
    crumbs = '{"@type": "BreadcrumbList", "itemListElement": [{"name": "Guides \\ud83d"}]}'
    page = read_html(f"""
        <script type="application/ld+json">{crumbs}</script>
        <main><h1>Title</h1><p>Text.</p></main>""")

    assert page.breadcrumbs == ("Guides ?",)


def test_a_redirect_for_readers_without_scripts_is_none() -> None:
    page = read_html("""
        <head><noscript><meta http-equiv="refresh" content="0; url=/plain"></noscript></head>
        <main><h1>Title</h1><p>Text.</p></main>""")

    assert not page.left_out


@pytest.mark.parametrize(
    "robots", ["noindex", "none", "noarchive, none", "None , nofollow", "NOINDEX;follow"]
)
def test_a_page_that_asks_not_to_be_indexed_is_left_out(robots: str) -> None:
    page = read_html(f'<meta name="robots" content="{robots}"><main><p>Text.</p></main>')

    assert "asks not to be indexed" in page.left_out
