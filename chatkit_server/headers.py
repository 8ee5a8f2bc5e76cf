"""Headers that tell browsers and caches what a response is not for."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CLOSED: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""For what is read by a script that asked for it: chats, errors, health."""

PAGE: Mapping[str, str] = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
        "require-trusted-types-for 'script'"
    ),
    # A page that opened the chat has no hold on its window.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(self)",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
}
"""For the chat page."""

SITE: Mapping[str, str] = {
    # What its pages may load is for the site's owner to say. That no other site may frame them is
    # said here, since the visitor's chat and secret are on this origin too.
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Frame-Options": "SAMEORIGIN",
}
"""For a built site that is somebody's own."""


class Protected:
    """Closes what a response does not open by headers of its own.

    Args:
        app: What answers.
        hsts: Seconds for which browsers shall come by https alone; None to say nothing.
        https: Whether readers come by https, though a proxy hides it.
    """

    def __init__(self, app: ASGIApp, *, hsts: int | None = None, https: bool = False) -> None:
        self._app = app
        self._hsts = hsts
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_closed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                close(headers)
                if self._hsts is not None and (self._https or scope["scheme"] == "https"):
                    headers["Strict-Transport-Security"] = f"max-age={self._hsts}"
            await send(message)

        await self._app(scope, receive, send_closed)


def close(headers: MutableHeaders) -> None:
    """Add the headers of `CLOSED` that are not there."""
    for name, value in CLOSED.items():
        headers.setdefault(name, value)
