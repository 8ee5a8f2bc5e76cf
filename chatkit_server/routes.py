"""The HTTP side of the protocol: one endpoint, statuses, and errors in its own form."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from chatkit.server import ChatKitServer, StreamingResult
from chatkit.store import NotFoundError
from chatkit.types import is_streaming_req
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .context import ReadingPage, RequestContext
from .errors import RequestError, not_configured, not_found, unavailable
from .identity import Identity
from .protocol import Limits, read_request
from .response import TurnResponse
from .turn import Turn

logger = logging.getLogger("chatkit_server")

Admit = Callable[[Request, str], Awaitable[None]]
"""Refuses a user's request by raising `RequestError`, before anything is done for it."""


def chatkit_router(
    server: ChatKitServer[Any],
    identity: Identity,
    *,
    admit: Admit | None = None,
    path: str = "/chatkit",
    limits: Limits | None = None,
    keep_alive: float = 15.0,
) -> APIRouter:
    """A router with the ChatKit endpoint, for an app of one's own.

    Args:
        server: Any `ChatKitServer`; its methods get a `RequestContext` with `user_id`.
        identity: Gives the user behind a request.
        admit: Called before a request that makes a model work; raises RequestError to refuse it.
        path: Where the endpoint is.
        limits: How much one request may hold.
        keep_alive: Seconds of silence after which a comment keeps the connection open.
    """
    router = APIRouter()
    allowed = limits or Limits()

    @router.post(path)
    async def chatkit(request: Request) -> Response:
        """The ChatKit protocol, all request types."""
        try:
            return await _answer(server, identity, admit, request, allowed, keep_alive)
        except RequestError as error:
            return error_response(error)
        except NotFoundError:
            return error_response(not_found("There is no such thread or item, or it isn't yours."))
        except NotImplementedError:
            return error_response(not_configured("This server does not offer that."))
        except ConnectionError as error:
            logger.warning("a part is down: %s", error)
            return error_response(unavailable("The chat's database can't be reached. Try again."))
        except Exception:
            # Handled here and not by the framework, whose answer would carry no CORS headers.
            logger.exception("request failed")
            return error_response(RequestError(500, "internal", "Something went wrong here."))

    return router


async def _answer(
    server: ChatKitServer[Any],
    identity: Identity,
    admit: Admit | None,
    request: Request,
    limits: Limits,
    keep_alive: float,
) -> Response:
    user_id = await identity(request)
    parsed, body = await read_request(request, limits)
    if parsed.type.startswith("attachments.") and server.attachment_store is None:
        raise not_configured("This server takes no attachments.")
    if parsed.type == "input.transcribe" and type(server).transcribe is ChatKitServer.transcribe:
        raise not_configured("This server takes no dictation.")
    if admit is not None and (is_streaming_req(parsed) or parsed.type == "input.transcribe"):
        await admit(request, user_id)
    context = RequestContext(
        user_id=user_id, page=ReadingPage.read(parsed.metadata.get("page")), request=parsed
    )
    if is_streaming_req(parsed):
        context.turn = Turn(parsed.type)
    # A server of one's own parses the bytes; ours takes the parsed request from the context.
    result = await server.process(body, context)
    if isinstance(result, StreamingResult):
        assert context.turn is not None  # noqa: S101
        response = TurnResponse(result.json_events, context.turn, keep_alive=keep_alive)
        return await response.first()
    return Response(result.json, media_type="application/json")


def error_response(error: RequestError) -> JSONResponse:
    """The protocol's form of a refusal."""
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else None
    return JSONResponse(
        {"error": {"code": error.code, "message": error.message}},
        status_code=error.status,
        headers=headers,
    )
