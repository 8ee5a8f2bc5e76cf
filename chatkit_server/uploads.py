"""The endpoints that carry bytes: uploads, downloads and previews of attachments."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote

from chatkit.types import Attachment
from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from .attachments import Attachments, Download, too_large
from .context import RequestContext
from .errors import RequestError, invalid, not_configured, unavailable
from .identity import Identity
from .refusal import in_protocol
from .signing import Purpose

logger = logging.getLogger("chatkit_server")

# Headers and boundaries of a form around its file.
_FORM = 65_536
_MEMORY = 1_048_576
_PATIENCE = 300.0

Admit = Callable[[Request, str], Awaitable[None]]
"""Refuses a user's request by raising `RequestError`, before anything is done for it."""


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    name: str | None
    content: IO[bytes]
    size: int


def add_upload_routes(
    router: APIRouter, path: str, store: Any, identity: Identity, count: Admit | None
) -> None:
    """Add the endpoints below `path`; 501 where the server has no attachments of ours."""

    def attachments() -> Attachments:
        if not isinstance(store, Attachments):
            raise not_configured("This server takes no attachments.")
        return store

    async def signed(purpose: Purpose, request: Request, attachment_id: str, token: str) -> str:
        user_id = attachments().signer.read(purpose, attachment_id, token)
        if count is not None:
            await count(request, user_id)
        return user_id

    @router.post(path)
    async def upload_directly(request: Request) -> Response:
        """A file as the multipart field `file`, without having been announced."""

        async def answer() -> Response:
            ours = attachments()
            context = RequestContext(
                await identity(request), endpoint=endpoint_address(request, above=1)
            )
            async with _received(request, ours.max_bytes) as file:
                kind = await ours.check(file.content, file.size)
                pending = await ours.announce(file.name, context)
                return _json(await ours.keep(pending, kind, file.content, file.size, context))

        return await in_protocol(answer())

    @router.api_route(f"{path}/{{attachment_id}}", methods=["PUT", "POST"])
    async def upload(request: Request, attachment_id: str) -> Response:
        """The bytes of an announced file: as they are, or as the multipart field `file`."""

        async def answer() -> Response:
            ours = attachments()
            token = request.query_params.get("token", "")
            user_id = await signed("upload", request, attachment_id, token)
            context = RequestContext(user_id, endpoint=endpoint_address(request, above=2))
            pending = await ours.pending_upload(attachment_id, context)
            async with _received(request, ours.max_bytes) as file:
                kind = await ours.check(file.content, file.size)
                return _json(await ours.keep(pending, kind, file.content, file.size, context))

        return await in_protocol(answer())

    @router.get(f"{path}/{{attachment_id}}")
    async def download(request: Request, attachment_id: str) -> Response:
        """The bytes for their owner, or an image for whoever was given its signed address."""

        async def answer() -> Response:
            ours = attachments()
            token = request.query_params.get("token")
            if token is None:
                user_id = await identity(request)
            else:
                user_id = await signed("preview", request, attachment_id, token)
            found = await ours.download(attachment_id, RequestContext(user_id))
            return _file(found, signed=token is not None)

        return await in_protocol(answer())


@asynccontextmanager
async def _received(request: Request, limit: int) -> AsyncIterator[ReceivedFile]:
    """The file in a request, read as far as the limit allows; in memory only when small."""
    form = request.headers.get("content-type", "").lower().startswith("multipart/form-data")
    most = limit + _FORM if form else limit
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise too_large(limit)
    chunks = _limited(request, most, limit)
    with tempfile.SpooledTemporaryFile(max_size=_MEMORY) as raw:
        try:
            async with asyncio.timeout(_PATIENCE):
                file = await (_read_form(request, chunks) if form else _read_raw(raw, chunks))
        except TimeoutError:
            raise RequestError(408, "timeout", "The upload took too long. Try again.") from None
        except OSError as error:
            logger.warning("an upload could not be received: %s", error.strerror)
            raise unavailable("Files can't be stored right now. Try again soon.") from None
        try:
            yield file
        finally:
            file.content.close()


async def _limited(request: Request, most: int, limit: int) -> AsyncGenerator[bytes, None]:
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > most:
                # It has no end that is known, and uvicorn would read on for ever.
                raise too_large(limit, hang_up=True)
            yield chunk
    except ClientDisconnect:
        raise invalid("The connection closed before the file was complete.") from None


async def _read_raw(content: Any, chunks: AsyncGenerator[bytes, None]) -> ReceivedFile:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size <= _MEMORY:
            content.write(chunk)
        else:
            await asyncio.to_thread(content.write, chunk)
    return ReceivedFile(None, content, size)


class _Form(MultiPartParser):
    complete = False

    def on_end(self) -> None:
        self.complete = True


async def _read_form(request: Request, chunks: AsyncGenerator[bytes, None]) -> ReceivedFile:
    async def whole() -> AsyncGenerator[bytes, None]:
        async for chunk in chunks:
            yield chunk
        if not parser.complete:
            # Raised in here, where the parser closes its files.
            raise MultiPartException("it ends too early.")

    parser = _Form(request.headers, whole(), max_files=1, max_fields=10, max_part_size=4096)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise invalid(f"The form can't be read: {error.message}") from None
    file = form.get("file")
    if not isinstance(file, UploadFile):
        await form.close()
        raise invalid("Send the file as the multipart field `file`.")
    return ReceivedFile(file.filename, file.file, file.size or 0)


def _file(found: Download, *, signed: bool) -> Response:
    image = found.type != "text/plain"
    disposition = "inline" if signed and image else "attachment"
    return Response(
        found.content,
        media_type=found.type if image else "text/plain; charset=utf-8",
        headers={
            "Content-Disposition": f"{disposition}; filename*=UTF-8''{quote(found.name, safe='')}",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
            # So that the page of another origin may show it; whoever has the address may see it.
            "Cross-Origin-Resource-Policy": "cross-origin",
            # By its plain address, the next user of the same browser would get it from the cache.
            "Cache-Control": "private, max-age=3600" if signed else "no-store",
        },
    )


def _json(attachment: Attachment) -> Response:
    return Response(
        attachment.model_dump_json(exclude_none=True, context={"exclude_metadata": True}),
        media_type="application/json",
    )


def endpoint_address(request: Request, *, above: int = 0) -> str:
    """The address of this request as its client sees it, so many parts of its path higher."""
    try:
        url = request.url.replace(query="", fragment="")
        return str(url.replace(path=url.path.rsplit("/", above)[0] if above else url.path))
    except ValueError:
        raise invalid("The Host header is not the name of a host.") from None
