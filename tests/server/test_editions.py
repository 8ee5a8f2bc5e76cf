"""A reader finds the version and the language of the page that they are on."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatkit_server.testing import Call, ModelRequest, Say, ScriptedModel
from chatkit_tools import MarkdownFolder, Passages, parse_passages
from tests.fixtures.app import Client, StartServer, message
from tests.fixtures.command import run
from tests.fixtures.folders import remove

QUESTION = "On which port does the lantern listen?"
# Version, language, where it stands, the port that it names.
EDITIONS = [
    ("2.0", "en", "/docs", "8080"),
    ("1.0", "en", "/docs/1.0", "7070"),
    ("2.0", "de", "/de/docs", "8081"),
]


@pytest.fixture(scope="module")
def editions() -> Iterator[Path]:
    """A data folder with docs of two versions, one of them in two languages."""
    # Short, since a socket's path has to fit into 108 bytes.
    folder = Path(tempfile.mkdtemp(prefix="ck-"))

    async def index() -> None:
        async with Passages.open(data_dir=folder / "data") as passages:
            for version, locale, place, port in EDITIONS:
                docs = folder / f"{version}-{locale}"
                docs.mkdir()
                text = f"# Ports\n\n## Lantern\n\nThe lantern listens on port {port}.\n"
                (docs / "ports.md").write_text(text)
                await passages.index(MarkdownFolder(docs, place, version=version, locale=locale))

    (folder / "data").mkdir()
    asyncio.run(index())
    yield folder
    remove(folder)


def ask(url: str, page: Any, question: str = QUESTION) -> None:
    params = {"input": message(question)}
    answer = Client(url).send(
        {"type": "threads.create", "params": params, "metadata": {"page": page}}
    )
    assert answer.status_code == 200


def shown(request: ModelRequest) -> set[str]:
    """Where the passages stand that came with the question."""
    content = request.input[-1]["content"]
    passages = parse_passages("\n".join(part["text"] for part in content))
    return {passage["url"].partition("#")[0] for passage in passages}


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ({"version": "1.0", "locale": "en"}, "/docs/1.0/ports"),
        ({"version": "2.0", "locale": "de"}, "/de/docs/ports"),
        ({"url": "/blog"}, "/docs/ports"),
        ({"version": "9.9", "locale": "xx"}, "/docs/ports"),
        ({"version": "'; drop table --", "locale": "\x00"}, "/docs/ports"),
        ({"version": {"$ne": 1}, "locale": 7}, "/docs/ports"),
        ("1.0", "/docs/ports"),
    ],
)
def test_the_first_search_is_for_the_version_and_language_of_the_page(
    start_server: StartServer, editions: Path, page: Any, found: str
) -> None:
    with (
        ScriptedModel(Say("So [1].")) as model,
        start_server(openai_base_url=model.base_url, model="m", data_dir=editions / "data") as url,
    ):
        ask(url, page)

    assert shown(model.requests[0]) == {found}


def test_the_model_searches_the_readers_version_and_may_look_into_another(
    start_server: StartServer, editions: Path
) -> None:
    with (
        ScriptedModel(
            Call("search_docs", {"query": "lantern port", "version": None}),
            Call("search_docs", {"query": "lantern port", "version": "2.0"}),
            Say("It was 7070 [1] and is 8080 [2]."),
        ) as model,
        start_server(openai_base_url=model.base_url, model="m", data_dir=editions / "data") as url,
    ):
        ask(url, {"version": "1.0", "locale": "en"}, "What changed since 1.0 for the port?")

    tool = model.requests[0].tools["search_docs"]
    version = tool["parameters"]["properties"]["version"]
    assert version["anyOf"] == [{"type": "string", "enum": ["2.0", "1.0"]}, {"type": "null"}]
    mine, other = [parse_passages(output) for output in model.requests[2].tool_outputs]
    assert {(p["version"], p["url"]) for p in mine} == {("1.0", "/docs/1.0/ports#lantern")}
    assert {(p["version"], p["url"]) for p in other} == {("2.0", "/docs/ports#lantern")}


def test_docs_of_one_version_offer_no_choice(start_server: StartServer) -> None:
    with (
        ScriptedModel(Say("So [1].")) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        ask(url, {"version": "current"}, "How do I connect to Neon?")

    parameters = model.requests[0].tools["search_docs"]["parameters"]
    assert list(parameters["properties"]) == ["query"]
    assert parameters["required"] == ["query"]


def test_the_commands_take_a_version_and_a_language(editions: Path) -> None:
    place = {"CHATKIT_DATA_DIR": str(editions / "data")}
    found = run(editions, "search", QUESTION, "--version", "1.0", "--json", **place)
    every = run(editions, "search", QUESTION, "--version", "*", "--locale", "*", "--json", **place)
    asked = run(editions, "ask", QUESTION, "--locale", "de", "--json", **place)
    plain = run(editions, "search", "zeppelin museum with a lantern on the moon", **place)

    assert [hit["version"] for hit in json.loads(found.stdout)] == ["1.0"]
    assert len(json.loads(every.stdout)) == len(EDITIONS)
    assert json.loads(asked.stdout)["sources"][0]["url"] == "/de/docs/ports#lantern"
    assert "The docs don't seem to cover this (confidence 0." in plain.stdout
