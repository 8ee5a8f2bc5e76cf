"""Stop, and taking up a running answer: our additions to the protocol."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from chatkit.types import ErrorEvent
from fastapi import APIRouter
from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from .context import RequestContext
from .errors import invalid
from .followed import POLL, FollowedServer
from .identity import Identity
from .lease import TurnView
from .protocol import MAX_ID, read_json
from .refusal import in_protocol
from .response import DRAINING, PING, Reader, TurnResponse, stream_headers
from .uploads import endpoint_address

logger = logging.getLogger("chatkit_server")

GRACE = 30.0
"""Seconds that an answer goes on when the connection of a client that resumes is lost."""
_LARGEST = 4096


def grace(request: Request) -> float:
    """How long the turn of this request goes on without its reader.

    Of any other client a lost connection and Stop look the same, and stop the turn at once.
    """
    return GRACE if request.headers.get("x-chatkit-resume") == "1" else 0.0


def add_turn_routes(
    router: APIRouter, server: FollowedServer, identity: Identity, *, path: str, keep_alive: float
) -> None:
    """`POST {path}/stop` and `GET {path}/turns/{thread_id}`."""

    @router.post(f"{path}/stop")
    async def stop(request: Request) -> Response:
        """Stop the answer that is being written in a thread, and say whether there was one.

        The body is `{"thread_id": ...}`, the answer `{"stopped": true | false}` once what was
        written is stored.
        """
        return await in_protocol(_stop(server, identity, request))

    @router.get(f"{path}/turns/{{thread_id}}")
    async def turn(request: Request, thread_id: str) -> Response:
        """The events of the answer that is being written, from what there is of it on.

        204 where none is, with how the last one ended in `X-Chatkit-Turn`.
        """
        return await in_protocol(_follow(server, identity, request, thread_id, keep_alive))


class _Stop(BaseModel):
    thread_id: str = Field(min_length=1, max_length=MAX_ID)


async def _stop(server: FollowedServer, identity: Identity, request: Request) -> Response:
    context = RequestContext(user_id=await identity(request))
    try:
        asked = _Stop.model_validate_json(await read_json(request, _LARGEST))
    except ValidationError:
        raise invalid('Send {"thread_id": "..."} with the thread to stop.') from None
    stopped = await server.stop(asked.thread_id, context)
    return JSONResponse({"stopped": stopped})


async def _follow(
    server: FollowedServer, identity: Identity, request: Request, thread_id: str, keep_alive: float
) -> Response:
    user_id = await identity(request)
    context = RequestContext(user_id=user_id, endpoint=endpoint_address(request, above=2))
    if len(thread_id) > MAX_ID:
        raise invalid(f"A thread's id has at most {MAX_ID} characters.")
    found = await server.follow(thread_id, context, grace=GRACE)
    if isinstance(found, Reader):
        return await TurnResponse(found, keep_alive=keep_alive).first()
    if found.state != "running":
        return Response(status_code=204, headers={"X-Chatkit-Turn": found.state or "none"})
    return StreamingResponse(
        _stored(server, thread_id, found, context, keep_alive),
        media_type="text/event-stream",
        headers=stream_headers(keep_alive),
    )


async def _stored(
    server: FollowedServer,
    thread_id: str,
    view: TurnView,
    context: RequestContext,
    keep_alive: float,
) -> AsyncIterator[bytes]:
    silent = 0.0
    try:
        async for frame in server.follow_stored(thread_id, view, context):
            if frame is not None:
                silent = 0.0
                yield frame
                continue
            if DRAINING.is_set():
                return
            silent += POLL
            if silent >= keep_alive:
                silent = 0.0
                yield PING
    except Exception:
        # Deleted meanwhile, or the database is gone: the reader asks again, and is told.
        logger.info("a turn of another replica could not be followed", exc_info=True)
        error = ErrorEvent(code="custom", message="The answer can't be followed.", allow_retry=True)
        yield b"data: " + error.model_dump_json().encode() + b"\n\n"
