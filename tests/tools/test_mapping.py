"""Payloads of others, read as passages."""

import json
from typing import Any

import pytest

from chatkit_tools.mapping import MAX_TEXT_CHARS, FieldMapping, look_up, split_path, title_of


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("plain", "a"),
        ("metadata.source", "b"),
        ("metadata.Header 1", "c"),
        ('metadata."dotted.name"', "d"),
        ("flat.name", "e"),
        ("json.text", "f"),
        ("json.metadata.file", "g"),
        ("broken.text", None),
        ("plain.below", None),
        ("nothing", None),
    ],
)
def test_a_path_leads_through_objects_and_json(path: str, found: str | None) -> None:
    payload = {
        "plain": "a",
        "metadata": {"source": "b", "Header 1": "c", "dotted.name": "d"},
        "flat.name": "e",
        "json": json.dumps({"text": "f", "metadata": {"file": "g"}}),
        "broken": "{not json",
    }

    assert look_up(payload, path) == found


@pytest.mark.parametrize("path", ["", ".", "a..b", ".a", "a.", '"a', '"".b'])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="no path into a payload"):
        split_path(path)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("https://acme.io/docs/intro#install", "https://acme.io/docs/intro#install"),
        ("https://acme.io/a b", "https://acme.io/a%20b"),
        ("/docs/intro", "https://acme.io/docs/intro"),
        ("guides/01-connect.md", "https://acme.io/docs/guides/connect"),
        ("guides/index.mdx", "https://acme.io/docs/guides/"),
        ("guides/README.md", "https://acme.io/docs/guides/"),
        ("guides\\windows.md", "https://acme.io/docs/guides/windows"),
        ("/home/ci/docs/intro.md", "https://acme.io/docs/intro"),
        ("api/index.html", "https://acme.io/docs/api/index.html"),
        ("a:b/c", "https://acme.io/docs/a:b/c"),
        ("guides/a.md#part", "https://acme.io/docs/guides/a#part"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("file:///etc/passwd", None),
        ("C:/docs/a.md", None),
        ("", None),
        ("  ", None),
    ],
)
def test_an_address_is_made_of_what_the_field_has(value: str, address: str | None) -> None:
    mapping = FieldMapping(text=("text",), base_url="https://acme.io/docs", root="/home/ci/docs")

    assert mapping.address(value) == address


@pytest.mark.parametrize(
    ("value", "headings"),
    [
        ("Install > Linux", ["Install", "Linux"]),
        ("Install › Linux", ["Install", "Linux"]),
        ("# Install\n## Linux", ["Install", "Linux"]),
        (["Install", "Linux"], ["Install", "Linux"]),
        ({"lvl0": "Guide", "lvl1": "Install", "lvl2": None}, ["Guide", "Install"]),
        ("Read/write access", ["Read/write access"]),
        ("Setup - the easy way", ["Setup - the easy way"]),
        ("", []),
        (7, []),
        (None, []),
    ],
)
def test_headings_come_as_text_list_or_levels(value: Any, headings: list[str]) -> None:
    mapping = FieldMapping(text=("text",), headings=("heading",))

    assert mapping.read("1", {"text": "Words.", "heading": value})["headings"] == headings


def test_a_path_by_itself_is_refused_and_not_read_letter_by_letter() -> None:
    with pytest.raises(TypeError, match=r"title takes several paths: write \('name',\) for one"):
        FieldMapping(text=("text",), title="name")  # type: ignore[arg-type]


def test_a_passage_is_whole_where_fields_are_missing() -> None:
    mapping = FieldMapping(
        text=("body", "text"),
        url=("url", "path"),
        title=("title",),
        headings=("h2", "h3"),
        version=("version",),
    )

    read = mapping.read(
        "7",
        {
            "text": "\ufeff# Pooling\r\n\r\n\r\n\r\nUse a pooler. \x00\n",
            "path": "/guides/connect-postgres",
            "h2": "Pooling",
            "h3": "A & B",
            "version": 2,
        },
    )
    bare = mapping.read("8", {"text": "Words."})

    assert read == {
        "document": "/guides/connect-postgres",
        "page": "/guides/connect-postgres",
        "url": "/guides/connect-postgres#a--b",
        "title": "Pooling",
        "headings": ["A & B"],
        "text": "# Pooling\n\nUse a pooler.",
        "position": 0,
        "version": "2",
        "locale": "",
    }
    # Without a page it is one by itself, so that the limit per page lets others in.
    assert (bare["document"], bare["url"], bare["title"]) == ("8", "/", "Documentation")


def test_halves_of_characters_are_left_out() -> None:
    # JavaScript cuts emoji in two, and JSON in a field carries the half as it is.
    content = (
        '{"text": "Words \\ud83d.", "title": "T\\ud83d", "heading": "H\\ud83d", "url": "/a\\ud83d"}'
    )
    mapping = FieldMapping(
        text=("json.text",), title=("json.title",), headings=("json.heading",), url=("json.url",)
    )

    read = mapping.read("1", {"json": content})

    assert (read["text"], read["title"], read["headings"]) == ("Words .", "T", ["H"])
    assert read["url"] == "/a#h"


def test_an_anchor_of_the_payload_comes_before_one_that_is_made() -> None:
    mapping = FieldMapping(text=("text",), url=("url",), headings=("heading",), anchor=("anchor",))
    payload = {"text": "Words.", "url": "/a", "heading": "Set it up"}

    assert mapping.read("1", payload)["url"] == "/a#set-it-up"
    assert mapping.read("1", {**payload, "anchor": "#setup"})["url"] == "/a#setup"
    assert mapping.read("1", {**payload, "url": "/a#b"})["url"] == "/a#b"


def test_a_piece_that_is_a_book_is_cut() -> None:
    text = FieldMapping(text=("text",)).read_text({"text": "word " * MAX_TEXT_CHARS})

    assert len(text) <= MAX_TEXT_CHARS


@pytest.mark.parametrize(
    ("url", "title"),
    [
        ("https://acme.io/docs/connect-postgres", "Connect postgres"),
        ("/docs/api/index.html", "Api"),
        ("/a/b%20c.html", "B c"),
        ("https://acme.io/", "acme.io"),
        ("/", "Documentation"),
    ],
)
def test_a_title_is_made_of_an_address(url: str, title: str) -> None:
    assert title_of(url) == title


def test_only_what_is_mapped_is_asked_for() -> None:
    mapping = FieldMapping(
        text=("_node_content.text",), url=("metadata.source",), title=("metadata.Header 1",)
    )

    assert mapping.fields() == [
        "_node_content", '"_node_content.text"', "metadata", '"metadata.source"',
        '"metadata.Header 1"',
    ]  # fmt: skip
