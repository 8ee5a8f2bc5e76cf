"""Turns rows into ChatKit's objects and back."""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from chatkit.store import NotFoundError
from chatkit.types import (
    ActiveStatus,
    Attachment,
    ThreadItem,
    ThreadMetadata,
)
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from chatkit_stores.database import Row
from chatkit_stores.errors import StoreError

logger = logging.getLogger(__name__)


class StoreContext(Protocol):
    """Whatever the server passes as context, as long as it says whose rows a call may see.

    A context that has a `turn_id` as well writes only while that turn holds the thread; see
    `Turns`.
    """

    @property
    def user_id(self) -> str: ...


_ITEM: Final[TypeAdapter[ThreadItem]] = TypeAdapter(ThreadItem)
_ATTACHMENT: Final[TypeAdapter[Attachment]] = TypeAdapter(Attachment)


def keys(context: StoreContext, **ids: str | None) -> dict[str, Any]:
    """The owner and the ids as parameters of a statement.

    Ids come from clients; one that PostgreSQL cannot even hold is not found.
    """
    for value in ids.values():
        if value is not None and ("\0" in value or not _is_text(value)):
            raise NotFoundError(f"{value!a} not found")
    return {"user": context.user_id, "turn": getattr(context, "turn_id", None), **ids}


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def utc(value: datetime) -> datetime:
    """Aware UTC; a naive value is this machine's local time, as the SDK makes it."""
    return value.astimezone(UTC)


def thread_values(thread: ThreadMetadata) -> dict[str, Any]:
    return {"created_at": utc(thread.created_at), **_column_values(thread)}


def snapshot(thread: ThreadMetadata) -> dict[str, Any]:
    """What there is to save of a thread now, whatever becomes of the object."""
    return {"thread": thread.id, **thread_values(thread)}


def _column_values(thread: ThreadMetadata) -> dict[str, Any]:
    return {
        "title": _json(thread.title),
        "status": thread.status.type,
        "status_reason": _json(getattr(thread.status, "reason", None)),
        "allowed_image_domains": _json(thread.allowed_image_domains),
        "metadata": _json(thread.metadata) or "{}",
    }


def changed_values(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that the changed fields of a thread fill, and nothing else."""
    unknown = sorted(changes.keys() - {"title", "status", "allowed_image_domains", "metadata"})
    if unknown:
        raise ValueError(f"a thread's {', '.join(unknown)} cannot be changed")
    # Through the model, so that a value of the wrong kind is refused here and not at each load.
    thread = ThreadMetadata(id="", created_at=datetime.now(UTC), **changes)
    fields = set(changes) | ({"status_reason"} if "status" in changes else set())
    return {column: value for column, value in _column_values(thread).items() if column in fields}


def default_title_value(title: str | None) -> dict[str, Any]:
    return {"default_title": _json(title)}


def read_thread(row: Row) -> ThreadMetadata:
    """The columns are those that every statement about threads returns."""
    thread_id, created_at, title, status, reason, domains, metadata = row
    return ThreadMetadata.model_validate(
        {
            "id": thread_id,
            "created_at": utc(created_at),
            "title": title,
            "status": ActiveStatus() if status == "active" else {"type": status, "reason": reason},
            "allowed_image_domains": domains,
            "metadata": metadata,
        }
    )


def item_values(thread_id: str, item: ThreadItem) -> dict[str, Any]:
    kept = item.model_copy(update={"thread_id": thread_id, "created_at": utc(item.created_at)})
    return {"item": item.id, "kind": item.type, "data": kept.model_dump_json()}


def read_item(data: str) -> ThreadItem:
    try:
        return _ITEM.validate_json(data)
    except ValidationError as exc:
        # Without the cause, which quotes what the user wrote.
        raise _unreadable("item", exc) from None


def read_items(rows: Iterable[Row]) -> list[ThreadItem]:
    """The items, without those that can't be read: one such is not to cost the whole thread."""
    items = []
    for data, *_ in rows:
        try:
            items.append(read_item(data))
        except StoreError as exc:
            logger.error("%s; it is left out", exc)
    return items


def read_attachment(data: str) -> Attachment:
    try:
        return _ATTACHMENT.validate_json(data)
    except ValidationError as exc:
        raise _unreadable("attachment", exc) from None


def _unreadable(what: str, exc: ValidationError) -> StoreError:
    places = sorted({".".join(map(str, error["loc"])) for error in exc.errors()})
    return StoreError(
        f"a stored {what} does not fit this version of openai-chatkit: {', '.join(places)}"
    )


def _json(value: object) -> str | None:
    return None if value is None else to_json(value, inf_nan_mode="null").decode()
