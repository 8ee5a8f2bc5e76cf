"""Items and attachments of every kind that the installed ChatKit SDK knows.

They are made from the SDK's types: each member of each union, and each field, is in some sample.
"""

import types
import warnings
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from chatkit.types import Attachment, ThreadItem, ThreadMetadata
from pydantic import AnyUrl, BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from typing_extensions import is_typeddict

from chatkit_stores.testing.case import NOON

# What breaks stores: null bytes, quotes, backslashes, percent signs, what looks like an escape.
TEXTS: Final = {
    "empty": "",
    "null byte": "null\0byte",
    "quotes": "quo\"te ' back\\slash \\u0000 %(user)s %s {} :name ?",
    "unicode": "𝔘nicode 🏳️‍🌈 e\u0301 \u202eright to left\u202c \ufeff \u2028",
    "controls": "line\r\nbreak\ttab \x01\x1f\x7f\x85",
}


@cache
def thread_items(text: str) -> tuple[ThreadItem, ...]:
    """Items of every kind; ids, threads and times are for the test to set."""
    return tuple(_validated(ThreadItem, text))


@cache
def attachments(text: str) -> tuple[Attachment, ...]:
    return tuple(_validated(Attachment, text))


@cache
def threads(text: str) -> tuple[ThreadMetadata, ...]:
    return tuple(_validated(ThreadMetadata, text))


def _validated(annotation: Any, text: str) -> Iterator[Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    with warnings.catch_warnings():
        # The SDK deprecates what it still accepts and stores.
        warnings.simplefilter("ignore", DeprecationWarning)
        for value in _samples(annotation, text):
            # Once through JSON, after which the SDK reads what it writes: it leaves out what is
            # None in a widget, and takes what is left for a widget of another kind.
            yield adapter.validate_json(adapter.dump_json(adapter.validate_python(value)))


def _samples(annotation: Any, text: str, within: frozenset[Any] = frozenset()) -> list[Any]:
    """Values that are valid for a type, with the text wherever text goes."""
    simple: dict[Any, list[Any]] = {
        str: [text],
        int: [3],
        float: [1.5],
        bool: [True, False],
        datetime: [NOON],
        AnyUrl: ["https://example.org/a?b=c#d"],
        type(None): [None],
        Any: [{"list": [text, 3, 1.5, True, None, {text: {}}]}, text, None],
    }
    if annotation in simple:
        return simple[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        patterns = [getattr(note, "pattern", None) for note in arguments[1:]]
        return [] if any(patterns) else _samples(arguments[0], text, within)
    if origin in (NotRequired, Required):
        return _samples(arguments[0], text, within)
    if origin is Literal:
        return list(dict.fromkeys([arguments[0], arguments[-1]]))
    if origin in (Union, types.UnionType):
        # Widgets nest without end: inside a widget, one kind of widget will do.
        members = arguments[:1] if annotation in within else arguments
        inside = within | {annotation}
        return [sample for member in members for sample in _samples(member, text, inside)]
    if origin is list:
        entries = _samples(arguments[0], text, within)
        return [entries, entries[:1], []]
    if origin is dict:
        entries = _samples(arguments[1], text, within)
        return [{f"{text}{number}": entry for number, entry in enumerate(entries)}]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation in within:
            return []
        # The SDK's types refer to each other by name, resolved when first used.
        annotation.model_rebuild()
        hints = {name: _field_type(info) for name, info in annotation.model_fields.items()}
        return _variants(hints, text, within | {annotation})
    if is_typeddict(annotation):
        return _variants(get_type_hints(annotation, include_extras=True), text, within)
    raise TypeError(f"no samples of {annotation!r}: please report this type of the ChatKit SDK")


def _field_type(info: FieldInfo) -> Any:
    notes = tuple(info.metadata)
    return Annotated[(info.annotation, *notes)] if notes else info.annotation


def _variants(hints: dict[str, Any], text: str, within: frozenset[Any]) -> list[Any]:
    """As few objects as show every sample of every field."""
    fields = {name: _samples(hint, text, within) for name, hint in hints.items()}
    fields = {name: samples for name, samples in fields.items() if samples}
    number = max(len(samples) for samples in fields.values())
    return [
        {name: samples[index % len(samples)] for name, samples in fields.items()}
        for index in range(number)
    ]
