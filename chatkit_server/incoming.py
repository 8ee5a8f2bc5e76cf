"""Gives each request an id, by which the log, traces and whoever asks for help can name it."""

from __future__ import annotations

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from .errors import RequestError
from .observer import Observer
from .refusal import error_response
from .tracing import note, span

HEADER = "X-Request-Id"
_ID = re.compile(r"[A-Za-z0-9._:-]{8,128}")
# Health checks come every few seconds, and pages of a site are no work.
_TRACED = "/chatkit"
# Where a proxy in front believes the other one, the rest of the body is a request in the name of
# the next reader on this connection.
_TWO_LENGTHS = error_response(
    RequestError(
        400, "invalid_request", "Send Content-Length or Transfer-Encoding, not both.", hang_up=True
    )
)


class Incoming:
    """Around the whole app.

    Args:
        app: What answers.
        observer: Is told of each request's end.
        proxied: Whether a known proxy stands in front, whose ids are taken on.
    """

    def __init__(self, app: ASGIApp, *, observer: Observer, proxied: bool) -> None:
        self._app = app
        self._observer = observer
        self._proxied = proxied

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = self._id(headers.get(HEADER, ""))
        status = 500

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with bound_contextvars(request_id=request_id):
            try:
                if "content-length" in headers and "transfer-encoding" in headers:
                    await _TWO_LENGTHS(scope, receive, send_named)
                    return
                if not scope["path"].startswith(_TRACED):
                    await self._app(scope, receive, send_named)
                    return
                method = scope["method"]
                known = {"request_id": request_id, "method": method}
                with span("request", known, parent=headers) as spanned:
                    await self._app(scope, receive, send_named)
                    note(spanned, route=_route(scope), status=status)
            finally:
                self._observer.request_ended(_route(scope), scope["method"], status)

    def _id(self, given: str) -> str:
        if self._proxied and _ID.fullmatch(given):
            return given
        return f"req_{secrets.token_hex(12)}"


def _route(scope: Scope) -> str:
    """The route as it was declared, so that ids of threads make no series of their own."""
    return str(getattr(scope.get("route"), "path", "site"))
