"""Pages are read, named and addressed as Docusaurus does it."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from chatkit_tools import (
    Document,
    MarkdownFolder,
    Passages,
    SkippedDocument,
    SourceError,
    UnreadableDocument,
    read_documents,
)
from chatkit_tools.documents import list_documents, page_url
from chatkit_tools.page_file import MAX_PAGE_BYTES


def read(folder: Path, base_url: str = "/") -> dict[str, Document]:
    documents = list(read_documents(folder, base_url))
    assert not [found for found in documents if isinstance(found, UnreadableDocument)]
    return {found.path: found for found in documents if isinstance(found, Document)}


def write(folder: Path, **pages: str) -> Path:
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("path", "front_matter", "url"),
    [
        ("intro.md", {}, "/docs/intro"),
        ("Guides/FAQ.mdx", {}, "/docs/Guides/FAQ"),
        ("guide/setup.md", {"id": "set-up"}, "/docs/guide/set-up"),
        ("guide/setup.md", {"slug": "start"}, "/docs/guide/start"),
        ("guide/setup.md", {"slug": "../start"}, "/docs/start"),
        ("guide/setup.md", {"slug": "/start/here"}, "/docs/start/here"),
        ("guide/setup.md", {"slug": "/"}, "/docs/"),
        ("guide/setup.md", {"id": "a", "slug": "b"}, "/docs/guide/b"),
        ("guide/README.md", {}, "/docs/guide/"),
        ("guide/index.mdx", {"id": "ignored"}, "/docs/guide/"),
        ("guide/Guide.md", {}, "/docs/guide/"),
        ("index.md", {}, "/docs/"),
        ("01-basics/02_first.md", {}, "/docs/basics/first"),
        ("1. basics/3 - third.md", {}, "/docs/basics/third"),
        ("2024-11-release.md", {}, "/docs/2024-11-release"),
        ("7.0-notes.md", {}, "/docs/7.0-notes"),
        ("a b/ü.md", {}, "/docs/a%20b/%C3%BC"),
    ],
)
def test_a_page_has_its_address(path: str, front_matter: dict[str, str], url: str) -> None:
    assert page_url(path, front_matter, "/docs/") == url


def test_the_base_may_be_a_whole_address_and_slashes_may_end_pages() -> None:
    assert page_url("a.md", {}, "https://site.example/docs") == "https://site.example/docs/a"
    assert page_url("a.md", {}, "/") == "/a"
    assert page_url("b/a.md", {}, "/docs", trailing_slash=True) == "/docs/b/a/"
    assert page_url("b/index.md", {}, "/docs", trailing_slash=True) == "/docs/b/"


def test_partials_and_what_is_no_page_are_left_out(tmp_path: Path) -> None:
    for path in [
        "a.md",
        "b/c.mdx",
        "_part.md",
        "_parts/d.md",
        ".hidden/e.md",
        "node_modules/f/README.md",
        "g.txt",
    ]:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("text")

    assert list_documents(tmp_path) == ["a.md", "b/c.mdx"]


def test_drafts_and_unlisted_pages_are_left_out(tmp_path: Path) -> None:
    write(
        tmp_path,
        draft="---\ndraft: true\n---\nText",
        unlisted="---\nunlisted: true\n---\nText",
        listed="---\ndraft: false\n---\nText",
    )

    assert list(read(tmp_path)) == ["listed.md"]


def test_the_title_comes_from_the_first_place_that_has_one(tmp_path: Path) -> None:
    write(
        tmp_path,
        front="---\ntitle: 'Front: matter'\nsidebar_label: Label\n---\n# Heading",
        heading="---\nsidebar_label: Label\n---\n\n# The `heading` of *it* {#custom}\n\nText",
        label="---\nsidebar_label: Label\n---\n\n## Section\n\nText",
        **{"03-name": "Text"},
    )

    titles = {path: document.title for path, document in read(tmp_path).items()}

    assert titles == {
        "front.md": "Front: matter",
        "heading.md": "The heading of it",
        "label.md": "Label",
        "03-name.md": "name",
    }


def test_what_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    write(
        tmp_path, good="# Good\n\nText", yaml="---\na: 1\nb: [\n---\nText", list="---\n- a\n---\n"
    )
    (tmp_path / "bytes.md").write_bytes(b"# Caf\xe9")
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere.md")

    found = list(read_documents(tmp_path))

    reasons = {page.path: page.reason for page in found if isinstance(page, UnreadableDocument)}
    assert [page.path for page in found if isinstance(page, Document)] == ["good.md"]
    assert reasons["bytes.md"] == "is not UTF-8 at byte 5"
    assert reasons["yaml.md"].startswith("front matter, line 4: ")
    assert reasons["list.md"] == "front matter is no list of `name: value`"
    assert reasons["gone.md"] == "No such file or directory"


def test_front_matter_that_harms_who_reads_it_is_named(tmp_path: Path) -> None:
    bomb = "a: &a [x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{former}'] * 9)}]\n"
        for former, name in pairwise("abcdefghi")
    )
    write(
        tmp_path,
        bomb=f"---\n{bomb}title: *i\n---\nText",
        date="---\ndate: 2024-13-45\n---\nText",
        deep=f"---\na: {'[' * 50_000}{']' * 50_000}\n---\nText",
        good="---\na: &a [x]\ntitle: *a\nslug: {a: b}\n---\nText",
        number="---\na: !!int x\n---\nText",
        time="---\na: !!timestamp x\n---\nText",
    )

    found = list(read_documents(tmp_path))

    assert [(page.path, page.title) for page in found if isinstance(page, Document)] == [
        ("good.md", "good")
    ]
    reasons = {page.path: page.reason for page in found if isinstance(page, UnreadableDocument)}
    assert set(reasons) == {"bomb.md", "date.md", "deep.md", "number.md", "time.md"}
    assert reasons["bomb.md"] == "front matter has more than 16 aliases"
    assert reasons["date.md"] == "front matter: month must be in 1..12"
    assert reasons["deep.md"] == "front matter is nested more than 32 deep"


def test_a_name_that_is_no_text_is_skipped(tmp_path: Path) -> None:
    write(tmp_path, good="Text")
    (tmp_path / os.fsdecode(b"caf\xe9.md")).write_text("Text")

    assert [type(page) for page in MarkdownFolder(tmp_path)._read({})] == [
        SkippedDocument,
        Document,
    ]


def test_many_backticks_take_no_time(tmp_path: Path) -> None:
    # Of lengths of their own, so that none closes another.
    runs = "\n\n".join("a" + "`" * (5_000 + more) for more in range(10))
    write(tmp_path, a=f"Text\n\n{runs}\n\n[b](./b) ``[c](./c)`` `` ` [d](./d) ``\n")

    *_, piece = read(tmp_path)["a.md"].pieces

    assert piece.text.endswith("[b](/b) ``[c](./c)`` `` ` [d](./d) ``")


def test_a_line_that_is_cut_for_its_length_opens_no_code(tmp_path: Path) -> None:
    write(tmp_path, a="Text\n\na" + "`" * 50_000 + "\n")

    pieces = read(tmp_path)["a.md"].pieces

    assert "".join("".join(piece.text.split()) for piece in pieces) == "Texta" + "`" * 50_000


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="missing"):
        list(read_documents(tmp_path / "missing"))


def test_a_byte_order_mark_and_windows_lines_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(
        "\ufeff---\r\ntitle: T\r\n---\r\n\r\n## S\r\n\r\nx\r\n".encode()
    )

    document = read(tmp_path)["a.md"]

    assert document.title == "T"
    assert [(piece.anchor, piece.text) for piece in document.pieces] == [("s", "x")]


def test_the_hash_changes_with_what_is_shown_and_only_then(tmp_path: Path) -> None:
    write(tmp_path, a="---\ntitle: T\nkeywords: [x]\n---\n\nText")
    before = read(tmp_path)["a.md"].hash
    write(tmp_path, a="---\ntitle: T\nkeywords: [y]\n---\n\nText\n\n")
    assert read(tmp_path)["a.md"].hash == before

    write(tmp_path, a="---\ntitle: T2\n---\n\nText")
    renamed = read(tmp_path)["a.md"].hash
    assert len({before, renamed, read(tmp_path, "/docs/")["a.md"].hash}) == 3


def test_links_between_files_become_addresses(tmp_path: Path) -> None:
    (tmp_path / "guide").mkdir()
    write(tmp_path, intro="---\nslug: /\n---\nText")
    (tmp_path / "guide" / "01-next.mdx").write_text("Text")
    (tmp_path / "guide" / "here.md").write_text(
        "[a](../intro.md#top) [b](./01-next.mdx) [c](/intro.md) [d](#part) [e](more)"
        " [f](https://x.example/y.md) [g](/abs) [h](gone.md 'Title') ![i](./pic.png)"
        " `[j](../intro.md)`\n\n```md\n[k](../intro.md)\n```\n"
    )

    (piece,) = read(tmp_path, "/docs/")["guide/here.md"].pieces

    assert piece.text == (
        "[a](/docs/#top) [b](/docs/guide/next) [c](/docs/) [d](/docs/guide/here#part)"
        " [e](/docs/guide/more) [f](https://x.example/y.md) [g](/abs)"
        " [h](/docs/guide/gone.md 'Title') i `[j](../intro.md)`\n\n```md\n[k](../intro.md)\n```"
    )


def test_a_page_without_text_is_searched_by_its_description(tmp_path: Path) -> None:
    write(tmp_path, a="---\ndescription: All adapters.\n---\n\nimport T from './t';\n\n<T/>\n")

    assert [piece.text for piece in read(tmp_path)["a.md"].pieces] == ["All adapters."]


async def test_a_pipe_and_a_file_that_is_too_big_are_skipped(tmp_path: Path) -> None:
    write(tmp_path, page="Text", huge="word " * (MAX_PAGE_BYTES // 5 + 1))
    os.mkfifo(tmp_path / "pipe.md")

    found = [page async for page in MarkdownFolder(tmp_path).read({})]

    reasons = {page.path: page.reason for page in found if isinstance(page, SkippedDocument)}
    assert reasons == {"huge.md": "has 10 MB; the limit is 10 MB", "pipe.md": "is no file"}
    assert [page.path for page in found if isinstance(page, Document)] == ["page.md"]


async def test_a_text_is_no_source_since_it_may_be_a_folder_or_an_address(tmp_path: Path) -> None:
    async with Passages.open(data_dir=str(tmp_path)) as passages:
        with pytest.raises(TypeError, match=r"give Path\('docs'\) for a folder of Markdown"):
            await passages.index("docs")  # type: ignore[arg-type]
