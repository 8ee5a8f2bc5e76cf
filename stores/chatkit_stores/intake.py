"""Takes threads in from the lines of a dump, with their ids, owners and times."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from chatkit.types import ThreadItem
from psycopg.sql import SQL

from chatkit_stores.database import Database, Statement
from chatkit_stores.lines import (
    AttachmentLine,
    ItemLine,
    Line,
    LineError,
    Owner,
    ThreadLine,
    read_line,
)
from chatkit_stores.rows import item_values, thread_values, utc

_THREADS: Final = SQL("""
    select id, user_id, deleted from chatkit.threads where id = any(%(ids)s)
""")
_ITEMS: Final = SQL("select id, thread_id from chatkit.items where id = any(%(ids)s)")
_ATTACHMENTS: Final = SQL("select id, user_id from chatkit.attachments where id = any(%(ids)s)")

# Before all else and in the order in which threads are deleted: lines have an order of their own.
_HOLD_THREADS: Final = SQL("""
    select 1 from chatkit.threads where id = any(%(ids)s) order by id for no key update
""")

# What is there stays as it is, so that a dump may be taken in again. Deleted ones come back only
# where that is asked for, and never those of a user who had everything deleted.
_ADD_THREAD: Final = SQL("""
    insert into chatkit.threads (
        id, user_id, seq, created_at, title, status, status_reason, allowed_image_domains, metadata
    ) overriding system value values (
        %(thread)s, %(user)s, %(seq)s, %(created_at)s, %(title)s, %(status)s, %(status_reason)s,
        %(allowed_image_domains)s, %(metadata)s
    )
    on conflict (id) do update set
        deleted = false, deleted_at = null, title = excluded.title, status = excluded.status,
        status_reason = excluded.status_reason, metadata = excluded.metadata,
        allowed_image_domains = excluded.allowed_image_domains
    where threads.deleted and threads.user_id = excluded.user_id and %(undelete)s
    returning id
""")
_ADD_ITEM: Final = SQL("""
    insert into chatkit.items (id, thread_id, user_id, kind, data)
    select %(item)s::text, held.id, held.user_id, %(kind)s::text, %(data)s::json
    from (
        select id, user_id from chatkit.threads
        where id = %(thread)s and user_id = %(user)s and not deleted
        for no key update
    ) as held
    on conflict (thread_id, id) do nothing
    returning id
""")
_ADD_FEEDBACK: Final = SQL("""
    insert into chatkit.feedback (item_id, user_id, thread_id, kind, updated_at)
    select id, user_id, thread_id, %(verdict)s::text, coalesce(%(rated_at)s::timestamptz, now())
    from chatkit.items
    where id = %(item)s and thread_id = %(thread)s and user_id = %(user)s and data is not null
    on conflict (item_id, user_id) do nothing
""")
# As if it had been uploaded: its bytes go with it.
_ADD_ATTACHMENT: Final = SQL("""
    insert into chatkit.attachments (
        id, user_id, created_at, data, thread_id, size, upload, uploaded_at
    )
    select %(attachment)s::text, %(user)s::text, %(created_at)s::timestamptz, %(data)s::json,
        %(thread)s::text, %(size)s::bigint, %(upload)s::text, %(uploaded_at)s::timestamptz
    where %(thread)s::text is null or exists (
        select from chatkit.threads
        where id = %(thread)s and user_id = %(user)s and not deleted
    )
    on conflict (id) do nothing
    returning id
""")


class Problem(NamedTuple):
    """Why a line can't be taken."""

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: " + ": ".join(
            part for part in (self.field, self.message) if part
        )


@dataclass(slots=True)
class Known:
    """What the lines so far, and the database, say of ids."""

    owners: dict[str, str | None] = field(default_factory=dict)
    """Of threads; None for one that was deleted here."""
    threads: dict[str, str] = field(default_factory=dict)
    """Of items."""
    files: dict[str, str] = field(default_factory=dict)
    """Owners of attachments."""
    times: Counter[tuple[str, datetime]] = field(default_factory=Counter)
    """How many threads of a user were made at once."""


@dataclass(slots=True)
class Taken:
    threads: int = 0
    items: int = 0
    attachments: int = 0
    present: int = 0
    """Lines of what was there already, or was deleted here."""

    def add(self, other: "Taken") -> None:
        self.threads += other.threads
        self.items += other.items
        self.attachments += other.attachments
        self.present += other.present


class Intake:
    """The part of `PostgresStore` that takes dumps in, some lines at a time and in their order."""

    _database: Database

    async def check_lines(
        self,
        lines: Sequence[tuple[int, bytes]],
        known: Known,
        *,
        undelete: bool = False,
        owner: Owner | None = None,
    ) -> tuple[list[Line], list[Problem]]:
        """The lines that can be taken, and what is wrong with the others; nothing is written.

        Args:
            lines: With their numbers.
            known: Of the lines before; is added to.
            undelete: Whether threads that were deleted here may come back.
            owner: Gives our id of a user, where the lines have others.
        """
        problems: list[Problem] = []
        read: list[tuple[int, Line]] = []
        for number, text in lines:
            try:
                read.append((number, read_line(text, owner)))
            except LineError as error:
                problems.append(Problem(number, error.field, error.message))
        await self._look_up([line for _, line in read], known, undelete=undelete)
        good: list[Line] = []
        for number, line in read:
            try:
                _fit(line, known)
            except LineError as error:
                problems.append(Problem(number, error.field, error.message))
            else:
                good.append(line)
        return good, sorted(problems)

    async def _look_up(self, lines: Sequence[Line], known: Known, *, undelete: bool) -> None:
        threads: set[str] = set()
        items: set[str] = set()
        files: set[str] = set()
        for line in lines:
            match line:
                case ThreadLine(id=thread_id):
                    threads.add(thread_id)
                case ItemLine(item=item):
                    threads.add(item.thread_id)
                    items.add(item.id)
                case AttachmentLine(attachment=attachment, thread_id=thread_id):
                    files.add(attachment.id)
                    if thread_id is not None:
                        threads.add(thread_id)
        flight = await self._database.fly(
            (_THREADS, {"ids": list(threads - known.owners.keys())}),
            (_ITEMS, {"ids": list(items - known.threads.keys())}),
            (_ATTACHMENTS, {"ids": list(files - known.files.keys())}),
        )
        for thread_id, user_id, deleted in flight.rows[0]:
            # A place without a name is that of a user who had everything deleted.
            gone = deleted and not (undelete and user_id)
            known.owners[thread_id] = None if gone else user_id
        known.threads.update(flight.rows[1])
        known.files.update(flight.rows[2])

    async def take_lines(
        self, lines: Sequence[Line], known: Known, *, undelete: bool = False
    ) -> Taken:
        """Write lines that `check_lines` has found good; what is there already is left as it is.

        Args:
            lines: In the order in which they stood.
            known: Another one than for the check: of lines that were taken before.
            undelete: As for the check.
        """
        await self._look_up(lines, known, undelete=undelete)
        held = [line.id for line in lines if isinstance(line, ThreadLine)]
        held += [line.item.thread_id for line in lines if isinstance(line, ItemLine)]
        statements: list[Statement] = [(_HOLD_THREADS, {"ids": held})]
        counted: list[tuple[int, str]] = []
        for line in lines:
            _fit(line, known)
            counted.append((len(statements), f"{line.type}s"))
            match line:
                case ThreadLine():
                    values = _thread_values(line, known) | {"undelete": undelete}
                    statements.append((_ADD_THREAD, values))
                case ItemLine():
                    statements += _item_statements(line, known.owners[line.item.thread_id])
                case AttachmentLine():
                    statements.append((_ADD_ATTACHMENT, _attachment_values(line)))
        flight = await self._database.fly(*statements)
        taken = Taken()
        for place, kind in counted:
            if flight.rows[place]:
                setattr(taken, kind, getattr(taken, kind) + 1)
            else:
                taken.present += 1
        return taken


def _fit(line: Line, known: Known) -> None:
    """Raise LineError where the line goes against what is known, and add it to that otherwise."""
    match line:
        case ThreadLine(id=thread_id, user_id=user_id):
            if known.owners.setdefault(thread_id, user_id) not in (user_id, None):
                raise LineError("user_id", "a thread with this id belongs to another user")
        case ItemLine(item=item):
            if item.thread_id not in known.owners:
                raise LineError(
                    "item.thread_id", "there is no thread with this id, nor a line before"
                )
            if known.threads.setdefault(item.id, item.thread_id) != item.thread_id:
                raise LineError("item.id", "another thread has an item with this id")
        case AttachmentLine(attachment=attachment, user_id=user_id, thread_id=thread_id):
            if thread_id is not None and thread_id not in known.owners:
                raise LineError("thread_id", "there is no thread with this id, nor a line before")
            if thread_id is not None and known.owners[thread_id] not in (user_id, None):
                raise LineError("user_id", "the thread belongs to another user")
            if known.files.setdefault(attachment.id, user_id) != user_id:
                raise LineError("user_id", "an attachment with this id belongs to another user")


def _thread_values(line: ThreadLine, known: Known) -> dict[str, Any]:
    made_at = utc(line.created_at)
    number = known.times[line.user_id, made_at]
    known.times[line.user_id, made_at] += 1
    return {
        **thread_values(line.thread),
        "thread": line.id,
        "user": line.user_id,
        "seq": _place(made_at, number),
    }


def _place(made_at: datetime, number: int) -> int:
    """Below zero, so that it comes before threads that are made here; in the order of time."""
    since = made_at - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = max(0, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)
    # 1,024 places for threads of the same microsecond, until the year 2255.
    return microseconds * 1024 + number % 1024 + 1 - 2**63


def _item_statements(line: ItemLine, user_id: str | None) -> list[Statement]:
    item: ThreadItem = line.item
    values = {"thread": item.thread_id, "user": user_id, **item_values(item.thread_id, item)}
    statements: list[Statement] = [(_ADD_ITEM, values)]
    if line.feedback is not None:
        rated = {"verdict": line.feedback.kind, "rated_at": line.feedback.updated_at}
        statements.append((_ADD_FEEDBACK, values | rated))
    return statements


def _attachment_values(line: AttachmentLine) -> dict[str, Any]:
    made_at = utc(line.created_at)
    return {
        "attachment": line.attachment.id,
        "user": line.user_id,
        "thread": line.thread_id,
        "created_at": made_at,
        "data": line.attachment.model_dump_json(),
        "size": line.size,
        "upload": "import" if line.uploaded else None,
        "uploaded_at": made_at if line.uploaded else None,
    }
