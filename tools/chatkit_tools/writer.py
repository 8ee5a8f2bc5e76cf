"""Keeps two index runs from writing to one collection at once."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

from chatkit_tools.collection import Collection
from chatkit_tools.errors import CollectionBusyError, CollectionError
from chatkit_tools.note import Note, Writer

# How long a run that gives no sign of life keeps others away.
_LEASE = 60.0
_RENEW = 15.0


class Lease:
    """The right to write, which stands in the collection's note and ends when it isn't renewed.

    Qdrant has no compare-and-set, so the note is read again after it was written. Two runs that
    start within the same instant may still both believe to hold it; a run that finds that it has
    lost it ends.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._id = uuid4().hex
        self._renewed = 0.0
        self._held: Note | None = None

    def ask(self, note: Note | None) -> None:
        """Raise CollectionBusyError where another run is writing."""
        writer = note.writer if note else None
        if writer and writer.id != self._id and _is_alive(writer):
            raise CollectionBusyError(
                f"another index run is writing to the collection {self._collection.name!r}"
                f" (process {writer.pid} on {writer.host}); wait until it is done. If it was"
                f" killed, it is forgotten {_LEASE:.0f} s after it wrote last"
            )

    async def take(self, seen: Note | None, first: Note) -> Note:
        """Write the note with us in it, and return it.

        Args:
            seen: The note as it was before the run looked at what the collection has.
            first: The note where there is none yet.
        """
        note = await self._collection.read_note()
        self.ask(note)
        # Minutes may have gone by since, in which the source was read. What another run has
        # written meanwhile is not in what this one compared with, and would be lost or half shown.
        if _lasting(note) != _lasting(seen):
            raise CollectionBusyError(
                f"the collection {self._collection.name!r} was deleted, or another index run wrote"
                " to it, while this one read its source; this one changed nothing. Run the command"
                " again"
            )
        return await self._hold(note or first)

    async def renew(self, note: Note) -> Note:
        """Give a sign of life, now and then, and make sure that nobody else took over."""
        if time.monotonic() - self._renewed < _RENEW:
            return note
        await self.check()
        return await self._hold(note)

    async def _hold(self, note: Note) -> Note:
        writer = Writer(self._id, socket.gethostname(), os.getpid(), time.time())
        held = replace(note, writer=writer, last_writer=self._id)
        await self._collection.write_note(held)
        self._renewed = time.monotonic()
        await self.check()
        self._held = held
        return held

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renew it in the background, once it is taken, while the note stays as it is.

        A slow site or model may keep a run waiting for longer than a lease lasts.
        """
        ending = asyncio.Event()
        beating = asyncio.create_task(self._beat(ending))
        try:
            yield
        finally:
            # Waited for: a note that is still on its way would undo the one that is written next.
            ending.set()
            await beating

    async def _beat(self, ending: asyncio.Event) -> None:
        # Who has lost the lease is told by the next check, and who is away by the next request.
        with contextlib.suppress(ConnectionError, CollectionError):
            while not ending.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ending.wait(), _RENEW)
                    return
                if self._held is not None:
                    await self.renew(self._held)

    async def release(self) -> None:
        """Take us out of the note, where we still stand in it."""
        note = await self._collection.read_note()
        if note and note.writer and note.writer.id == self._id:
            await self._collection.write_note(replace(note, writer=None))

    async def check(self) -> None:
        """Raise CollectionBusyError where somebody else took over."""
        note = await self._collection.read_note()
        if note is None or note.writer is None or note.writer.id != self._id:
            raise CollectionBusyError(
                f"the collection {self._collection.name!r} was deleted, or taken over by another"
                " index run; what readers see was not changed. Run the command again"
            )


def _lasting(note: Note | None) -> Note | None:
    return replace(note, writer=None) if note else None


def _is_alive(writer: Writer) -> bool:
    if time.time() - writer.at > _LEASE:
        return False
    if writer.host != socket.gethostname():
        return True
    try:
        os.kill(writer.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
