"""Models run in this process, by fastembed; these are tiny ones of the tests' own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType
from fastembed.rerank.cross_encoder import TextCrossEncoder

from chatkit_tools.local_models import FastEmbedEmbeddings, FastEmbedReranker
from tests.tools.tiny_models import SIZE, make_cross_encoder, make_embedder

TEXTS = ["flags", "restore a dump", "back up the database every night", ""]


class Held(list[str]):
    """Texts that come when somebody reads them."""

    def __init__(self, texts: Callable[[], Iterator[str]]) -> None:
        super().__init__(TEXTS)
        self._texts = texts

    def __iter__(self) -> Iterator[str]:
        return self._texts()


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    nowhere = ModelSource(url="http://127.0.0.1:9/model.tar.gz")
    TextCrossEncoder.add_custom_model("tests/tiny-cross", sources=nowhere)
    TextEmbedding.add_custom_model(
        "tests/tiny", PoolingType.MEAN, normalization=True, sources=nowhere, dim=SIZE
    )


async def test_texts_are_scored_in_their_order(tmp_path: Path) -> None:
    make_cross_encoder(tmp_path / "model")
    async with FastEmbedReranker("tests/tiny-cross", folder=tmp_path / "model") as reranker:
        query = "How do I back up the database?"

        assert await reranker.rerank(query, TEXTS) == [0, 0, 4, 0]
        assert await reranker.rerank(query, []) == []


async def test_the_event_loop_goes_on_meanwhile(tmp_path: Path) -> None:
    make_cross_encoder(tmp_path / "model")
    async with FastEmbedReranker("tests/tiny-cross", folder=tmp_path / "model") as reranker:
        # In the middle of its work, the model waits for something that only the loop can do.
        begun, go_on = threading.Event(), threading.Event()

        def texts() -> Iterator[str]:
            begun.set()
            assert go_on.wait(120)
            yield from TEXTS

        work = asyncio.ensure_future(reranker.rerank("back up", Held(texts)))
        while not begun.is_set():
            await asyncio.sleep(0)
        go_on.set()

        assert await work == [0, 0, 2, 0]


async def test_vectors_are_those_of_the_model(tmp_path: Path) -> None:
    make_embedder(tmp_path / "model")
    async with FastEmbedEmbeddings("Tests/Tiny", folder=tmp_path / "model") as embeddings:
        assert embeddings.model == "fastembed:tests/tiny"
        assert embeddings.size == SIZE

        (backup, same, other) = await embeddings.embed(["back up", "up back", "flags"])

    assert backup == pytest.approx(same)
    assert sum(a * b for a, b in zip(backup, other, strict=True)) < 0.9
    assert sum(value**2 for value in backup) == pytest.approx(1.0)


async def test_a_model_that_is_not_there_is_told_to_whoever_asks(tmp_path: Path) -> None:
    async with FastEmbedReranker("tests/tiny-cross", folder=tmp_path) as reranker:
        for _ in range(2):
            with pytest.raises(Exception, match=r"tokenizer\.json|model\.onnx"):
                await reranker.rerank("back up", TEXTS)


def test_a_name_that_fastembed_does_not_know_is_refused_with_those_it_does() -> None:
    with pytest.raises(ValueError, match=r"no model 'ms-marco'; it has .*Xenova/ms-marco-MiniLM"):
        FastEmbedReranker("ms-marco")
    with pytest.raises(ValueError, match=r"no model 'minilm'; it has .*all-MiniLM-L6-v2"):
        FastEmbedEmbeddings("minilm")
