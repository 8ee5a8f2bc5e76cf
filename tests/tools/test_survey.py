"""What `doctor` says of a collection."""

from pathlib import Path
from typing import Any

import pytest

from chatkit_tools import OpenAIEmbeddings, SearchUnavailableError
from chatkit_tools.findings import Finding
from chatkit_tools.mapping import FieldMapping
from chatkit_tools.survey import Survey
from tests.tools.embedder import EmbeddingServer
from tests.tools.foreign.filling import LANGCHAIN, PLAIN, dump, fill
from tests.tools.place import Place


async def look(place: Place, **options: Any) -> dict[str, Finding]:
    async with Survey.open(place.name, **place.where, **options) as survey:
        findings = await survey.findings()
    named = {finding.name: finding for finding in findings}
    assert len(named) == len(findings)
    return named


async def test_a_collection_that_is_missing_is_an_error(place: Place) -> None:
    found = await look(place)

    assert found["collection"].status == "error"
    assert "chatkit-server index" in found["collection"].advice


async def test_one_of_ours_says_what_it_holds(
    place: Place, docs_folder: Path, embeddings: OpenAIEmbeddings
) -> None:
    passages = await place.open(embeddings=embeddings)
    await passages.index(docs_folder)

    found = await look(place, embeddings=embeddings)
    without = await look(place)
    german = await look(place, language="german")

    assert found["collection"].status == "ok"
    assert "9 passages of 3 pages" in found["collection"].message
    assert found["collection"].details["model"] == "hashed"
    assert found["model"].status == "ok"
    assert without["vectors"].status == "warning"
    assert "CHATKIT_EMBEDDING_MODEL=hashed" in without["vectors"].advice
    assert german["collection"].status == "warning"


async def test_one_of_others_gets_a_proposal_that_works_and_stays_as_it_is(
    place: Place, embedder: EmbeddingServer, embeddings: OpenAIEmbeddings
) -> None:
    connection = await fill(place, "langchain_style", embedder)
    before = await dump(connection, place)

    found = (await look(place, embeddings=embeddings))["mapping"]

    assert found.status == "error"
    assert "LangChain" in found.message
    assert "100% of the points have it, such as" in found.message
    assert found.details["lines"] == [
        "CHATKIT_COLLECTION_TEXT=page_content",
        "CHATKIT_COLLECTION_URL=metadata.source",
        'CHATKIT_COLLECTION_TITLE="metadata.Header 1"',
        'CHATKIT_COLLECTION_HEADING="metadata.Header 2"',
        "CHATKIT_COLLECTION_ROOT=/home/ci/lantern/docs",
    ]
    assert "CHATKIT_COLLECTION_BASE_URL=" in found.advice
    assert await dump(connection, place) == before


async def test_of_several_vectors_the_one_for_text_is_proposed(
    place: Place, embedder: EmbeddingServer
) -> None:
    await fill(place, "plain_client", embedder)

    found = await look(place)

    assert "CHATKIT_COLLECTION_VECTOR=body" in found["mapping"].details["lines"]
    assert "'splade'" in found["sparse"].message


async def test_a_mapped_one_is_looked_at_whole(
    place: Place, embedder: EmbeddingServer, embeddings: OpenAIEmbeddings
) -> None:
    connection = await fill(place, "plain_client", embedder)
    before = await dump(connection, place)

    found = await look(place, mapping=PLAIN, embeddings=embeddings)

    assert {name: finding.status for name, finding in found.items()} == {
        "collection": "ok",
        "mapping": "ok",
        "embeddings": "ok",
        "model": "ok",
        "lexical": "warning",
        "sparse": "ok",
        "indexes": "warning",
    }
    assert "Qdrant 1.18" in found["lexical"].advice
    assert '"field_name": "version"' in found["indexes"].advice
    assert await dump(connection, place) == before


async def test_points_without_words_are_counted(place: Place, embedder: EmbeddingServer) -> None:
    connection = await fill(place, "langchain_style", embedder)
    passages = await place.open(mapping=LANGCHAIN)
    await passages.add_lexical()
    whole = (await look(place, mapping=LANGCHAIN))["lexical"]
    point = {
        "id": 7,
        "vector": [0.1] * 32,
        "payload": {"page_content": "A zeppelin.", "metadata": {"source": "zeppelin.md"}},
    }
    await connection.send("PUT", f"/collections/{place.name}/points?wait=true", {"points": [point]})

    found = (await look(place, mapping=LANGCHAIN))["lexical"]

    assert whole.status == "ok"
    assert (found.status, found.details["missing"]) == ("warning", 1)
    await passages.add_lexical()
    assert (await look(place, mapping=LANGCHAIN))["lexical"].status == "ok"
    assert (await passages.search("zeppelin"))[0].id == "7"


@pytest.mark.parametrize(
    ("mapping", "name", "said"),
    [
        (FieldMapping(text=("text",)), "mapping", "perhaps page_content"),
        (FieldMapping(text=("page_content",), url=("metadata.url",)), "links", "6 of 6 points"),
        (FieldMapping(text=("page_content",), vector="body"), "vectors", "no dense vector 'body'"),
    ],
)
async def test_a_mapping_that_does_not_fit_is_named(
    place: Place, embedder: EmbeddingServer, mapping: FieldMapping, name: str, said: str
) -> None:
    await fill(place, "langchain_style", embedder)

    found = (await look(place, mapping=mapping))[name]

    assert found.status == "error"
    assert said in found.message


async def test_another_model_is_named(place: Place, embedder: EmbeddingServer) -> None:
    embedder.strange.add("other")
    await fill(place, "langchain_style", embedder)
    async with OpenAIEmbeddings("other", base_url=embedder.url) as other:
        by_vectors = (await look(place, mapping=LANGCHAIN, embeddings=other))["model"]
    with EmbeddingServer.run(size=48) as larger_server:
        async with OpenAIEmbeddings("larger", base_url=larger_server.url) as larger:
            by_size = (await look(place, mapping=LANGCHAIN, embeddings=larger))["model"]

    assert by_vectors.status == "error"
    assert "another embedding model than 'other'" in by_vectors.message
    assert by_size.status == "error"
    assert "vectors of 32 numbers" in by_size.message


async def test_an_embedding_service_that_is_down_is_named(
    place: Place, embedder: EmbeddingServer
) -> None:
    await fill(place, "langchain_style", embedder)
    embedder.fails = True
    async with OpenAIEmbeddings("hashed", base_url=embedder.url, max_retries=0) as model:
        found = await look(place, mapping=LANGCHAIN, embeddings=model)

    assert found["embeddings"].status == "error"
    assert "does not answer: InternalServerError, status 500" in found["embeddings"].message
    assert "model" not in found


async def test_a_server_that_is_down_is_no_finding() -> None:
    async with Survey.open("docs", url="http://127.0.0.1:9") as survey:
        with pytest.raises(SearchUnavailableError):
            await survey.findings()
