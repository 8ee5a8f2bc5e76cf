"""What `Passages` promises, wherever its collection lives."""

import asyncio
from pathlib import Path

import pytest

from chatkit_tools import (
    CollectionMismatchError,
    HttpReranker,
    MarkdownFolder,
    OpenAIEmbeddings,
    Passages,
    SearchUnavailableError,
)
from tests.tools.embedder import EmbeddingServer
from tests.tools.place import Place
from tests.tools.rerank_server import RerankServer


async def test_nothing_is_found_before_anything_is_indexed(place: Place) -> None:
    passages = await place.open()

    assert not await passages.search("postgres")
    assert await passages.count() == 0
    await passages.ping()


async def test_a_question_finds_the_section_that_answers_it(
    place: Place, docs_folder: Path
) -> None:
    passages = await place.open()
    summary = await passages.index(docs_folder, base_url="/docs/")

    hits = await passages.search("What is the connection string for Postgres?")

    assert (summary.added, summary.changed, summary.removed, summary.unchanged) == (3, 0, 0, 0)
    assert summary.passages == await passages.count() == 9
    assert hits[0].url == "/docs/guides/connect-postgres#connection-string"
    assert hits[0].title == "Connect Lantern to Postgres"
    assert hits[0].headings == ("Connection string",)
    assert "export LANTERN_DATABASE" in hits[0].text
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


async def test_at_most_three_passages_of_a_page_are_given(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    sections = "\n".join(f"## Part {number}\n\nThe flux valve {number}.\n" for number in range(9))
    (folder / "many.md").write_text(f"# Flux valve\n\n{sections}")
    (folder / "one.md").write_text("# Other\n\nA flux valve stands here too, among other words.")
    passages = await place.open()
    await passages.index(folder)

    documents = [hit.document for hit in await passages.search("flux valve", limit=8)]

    assert documents == ["many.md", "many.md", "many.md", "one.md"]


async def test_coverage_tells_how_much_of_the_question_a_passage_has(
    place: Place, docs_folder: Path
) -> None:
    passages = await place.open()
    await passages.index(docs_folder)

    (full, *_) = await passages.search("the kill switch turns a flag off")
    (half, *_) = await passages.search("kill switch for zeppelins")
    rare = await passages.search("flag zeppelins hydrogen")

    assert full.coverage == pytest.approx(1.0)
    assert 0.4 < half.coverage < 0.8
    # Both words that nobody wrote weigh more than the one that is everywhere.
    assert all(hit.coverage < 0.25 for hit in rare)


async def test_unchanged_documents_are_left_alone(place: Place, docs_folder: Path) -> None:
    passages = await place.open()
    await passages.index(docs_folder)
    steps: list[tuple[int, int | None]] = []

    summary = await passages.index(docs_folder, progress=lambda *step: steps.append(step))

    assert (summary.added, summary.changed, summary.unchanged, summary.removed) == (0, 0, 3, 0)
    assert steps[-1] == (3, 3)


async def test_an_edited_document_is_replaced_and_a_deleted_one_is_gone(
    place: Place, docs_folder: Path
) -> None:
    passages = await place.open()
    await passages.index(docs_folder)
    (docs_folder / "intro.md").write_text("---\nslug: /\n---\n\nNow a zeppelin.")
    (docs_folder / "guides/rollouts.md").unlink()

    summary = await passages.index(docs_folder)

    assert (summary.added, summary.changed, summary.unchanged, summary.removed) == (0, 1, 1, 1)
    assert summary.passages == 1 + 3
    assert [hit.url for hit in await passages.search("zeppelin")] == ["/"]
    assert not await passages.search("cargo")
    assert not await passages.search("percentages")


async def test_an_unreadable_document_is_named_and_keeps_what_was_indexed(
    place: Place, docs_folder: Path
) -> None:
    passages = await place.open()
    await passages.index(docs_folder)
    (docs_folder / "guides/rollouts.md").write_bytes(b"# Gradual \xff rollouts")
    (docs_folder / "new.md").write_text("---\ntitle: [\n---\n\nText")

    summary = await passages.index(docs_folder)

    assert [document.path for document in summary.unreadable] == ["guides/rollouts.md", "new.md"]
    assert "not UTF-8 at byte 10" in summary.unreadable[0].reason
    assert "front matter, line" in summary.unreadable[1].reason
    assert (summary.unchanged, summary.removed) == (2, 0)
    assert (await passages.search("kill switch"))[0].document == "guides/rollouts.md"


async def test_weights_follow_when_the_mean_length_drifts(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "a.md").write_text("# Alpha\n\nShort.")
    passages = await place.open()
    await passages.index(folder)
    before = (await passages.search("alpha"))[0].score
    for number in range(4):
        (folder / f"long-{number}.md").write_text(f"# Long {number}\n\n" + "filler words " * 80)

    summary = await passages.index(folder)

    note = await (await place.collection()).read_note()
    assert summary.unchanged == 1
    assert note is not None
    assert note.mean_length > 100
    assert note.complete
    # The short page weighs more beside long ones, and its word is rarer now.
    assert (await passages.search("alpha"))[0].score > before


async def test_a_run_that_broke_off_is_made_up_for(place: Place, docs_folder: Path) -> None:
    passages = await place.open()
    await passages.index(docs_folder)
    collection = await place.collection()
    ids = [id_ async for id_, payload in collection.scroll(["document"])]
    await collection.delete(ids[:2])

    summary = await passages.index(docs_folder)

    assert summary.changed >= 1
    assert summary.passages == 9


async def test_a_link_follows_the_page_that_moved(place: Place, docs_folder: Path) -> None:
    passages = await place.open()
    await passages.index(docs_folder)
    (docs_folder / "intro.md").write_text("# Lantern\n\nWithout a slug.")

    summary = await passages.index(docs_folder)

    assert (summary.added, summary.changed, summary.unchanged, summary.removed) == (1, 1, 1, 1)
    (hit, *_) = await passages.search("connection string of Postgres")
    assert "[the install guide](/intro)" in hit.text


async def test_another_language_weighs_everything_anew(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "haus.md").write_text("# Haus\n\nDie Häuser der Stadt sind alt.")
    await (await place.open()).index(folder)
    german = await place.open(language="german")
    await german.index(folder)

    hits = await german.search("alte Häuser in der Stadt")

    assert hits[0].document == "haus.md"
    assert hits[0].coverage == pytest.approx(1.0)


async def test_a_lexical_collection_gains_dense_vectors(
    place: Place, docs_folder: Path, embedder: EmbeddingServer, embeddings: OpenAIEmbeddings
) -> None:
    embedder.synonyms = {"undo": "off", "quickly": "second"}
    await (await place.open()).index(docs_folder)
    passages = await place.open(embeddings=embeddings)
    assert not await passages.search("undo quickly")

    summary = await passages.index(docs_folder)
    hits = await passages.search("undo quickly")

    assert summary.changed == 3
    assert summary.passages == 9
    assert hits[0].url == "/guides/rollouts#kill-switch"
    embedder.inputs.clear()
    assert (await passages.index(docs_folder)).unchanged == 3
    assert embedder.inputs == []


async def test_words_are_enough_while_the_embedding_service_is_down(
    place: Place,
    docs_folder: Path,
    embedder: EmbeddingServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with OpenAIEmbeddings("hashed", base_url=embedder.url, max_retries=0) as embeddings:
        passages = await place.open(embeddings=embeddings)
        await passages.index(docs_folder)
        embedder.fails = True

        hits = await passages.search("kill switch")
        again = await passages.search("kill switch")

    assert hits[0].headings == again[0].headings == ("Kill switch",)
    (warning,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert warning.endswith("searching by words alone for 600 s: InternalServerError, status 500")
    # Which this service repeats.
    assert "kill switch" not in caplog.text
    # Nobody waits for a service that has just failed.
    assert embedder.refused == 1


async def test_the_embedding_service_is_asked_again_after_a_rest(
    place: Place,
    docs_folder: Path,
    embedder: EmbeddingServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatkit_tools.searching._REST", 0.0)
    embedder.synonyms = {"undo": "off", "quickly": "second"}
    async with OpenAIEmbeddings("hashed", base_url=embedder.url, max_retries=0) as embeddings:
        passages = await place.open(embeddings=embeddings)
        await passages.index(docs_folder)
        embedder.fails = True
        assert not await passages.search("undo quickly")
        embedder.fails = False

        hits = await passages.search("undo quickly")

    assert hits[0].url == "/guides/rollouts#kill-switch"


async def test_vectors_of_another_length_are_refused(
    place: Place,
    docs_folder: Path,
    embeddings: OpenAIEmbeddings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await (await place.open(embeddings=embeddings)).index(docs_folder)
    with EmbeddingServer.run(size=48) as other:
        async with OpenAIEmbeddings("longer", base_url=other.url) as longer:
            passages = await place.open(embeddings=longer)

            with pytest.raises(CollectionMismatchError, match=r"32 numbers.*gives 48"):
                await passages.index(docs_folder)
            hits = await passages.search("kill switch")

    assert hits[0].headings == ("Kill switch",)
    assert "indexed with the embedding model 'hashed' and not with 'longer'" in caplog.text


async def test_words_are_enough_where_a_service_changes_the_length_of_its_vectors(
    place: Place,
    docs_folder: Path,
    embedder: EmbeddingServer,
    embeddings: OpenAIEmbeddings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    passages = await place.open(embeddings=embeddings)
    await passages.index(docs_folder)
    await passages.search("kill switch")
    embedder.size = 48

    hits = await passages.search("kill switch")
    again = await passages.search("kill switch")

    assert hits[0].headings == again[0].headings == ("Kill switch",)
    assert "32 numbers, and the embedding model 'hashed' gives 48" in caplog.text
    assert embedder.inputs.count("kill switch") == 2


async def test_searches_at_once_look_at_the_collection_together(
    place: Place, docs_folder: Path, embedder: EmbeddingServer, embeddings: OpenAIEmbeddings
) -> None:
    passages = await place.open(embeddings=embeddings)
    await passages.index(docs_folder)
    embedder.inputs.clear()

    await asyncio.gather(*(passages.search(f"kill switch {number}") for number in range(8)))

    asked = [text for text in embedder.inputs if text.startswith("kill switch")]
    assert sorted(asked) == [f"kill switch {number}" for number in range(8)]


async def test_another_model_of_the_same_length_embeds_everything_again(
    place: Place, docs_folder: Path, embedder: EmbeddingServer, embeddings: OpenAIEmbeddings
) -> None:
    await (await place.open(embeddings=embeddings)).index(docs_folder)
    embedder.inputs.clear()
    async with OpenAIEmbeddings("hashed-2", base_url=embedder.url) as other:
        summary = await (await place.open(embeddings=other)).index(docs_folder)

    assert summary.changed == 3
    assert len([text for text in embedder.inputs if text != "size"]) == 9


async def test_points_of_somebody_else_are_refused(place: Place, docs_folder: Path) -> None:
    collection = await place.collection()
    await collection.create()
    foreign = "11111111-2222-4333-8444-555555555555"
    await collection.upsert([{"id": foreign, "vector": {}, "payload": {"text": "theirs"}}])
    passages = await place.open()

    with pytest.raises(CollectionMismatchError, match="not written by chatkit-server"):
        await passages.index(docs_folder)

    assert [id_ async for id_, _ in collection.scroll(["text"])] == [foreign]


async def test_two_clients_see_what_the_other_indexes(place: Place, docs_folder: Path) -> None:
    first, second = await place.open(), await place.open()
    assert not await second.search("kill switch")

    await first.index(docs_folder)

    assert (await second.search("kill switch"))[0].headings == ("Kill switch",)


async def test_a_server_that_is_away_is_said_to_be(docs_folder: Path) -> None:
    async with Passages.open(url="http://127.0.0.1:9") as passages:
        for call in (passages.ping(), passages.count(), passages.search("x")):
            with pytest.raises(SearchUnavailableError, match=r"Qdrant at 127\.0\.0\.1"):
                await call
        with pytest.raises(ConnectionError):
            await passages.index(docs_folder)


async def test_either_a_folder_or_a_server_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="either data_dir or url"):
        async with Passages.open():
            pass
    with pytest.raises(ValueError, match="either data_dir or url"):
        async with Passages.open(data_dir=tmp_path, url="http://localhost"):
            pass
    with pytest.raises(ValueError, match="klingon"):
        async with Passages.open(data_dir=tmp_path, language="klingon"):
            pass


async def test_a_section_that_was_cut_is_found_in_one_piece(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    paragraphs = [f"Paragraph {n} tells of the flux valve. " + "word " * 100 for n in range(4)]
    paragraphs[3] = "Something else. " + "words " * 100
    (folder / "long.md").write_text("# Long\n\n## Valves\n\n" + "\n\n".join(paragraphs))
    passages = await place.open()
    await passages.index(folder)

    (hit,) = await passages.search("flux valve")

    assert hit.url == "/long#valves"
    assert [f"Paragraph {n}" in hit.text for n in range(4)] == [True, True, True, False]
    assert hit.before == ""
    assert hit.after.startswith("Something else.")
    (other,) = await passages.search("something else")
    assert other.id == hit.id
    assert other.before.startswith("…\n\nword word")
    assert other.text.startswith("Something else.")


async def test_the_same_section_in_two_versions_is_found_once(place: Place, tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        folder = tmp_path / version
        folder.mkdir()
        (folder / "valve.md").write_text(
            f"# Valve\n\n## Setup\n\nTurn the flux valve to the left until it clicks twice.\n\n"
            f"## News\n\nIn {version} the flux valve is {'blue' if version == '2.0' else 'red'}."
        )
    passages = await place.open()
    for version in ("1.0", "2.0"):
        await passages.index(
            MarkdownFolder(tmp_path / version, f"/docs/{version}/", version=version)
        )

    hits = await passages.search("turn the flux valve to the left", version="*")

    assert [(hit.version, hit.headings) for hit in hits if hit.headings == ("Setup",)] == [
        ("2.0", ("Setup",))
    ]
    assert hits[0].also == ("/docs/1.0/valve#setup",)
    assert len([hit for hit in hits if hit.headings == ("News",)]) == 2


async def test_a_reranker_orders_the_hits(place: Place, docs_folder: Path) -> None:
    with RerankServer.run() as service:
        async with HttpReranker(f"{service.url}/rerank") as reranker:
            passages = await place.open(reranker=reranker)
            await passages.index(docs_folder, base_url="/docs/")
            # The service counts whole words and knows no stems.
            query = "flag visitors hashed id sees variant same visitor turns"
            hits = await passages.search(query)
            service.says = (500, "out of order")
            as_found = await passages.search(query)

    assert len(service.requests[0]["texts"]) > 2
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(0 <= hit.score <= 1 for hit in hits)
    assert {hit.id for hit in as_found} == {hit.id for hit in hits}
    assert as_found[0].score > 1


async def test_passages_are_read_until_there_are_enough(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    sections = "\n".join(f"## Part {n}\n\nFlux valve, flux valve {n}.\n" for n in range(14))
    (folder / "many.md").write_text(f"# Flux valve\n\n{sections}")
    for number in range(3):
        text = f"A flux valve stands in house {number} too, among many other words."
        (folder / f"other-{number}.md").write_text(f"# Other {number}\n\n{text}")
    passages = await place.open()
    await passages.index(folder)

    # The first fourteen are of one page, which may have three hits.
    hits = await passages.search("flux valve", limit=5)

    assert [hit.document for hit in hits][:3] == ["many.md"] * 3
    assert [hit.title[:5] for hit in hits][3:] == ["Other"] * 2
    assert all("lux valve" in hit.text for hit in hits)
