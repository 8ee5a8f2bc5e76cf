"""A collection that something else filled is searched as it is."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatkit_tools import (
    CollectionError,
    CollectionMismatchError,
    OpenAIEmbeddings,
    SearchUnavailableError,
)
from chatkit_tools.mapping import FieldMapping
from tests.tools.embedder import EmbeddingServer
from tests.tools.foreign.filling import LANGCHAIN, LLAMAINDEX, PLAIN, dump, fill
from tests.tools.place import Place
from tests.tools.rest import RestServer


def without_lexical(points: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what `add_lexical` adds."""
    left = []
    for point in points:
        vector = point.get("vector")
        if isinstance(vector, dict):
            named = {name: value for name, value in vector.items() if name != "lexical"}
            vector = named[""] if list(named) == [""] else named
        left.append({**point, "vector": vector})
    return left


@pytest.mark.parametrize(
    ("program", "mapping", "url", "title", "headings"),
    [
        (
            "langchain_style",
            LANGCHAIN,
            "https://lantern.example/docs/guides/rollouts#kill-switch",
            "Gradual rollouts",
            ("Kill switch",),
        ),
        (
            "plain_client",
            PLAIN,
            "https://lantern.example/docs/guides/rollouts#kill-switch",
            "Rollouts",
            ("Gradual rollouts", "Kill switch"),
        ),
        ("llamaindex_style", LLAMAINDEX, "/docs/guides/rollouts", "Rollouts", ()),
    ],
)
async def test_it_is_searched_and_cited_and_not_changed(
    place: Place,
    embedder: EmbeddingServer,
    embeddings: OpenAIEmbeddings,
    program: str,
    mapping: FieldMapping,
    url: str,
    title: str,
    headings: tuple[str, ...],
) -> None:
    connection = await fill(place, program, embedder)
    before = await dump(connection, place)
    passages = await place.open(embeddings=embeddings, mapping=mapping)

    hits = await passages.search("how do I turn a flag off everywhere within a second")
    check = await passages.check_model()
    places = await passages.places()
    await passages.count()
    await passages.ping()

    assert {(hit.document, hit.url) for hit in hits} <= set(places)
    assert (hits[0].url, hits[0].title, hits[0].headings) == (url, title, headings)
    assert "`lantern off FLAG` turns a flag off" in hits[0].text
    assert hits[0].page == url.partition("#")[0]
    assert len({hit.id for hit in hits}) == len(hits) > 1
    assert check is not None
    assert check.verdict == "same"
    assert await dump(connection, place) == before


async def test_documents_are_not_indexed_into_it(
    place: Place, embedder: EmbeddingServer, docs_folder: Path
) -> None:
    connection = await fill(place, "langchain_style", embedder)
    before = await dump(connection, place)
    mapped = await place.open(mapping=LANGCHAIN)
    unmapped = await place.open()

    with pytest.raises(
        CollectionMismatchError, match="CHATKIT_COLLECTION_TEXT says that something"
    ):
        await mapped.index(docs_folder)
    with pytest.raises(CollectionMismatchError, match="chatkit-server doctor"):
        await unmapped.index(docs_folder)

    assert await dump(connection, place) == before


async def test_versions_are_those_of_the_mapped_field(
    place: Place, embedder: EmbeddingServer, embeddings: OpenAIEmbeddings
) -> None:
    await fill(place, "plain_client", embedder)
    passages = await place.open(embeddings=embeddings, mapping=PLAIN)

    async def versions(version: str | None) -> set[str]:
        return {hit.version for hit in await passages.search("kill switch", version=version)}

    assert await versions(None) == {"2.0"}
    assert await versions("1.0") == {"1.0"}
    assert await versions("*") == {"1.0", "2.0"}
    assert await versions("3.0") == {"2.0"}


async def test_versions_that_are_numbers_are_found_too(
    place: Place, embedder: EmbeddingServer, embeddings: OpenAIEmbeddings
) -> None:
    connection = await fill(place, "plain_client", embedder)
    path = f"/collections/{place.name}/points/payload?wait=true"
    for number, ids in ((0, range(6)), (1.5, range(6, 12))):
        body = {"points": list(ids), "payload": {"version": number}}
        await connection.send("POST", path, body)
    passages = await place.open(embeddings=embeddings, mapping=PLAIN)

    for version in ("0", "1.5"):
        hits = await passages.search("kill switch", version=version)
        assert {hit.version for hit in hits} == {version}


async def test_without_words_and_model_it_says_what_to_do(
    place: Place, embedder: EmbeddingServer
) -> None:
    await fill(place, "langchain_style", embedder)
    passages = await place.open(mapping=LANGCHAIN)

    with pytest.raises(CollectionMismatchError, match=r"CHATKIT_EMBEDDING_MODEL.*--add-lexical"):
        await passages.search("kill switch")


async def test_an_unanswered_embedding_is_no_empty_answer(
    place: Place, embedder: EmbeddingServer, embeddings: OpenAIEmbeddings
) -> None:
    await fill(place, "langchain_style", embedder)
    passages = await place.open(embeddings=embeddings, mapping=LANGCHAIN)
    await passages.search("kill switch")
    embedder.fails = True

    with pytest.raises(SearchUnavailableError, match="could not be embedded"):
        await passages.search("kill switch")


async def test_a_model_of_another_size_is_refused(place: Place, embedder: EmbeddingServer) -> None:
    await fill(place, "langchain_style", embedder)
    with EmbeddingServer.run(size=48) as other:
        async with OpenAIEmbeddings("larger", base_url=other.url) as larger:
            passages = await place.open(embeddings=larger, mapping=LANGCHAIN)

            check = await passages.check_model()

            assert check is not None
            assert check.verdict == "other"
            assert "32 numbers" in check.explain("docs")
            with pytest.raises(CollectionMismatchError, match=r"32 numbers.*'larger' gives 48"):
                await passages.search("kill switch")


async def test_another_model_of_the_same_size_is_found_out_and_refused(
    place: Place, embedder: EmbeddingServer
) -> None:
    embedder.strange.add("other")
    connection = await fill(place, "langchain_style", embedder)
    async with OpenAIEmbeddings("other", base_url=embedder.url) as other:
        passages = await place.open(embeddings=other, mapping=LANGCHAIN)

        check = await passages.check_model()

        assert check is not None
        assert check.verdict == "other"
        assert max(check.cosines) < 0.6
        with pytest.raises(CollectionMismatchError, match="another embedding model than 'other'"):
            await passages.search("kill switch")
        # By words it can be searched all the same.
        await (await place.open(mapping=LANGCHAIN)).add_lexical()
        await passages.check_model()
        assert "turns a flag off" in (await passages.search("kill switch"))[0].text
    assert connection is not None


async def test_vectors_of_ours_by_another_model_of_the_same_name_are_found_out(
    place: Place, embedder: EmbeddingServer, docs_folder: Path
) -> None:
    async with OpenAIEmbeddings("latest", base_url=embedder.url) as model:
        passages = await place.open(embeddings=model)
        await passages.index(docs_folder)
        same = await passages.check_model()
        embedder.strange.add("latest")

        other = await passages.check_model()
        hits = await passages.search("kill switch")

    assert same is not None
    assert same.verdict == "same"
    assert min(same.cosines) > 0.99
    assert other is not None
    assert other.verdict == "other"
    # By words alone.
    assert "kill-switch" in hits[0].url


async def test_words_are_added_from_the_text_that_is_there(
    place: Place, embedder: EmbeddingServer, embeddings: OpenAIEmbeddings
) -> None:
    connection = await fill(place, "langchain_style", embedder)
    points, _ = await dump(connection, place)
    passages = await place.open(mapping=LANGCHAIN)
    steps: list[tuple[int, int]] = []

    planned = await passages.add_lexical(dry_run=True)
    untouched, _ = await dump(connection, place)
    done = await passages.add_lexical(progress=lambda *step: steps.append(step))
    again = await passages.add_lexical()

    assert (planned.written, planned.points, planned.added_vector) == (6, 6, True)
    assert untouched == points
    assert (done.written, done.unchanged, done.without_text) == (6, 0, 0)
    assert steps[-1][0] == steps[-1][1]
    assert [done for done, _ in steps[:-1]] == sorted(done for done, _ in steps[:-1])
    assert (again.written, again.unchanged, again.added_vector) == (0, 6, False)
    after, info = await dump(connection, place)
    assert without_lexical(after) == without_lexical(points)
    assert info["config"]["metadata"]["chatkit"]["lexical"]["complete"]
    by_words = await passages.search("pg_dump")
    assert by_words[0].url == "https://lantern.example/docs/guides/connect-postgres#backups"
    assert by_words[0].coverage == pytest.approx(1.0)
    both = await (await place.open(embeddings=embeddings, mapping=LANGCHAIN)).search("pg_dump")
    assert both[0].url == by_words[0].url


async def test_only_what_changed_is_weighed_again(place: Place, embedder: EmbeddingServer) -> None:
    connection = await fill(place, "langchain_style", embedder)
    passages = await place.open(mapping=LANGCHAIN)
    await passages.add_lexical()
    points, _ = await dump(connection, place)
    path = f"/collections/{place.name}/points"
    # What fills it edits a text where it stands, and puts a point there anew.
    edited = {"page_content": "A zeppelin, and nothing but a zeppelin, above the roofs of town."}
    await connection.send(
        "POST", f"{path}/payload?wait=true", {"points": [points[0]["id"]], "payload": edited}
    )
    dense = points[1]["vector"][""] if isinstance(points[1]["vector"], dict) else None
    assert dense is not None
    renewed = {"id": points[1]["id"], "vector": dense, "payload": points[1]["payload"]}
    await connection.send("PUT", f"{path}?wait=true", {"points": [renewed]})

    summary = await passages.add_lexical()

    assert (summary.written, summary.unchanged) == (2, 4)
    assert "zeppelin" in (await passages.search("zeppelin"))[0].text


async def test_a_point_that_goes_meanwhile_costs_only_itself(embedder: EmbeddingServer) -> None:
    async with AsyncExitStack() as stack:
        server = stack.enter_context(RestServer.run())
        place = Place({"url": server.url}, stack)
        connection = await fill(place, "langchain_style", embedder)
        points, _ = await dump(connection, place)
        passages = await place.open(mapping=LANGCHAIN)
        server.before["PUT", "/points/vectors"] = lambda: server.client.delete(
            place.name, [points[2]["id"]]
        )

        summary = await passages.add_lexical()

        assert (summary.written, summary.gone) == (5, 1)
        assert (await passages.add_lexical()).unchanged == 5


async def test_a_run_that_broke_off_is_gone_on_with(embedder: EmbeddingServer) -> None:
    async with AsyncExitStack() as stack:
        server = stack.enter_context(RestServer.run())
        place = Place({"url": server.url}, stack)
        connection = await fill(place, "plain_client", embedder)
        passages = await place.open(mapping=PLAIN)
        server.lacks.add("/points/vectors")

        with pytest.raises(CollectionError, match="run this again"):
            await passages.add_lexical()
        _, info = await dump(connection, place)
        server.lacks.clear()
        summary = await passages.add_lexical()

        assert not info["config"]["metadata"]["chatkit"]["lexical"]["complete"]
        assert (summary.written, summary.added_vector) == (12, False)


async def test_one_of_ours_is_not_mapped(place: Place, docs_folder: Path) -> None:
    await (await place.open()).index(docs_folder)
    mapped = await place.open(mapping=FieldMapping(text=("text",), url=("url",)))

    with pytest.raises(CollectionMismatchError, match="unset CHATKIT_COLLECTION_TEXT"):
        await mapped.add_lexical()
    with pytest.raises(CollectionMismatchError, match="unset CHATKIT_COLLECTION_TEXT"):
        await mapped.search("kill switch")


async def test_a_field_that_is_not_there_is_named(
    place: Place,
    embedder: EmbeddingServer,
    embeddings: OpenAIEmbeddings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await fill(place, "langchain_style", embedder)
    textless = replace(LANGCHAIN, text=("page_contents", "txt"))
    misplaced = replace(LANGCHAIN, url=("metadata.sorce",), headings=("metadata.Header 9",))
    named = "text in page_contents, txt, which CHATKIT_COLLECTION_TEXT names"

    for model in (embeddings, None):
        passages = await place.open(embeddings=model, mapping=textless)
        with pytest.raises(CollectionMismatchError, match=named):
            await passages.search("kill switch")
    assert caplog.messages == []

    passages = await place.open(embeddings=embeddings, mapping=misplaced)
    for _ in range(2):
        assert await passages.search("kill switch")
    assert [message.partition("has ")[2] for message in caplog.messages] == [
        "metadata.sorce, which CHATKIT_COLLECTION_URL names;"
        " `chatkit-server doctor` proposes what to set",
        "metadata.Header 9, which CHATKIT_COLLECTION_HEADING names;"
        " `chatkit-server doctor` proposes what to set",
    ]


async def test_a_filter_keeps_the_search_to_a_part(
    place: Place, embedder: EmbeddingServer, embeddings: OpenAIEmbeddings
) -> None:
    await fill(place, "plain_client", embedder)
    only = {"must": [{"key": "version", "match": {"value": "1.0"}}]}
    mapping = replace(PLAIN, version=(), filter=only)
    passages = await place.open(embeddings=embeddings, mapping=mapping)

    hits = await passages.search("kill switch", limit=20)

    assert hits
    assert all("Lantern 1.0" in hit.text for hit in hits)
    assert await passages.count() == 6
    await passages.add_lexical()
    words = await (await place.open(mapping=replace(PLAIN, version=()))).search("visitors")
    assert all("Lantern 1.0" in hit.text for hit in words)


async def test_a_server_that_is_too_old_is_named_with_the_way_out(
    embedder: EmbeddingServer,
) -> None:
    async with AsyncExitStack() as stack:
        server = stack.enter_context(RestServer.run())
        server.lacks.add("/vectors/")
        place = Place({"url": server.url}, stack)
        connection = await fill(place, "langchain_style", embedder)
        before = await dump(connection, place)
        passages = await place.open(mapping=LANGCHAIN)

        with pytest.raises(CollectionMismatchError, match=r"Qdrant 1\.18 or newer.*Qdrant 1\.16"):
            await passages.add_lexical()

        assert await dump(connection, place) == before
