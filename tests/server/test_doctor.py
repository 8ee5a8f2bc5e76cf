"""`doctor` and `index --add-lexical`, run as a user runs them on a collection of others."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fixtures.command import run
from tests.tools.embedder import EmbeddingServer
from tests.tools.foreign import langchain_style
from tests.tools.rest import RestServer


class Site(SimpleNamespace):
    """A folder with an `.env`, a Qdrant that LangChain has filled, and an embedding service."""

    folder: Path
    qdrant: RestServer
    embedder: EmbeddingServer

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return run(self.folder, *arguments, **variables)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        qdrant = stack.enter_context(RestServer.run())
        embedder = stack.enter_context(EmbeddingServer.run())
        langchain_style.main(qdrant.url, "handbook", embedder.url, "hashed")
        (tmp_path / ".env").write_text(
            f"QDRANT_URL={qdrant.url}\nQDRANT_COLLECTION=handbook\n"
            f"OPENAI_BASE_URL={embedder.url}\nCHATKIT_MODEL=none\n"
            "CHATKIT_EMBEDDING_MODEL=hashed\n"
        )
        yield Site(folder=tmp_path, qdrant=qdrant, embedder=embedder)


def test_the_lines_that_doctor_proposes_are_all_that_is_needed(site: Site) -> None:
    unmapped = site.run("doctor", "--json")
    proposed = {check["name"]: check for check in json.loads(unmapped.stdout)["checks"]}
    lines = [
        *proposed["mapping"]["details"]["lines"],
        "CHATKIT_COLLECTION_BASE_URL=https://lantern.example/docs",
    ]
    with (site.folder / ".env").open("a") as env:
        env.write("\n".join(lines) + "\n")
    mapped = site.run("doctor")
    found = site.run("search", "what turns a flag off everywhere", "--limit", "1", "--json")

    assert unmapped.returncode == 1
    assert mapped.returncode == 0, mapped.stdout
    assert "gives the stored vectors again" in mapped.stdout
    assert "warning  lexical" in mapped.stdout
    hit = json.loads(found.stdout)[0]
    assert hit["url"] == "https://lantern.example/docs/guides/rollouts#kill-switch"
    assert not {method for method, _ in site.qdrant.requests[3:]} - {"GET", "POST"}


def test_lexical_vectors_are_added_and_documents_are_not(site: Site) -> None:
    with (site.folder / ".env").open("a") as env:
        env.write("CHATKIT_COLLECTION_TEXT=page_content\nCHATKIT_COLLECTION_URL=metadata.source\n")
    (site.folder / "docs").mkdir()
    (site.folder / "docs/a.md").write_text("# A\n\nWords.")

    refused = site.run("index", "docs")
    planned = site.run("index", "--add-lexical", "--dry-run")
    added = site.run("index", "--add-lexical", "--json")
    again = site.run("index", "--add-lexical")

    assert refused.returncode == 1
    assert "never written to" in refused.stderr
    assert "6 lexical vectors to write" in planned.stdout
    summary = json.loads(added.stdout)
    assert (summary["written"], summary["points"], summary["added_vector"]) == (6, 6, True)
    assert "0 lexical vectors written, 6 unchanged" in again.stdout


def test_another_model_is_refused_by_search_and_by_doctor(site: Site) -> None:
    with (site.folder / ".env").open("a") as env:
        env.write("CHATKIT_COLLECTION_TEXT=page_content\n")
    site.embedder.strange.add("other")

    checked = site.run("doctor", CHATKIT_EMBEDDING_MODEL="other")
    found = site.run("search", "flags", CHATKIT_EMBEDDING_MODEL="other")

    assert checked.returncode == 1
    assert "another embedding model than 'other'" in checked.stdout
    assert found.returncode == 1
    assert "another embedding model than 'other'" in found.stderr


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"QDRANT_URL": "http://127.0.0.1:9"}, "error    search"),
        ({"DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:9/x"}, "error    database"),
        ({"CHATKIT_COLLECTION_URL": "url"}, "CHATKIT_COLLECTION_TEXT is not set"),
    ],
)
def test_what_is_away_or_wrong_is_a_check_and_no_traceback(
    site: Site, variables: dict[str, str], said: str
) -> None:
    checked = site.run("doctor", **variables)

    assert checked.returncode == 1
    assert said in checked.stdout
    assert "Traceback" not in checked.stderr
    assert "hunter2" not in checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["index"], "name the SOURCE"),
        (["index", "docs", "--add-lexical"], "takes no SOURCE"),
        (["index", "--add-lexical"], "`chatkit-server doctor` proposes"),
    ],
)
def test_what_can_not_be_done_is_said_in_a_sentence(
    site: Site, arguments: list[str], said: str
) -> None:
    done = site.run(*arguments)

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_server_says_at_its_start_that_the_model_is_another(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    from chatkit_server.search import check_model, open_passages
    from chatkit_server.settings import read_settings

    site.embedder.strange.add("other")
    settings = read_settings(
        {
            "qdrant_url": site.qdrant.url,
            "qdrant_collection": "handbook",
            "openai_base_url": site.embedder.url,
            "model": "none",
            "embedding_model": "other",
            "collection_text": "page_content",
        }
    )
    async with open_passages(settings) as passages, asyncio.timeout(60):
        await check_model(passages)

    assert "are of another embedding model than 'other'" in caplog.text
