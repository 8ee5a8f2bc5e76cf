"""A second model orders the best candidates again, where there is one that answers."""

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence

import pytest

from chatkit_tools.collection import Found
from chatkit_tools.reranking import CANDIDATES, HttpReranker, RerankError, Reranking
from tests.tools.clock import Clock
from tests.tools.rerank_server import RerankServer

TEXTS = ["feature flags", "back up the database", "back up every night"]
SCORES = [0.0, 2 / 3, 1.0]


@pytest.fixture
def service() -> Iterator[RerankServer]:
    with RerankServer.run() as server:
        yield server


@pytest.mark.parametrize(
    ("path", "model"), [("/v2/rerank", "rerank-v3.5"), ("/voyage", "rerank-2"), ("/rerank", None)]
)
async def test_each_service_is_asked_in_its_own_form(
    service: RerankServer, path: str, model: str | None
) -> None:
    async with HttpReranker(service.url + path, model=model, api_key="key") as reranker:
        assert await reranker.rerank("back up night", TEXTS) == pytest.approx(SCORES)
        assert await reranker.rerank("back up night", []) == []

    (request,) = service.requests
    assert request.get("model") == model
    assert service.keys == {"Bearer key"}


async def test_no_key_is_sent_where_there_is_none(service: RerankServer) -> None:
    async with HttpReranker(f"{service.url}/rerank") as reranker:
        await reranker.rerank("flags", TEXTS)

    assert service.keys == {None}


async def test_long_texts_are_cut(service: RerankServer) -> None:
    async with HttpReranker(f"{service.url}/rerank") as reranker:
        await reranker.rerank("flags", ["word " * 10_000])

    assert len(service.requests[0]["texts"][0]) == 4_000


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ((401, {"message": "invalid api token"}), "answered 401$"),
        ((200, {"results": [{"index": 0, "relevance_score": 1.0}]}), "a score for each text"),
        ((200, {"results": [{"index": "x", "relevance_score": None}]}), "a score for each text"),
        ((200, {"detail": "Not Found"}), "a score for each text"),
        ((200, "hello"), "a score for each text"),
    ],
)
async def test_an_answer_that_is_none_is_an_error(
    service: RerankServer, says: tuple[int, object], message: str
) -> None:
    service.says = says
    async with HttpReranker(f"{service.url}/rerank") as reranker:
        with pytest.raises(RerankError, match=message):
            await reranker.rerank("flags", TEXTS)


def candidates(texts: Sequence[str]) -> list[tuple[float, Found]]:
    return [
        (50.0 - place, Found(text, 50.0 - place, {"title": "T", "headings": ["H"], "text": text}))
        for place, text in enumerate(texts)
    ]


async def test_candidates_come_in_the_order_of_their_new_scores(service: RerankServer) -> None:
    async with HttpReranker(f"{service.url}/rerank") as reranker:
        ranked = await Reranking(reranker).order("back up night", candidates(TEXTS))

    assert [found.id for _, found in ranked] == [TEXTS[2], TEXTS[1], TEXTS[0]]
    assert [score for score, _ in ranked] == pytest.approx([1.0, 2 / 3, 0.0])
    assert service.requests[0]["texts"][0] == "T\nH\nfeature flags"


async def test_only_the_first_candidates_are_sent_and_the_rest_follow_them(
    service: RerankServer,
) -> None:
    texts = [*(f"text {number}" for number in range(CANDIDATES)), "back up", "back up night"]
    texts[7] = "night"
    async with HttpReranker(f"{service.url}/rerank") as reranker:
        ranked = await Reranking(reranker).order("back up night", candidates(texts))

    assert len(service.requests[0]["texts"]) == CANDIDATES
    assert [found.id for _, found in ranked][:3] == ["night", "text 0", "text 1"]
    assert [found.id for _, found in ranked][-2:] == ["back up", "back up night"]
    scores = [score for score, _ in ranked]
    assert scores == sorted(scores, reverse=True)


async def test_a_service_that_fails_is_left_alone_for_a_while(
    service: RerankServer, caplog: pytest.LogCaptureFixture
) -> None:
    ranked = candidates(TEXTS)
    service.says = (422, {"detail": [{"msg": "Field required", "input": "back up night"}]})
    async with HttpReranker(f"{service.url}/rerank") as reranker:
        reranking = Reranking(reranker)
        with caplog.at_level(logging.WARNING):
            assert await reranking.order("back up night", ranked) == ranked
            assert await reranking.order("back up night", ranked) == ranked

    assert len(service.requests) == 1
    (record,) = caplog.records
    assert "answered 422" in record.getMessage()
    assert "back up night" not in record.getMessage()


async def test_a_service_that_hangs_costs_one_search_its_patience(
    service: RerankServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit_tools.reranking._PATIENCE", 3.0)
    ranked = candidates(TEXTS)
    service.hangs = threading.Event()
    async with HttpReranker(f"{service.url}/rerank") as reranker:
        reranking = Reranking(reranker)
        ordering = asyncio.create_task(reranking.order("back up night", ranked))
        assert await asyncio.to_thread(service.asked.wait, 120)
        clock.forward(4.0)
        assert await ordering == ranked
        service.hangs.set()
        assert await reranking.order("back up night", ranked) == ranked

    assert len(service.requests) == 1


async def test_one_candidate_needs_no_order(service: RerankServer) -> None:
    async with HttpReranker(f"{service.url}/rerank") as reranker:
        assert len(await Reranking(reranker).order("flags", candidates(TEXTS[:1]))) == 1

    assert service.requests == []
