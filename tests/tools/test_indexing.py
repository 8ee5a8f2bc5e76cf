"""What an index run sends, what it leaves alone, and what readers see meanwhile."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from chatkit_tools import (
    CollectionBusyError,
    CollectionError,
    CollectionMismatchError,
    Document,
    EmbeddingsError,
    MarkdownFolder,
    OpenAIEmbeddings,
    Passages,
    SearchUnavailableError,
    SourceError,
    writer,
)
from chatkit_tools.collection import Collection
from chatkit_tools.pieces import Piece
from chatkit_tools.source import Read, UnreadableDocument
from tests.tools.embedder import EmbeddingServer
from tests.tools.place import Place
from tests.tools.rest import RestServer

# Reading also goes by POST.
READS = {"", "/points", "/points/scroll", "/points/count", "/points/query/batch"}


@pytest.fixture(autouse=True)
def nobody_renews(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that takes long on a busy machine writes what the test is about, and no more."""
    monkeypatch.setattr(writer, "_RENEW", 600.0)


class Pages:
    """A source whose pages are made up, with a step before each of them."""

    def __init__(self, name: str, texts: Mapping[str, str], version: str = "") -> None:
        self.name = name
        self.texts = dict(texts)
        self.version = version
        self.total = None
        self.before: dict[str, Callable[[], object]] = {}
        self.unreadable: list[UnreadableDocument] = []

    async def read(self, known: Mapping[str, str]) -> AsyncIterator[Read]:
        for found in self.unreadable:
            yield found
        for url, text in self.texts.items():
            step = self.before.get(url)
            done = step() if step else None
            if asyncio.iscoroutine(done):
                await done
            piece = Piece(None, (), text)
            yield Document(url.strip("/"), url, url.strip("/"), (piece,), version=self.version)


def writes(server: RestServer) -> list[str]:
    """The requests since the last look that changed something."""
    seen = [
        f"{method} {path.removeprefix('/collections/docs')}"
        for method, path in server.requests
        # The local mode has no indexes of fields, so they are asked for again.
        if not path.endswith("/index")
        and (
            method in ("PUT", "PATCH", "DELETE")
            or path.removeprefix("/collections/docs") not in READS
        )
    ]
    server.requests.clear()
    return seen


async def ids(collection: Collection) -> AsyncIterator[str]:
    """The addresses of everything that is stored, whether it is seen or not."""
    async for _, payload in collection.scroll(["url"]):
        yield payload["url"]


async def urls(passages: Passages, query: str, version: str | None = None) -> list[str]:
    return [hit.url for hit in await passages.search(query, version=version)]


async def test_an_unchanged_folder_causes_no_write_and_no_embedding(
    docs_folder: Path, embedder: EmbeddingServer, embeddings: OpenAIEmbeddings
) -> None:
    with RestServer.run() as server:
        async with Passages.open(url=server.url, embeddings=embeddings) as passages:
            await passages.index(docs_folder)
            note, points, shown = "PUT /points", "PUT /points", "PUT /points"
            assert writes(server) == ["PUT ", note, points, shown, "PATCH "]
            embedder.inputs.clear()

            summary = await passages.index(docs_folder)

            assert (summary.unchanged, summary.written) == (3, 0)
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

            summary = await passages.index(docs_folder)

            assert (summary.changed, summary.unchanged, summary.written) == (1, 2, 1)
            note, points, shown = "PUT /points", "PUT /points", "PUT /points"
            marked, gone = "POST /points/payload", "POST /points/delete"
            assert writes(server) == [note, points, marked, shown, gone, "PATCH "]
            assert embedder.inputs == ["Gradual rollouts\nShorter."]


async def test_a_dry_run_tells_and_writes_nothing(
    docs_folder: Path, embedder: EmbeddingServer, embeddings: OpenAIEmbeddings
) -> None:
    with RestServer.run() as server:
        async with Passages.open(url=server.url, embeddings=embeddings) as passages:
            await passages.index(docs_folder)
            writes(server)
            embedder.inputs.clear()
            (docs_folder / "intro.md").write_text("---\nslug: /\n---\n\nShorter.")
            (docs_folder / "guides/rollouts.md").unlink()
            (docs_folder / "new.md").write_text("# New")
            (docs_folder / "more.md").write_text("# More\n\nText.")

            told = await passages.index(docs_folder, dry_run=True)

            assert (told.added, told.changed, told.removed, told.written) == (1, 1, 1, 2)
            assert [(page.path, page.reason) for page in told.skipped] == [
                ("new.md", "has no text")
            ]
            assert writes(server) == []
            assert embedder.inputs == []
            done = await passages.index(docs_folder)
            assert (done.added, done.changed, done.removed, done.written) == (1, 1, 1, 2)


async def test_readers_see_the_old_state_until_the_run_is_done(place: Place) -> None:
    writer, reader = await place.open(), await place.open()
    old = {f"/{number}": f"walrus {number}" for number in range(600)}
    await writer.index(Pages("/", old))
    assert len(await reader.search("walrus", limit=50)) == 50
    seen: list[tuple[int, int, int]] = []

    async def look() -> None:
        walruses = await reader.search("walrus", limit=50)
        narwhals = await reader.search("narwhal", limit=50)
        seen.append((len(walruses), len(narwhals), await reader.count()))

    new = Pages("/", {f"/{number}": f"narwhal {number}" for number in range(1100)})
    new.before = dict.fromkeys(["/0", "/600", "/1099"], look)
    summary = await writer.index(new)
    await look()

    assert (summary.added, summary.changed) == (500, 600)
    assert seen == [(50, 0, 600)] * 3 + [(0, 50, 1100)]


async def test_a_run_that_breaks_off_leaves_the_old_state_and_is_gone_on_with(
    place: Place, embedder: EmbeddingServer
) -> None:
    async with OpenAIEmbeddings("hashed", base_url=embedder.url, max_retries=0) as embeddings:
        passages = await place.open(embeddings=embeddings)
        await passages.index(Pages("/", {"/0": "walrus", "/gone": "walrus"}))
        embedder.inputs.clear()
        new = Pages("/", {f"/{number}": f"narwhal {number}" for number in range(1200)})

        def fail() -> None:
            embedder.fails = True

        new.before = {"/700": fail}
        with pytest.raises(EmbeddingsError, match="out of order"):
            await passages.index(new)

        embedder.fails = False
        # Dense vectors find the nearest, whatever that is.
        assert {hit.text for hit in await passages.search("narwhal", limit=50)} == {"walrus"}
        assert await passages.count() == 2
        new.before = {}
        summary = await passages.index(new)

        embedded = Counter(embedder.inputs)
        found = await passages.search("walrus", limit=50)

    assert (summary.added, summary.changed, summary.removed) == (1199, 1, 1)
    assert summary.written == 1200 - 512
    # What was stored before it broke off is not embedded again.
    assert [embedded[f"{number}\nnarwhal {number}"] for number in range(512)] == [1] * 512
    assert summary.passages == 1200
    assert len(found) == 50
    assert all("narwhal" in hit.text for hit in found)


async def test_what_a_broken_run_of_one_source_left_is_not_shown_by_another(
    place: Place, embedder: EmbeddingServer
) -> None:
    passages = await place.open()
    first = Pages("/a", {f"/a/{number}": "narwhal" for number in range(600)})

    def fail() -> None:
        raise RuntimeError("power cut")

    first.before = {"/a/599": fail}
    with pytest.raises(RuntimeError, match="power cut"):
        await passages.index(first)

    await passages.index(Pages("/b", {"/b": "walrus"}))

    assert await urls(passages, "narwhal") == []
    assert await urls(passages, "walrus") == ["/b"]
    assert await passages.count() == 1


async def test_a_page_that_changes_back_after_a_broken_run_is_as_it_was(place: Place) -> None:
    passages = await place.open()
    old = Pages("/", {f"/{number}": f"walrus {number}" for number in range(600)})
    await passages.index(old)
    new = Pages("/", {f"/{number}": f"narwhal {number}" for number in range(600)})

    def fail() -> None:
        raise RuntimeError("power cut")

    new.before = {"/599": fail}
    with pytest.raises(RuntimeError, match="power cut"):
        await passages.index(new)

    summary = await passages.index(old)

    assert (summary.changed, summary.unchanged) == (0, 600)
    assert await passages.count() == 600
    assert await urls(passages, "narwhal") == []


async def test_each_source_prunes_its_own_pages_alone(place: Place) -> None:
    passages = await place.open()
    await passages.index(Pages("/a", {"/a/1": "walrus", "/a/2": "walrus"}))
    await passages.index(Pages("/b", {"/b/1": "walrus"}))

    kept = await passages.index(Pages("/a", {"/a/1": "walrus"}), prune=False)
    assert (kept.removed, kept.kept, kept.passages) == (0, 1, 3)

    pruned = await passages.index(Pages("/a", {"/a/1": "walrus"}))
    assert (pruned.removed, pruned.kept, pruned.passages) == (1, 0, 2)
    assert sorted(await urls(passages, "walrus")) == ["/a/1", "/b/1"]


async def test_a_collection_of_an_older_form_is_written_anew(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    passages = await place.open()
    pages = Pages("/", {f"/{number}": f"walrus {number}" for number in range(3)})
    await passages.index(pages)
    collection = await place.collection()
    note = await collection.read_note()
    assert note is not None
    await collection.write_note(replace(note, format=1))

    reader = await place.open()
    assert not await reader.search("walrus")
    assert "run `chatkit-server index` again" in caplog.text
    summary = await passages.index(pages)

    assert (summary.changed, summary.unchanged, summary.passages) == (3, 0, 3)
    assert len(await reader.search("walrus")) == 3
    assert (await passages.index(pages)).unchanged == 3


async def test_a_collection_of_a_newer_form_is_left_alone(place: Place) -> None:
    passages = await place.open()
    await passages.index(Pages("/", {"/a": "walrus"}))
    collection = await place.collection()
    note = await collection.read_note()
    assert note is not None
    await collection.write_note(replace(note, format=999))

    with pytest.raises(CollectionMismatchError, match="by a newer version"):
        await passages.index(Pages("/", {"/b": "walrus"}))


async def test_a_source_is_removed_by_its_name(place: Place) -> None:
    passages = await place.open()
    await passages.index(Pages("/docs/1.0/", {"/docs/1.0/a": "walrus"}, version="1.0"))
    await passages.index(Pages("/docs/", {"/docs/a": "walrus"}, version="2.0"))

    with pytest.raises(SourceError, match=r"no page of '1\.0'; its sources are '/docs/', '/docs/1"):
        await passages.remove("1.0")
    assert (await passages.remove("/docs/1.0/", dry_run=True)).removed == 1
    assert await passages.count() == 2
    assert (await passages.remove("/docs/1.0/")).removed == 1

    assert await urls(passages, "walrus", "1.0") == ["/docs/a"]
    assert (await passages.remove("/docs/")).passages == 0


async def test_a_page_that_another_source_brings_moves_to_it(place: Place) -> None:
    passages = await place.open()
    await passages.index(Pages("markdown", {"/a": "walrus"}))
    await passages.index(Pages("html", {"/a": "walrus and more"}))

    assert await urls(passages, "walrus") == ["/a"]
    assert (await passages.index(Pages("markdown", {"/b": "walrus"}))).removed == 0


async def test_a_page_that_another_source_brings_as_it_was_moves_to_it_too(place: Place) -> None:
    passages = await place.open()
    await passages.index(Pages("old", {"/a": "walrus", "/b": "walrus"}))
    brought = await passages.index(Pages("new", {"/a": "walrus"}))

    assert (brought.unchanged, brought.written) == (1, 0)
    assert (await passages.index(Pages("old", {"/b": "walrus"}))).removed == 0
    assert (await passages.index(Pages("new", {"/c": "walrus"}))).removed == 1
    assert sorted(await urls(passages, "walrus")) == ["/b", "/c"]


async def test_a_source_that_has_nothing_changes_nothing(place: Place) -> None:
    passages = await place.open()
    await passages.index(Pages("/", {"/a": "walrus"}))
    empty = Pages("/", {"/a": " "})

    with pytest.raises(SourceError, match=r"nothing was changed \(a: has no text\)"):
        await passages.index(empty)

    assert await urls(passages, "walrus") == ["/a"]


async def test_two_pages_of_one_address_are_told_apart(place: Place, tmp_path: Path) -> None:
    passages = await place.open()
    for name in ("a", "b"):
        (tmp_path / f"{name}.md").write_text(f"---\nslug: /same\n---\n\nWalrus {name}.")

    summary = await passages.index(tmp_path)

    assert [(page.path, page.reason) for page in summary.skipped] == [
        ("b.md", "has the address of another page, /same")
    ]
    assert summary.passages == 1


async def test_pages_stay_that_could_not_be_read(place: Place) -> None:
    passages = await place.open()
    await passages.index(Pages("/", {"/a": "walrus", "/b": "walrus", "/c": "walrus"}))
    again = Pages("/", {"/a": "walrus"})
    again.unreadable = [UnreadableDocument("b", "the server answers 503", "/b")]

    summary = await passages.index(again)

    assert summary.removed == 1
    assert sorted(await urls(passages, "walrus")) == ["/a", "/b"]


async def test_a_second_run_is_told_to_wait(place: Place) -> None:
    first, second = await place.open(), await place.open()
    told: list[str] = []

    async def try_too() -> None:
        with pytest.raises(CollectionBusyError) as caught:
            await second.index(Pages("/b", {"/b": "walrus"}))
        told.append(str(caught.value))

    pages = Pages("/", {f"/{number}": "narwhal" for number in range(600)})
    pages.before = {"/599": try_too}
    summary = await first.index(pages)

    assert summary.passages == 600
    assert "another index run is writing" in told[0]
    # The first one has gone, so nobody needs to wait for it.
    await second.index(Pages("/b", {"/b": "walrus"}))
    assert await first.count() == 601


async def test_what_another_run_wrote_while_one_read_its_source_stays(place: Place) -> None:
    slow, quick = await place.open(), await place.open()
    await slow.index(Pages("/", {"/a": "walrus"}))
    pages = Pages("/", {"/a": "narwhal"})
    pages.before = {"/a": lambda: quick.index(Pages("/b", {"/b": "walrus"}))}

    with pytest.raises(CollectionBusyError, match="another index run wrote"):
        await slow.index(pages)

    assert sorted(await urls(slow, "walrus")) == ["/a", "/b"]
    pages.before = {}
    assert (await slow.index(pages)).passages == 2
    assert await urls(slow, "narwhal") == ["/a"]


async def test_nobody_sees_what_a_run_left_that_broke_off_while_another_read(
    place: Place,
) -> None:
    slow, broken = await place.open(), await place.open()
    await slow.index(Pages("/", {"/a": "walrus"}))
    half = Pages("/b", {f"/b/{number}": "narwhal" for number in range(600)})
    half.before = {"/b/599": lambda: 1 / 0}

    async def break_off() -> None:
        with pytest.raises(ZeroDivisionError):
            await broken.index(half)

    pages = Pages("/", {"/a": "narwhal"})
    pages.before = {"/a": break_off}
    with pytest.raises(CollectionBusyError, match="another index run wrote"):
        await slow.index(pages)

    pages.before = {}
    assert (await slow.index(pages)).passages == 1
    assert await urls(slow, "narwhal") == ["/a"]


async def test_a_run_that_lost_its_lease_writes_no_more(place: Place) -> None:
    first, second = await place.open(), await place.open()
    collection = await place.collection()

    async def take_over() -> None:
        note = await collection.read_note()
        assert note is not None
        assert note.writer is not None
        # As if the first run had given no sign of life for a minute.
        await collection.write_note(replace(note, writer=replace(note.writer, at=0.0)))
        await second.index(Pages("/b", {"/b": "walrus"}))

    pages = Pages("/", {f"/{number}": "narwhal" for number in range(1200)})
    pages.before = {"/700": take_over}
    with pytest.raises(CollectionBusyError, match="taken over"):
        await first.index(pages)

    assert [url async for url in ids(collection)] == ["/b"]


async def test_a_run_gives_signs_of_life_however_long_its_source_takes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_RENEW", 0.05)
    first, second = await place.open(), await place.open()
    collection = await place.collection()

    async def seen_at() -> float:
        note = await collection.read_note()
        assert note is not None
        assert note.writer is not None
        return note.writer.at

    async def wait_for_signs() -> None:
        async with asyncio.timeout(120):
            for _ in range(3):
                before = await seen_at()
                while await seen_at() == before:
                    await asyncio.sleep(0.01)
        with pytest.raises(CollectionBusyError, match="another index run is writing"):
            await second.index(Pages("/b", {"/b": "walrus"}))

    pages = Pages("/", {f"/{number}": "narwhal" for number in range(600)})
    pages.before = {"/599": wait_for_signs}

    assert (await first.index(pages)).passages == 600
    note = await collection.read_note()
    assert note is not None
    assert (note.generation, note.writer) == (1, None)


async def test_two_runs_that_start_together_leave_one_whole_state(
    docs_folder: Path, tmp_path: Path
) -> None:
    async with (
        Passages.open(data_dir=tmp_path / "data") as first,
        Passages.open(data_dir=tmp_path / "data") as second,
    ):
        ended = await asyncio.gather(
            first.index(docs_folder), second.index(docs_folder), return_exceptions=True
        )

        assert {type(end).__name__ for end in ended} <= {"IndexSummary", "CollectionBusyError"}, (
            ended
        )
        assert any(not isinstance(end, Exception) for end in ended), ended
        assert await first.count() == 9
        assert (await second.index(docs_folder)).unchanged == 3


async def test_a_collection_that_vanishes_ends_the_run_with_a_sentence(place: Place) -> None:
    passages = await place.open()
    collection = await place.collection()
    pages = Pages("/", {f"/{number}": "narwhal" for number in range(1200)})
    pages.before = {"/700": collection.drop}

    with pytest.raises(CollectionError, match="was deleted"):
        await passages.index(pages)

    assert not await passages.search("narwhal")
    pages.before = {}
    assert (await passages.index(pages)).passages == 1200


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
            with pytest.raises(EmbeddingsError, match="out of order"):
                await passages.index(docs_folder)

            assert (await passages.search("kill switch"))[0].headings == ("Kill switch",)


async def test_an_embedding_service_that_is_away_is_said_in_whole_sentences(
    docs_folder: Path,
) -> None:
    with RestServer.run() as server:
        async with (
            OpenAIEmbeddings("hashed", base_url="http://127.0.0.1:9", max_retries=0) as embeddings,
            Passages.open(url=server.url, embeddings=embeddings) as passages,
        ):
            with pytest.raises(EmbeddingsError, match=r"failed: Connection error\. What readers"):
                await passages.index(docs_folder)


async def test_a_key_that_a_service_refuses_is_not_repeated(
    place: Place, embedder: EmbeddingServer
) -> None:
    embedder.fails, embedder.status = True, 401
    async with OpenAIEmbeddings("hashed", base_url=embedder.url, api_key="sk-1") as embeddings:
        passages = await place.open(embeddings=embeddings)
        with pytest.raises(EmbeddingsError, match="status 401") as refused:
            await passages.index(Pages("/", {"/0": "walrus"}))

    assert embedder.keys == {"Bearer sk-1"}
    assert "sk-1" not in str(refused.value)


async def test_a_reader_is_answered_from_the_version_of_the_page(place: Place) -> None:
    passages = await place.open()
    await passages.index(Pages("2", {"/docs/a": "walrus", "/docs/b": "walrus"}, version="2.0"))
    await passages.index(Pages("1", {"/docs/1.0/a": "walrus"}, version="1.0"))
    await passages.index(Pages("next", {"/docs/next/a": "walrus"}, version="current"))
    await passages.index(Pages("blog", {"/blog/a": "walrus"}))

    assert sorted(await urls(passages, "walrus")) == ["/blog/a", "/docs/a", "/docs/b"]
    assert sorted(await urls(passages, "walrus", "1.0")) == ["/blog/a", "/docs/1.0/a"]
    assert sorted(await urls(passages, "walrus", "9.9")) == ["/blog/a", "/docs/a", "/docs/b"]
    assert len(await urls(passages, "walrus", "*")) == 5
    older = await place.open(version="1.0")
    assert sorted(await urls(older, "walrus")) == ["/blog/a", "/docs/1.0/a"]
    assert sorted(await urls(older, "walrus", "2.0")) == ["/blog/a", "/docs/a", "/docs/b"]


async def test_a_run_that_was_killed_is_taken_over_at_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    passages = await place.open()
    pages = Pages("/", {f"/{number}": "narwhal" for number in range(600)})
    stopped = asyncio.Event()

    async def hang() -> None:
        stopped.set()
        await asyncio.Event().wait()

    pages.before = {"/599": hang}
    # A process of its own that is no more, without a chance to give the lease back.
    monkeypatch.setattr("chatkit_tools.writer.os.getpid", lambda: 2**22 + 1)
    run = asyncio.create_task(passages.index(pages))
    await stopped.wait()
    collection = await place.collection()
    note = await collection.read_note()
    assert note is not None
    run.cancel()
    await asyncio.wait([run])
    await collection.write_note(note)

    pages.before = {}
    assert (await passages.index(pages)).passages == 600


async def test_an_unchanged_file_is_not_even_parsed(
    place: Place, docs_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passages = await place.open()
    await passages.index(MarkdownFolder(docs_folder, "/docs"))
    parsed: list[str] = []
    split = "chatkit_tools.documents.split_pieces"
    monkeypatch.setattr(split, lambda text: parsed.append(text))

    assert (await passages.index(MarkdownFolder(docs_folder, "/docs"))).unchanged == 3
    assert parsed == []


async def test_a_source_is_closed_when_the_run_breaks_off(
    place: Place, embedder: EmbeddingServer
) -> None:
    closed: list[bool] = []

    class Site(Pages):
        async def read(self, known: Mapping[str, str]) -> AsyncIterator[Read]:
            try:
                async for found in super().read(known):
                    yield found
            finally:
                closed.append(True)

    def fail() -> None:
        embedder.fails = True

    site = Site("/", {f"/{number}": f"walrus {number}" for number in range(600)})
    site.before = {"/100": fail}
    async with OpenAIEmbeddings("hashed", base_url=embedder.url, max_retries=0) as embeddings:
        passages = await place.open(embeddings=embeddings)
        with pytest.raises(EmbeddingsError):
            await passages.index(site)

    assert closed == [True]


async def test_a_source_is_asked_for_nothing_while_qdrant_is_away(docs_folder: Path) -> None:
    async with Passages.open(url="http://127.0.0.1:9") as passages:
        with pytest.raises(SearchUnavailableError):
            await passages.index(docs_folder)
