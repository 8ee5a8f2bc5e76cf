"""Orders the best candidates of a search anew, by a model that reads query and text together."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

import httpx

from chatkit_tools.collection import Found
from chatkit_tools.embeddings import HERE, failure

if TYPE_CHECKING:
    from chatkit_tools.local_models import FastEmbedReranker

logger = logging.getLogger("chatkit_tools")

# Text Embeddings Inference takes 32 texts in one request unless it is told otherwise.
CANDIDATES = 30
# Models read 512 tokens at least, and cut what is longer; some services refuse it.
_MAX_CHARS = 4_000
# How long a search waits for the new order, and goes without one after it did not come.
_PATIENCE = 3.0
_REST = 10.0

Ranked = list[tuple[float, Found]]


class Reranker(Protocol):
    """What `Passages` asks of a model that tells how well texts answer a query."""

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return a score for each text, in their order; more is better."""


class RerankError(Exception):
    """A reranking service refused a request, or answered something else."""


class Reranking:
    """A reranker that a search can do without while it fails."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker
        self._rests_until = 0.0

    async def order(self, query: str, ranked: Ranked) -> Ranked:
        """Return the passages in their new order, or as they were while the reranker fails.

        Only the first 30 change their places. Those behind go on from the lowest new score.
        """
        first, rest = ranked[:CANDIDATES], ranked[CANDIDATES:]
        if len(first) < 2 or time.monotonic() < self._rests_until:
            return ranked
        try:
            async with asyncio.timeout(_PATIENCE):
                scores = await self._reranker.rerank(query, [_text(found) for _, found in first])
            if len(scores) != len(first):
                raise RerankError(f"it gave {len(scores)} scores for {len(first)} texts")
        except Exception as exc:  # services fail in ways of their own
            self._rests_until = time.monotonic() + _REST
            logger.warning(
                "reranking failed, searching without it for %.0f s: %s", _REST, failure(exc)
            )
            return ranked
        places = sorted(range(len(first)), key=lambda place: -scores[place])
        lowest = min(scores)
        return [
            *((scores[place], first[place][1]) for place in places),
            *((lowest - (rest[0][0] - score), found) for score, found in rest),
        ]


def open_reranker(
    url: str | None, *, model: str | None = None, api_key: str | None = None
) -> "HttpReranker | FastEmbedReranker":
    """Return the reranker at `url`, or without one the model `fastembed:NAME` in this process."""
    if url is not None:
        return HttpReranker(url, model=model, api_key=api_key)
    from chatkit_tools.local_models import FastEmbedReranker

    return FastEmbedReranker((model or "").removeprefix(HERE))


class HttpReranker:
    """A reranking service; close it, or use it in `async with`.

    With a model, it is asked as Cohere's `/v2/rerank` is, whose form Jina, Voyage, vLLM, LiteLLM,
    Infinity and llama.cpp share; without one, as Text Embeddings Inference, which has just one.
    """

    def __init__(self, url: str, *, model: str | None = None, api_key: str | None = None) -> None:
        """`url` is the whole address of the endpoint, such as `https://api.jina.ai/v1/rerank`."""
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._url = url
        self._model = model
        self._client = httpx.AsyncClient(headers=headers, timeout=_PATIENCE)

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the service's scores; raise `RerankError` or httpx's errors."""
        if not texts:
            return []
        cut = [text[:_MAX_CHARS] for text in texts]
        body: dict[str, Any]
        if self._model:
            # No `top_n`: some call it `top_k`, and all of them answer for every text without it.
            body = {"model": self._model, "query": query, "documents": cut}
        else:
            body = {"query": query, "texts": cut, "truncate": True}
        work = asyncio.ensure_future(self._client.post(self._url, json=body))
        try:
            response = await asyncio.shield(work)
        except asyncio.CancelledError:
            # httpx does not give back the connection of a request that is cancelled.
            work.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise
        if not response.is_success:
            # Not with its words: some quote the request, and so the reader's question.
            raise RerankError(f"the reranking service answered {response.status_code}")
        try:
            return _read_scores(response.json(), len(texts))
        except (ValueError, LookupError, TypeError, AttributeError) as exc:
            raise RerankError(
                "the reranking service did not answer with a score for each text"
                f" ({type(exc).__name__})"
            ) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _read_scores(answer: Any, count: int) -> list[float]:
    """Read `[{"index", "score"}]`, or the same as `results` or `data` with `relevance_score`."""
    if isinstance(answer, dict):
        answer = answer["results"] if "results" in answer else answer["data"]
    scores = {
        int(entry["index"]): float(
            entry["relevance_score"] if "relevance_score" in entry else entry["score"]
        )
        for entry in answer
    }
    return [scores[index] for index in range(count)]


def _text(found: Found) -> str:
    payload = found.payload
    return "\n".join([payload["title"], *payload["headings"], payload["text"]])
