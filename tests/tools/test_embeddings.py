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


async def test_a_text_too_long_for_the_model_is_cut_until_it_fits(
    embedder: EmbeddingServer,
) -> None:
    embedder.longest = 5_000
    async with OpenAIEmbeddings("hashed", base_url=embedder.url) as embeddings:
        # Of Chinese, 16,000 characters are twice the tokens that models take.
        vectors = await embeddings.embed(["short", "文" * 16_000])

        assert vectors[0] == pytest.approx(embedder.embed("short"))
        assert embedder.inputs == ["short", "文" * 4_000]
        assert embedder.refused == 2
        embedder.longest = 0
        with pytest.raises(openai.BadRequestError, match="maximum context length"):
            await embeddings.embed(["one that is refused for another reason"])
        # Not asked for again and again, where it can't be too long.
        assert embedder.refused == 3
