"""What a reader may have of everything that is kept about them, and may have deleted."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Set
from typing import Any, Protocol

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from .attachments import Attachments
from .context import RequestContext
from .identity import Identity
from .journaled import JournaledStore
from .refusal import in_protocol
from .turn import Turn
from .uploads import Admit

logger = logging.getLogger("chatkit_server")

_TYPE = "application/x-ndjson"
_HEADERS = {"Content-Disposition": 'attachment; filename="chats.jsonl"'}


class PersonalStore(Protocol):
    """What is asked of the store; `chatkit_stores.dump` and `removals` say what each does."""

    def dump_user(self, *, context: Any) -> AsyncIterator[str]: ...
    async def erase_user(self, *, context: Any) -> int: ...


class Personal:
    """Exports and deletes everything of one user.

    Args:
        store: Keeps it.
        journaled: Brings what waits in the journal of this process.
        begun: Turns of this process.
        attachments: Keeps the files; None where there are none.
    """

    def __init__(
        self,
        store: PersonalStore,
        journaled: JournaledStore,
        begun: Set[Turn],
        attachments: Attachments | None,
    ) -> None:
        self._store = store
        self._journaled = journaled
        self._begun = begun
        self._attachments = attachments

    async def export(self, context: RequestContext) -> AsyncIterator[str]:
        """The user's chats as lines of JSON, some at a time."""
        await self._journaled.settle_all()
        async for lines in self._store.dump_user(context=context):
            yield lines

    async def delete(self, context: RequestContext) -> int:
        """Stop the user's answers and delete everything of theirs; how many chats.

        Answers on other servers stop at their next checkpoint, and store nothing more.
        """
        turns = [turn for turn in self._begun if turn.user_id == context.user_id]
        for turn in turns:
            turn.hang_up("deleted")
        for turn in turns:
            await turn.done.wait()
        await self._journaled.settle_all()
        deleted = await self._store.erase_user(context=context)
        if self._attachments is not None:
            await self._attachments.clear(context)
        return deleted


def add_personal_routes(
    router: APIRouter, personal: Personal, identity: Identity, admit: Admit | None, *, path: str
) -> None:
    """`GET {path}/me` and `DELETE {path}/me`."""

    async def user(request: Request) -> RequestContext:
        user_id = await identity(request)
        if admit is not None:
            await admit(request, user_id)
        return RequestContext(user_id)

    @router.get(f"{path}/me")
    async def export(request: Request) -> Response:
        """All chats of whoever asks, as a file of JSON lines."""

        async def answer() -> Response:
            lines = personal.export(await user(request))
            # Asked for here, so that what goes wrong at once has a status.
            first = await anext(lines, "")
            return StreamingResponse(_rest(first, lines), media_type=_TYPE, headers=_HEADERS)

        return await in_protocol(answer())

    @router.head(f"{path}/me")
    async def offered(request: Request) -> Response:
        """By which a client learns that this server has the other two."""

        async def answer() -> Response:
            await identity(request)
            return Response(media_type=_TYPE, headers=_HEADERS)

        return await in_protocol(answer())

    @router.delete(f"{path}/me")
    async def delete(request: Request) -> Response:
        """Delete everything of whoever asks: `{"threads": n}` says how many chats there were."""

        async def answer() -> Response:
            return JSONResponse({"threads": await personal.delete(await user(request))})

        return await in_protocol(answer())


async def _rest(first: str, lines: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    try:
        async for more in lines:
            yield more
    except ConnectionError as error:
        logger.warning("an export broke off: %s", error)
        # The connection is cut, which tells the client that the file is incomplete.
        raise
