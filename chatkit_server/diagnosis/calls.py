"""Calls of models, each really made once, and short."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from chatkit_server.errors import SettingsError
from chatkit_server.search import open_search_models
from chatkit_server.settings import Settings

from .check import Check, say

if TYPE_CHECKING:
    from agents import ModelSettings
    from agents.models.interface import Model

_ASKED = "Reply with the word OK."
_KEY = "Check OPENAI_API_KEY, and that its account may use the model."


async def check_models(settings: Settings) -> list[Check]:
    """The models that answer and rewrite, and one's own agent and tools."""
    from chatkit_server.agent import load, load_tools, open_models

    found: list[Check] = []
    try:
        load_tools(settings.tools)
        if settings.agent:
            load(settings.agent, "CHATKIT_AGENT")
    except SettingsError as error:
        found.append(Check("agent", "error", say(str(error)), "Correct the name, or the module."))
    if not settings.model_on:
        advice = "Set OPENAI_API_KEY or OPENAI_BASE_URL for answers by a model."
        message = "No model is configured: answers quote the docs."
        return [*found, Check("answers", "ok", message, advice)]
    async with open_models(settings) as models:
        calls = [
            _call(name, _stream(model, models.settings), settings)
            for name, model in models.answering.items()
        ]
        if models.rewriting is not None:
            name = settings.rewrite_model or ""
            calls.append(_call(name, _stream(models.rewriting, models.settings), settings))
        return [*found, *await asyncio.gather(*calls)]


def _stream(model: Model, settings: ModelSettings) -> AsyncIterator[object]:
    from agents.models.interface import ModelTracing

    return model.stream_response(
        None,
        _ASKED,
        settings,
        [],
        None,
        [],
        ModelTracing.DISABLED,
        previous_response_id=None,
        conversation_id=None,
        prompt=None,
    )


async def _call(name: str, events: AsyncIterator[object], settings: Settings) -> Check:
    import openai

    began = time.perf_counter()
    first = None
    try:
        async with asyncio.timeout(settings.model_timeout):
            async for _ in events:
                first = first or time.perf_counter() - began
    except (openai.OpenAIError, TimeoutError, ValueError, RuntimeError) as error:
        # Of the error only its kind: a server may repeat the key in it.
        status = getattr(error, "status_code", None)
        kind = f"{type(error).__name__}{f', status {status}' if status else ''}"
        message = f"The model {name!r} does not answer ({kind})."
        return Check("answers", "error", message, _advice(error, settings))
    if first is None:
        advice = "Set CHATKIT_MODEL_API to the API that the server has: responses or chat."
        return Check("answers", "error", f"The model {name!r} answers with nothing.", advice)
    seconds = time.perf_counter() - began
    return Check(
        "answers",
        "ok",
        f"The model {name!r} answers, first after {first:.1f} seconds, in {seconds:.1f}.",
        details={"model": name, "first_seconds": round(first, 2), "seconds": round(seconds, 2)},
    )


def _advice(error: Exception, settings: Settings) -> str:
    import openai

    server = settings.openai_base_url or "the provider"
    match error:
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return _KEY
        case openai.NotFoundError():
            return (
                f"Does {server} have this model, and the API that CHATKIT_MODEL_API names "
                f"({'chat' if settings.chat_completions else 'responses'})? An address mostly "
                "ends with /v1."
            )
        case openai.RateLimitError():
            return "The account is over its limit or has no credit: look at the provider's page."
        case openai.APIConnectionError() | TimeoutError():
            return (
                f"Check OPENAI_BASE_URL, and that this machine may reach {server}. While it loads "
                "a model it may answer nothing."
            )
    return f"The log of {server} says more."


async def check_reranker(settings: Settings) -> list[Check]:
    if not (settings.rerank_url or settings.rerank_model):
        return []
    name = settings.rerank_model or settings.rerank_url
    try:
        async with open_search_models(settings) as (_, reranker), asyncio.timeout(60):
            assert reranker is not None  # noqa: S101
            scores = await reranker.rerank("bread", ["An oven bakes bread.", "Ships sail."])
    except Exception as error:  # services fail in ways of their own
        return [
            Check(
                "reranker",
                "error",
                f"The reranker {name!r} does not answer ({type(error).__name__}): passages stay "
                "in the order of the search.",
                "Check CHATKIT_RERANK_URL, CHATKIT_RERANK_MODEL and CHATKIT_RERANK_API_KEY.",
            )
        ]
    if scores[0] <= scores[1]:
        return [
            Check(
                "reranker",
                "warning",
                f"The reranker {name!r} puts a text about ships before one about bread, for bread.",
                "Is it a model for reranking?",
            )
        ]
    return [Check("reranker", "ok", f"The reranker {name!r} orders passages.")]


async def check_dictation(settings: Settings) -> list[Check]:
    """Whether the server answers: there is nothing said that it could write down."""
    from chatkit_server.dictation import open_client

    if settings.transcription_model is None:
        return []
    import openai

    client = open_client(settings)
    name = settings.transcription_model
    try:
        async with client:
            await client.models.list()
    except (openai.AuthenticationError, openai.PermissionDeniedError):
        message = f"The server of {name!r} does not take the key."
        return [Check("dictation", "error", message, "Check CHATKIT_TRANSCRIPTION_API_KEY.")]
    except openai.APIConnectionError as error:
        message = f"The server of {name!r} can't be reached ({type(error).__name__})."
        return [Check("dictation", "error", message, "Check CHATKIT_TRANSCRIPTION_BASE_URL.")]
    except (openai.OpenAIError, ValueError):
        # It answers, and has no list of models.
        pass
    return [Check("dictation", "ok", f"The server of {name!r} answers; nothing was dictated.")]
