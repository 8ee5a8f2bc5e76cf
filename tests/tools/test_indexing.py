"""What an index run sends, and what it leaves alone."""

import asyncio
from pathlib import Path

import pytest

from chatkit_tools import OpenAIEmbeddings, Passages
from tests.tools.embedder import EmbeddingServer
from tests.tools.rest import RestServer

# Reading also goes by POST.
READS = {"", "/points", "/points/scroll", "/points/count", "/points/query/batch"}


def writes(server: RestServer) -> list[str]:
    """The requests since the last look that changed something."""
    seen = [
        f"{method} {path.removeprefix('/collections/docs')}"
        for method, path in server.requests
        if method in ("PUT", "PATCH", "DELETE")
        or path.removeprefix("/collections/docs") not in READS
    ]
    server.requests.clear()
    return seen


async def test_an_unchanged_folder_causes_no_write_and_no_embedding(
    docs_folder: Path, embedder: EmbeddingServer, embeddings: OpenAIEmbeddings
) -> None:
    with RestServer.run() as server:
        async with Passages.open(url=server.url, embeddings=embeddings) as passages:
            await passages.index(docs_folder)
            assert writes(server) == ["PUT ", "PUT /points", "PUT /points", "PATCH "]
            embedder.inputs.clear()

            await passages.index(docs_folder)

            assert writes(server) == []
            assert embedder.inputs == []


async def test_only_what_changed_is_written_and_embedded(
    docs_folder: Path, embedder: EmbeddingServer, embeddings: OpenAIEmbeddings
) -> None:
    with RestServer.run() as server:
        async with Passages.open(url=server.url, embeddings=embeddings) as passages:
            await passages.index(docs_folder)
            writes(server)
            embedder.inputs.clear()
            (docs_folder / "guides/rollouts.md").write_text("# Gradual rollouts\n\nShorter.")

            await passages.index(docs_folder)

            assert writes(server) == ["PUT /points", "POST /points/delete", "PATCH "]
            assert embedder.inputs == ["Gradual rollouts\nShorter."]


async def test_two_index_runs_at_once_end_as_one(docs_folder: Path, tmp_path: Path) -> None:
    async with (
        Passages.open(data_dir=tmp_path / "data") as first,
        Passages.open(data_dir=tmp_path / "data") as second,
    ):
        await asyncio.gather(first.index(docs_folder), second.index(docs_folder))

        assert await first.count() == 9
        assert (await second.index(docs_folder)).unchanged == 3


async def test_an_embedding_service_that_fails_leaves_what_was_there(
    docs_folder: Path, embedder: EmbeddingServer
) -> None:
    with RestServer.run() as server:
        async with Passages.open(url=server.url) as passages:
            await passages.index(docs_folder)
        embedder.fails = True
        async with (
            OpenAIEmbeddings("hashed", base_url=embedder.url, max_retries=0) as embeddings,
            Passages.open(url=server.url, embeddings=embeddings) as passages,
        ):
            with pytest.raises(Exception, match="out of order"):
                await passages.index(docs_folder)

            assert (await passages.search("kill switch"))[0].headings == ("Kill switch",)
