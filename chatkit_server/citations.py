"""Markers that the model writes, `[1]`, become annotations while the answer streams.

The ids of messages become ours on the way: providers reuse theirs (all messages of an
OpenAI-compatible Chat Completions model are called `__fake_id__`).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from chatkit.types import (
    Annotation,
    AssistantMessageContent,
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartAnnotationAdded,
    AssistantMessageContentPartDone,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ClientToolCallItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
)

from .sources import Sources

# `[1]`, `[1, 2]`; models also write `[[1]]` and `[^1]`.
_MARKER = re.compile(r" *(\[\[?)\^? *\d{1,3}(?: *, *\d{1,3})* *\]\]?")
# No marker is longer; what is held back longer than this is text.
_LONGEST = 32

# What an index in square brackets may follow.
_INDEXED = re.compile(r"[\w)\]]\Z", re.ASCII)
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker as the model wrote it, with the spaces before it."""

    raw: str
    numbers: tuple[int, ...]


class MarkerScanner:
    """Splits streamed Markdown into text and markers, however the stream is cut.

    Code, fenced or inline, is text: `items[1]` stays. So are links (`[1](url)`) and escaped
    brackets. Text is held back only while it may still become a marker.
    """

    def __init__(self) -> None:
        self._held = ""
        self._text: list[str] = []
        self._previous = "\n"
        self._indent: int | None = 0
        """Spaces that the line has begun with; None once anything else stands in it."""
        self._run = ""
        self._run_begins_line = False
        self._fence = ""
        self._inline = 0

    def feed(self, text: str) -> Iterator[str | Marker]:
        """Take the next piece; yield what is certain."""
        for char in text:
            if self._run and char != self._run[0]:
                self._end_run()
            if not (self._fence or self._inline):
                if self._held and not self._may_grow(char):
                    yield from self._settle(char)
                if char == "[" or self._held or char == " ":
                    self._hold(char)
                    continue
            self._emit(char)
        yield from self._flush()

    def finish(self) -> Iterator[str | Marker]:
        """The stream has ended: yield what was held back."""
        yield from self._settle("")
        yield from self._flush()

    def _flush(self) -> Iterator[str]:
        if self._text:
            yield "".join(self._text)
            self._text.clear()

    def _hold(self, char: str) -> None:
        self._held += char
        if char != " ":
            self._indent = None
        elif self._indent is not None:
            self._indent += 1

    def _emit(self, char: str) -> None:
        self._text.append(char)
        self._previous = char
        if char == "\n":
            if self._indent is not None and not self._fence:
                # An inline code span does not reach over a blank line.
                self._inline = 0
            self._indent = 0
        elif char == " " and self._indent is not None:
            self._indent += 1
        elif char in "`~":
            if not self._run:
                self._run_begins_line = self._indent is not None and self._indent <= 3
            self._run += char
            self._indent = None
        else:
            self._indent = None

    def _may_grow(self, char: str) -> bool:
        """Whether the held text with this character may still become a marker."""
        held = self._held.lstrip(" ")
        if len(self._held) >= _LONGEST:
            return False
        if not held:
            return char in " ["
        if "]" in held:
            return char == "]" and held.startswith("[[") and not held.endswith("]]")
        if held in ("[", "[["):
            return char.isdecimal() or char in " ^" or (char == "[" and held == "[")
        return char.isdecimal() or char in ", ]"

    def _settle(self, following: str) -> Iterator[str | Marker]:
        """What was held is a marker, or text after all."""
        held, self._held = self._held, ""
        match = _MARKER.fullmatch(held)
        escaped = self._previous == "\\" and not held.startswith(" ")
        if match and held.count("]") == len(match[1]) and following != "(" and not escaped:
            yield from self._flush()
            yield Marker(held, tuple(int(number) for number in re.findall(r"\d+", held)))
        elif held:
            self._text.append(held)
            self._previous = held[-1]

    def _end_run(self) -> None:
        run, self._run = self._run, ""
        if self._fence:
            if self._run_begins_line and run[0] == self._fence[0] and len(run) >= len(self._fence):
                self._fence = ""
        elif self._inline:
            if run[0] == "`" and len(run) == self._inline:
                self._inline = 0
        elif self._run_begins_line and len(run) >= 3:
            self._fence = run
        elif run[0] == "`":
            self._inline = len(run)


@dataclass(slots=True)
class _Part:
    """One content part of an answer, as the reader has it."""

    scanner: MarkerScanner = field(default_factory=MarkerScanner)
    text: str = ""
    seen: int = 0
    """Characters that the model has sent, markers included."""
    half: str = ""
    """The first half of an emoji, whose other half is still to come."""
    annotations: list[Annotation] = field(default_factory=list)
    closed: bool = False


def _whole(text: str) -> tuple[str, str]:
    """The text as Unicode, and the half of a surrogate pair that it may end with.

    Some providers cut an emoji in two, in JSON's escapes, and a half of one can't be encoded.
    """
    if not _SURROGATES.search(text):
        return text, ""
    half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
    pairs = text.removesuffix(half) if half else text
    return pairs.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), half


class Citer:
    """Rewrites the events of one answer: markers to annotations, ids to ours."""

    def __init__(
        self, sources: Sources, new_id: Callable[[str], str], *, site_url: str | None = None
    ) -> None:
        self._sources = sources
        self._new_id = new_id
        self._site_url = site_url
        self._ids: dict[str, str] = {}
        self._parts: dict[tuple[str, int], _Part] = {}
        self.citations = 0

    async def rewrite(
        self, events: AsyncIterator[ThreadStreamEvent]
    ) -> AsyncIterator[ThreadStreamEvent]:
        """The same events, as the reader and the store should see them."""
        async for event in events:
            for rewritten in self._event(event):
                yield rewritten

    def _event(self, event: ThreadStreamEvent) -> Iterator[ThreadStreamEvent]:
        match event:
            case ThreadItemAddedEvent(item=AssistantMessageItem() as item):
                self._ids[item.id] = self._new_id("message")
                content, item.content = item.content, []
                item.id = self._ids[item.id]
                yield event
                for index, part in enumerate(content):
                    yield from self._feed(item.id, index, part.text)
            case ThreadItemUpdatedEvent():
                event.item_id = self._ids.get(event.item_id, event.item_id)
                yield from self._update(event)
            case ThreadItemDoneEvent(item=AssistantMessageItem() as item):
                item.id = self._ids.get(item.id) or self._new_id("message")
                for index, part in enumerate(item.content):
                    yield from self._close(item.id, index, part.text)
                    mine = self._parts[item.id, index]
                    item.content[index] = AssistantMessageContent(
                        text=mine.text, annotations=mine.annotations
                    )
                yield event
            case ThreadItemDoneEvent(item=ClientToolCallItem() as call):
                call.id = self._new_id("tool_call")
                yield event
            case ThreadItemRemovedEvent():
                event.item_id = self._ids.get(event.item_id, event.item_id)
                yield event
            case _:
                yield event

    def _update(self, event: ThreadItemUpdatedEvent) -> Iterator[ThreadStreamEvent]:
        update = event.update
        match update:
            case AssistantMessageContentPartAdded():
                text, update.content.text = update.content.text, ""
                yield event
                yield from self._feed(event.item_id, update.content_index, text)
            case AssistantMessageContentPartTextDelta():
                yield from self._feed(event.item_id, update.content_index, update.delta)
            case AssistantMessageContentPartAnnotationAdded():
                part = self._part(event.item_id, update.content_index)
                # A provider's own citation: its position counts markers that are gone by now.
                update.annotation.index = min(update.annotation.index or 0, len(part.text))
                yield self._annotate(event.item_id, update.content_index, update.annotation)
            case AssistantMessageContentPartDone():
                yield from self._close(event.item_id, update.content_index, update.content.text)
                part = self._part(event.item_id, update.content_index)
                update.content = AssistantMessageContent(
                    text=part.text, annotations=list(part.annotations)
                )
                yield event
            case _:
                yield event

    def _part(self, item_id: str, index: int) -> _Part:
        return self._parts.setdefault((item_id, index), _Part())

    def _feed(self, item_id: str, index: int, text: str) -> Iterator[ThreadStreamEvent]:
        part = self._part(item_id, index)
        part.seen += len(text)
        whole, part.half = _whole(part.half + text)
        yield from self._pieces(item_id, index, part.scanner.feed(whole))

    def _close(self, item_id: str, index: int, whole: str) -> Iterator[ThreadStreamEvent]:
        """End a part; `whole` is all of its text, of which the deltas may have left some out."""
        part = self._part(item_id, index)
        if part.closed:
            return
        if len(whole) > part.seen:
            yield from self._feed(item_id, index, whole[part.seen :])
        part.closed = True
        yield from self._pieces(item_id, index, part.scanner.finish())

    def _pieces(
        self, item_id: str, index: int, pieces: Iterator[str | Marker]
    ) -> Iterator[ThreadStreamEvent]:
        part = self._part(item_id, index)
        for piece in pieces:
            if isinstance(piece, Marker):
                known = [n for n in piece.numbers if n in self._sources]
                for number in dict.fromkeys(known):
                    annotation = self._sources.annotation(number, part.text, self._site_url)
                    self.citations += 1
                    yield self._annotate(item_id, index, annotation)
                # `retries[7]` in prose is the reader's business; ` [7]` is a number made up. So is
                # one after a Chinese word, before which no space stands.
                is_made_up = piece.raw.startswith(" ") or not _INDEXED.search(part.text)
                if known or is_made_up:
                    continue
                text = piece.raw
            else:
                text = piece
            part.text += text
            yield ThreadItemUpdatedEvent(
                item_id=item_id,
                update=AssistantMessageContentPartTextDelta(content_index=index, delta=text),
            )

    def _annotate(self, item_id: str, index: int, annotation: Annotation) -> ThreadItemUpdatedEvent:
        part = self._part(item_id, index)
        part.annotations.append(annotation)
        return ThreadItemUpdatedEvent(
            item_id=item_id,
            update=AssistantMessageContentPartAnnotationAdded(
                content_index=index,
                annotation_index=len(part.annotations) - 1,
                annotation=annotation,
            ),
        )
