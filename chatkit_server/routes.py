"""The HTTP side of the protocol: one endpoint, statuses, and errors in its own form."""

from __future__ import annotations

from typing import Any

from chatkit.server import ChatKitServer, StreamingResult
from chatkit.types import is_streaming_req
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from .context import ReadingPage, RequestContext
from .errors import not_configured
from .followed import FollowedServer
from .identity import Identity
from .personal import Personal, add_personal_routes
from .protocol import Limits, read_request
from .refusal import in_protocol
from .response import Feed, TurnResponse
from .resume import add_turn_routes, grace
from .turn import Turn
from .uploads import Admit, add_upload_routes, endpoint_address


def chatkit_router(
    server: ChatKitServer[Any],
    identity: Identity,
    *,
    count: Admit | None = None,
    admit: Admit | None = None,
    admit_personal: Admit | None = None,
    path: str = "/chatkit",
    limits: Limits | None = None,
    keep_alive: float = 15.0,
) -> APIRouter:
    """A router with the ChatKit endpoint, for an app of one's own.

    Args:
        server: Any `ChatKitServer`; its methods get a `RequestContext` with `user_id`.
        identity: Gives the user behind a request.
        count: Called before a request that comes without an identity, by a signed address.
        admit: Called before a request that makes a model work; raises RequestError to refuse it.
        admit_personal: The same for one that exports or deletes everything of a user.
        path: Where the endpoint is.
        limits: How much one request may hold.
        keep_alive: Seconds of silence after which a comment keeps the connection open.
    """
    router = APIRouter()
    allowed = limits or Limits()

    @router.post(path)
    async def chatkit(request: Request) -> Response:
        """The ChatKit protocol, all request types."""
        return await in_protocol(_answer(server, identity, admit, request, allowed, keep_alive))

    if isinstance(server, FollowedServer):
        add_turn_routes(router, server, identity, path=path, keep_alive=keep_alive)
    if isinstance(personal := getattr(server, "personal", None), Personal):
        add_personal_routes(router, personal, identity, admit_personal, path=path)
    attachments = server.attachment_store
    add_upload_routes(router, f"{path}/attachments", attachments, identity, count)
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
        user_id=user_id,
        page=ReadingPage.read(parsed.metadata.get("page")),
        request=parsed,
        endpoint=endpoint_address(request),
    )
    if is_streaming_req(parsed):
        context.turn = Turn(parsed.type)
    # A server of one's own parses the bytes; ours takes the parsed request from the context.
    result = await server.process(body, context)
    if isinstance(result, StreamingResult):
        assert context.turn is not None  # noqa: S101
        reader = Feed(result.json_events, context.turn).read(grace=grace(request))
        return await TurnResponse(reader, keep_alive=keep_alive).first()
    return Response(result.json, media_type="application/json")
