"""A client of the model that takes the text of many answers at once cheaply.

A delta costs the parser, the Agents SDK and the connection to the reader a third of a millisecond,
however short its text. Two things here lower that. Deltas that have queued up are joined before
they are parsed: while many answers stream at once, each is read every few hundredths of a second,
and what has come in meanwhile becomes one delta; with few of them nothing waits. And an event's
class is known from its type, where the openai package tries all fifty of its union.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast, get_args

import httpx2
from openai import AsyncOpenAI, DefaultAioHttpClient
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import BaseModel, ValidationError

# So many deltas a second, of all answers together, are worth their own way to the reader.
_DELTAS_PER_SECOND = 1000
_SHORTEST_PAUSE = 0.01
_LONGEST_PAUSE = 0.08
# A chunk of this size says that more is waiting.
_FULL = 8192

_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
# Nothing else is touched: no comments, ids, data of several lines.
_EVENT = re.compile(
    rb"(?P<head>(?:event:[^\r\n]*(?:\r\n|[\r\n]))?data: ?)(?P<data>\{[^\r\n]*\})(?P<end>[\r\n]+)"
)
# What differs between two deltas that belong together, beside their text.
_CHANGING = ("sequence_number", "obfuscation", "created")

_EVENTS: dict[str, type[BaseModel]] = {
    kind: event
    for event in get_args(get_args(ResponseStreamEvent)[0])
    for kind in get_args(event.model_fields["type"].annotation)
}
_T = TypeVar("_T")


class StreamingClient(AsyncOpenAI):
    """An AsyncOpenAI whose streams cost less; the same in everything else."""

    def __init__(self, **options: Any) -> None:
        if options.get("http_client") is None:
            # aiohttp gives all that has come in at once, httpx one HTTP chunk at a time.
            options["http_client"] = DefaultAioHttpClient(event_hooks=DeltaStreams().hooks)
        super().__init__(**options)

    def _process_response_data(
        self, *, data: object, cast_to: type[_T], response: httpx2.Response
    ) -> _T:
        # Not public: where it is renamed, this is not called any more and nothing breaks.
        known: type[BaseModel] | None = None
        if cast_to is ChatCompletionChunk:
            known = ChatCompletionChunk
        elif cast("object", cast_to) is ResponseStreamEvent and isinstance(data, dict):
            known = _EVENTS.get(str(data.get("type")))
        if known is not None:
            try:
                return cast("_T", known.model_validate(data))
            except ValidationError:
                # The package takes anything; so it does here.
                pass
        return super()._process_response_data(data=data, cast_to=cast_to, response=response)


@dataclass(slots=True)
class _Delta:
    """An event of the model that holds a piece of text and nothing else that would be lost."""

    event: dict[str, Any]
    place: dict[str, Any]
    """Where in the event the text is."""
    key: str
    rest: tuple[dict[str, Any], ...]
    """The event without its text and what changes from one to the next."""

    @classmethod
    def read(cls, data: bytes) -> _Delta | None:
        """The delta in an event's data, of either API; None where it is something else."""
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            return None
        common = {name: value for name, value in event.items() if name not in _CHANGING}
        if common.get("type") == "response.output_text.delta":
            text = common.pop("delta", None)
            if isinstance(text, str) and not common.get("logprobs"):
                return cls(event, event, "delta", (common,))
        elif common.get("object") == "chat.completion.chunk":
            match common.pop("choices", None):
                case [{"delta": {"content": str()} as place} as choice]:
                    if choice.get("finish_reason") or choice.get("logprobs"):
                        return None
                    outer = {name: value for name, value in choice.items() if name != "delta"}
                    inner = {name: value for name, value in place.items() if name != "content"}
                    if any(value for name, value in inner.items() if name != "role"):
                        # A piece of a tool's arguments or of a thought, beside an empty text.
                        return None
                    return cls(event, place, "content", (common, outer, inner))
        return None


class DeltaJoiner:
    """One stream's bytes, with neighbouring text deltas joined wherever they come in together.

    Not a byte is held back: an event that is cut by the end of a chunk passes as it is, and so
    does everything that is not plainly two deltas of one text.

    Args:
        inside: Whether the first chunk may begin within an event.
    """

    def __init__(self, *, inside: bool = False) -> None:
        self._inside = inside
        self.writing = False
        """Whether the last event was a text delta."""

    def join(self, chunk: bytes) -> bytes:
        """The chunk, perhaps shorter."""
        ends = [match.end() for match in _END.finditer(chunk)]
        cut = self._inside
        self._inside = ends[-1] < len(chunk) if ends else cut or bool(chunk)
        start = 0
        if cut:
            start = ends.pop(0) if ends else len(chunk)
        joined = [chunk[:start]]
        run = _Run()
        self.writing = False
        for end in ends:
            match = _EVENT.fullmatch(chunk, start, end)
            delta = _Delta.read(match["data"]) if match else None
            self.writing = delta is not None
            if match is None or delta is None:
                joined += [run.flush(), chunk[start:end]]
            elif not run.take(match, delta):
                joined.append(run.flush())
                run.take(match, delta)
            start = end
        self.writing = self.writing and not self._inside
        joined += [run.flush(), chunk[start:]]
        return b"".join(joined)


class _Run:
    """Deltas that follow each other."""

    def __init__(self) -> None:
        self._matches: list[re.Match[bytes]] = []
        self._deltas: list[_Delta] = []

    def take(self, match: re.Match[bytes], delta: _Delta) -> bool:
        """Add a delta; False where it does not go on with the text before."""
        if self._deltas and self._deltas[-1].rest != delta.rest:
            return False
        self._matches.append(match)
        self._deltas.append(delta)
        return True

    def flush(self) -> bytes:
        """The deltas as one event."""
        matches, deltas = self._matches, self._deltas
        self._matches, self._deltas = [], []
        if len(deltas) < 2:
            return b"".join(match[0] for match in matches)
        last = deltas[-1]
        last.place[last.key] = "".join(delta.place[delta.key] for delta in deltas)
        # In ASCII: one delta may end between the two halves of a character.
        data = json.dumps(last.event, separators=(",", ":")).encode()
        return matches[-1]["head"] + data + matches[-1]["end"]


class DeltaStreams:
    """Joins deltas in all of a client's event streams.

    With few answers at once, nothing happens. With more, there is a pause between two reads of
    one, which grows with their number. It comes after a text delta only, so that the first delta
    never waits, nor does a call of a tool by itself; what follows a text waits for a twelfth of a
    second at most.
    """

    def __init__(self) -> None:
        self._open = 0

    @property
    def hooks(self) -> dict[str, list[Any]]:
        """For the `event_hooks` of an HTTP client."""
        return {"response": [self._on_response]}

    @property
    def pause(self) -> float:
        """Seconds between two reads of one answer."""
        pause = self._open / _DELTAS_PER_SECOND
        return min(pause, _LONGEST_PAUSE) if pause >= _SHORTEST_PAUSE else 0.0

    async def _on_response(self, response: httpx2.Response) -> None:
        plain = "content-encoding" not in response.headers
        if plain and response.headers.get("content-type", "").startswith("text/event-stream"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101
            response.stream = _JoinedStream(response.stream, self)

    async def read(self, stream: httpx2.AsyncByteStream) -> AsyncIterator[bytes]:
        """The stream's chunks, joined."""
        joiner: DeltaJoiner | None = DeltaJoiner()
        self._open += 1
        try:
            async for chunk in stream:
                if not (pause := self.pause):
                    joiner = None
                    yield chunk
                    continue
                joiner = joiner or DeltaJoiner(inside=True)
                yield joiner.join(chunk)
                if joiner.writing and len(chunk) < _FULL:
                    await asyncio.sleep(pause)
        finally:
            self._open -= 1


class _JoinedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, streams: DeltaStreams) -> None:
        self._stream = stream
        self._streams = streams

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._streams.read(self._stream)

    async def aclose(self) -> None:
        await self._stream.aclose()
