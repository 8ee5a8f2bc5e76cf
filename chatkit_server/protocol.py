"""Reads requests of the ChatKit protocol, and refuses what is wrong before anything happens."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_args

from chatkit.types import (
    ChatKitReq,
    InputTranscribeReq,
    ItemsFeedbackReq,
    ItemsListReq,
    NonStreamingReq,
    StreamingReq,
    StructuredInputSubmission,
    ThreadsAddClientToolOutputReq,
    ThreadsAddStructuredInputReq,
    ThreadsAddUserMessageReq,
    ThreadsCreateReq,
    ThreadsCustomActionReq,
    ThreadsListReq,
    ThreadsSyncCustomActionReq,
    ThreadsUpdateReq,
    UserMessageInput,
    UserMessageTagContent,
)
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.requests import ClientDisconnect, Request

from .errors import RequestError, invalid
from .sdk import REQUESTS

MAX_PAGE = 100
MAX_ITEMS = 100
MAX_TITLE = 300
# How a request with a recording looks before its end has come; `parse_request` decides.
_DICTATION = re.compile(rb'"(input\.transcribe|audio_base64)"')
MAX_ID = 200
MAX_PARTS = 100
"""Texts and tags of one message, or answers to one form."""
MAX_DATA = 16_384
"""Bytes of JSON that the page sends along without the reader having written it: `metadata`, a
tag's `data`, an action's `payload`."""
MAX_RESULT = 65_536
"""Bytes of JSON that a client tool gives back."""
TYPES = tuple(
    kind.model_fields["type"].default
    for kind in (*get_args(StreamingReq), *get_args(NonStreamingReq))
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may hold."""

    max_body_bytes: int = 262_144
    max_text_chars: int = 8000
    max_attachments: int = 4
    max_audio_bytes: int = 0
    """Of a recording for dictation; 0 where there is none."""


async def read_request(request: Request, limits: Limits) -> tuple[ChatKitReq, bytes]:
    """The request, parsed and checked, and its bytes.

    Raises:
        RequestError: 400, 413 or 415, with a sentence that says what to change.
    """
    limit = limits.max_body_bytes
    body = await read_json(request, limit, dictation=_longest_dictation(limits))
    parsed = parse_request(body)
    if len(body) > limit and not isinstance(parsed, InputTranscribeReq):
        raise _too_large(limit)
    _check(parsed, limits)
    return parsed, body


async def read_json(request: Request, limit: int, *, dictation: int = 0) -> bytes:
    """The body of a request that holds JSON.

    Args:
        request: Whose body is read.
        limit: Bytes that it may have.
        dictation: Bytes that it may have where it looks like a recording.

    Raises:
        RequestError: 400, 413 or 415.
    """
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type != "application/json":
        # Also keeps other sites out: only JSON makes the browser ask for permission first.
        raise RequestError(
            415, "unsupported_media_type", "Send JSON with Content-Type: application/json."
        )
    return await _read_body(request, limit, max(limit, dictation))


async def _read_body(request: Request, limit: int, longest: int) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > longest:
        raise _too_large(longest)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if limit < len(body) <= longest and _DICTATION.search(body):
                limit = longest
            if len(body) > limit:
                raise _too_large(limit)
    except ClientDisconnect:
        raise invalid("The connection closed before the request was complete.") from None
    return bytes(body)


def _longest_dictation(limits: Limits) -> int:
    """Bytes of a request with the longest recording."""
    return _base64_length(limits.max_audio_bytes) + 4096 if limits.max_audio_bytes else 0


def _base64_length(size: int) -> int:
    return (size + 2) // 3 * 4


def _too_large(limit: int) -> RequestError:
    return RequestError(
        413, "too_large", f"The request is larger than the {limit:,} bytes that are allowed."
    )


def parse_request(body: bytes) -> ChatKitReq:
    """Parse the JSON of a request; the error says where it is wrong and repeats none of it."""
    try:
        return REQUESTS.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    kind = first["type"]
    if kind == "json_invalid":
        raise invalid("The body is not valid JSON.")
    if kind.startswith("union_tag"):
        raise invalid(f"`type` must be one of: {', '.join(TYPES)}.")
    # The first part of the place is the request's own type.
    place = ".".join(str(part) for part in first["loc"][1:]) or "the body"
    raise invalid(f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}.")


def _check(request: ChatKitReq, limits: Limits) -> None:
    params: Any = request.params
    _check_data("metadata", request.metadata)
    for name in ("thread_id", "item_id", "after", "attachment_id"):
        value = getattr(params, name, None)
        if isinstance(value, str) and not 0 < len(value) <= MAX_ID:
            raise invalid(f"params.{name} must have 1 to {MAX_ID} characters.")
    match request:
        case ThreadsListReq() | ItemsListReq():
            limit = request.params.limit
            if limit is not None and not 1 <= limit <= MAX_PAGE:
                raise invalid(f"params.limit must be a number from 1 to {MAX_PAGE}.")
        case ThreadsCreateReq() | ThreadsAddUserMessageReq():
            _check_message(request.params.input, limits)
        case ThreadsAddStructuredInputReq():
            _check_answers(request.params.input, limits)
        case ThreadsAddClientToolOutputReq():
            _check_data("params.result", request.params.result, MAX_RESULT)
        case ThreadsCustomActionReq() | ThreadsSyncCustomActionReq():
            kind: object = request.params.action.type
            # Left out, it is a type variable in the installed SDK.
            if not isinstance(kind, str) or not 0 < len(kind) <= MAX_ID:
                raise invalid(f"params.action.type must have 1 to {MAX_ID} characters.")
            _check_data("params.action.payload", request.params.action.payload)
        case ItemsFeedbackReq():
            if not 1 <= len(request.params.item_ids) <= MAX_ITEMS:
                raise invalid(f"params.item_ids must name 1 to {MAX_ITEMS} items.")
        case ThreadsUpdateReq():
            if not 1 <= len(request.params.title.strip()) <= MAX_TITLE:
                raise invalid(f"params.title must have 1 to {MAX_TITLE} characters.")
        case InputTranscribeReq():
            recording = request.params.audio_base64
            if limits.max_audio_bytes and len(recording) > _base64_length(limits.max_audio_bytes):
                raise RequestError(
                    413,
                    "too_large",
                    f"The recording is larger than the {limits.max_audio_bytes:,} bytes that are "
                    "allowed. Make a shorter one.",
                )
            try:
                base64.b64decode(recording, validate=True)
            except (binascii.Error, ValueError):
                raise invalid("params.audio_base64 is not valid base64.") from None


def _check_message(message: UserMessageInput, limits: Limits) -> None:
    if len(message.content) > MAX_PARTS:
        raise invalid(f"params.input.content may have {MAX_PARTS} parts.")
    texts = [part.text for part in message.content]
    _check_text("message", [*texts, message.quoted_text or ""], limits)
    for part in message.content:
        if isinstance(part, UserMessageTagContent):
            if not 0 < len(part.id) <= MAX_ID or len(part.group or "") > MAX_ID:
                raise invalid(f"A tag's id and group may have {MAX_ID} characters.")
            _check_data("A tag's data", part.data)
    if len(message.attachments) > limits.max_attachments:
        raise invalid(f"A message may have {limits.max_attachments} attachments.")
    if not any(text.strip() for text in texts) and not message.attachments:
        raise invalid("The message is empty.")


def _check_answers(form: StructuredInputSubmission, limits: Limits) -> None:
    values = [value for answer in form.answers.values() for value in answer.values]
    if max(len(form.answers), len(values)) > MAX_PARTS:
        raise invalid(f"params.input.answers may hold {MAX_PARTS} values.")
    _check_text("form", values, limits)


def _check_text(name: str, texts: Iterable[str], limits: Limits) -> None:
    length = sum(map(len, texts))
    if length > limits.max_text_chars:
        raise RequestError(
            413,
            "too_large",
            f"The {name} has {length:,} characters; {limits.max_text_chars:,} are allowed.",
        )


def _check_data(name: str, data: Any, limit: int = MAX_DATA) -> None:
    if data and len(to_json(data, inf_nan_mode="constants")) > limit:
        raise RequestError(
            413, "too_large", f"{name} is larger than the {limit:,} bytes that are allowed."
        )
