"""Turns texts into dense vectors, through any service with OpenAI's `/v1/embeddings`."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from chatkit_tools.local_models import FastEmbedEmbeddings

HERE = "fastembed:"
"""In front of the name of a model that runs in this process."""

_BATCH = 128
_AT_ONCE = 4
# A model on a laptop's processor embeds some texts a second, and four requests wait in its queue.
# Whoever can't wait so long, like a search, has a limit of its own.
_SECONDS = 300.0
# Below the 8,192 tokens that such models take, for most code too.
_MAX_CHARS = 16_000
# How services refuse a text that is too long all the same: there are models that take 512 tokens,
# and scripts and data of which each character is one. So long no model finds these.
_REFUSALS = frozenset({400, 413, 422})
_SHORT_CHARS = 500


class Embeddings(Protocol):
    """What `Passages` asks of a source of dense vectors."""

    @property
    def model(self) -> str:
        """Names the model; passages are embedded again when it changes."""

    @property
    def size(self) -> int | None:
        """Length of the vectors, None while it is not known."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text, in their order."""


def open_embeddings(
    model: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    size: int | None = None,
) -> "OpenAIEmbeddings | FastEmbedEmbeddings":
    """Return the vectors of a model: `fastembed:NAME` in this process, others from a service.

    `size` asks a service for shorter ones than the model's own.
    """
    if model.startswith(HERE):
        from chatkit_tools.local_models import FastEmbedEmbeddings

        return FastEmbedEmbeddings(model.removeprefix(HERE))
    return OpenAIEmbeddings(model, base_url=base_url, api_key=api_key, size=size)


def failure(error: Exception) -> str:
    """What failed, for a log: of a service's answer the status, since some quote key and texts."""
    name, status = type(error).__name__, getattr(error, "status_code", None)
    if status is not None:
        return f"{name}, status {status}"
    return f"{name}: {error}" if str(error) else name


class OpenAIEmbeddings:
    """Vectors from OpenAI or a compatible server; close it, or use it in `async with`."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        size: int | None = None,
        max_retries: int = 2,
    ) -> None:
        """`size` asks the service for shorter vectors than the model's own."""
        # Imported here, since the package costs more time than everything else together.
        from openai import AsyncOpenAI, Timeout

        # Local servers want no key, the client insists on one. Without a base URL it reads both
        # from its usual environment variables.
        key = api_key or ("none" if base_url else None)
        timeout = Timeout(_SECONDS, connect=10.0)
        self._client = AsyncOpenAI(
            base_url=base_url, api_key=key, timeout=timeout, max_retries=max_retries
        )
        self._model = model
        self._wanted = size
        self._size = size
        self._gate = asyncio.Semaphore(_AT_ONCE)

    @property
    def model(self) -> str:
        """The model's name, with the length where one was asked for."""
        return f"{self._model}:{self._wanted}" if self._wanted else self._model

    @property
    def size(self) -> int | None:
        """Length of the vectors, known after the first call."""
        return self._size

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text; long lists go in several requests."""
        batches = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._embed_batch(batch)) for batch in batches]
        except ExceptionGroup as failed:
            # The first failure cancelled the rest, and callers know the service's own errors.
            raise failed.exceptions[0] from None
        return [vector for task in tasks for vector in task.result()]

    async def _embed_batch(self, texts: Sequence[str]) -> list[list[float]]:
        from openai import APIStatusError

        # An empty text is refused by some services.
        wanted = [text[:_MAX_CHARS] or " " for text in texts]
        async with self._gate:
            while True:
                try:
                    return await self._ask(wanted)
                except APIStatusError as exc:
                    longest = max(map(len, wanted))
                    if exc.status_code not in _REFUSALS or longest <= _SHORT_CHARS:
                        raise
                wanted = [text[: longest // 2] for text in wanted]

    async def _ask(self, wanted: list[str]) -> list[list[float]]:
        # Asked for as floats: compatible servers rarely know the packed format.
        if self._wanted:
            answer = await self._client.embeddings.create(
                model=self._model,
                input=wanted,
                encoding_format="float",
                dimensions=self._wanted,
            )
        else:
            answer = await self._client.embeddings.create(
                model=self._model, input=wanted, encoding_format="float"
            )
        vectors = [entry.embedding for entry in sorted(answer.data, key=lambda entry: entry.index)]
        if len(vectors) != len(wanted):
            raise ValueError(f"{self._model} gave {len(vectors)} vectors for {len(wanted)} texts")
        self._size = len(vectors[0])
        return vectors

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
