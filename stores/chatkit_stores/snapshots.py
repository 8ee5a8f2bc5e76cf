"""Remembers what was loaded or saved last, so that a later save writes only what changed since."""

import weakref
from collections.abc import Mapping
from typing import Any


class Snapshots:
    """Values beside objects that have no room for them, for as long as these objects live."""

    def __init__(self) -> None:
        # By identity: ChatKit's objects, and many contexts, cannot be hashed.
        self._kept: dict[int, tuple[weakref.ref[object], Mapping[str, Any]]] = {}

    def keep(self, holder: object, values: Mapping[str, Any]) -> None:
        """In place of earlier values; nothing happens for what cannot be referred to weakly."""
        key = id(holder)
        try:
            reference = weakref.ref(holder, lambda _: self._kept.pop(key, None))
        except TypeError:
            return
        self._kept[key] = (reference, values)

    def of(self, holder: object) -> Mapping[str, Any] | None:
        reference, values = self._kept.get(id(holder), (None, None))
        return values if reference is not None and reference() is holder else None
