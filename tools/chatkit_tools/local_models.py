"""Models that run in this process, by the package `fastembed` (`chatkit-server[fastembed]`)."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

M = TypeVar("M")
R = TypeVar("R")


class _Local(Generic[M]):
    """A model in a thread of its own, which loads it, and downloads it the first time."""

    def __init__(self, load: Callable[[], M]) -> None:
        # One thread: a model uses every core already.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._load = load
        self._model: M | None = None
        # Begun now, so that the first search waits less. A failure is told to whoever asks.
        self._thread.submit(self._loaded)

    def _loaded(self) -> M:
        if self._model is None:
            self._model = self._load()
        return self._model

    async def run(self, work: Callable[[M], R]) -> R:
        return await asyncio.wrap_future(self._thread.submit(lambda: work(self._loaded())))

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


class FastEmbedReranker:
    """A cross-encoder of fastembed's list; close it, or use it in `async with`."""

    def __init__(self, model: str, *, folder: Path | None = None) -> None:
        """`folder` has the model's files; it is downloaded to fastembed's cache without one.

        Raises ModuleNotFoundError without the package, ValueError for a model that is none of its.
        """
        from fastembed.rerank.cross_encoder import TextCrossEncoder

        _check_name(model, TextCrossEncoder.list_supported_models())
        self._local = _Local(partial(TextCrossEncoder, model, **_source(folder)))

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the model's scores."""
        return await self._local.run(lambda model: list(model.rerank(query, texts)))

    async def close(self) -> None:
        """Let go of the model."""
        self._local.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class FastEmbedEmbeddings:
    """Dense vectors from a model of fastembed's list; close it, or use it in `async with`."""

    def __init__(self, model: str, *, folder: Path | None = None) -> None:
        """As for `FastEmbedReranker`."""
        from fastembed import TextEmbedding

        known = _check_name(model, TextEmbedding.list_supported_models())
        self._name = f"fastembed:{known['model']}"
        self._size = int(known["dim"])
        self._local = _Local(partial(TextEmbedding, model, **_source(folder)))

    @property
    def model(self) -> str:
        """The model's name, apart from one of the same name in a service."""
        return self._name

    @property
    def size(self) -> int:
        """Length of the vectors."""
        return self._size

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text."""
        return await self._local.run(
            lambda model: [vector.tolist() for vector in model.embed(list(texts))]
        )

    async def close(self) -> None:
        """Let go of the model."""
        self._local.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _check_name(name: str, models: list[dict[str, Any]]) -> dict[str, Any]:
    for model in models:
        if model["model"].lower() == name.lower():
            return model
    known = ", ".join(sorted(model["model"] for model in models))
    raise ValueError(f"fastembed has no model {name!r}; it has {known}")


def _source(folder: Path | None) -> dict[str, Any]:
    return {"specific_model_path": str(folder)} if folder else {}
