"""One question, asked as a client would."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable
from typing import Any

from chatkit.server import StreamingResult
from chatkit.types import (
    InferenceOptions,
    ThreadCreateParams,
    ThreadDeleteParams,
    ThreadsCreateReq,
    ThreadsDeleteReq,
    UserMessageInput,
    UserMessageTextContent,
)

from .context import ReadingPage, RequestContext
from .server import DocsServer


async def ask_once(
    server: DocsServer,
    question: str,
    *,
    page: ReadingPage | None = None,
    show: Callable[[str], object] | None = None,
) -> dict[str, Any]:
    """The answer to a question in a thread of its own, which is deleted afterwards.

    Args:
        server: Answers.
        question: As a reader would put it.
        page: Where the reader is.
        show: Gets the text piece by piece, with `[1]` where a source is cited.

    Returns:
        `answer` with `[1]` where a source is cited; `sources`, each with number, title, section
        and url; `search`, what was searched for and whether the docs cover it, None where nothing
        was; `error`, a sentence or None.
    """
    user = f"cli_{secrets.token_hex(16)}"
    context = RequestContext(
        user,
        page=page,
        request=ThreadsCreateReq(
            params=ThreadCreateParams(
                input=UserMessageInput(
                    content=[UserMessageTextContent(text=question)],
                    attachments=[],
                    inference_options=InferenceOptions(),
                )
            )
        ),
    )
    result = await server.process(b"", context)
    assert isinstance(result, StreamingResult)  # noqa: S101
    pieces: list[str] = []
    sources: dict[str, dict[str, Any]] = {}
    thread_id = error = None

    def add(text: str) -> None:
        pieces.append(text)
        if show is not None:
            show(text)

    async for frame in result.json_events:
        event = json.loads(frame.removeprefix(b"data: "))
        match event["type"]:
            case "thread.created":
                thread_id = event["thread"]["id"]
            case "error":
                error = event.get("message") or "The answer failed; the log says why."
            case "thread.item.updated":
                update = event["update"]
                if update["type"] == "assistant_message.content_part.text_delta":
                    add(update["delta"])
                elif update["type"] == "assistant_message.content_part.annotation_added":
                    source = update["annotation"]["source"]
                    known = sources.setdefault(
                        source.get("url", source["title"]),
                        {
                            "number": len(sources) + 1,
                            "title": source["title"],
                            "section": (source.get("description") or "").partition("\n")[0] or None,
                            "url": source.get("url"),
                        },
                    )
                    add(f" [{known['number']}]")
    if thread_id is not None:
        delete = ThreadsDeleteReq(params=ThreadDeleteParams(thread_id=thread_id))
        # Without its database the server answers all the same, and has nothing to delete.
        with contextlib.suppress(ConnectionError):
            await server.process(b"", RequestContext(user, request=delete))
    inquiry = context.running_turn.inquiry
    return {
        "answer": "".join(pieces),
        "sources": list(sources.values()),
        "search": {
            "query": inquiry.query,
            "again": inquiry.searches,
            "covered": inquiry.covered,
            "confidence": inquiry.confidence,
        }
        if inquiry is not None
        else None,
        "error": error,
    }
