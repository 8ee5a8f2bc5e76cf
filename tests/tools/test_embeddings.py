"""Vectors come from a service that speaks `/v1/embeddings`."""

import openai
import pytest

from chatkit_tools import OpenAIEmbeddings
from tests.tools.embedder import EmbeddingServer


async def test_vectors_come_in_the_order_of_the_texts(embedder: EmbeddingServer) -> None:
    texts = [f"text number {number}" for number in range(300)]
    async with OpenAIEmbeddings("hashed", base_url=embedder.url, api_key="key") as embeddings:
        assert embeddings.size is None

        vectors = await embeddings.embed(texts)

        assert vectors == [pytest.approx(embedder.embed(text)) for text in texts]
        assert embeddings.size == 32
        assert await embeddings.embed([]) == []
    assert sorted(embedder.batches) == [44, 128, 128]
    assert embedder.keys == {"Bearer key"}


async def test_a_failing_service_is_an_error_of_its_own(embedder: EmbeddingServer) -> None:
    embedder.fails = True
    async with OpenAIEmbeddings("hashed", base_url=embedder.url, max_retries=0) as embeddings:
        with pytest.raises(openai.InternalServerError, match="out of order"):
            await embeddings.embed(["text"])


async def test_empty_and_endless_texts_are_made_acceptable(embedder: EmbeddingServer) -> None:
    async with OpenAIEmbeddings("hashed", base_url=embedder.url) as embeddings:
        await embeddings.embed(["", "word " * 10_000])

    assert embedder.inputs[0] == " "
    assert len(embedder.inputs[1]) == 16_000
