"""The lines of a dump: one JSON object each, for a thread, an item or an attachment."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeAlias

from chatkit.types import (
    ActiveStatus,
    Attachment,
    FeedbackKind,
    ThreadItem,
    ThreadMetadata,
    ThreadStatus,
)
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

_UPLOADED: Final = re.compile(r"atc_[0-9a-f]{32}")


class LineError(ValueError):
    """A line that can't be taken."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.message = message


def _check_id(value: str) -> str:
    if not value or "\0" in value:
        raise ValueError("it must not be empty, nor have a null byte")
    return value


def _check_year(value: datetime) -> datetime:
    """Refuse what no chat is of, and what the places of imported threads have no room for."""
    try:
        known = 1970 <= value.astimezone(UTC).year < 2255
    except OverflowError:
        known = False
    if not known:
        raise ValueError("it must lie between 1970 and 2254")
    return value


Id = Annotated[str, Field(max_length=500), AfterValidator(_check_id)]
Time = Annotated[AwareDatetime, AfterValidator(_check_year)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ThreadLine(_Line):
    type: Literal["thread"] = "thread"
    id: Id
    user_id: Id
    created_at: Time
    title: str | None = None
    status: ThreadStatus = Field(default_factory=ActiveStatus)
    allowed_image_domains: list[str] | None = None
    metadata: dict[str, Any] = {}

    @property
    def thread(self) -> ThreadMetadata:
        return ThreadMetadata(**self.model_dump(exclude={"type", "user_id"}))


class Feedback(_Line):
    kind: FeedbackKind
    updated_at: Time | None = None


class ItemLine(_Line):
    type: Literal["item"] = "item"
    item: ThreadItem
    feedback: Feedback | None = None


class AttachmentLine(_Line):
    type: Literal["attachment"] = "attachment"
    user_id: Id
    thread_id: Id | None = None
    created_at: Time
    size: int | None = Field(None, ge=0, lt=2**63)
    uploaded: bool = False
    """Whether there are bytes."""
    attachment: Attachment


Line: TypeAlias = ThreadLine | ItemLine | AttachmentLine
_LINE: Final[TypeAdapter[Line]] = TypeAdapter(Annotated[Line, Field(discriminator="type")])


Owner: TypeAlias = Callable[[str], str]
"""Gives our id of the user whom a line calls so."""


def read_line(text: bytes, owner: Owner | None = None) -> Line:
    """
    Raises:
        LineError: it is not such a line; the message doesn't quote what it holds.
    """
    try:
        line = _LINE.validate_json(text)
    except ValidationError as exc:
        raise _explained(exc) from None
    if owner is not None and not isinstance(line, ItemLine):
        line.user_id = owner(line.user_id)
    if isinstance(line, ItemLine):
        for name in ("id", "thread_id"):
            _check(f"item.{name}", getattr(line.item, name))
        _check_time("item.created_at", line.item.created_at)
    if isinstance(line, AttachmentLine):
        _check("attachment.id", line.attachment.id)
        if line.uploaded and not _UPLOADED.fullmatch(line.attachment.id):
            raise LineError(
                "attachment.id",
                "the bytes lie under this name, which must be atc_ and 32 digits of 0-9 and a-f; "
                "set uploaded to false where there are none",
            )
    return line


def _check(field: str, value: str) -> None:
    if not value or "\0" in value or len(value) > 500:
        raise LineError(field, "it must have 1 to 500 characters, and no null byte")


def _check_time(field: str, value: datetime) -> None:
    if value.tzinfo is None:
        raise LineError(field, "it has no time zone; write it like 2026-11-21T12:00:00Z")
    try:
        _check_year(value)
    except ValueError as error:
        raise LineError(field, str(error)) from None


def _explained(exc: ValidationError) -> LineError:
    error = exc.errors(include_url=False, include_input=False, include_context=False)[0]
    kind, place = error["type"], [str(part) for part in error["loc"]]
    if kind == "json_invalid":
        return LineError("", "it is not JSON")
    if kind == "union_tag_not_found" and not place:
        return LineError("type", "it is missing; it is thread, item or attachment")
    if kind == "union_tag_invalid" and not place:
        return LineError("type", "it must be thread, item or attachment")
    # The first names which kind of line it is, the third which kind of item.
    path = place[1:]
    if path[:1] in (["item"], ["attachment"]) and len(path) > 2:
        path = [path[0], *path[2:]]
    if kind == "timezone_aware":
        return LineError(".".join(path), "it has no time zone; write it like 2026-11-21T12:00:00Z")
    return LineError(".".join(path), str(error["msg"]))


def write_line(line: Mapping[str, Any]) -> str:
    """The object on one line, with its end."""
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half a character, which a model or a browser wrote.
        text = json.dumps(line, separators=(",", ":"))
    return f"{text}\n"
