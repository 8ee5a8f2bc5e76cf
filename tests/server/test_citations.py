"""Markers become annotations while the answer streams, however the stream is cut."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartAnnotationAdded,
    AssistantMessageContentPartDone,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
)

from chatkit_server.citations import Citer, Marker, MarkerScanner
from chatkit_server.sdk import mend
from chatkit_server.sources import Sources


@dataclass(frozen=True)
class Found:
    id: str
    url: str
    title: str
    headings: tuple[str, ...] = ()
    text: str = ""


POOL = Found("1", "/docs/neon#pooling", "Neon", ("Connect", "Pooling"), "Use the pooled host.")
QDRANT = Found("2", "https://other.example/qdrant", "Qdrant")


def scan(text: str, cut: int) -> tuple[str, list[tuple[int, tuple[int, ...]]]]:
    """The text without markers, and where each marker was."""
    scanner = MarkerScanner()
    shown, markers = "", []
    pieces = [p for at in range(0, len(text), cut) for p in scanner.feed(text[at : at + cut])]
    for piece in [*pieces, *scanner.finish()]:
        if isinstance(piece, Marker):
            markers.append((len(shown), piece.numbers))
        else:
            shown += piece
    return shown, markers


@pytest.mark.parametrize(
    ("text", "shown", "markers"),
    [
        ("Use the pooler [1].", "Use the pooler.", [(14, (1,))]),
        ("Both[1][2] work", "Both work", [(4, (1,)), (4, (2,))]),
        ("Both [1, 2] work", "Both work", [(4, (1, 2))]),
        ("Lists [[1]] and notes [^2].", "Lists and notes.", [(5, (1,)), (15, (2,))]),
        ("At the end [12]", "At the end", [(10, (12,))]),
        ("Read `items[1]` twice [1]", "Read `items[1]` twice", [(21, (1,))]),
        ("A ``tick ` [1]`` here", "A ``tick ` [1]`` here", []),
        ("```py\na[1] [2]\n```\nDone [1]", "```py\na[1] [2]\n```\nDone", [(23, (1,))]),
        ("~~~\n``` [1]\n~~~\nDone [1]", "~~~\n``` [1]\n~~~\nDone", [(20, (1,))]),
        ("A lone ` tick\n\nthen [1]", "A lone ` tick\n\nthen", [(19, (1,))]),
        ("A [1](https://x.example) link", "A [1](https://x.example) link", []),
        ("Escaped \\[1] stays", "Escaped \\[1] stays", []),
        ("The year [2024], a [note], [ 7", "The year [2024], a [note], [ 7", []),
        ("Two  spaces stay  \nhere", "Two  spaces stay  \nhere", []),
        ("Naïve 🙂 text [1]!", "Naïve 🙂 text!", [(12, (1,))]),
    ],
)
@pytest.mark.parametrize("cut", [1, 2, 3, 5, 7, 100])
def test_markers_leave_the_text_wherever_the_stream_is_cut(
    text: str, shown: str, markers: list[tuple[int, tuple[int, ...]]], cut: int
) -> None:
    assert scan(text, cut) == (shown, markers)


def test_text_is_held_back_only_while_it_may_become_a_marker() -> None:
    scanner = MarkerScanner()

    assert list(scanner.feed("see [1")) == ["see"]
    assert list(scanner.feed("x")) == [" [1x"]


async def events_of(text: str, cut: int, item_id: str) -> AsyncIterator[ThreadStreamEvent]:
    """What the SDK makes of a provider's stream."""
    message = AssistantMessageItem.model_validate(
        {"id": item_id, "thread_id": "thr", "created_at": "2026-01-01T00:00:00Z", "content": []}
    )
    yield ThreadItemAddedEvent(item=message.model_copy(deep=True))

    def updated(update: object) -> ThreadItemUpdatedEvent:
        return ThreadItemUpdatedEvent.model_validate({"item_id": item_id, "update": update})

    empty = AssistantMessageContent(text="")
    yield updated(AssistantMessageContentPartAdded(content_index=0, content=empty))
    for at in range(0, len(text), cut):
        yield updated(
            AssistantMessageContentPartTextDelta(content_index=0, delta=text[at : at + cut])
        )
    whole = AssistantMessageContent(text=text)
    yield updated(AssistantMessageContentPartDone(content_index=0, content=whole))
    yield ThreadItemDoneEvent(item=message.model_copy(update={"content": [whole]}))


async def read(
    citer: Citer, text: str, *, cut: int = 3, item_id: str = "__fake_id__"
) -> tuple[AssistantMessageItem, AssistantMessageItem, AssistantMessageContent]:
    """The answer as a client puts it together, as it is stored, and as `part.done` has it."""
    shown = AssistantMessageItem.model_validate(
        {"id": "?", "thread_id": "thr", "created_at": "2026-01-01T00:00:00Z", "content": []}
    )
    stored, done = shown, AssistantMessageContent(text="")
    async for event in citer.rewrite(events_of(text, cut, item_id)):
        match event:
            case ThreadItemAddedEvent(item=AssistantMessageItem() as item):
                shown = item.model_copy(deep=True)
            case ThreadItemUpdatedEvent(update=AssistantMessageContentPartAdded() as update):
                shown.content.append(update.content.model_copy(deep=True))
            case ThreadItemUpdatedEvent(update=AssistantMessageContentPartTextDelta() as update):
                shown.content[0].text += update.delta
            case ThreadItemUpdatedEvent(
                update=AssistantMessageContentPartAnnotationAdded() as update
            ):
                assert update.annotation_index == len(shown.content[0].annotations)
                shown.content[0].annotations.append(update.annotation)
            case ThreadItemUpdatedEvent(update=AssistantMessageContentPartDone() as update):
                done = update.content
            case ThreadItemDoneEvent(item=AssistantMessageItem() as item):
                stored = item
    return shown, stored, done


def make_citer(*found: Found, site_url: str | None = None) -> Citer:
    sources = Sources()
    sources.number(found)
    ids = iter(f"msg_{n}" for n in range(100))
    return Citer(sources, lambda _: next(ids), site_url=site_url)


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 7, 100])
async def test_what_streams_is_what_is_stored(cut: int) -> None:
    shown, stored, done = await read(make_citer(POOL, QDRANT), "🙂 Pool [1]. Or [2, 1].", cut=cut)

    assert shown == stored
    assert done == stored.content[0]
    assert stored.content[0].text == "🙂 Pool. Or."
    assert [(a.index, a.source.title) for a in stored.content[0].annotations] == [
        (6, "Neon"),
        (10, "Qdrant"),
        (10, "Neon"),
    ]


async def test_an_annotation_has_title_url_and_heading() -> None:
    _, stored, _ = await read(make_citer(POOL), "So [1]")

    source = stored.content[0].annotations[0].source.model_dump()
    assert source["url"] == "/docs/neon#pooling"
    assert source["title"] == "Neon"
    section, cited = source["description"].split("\n")
    assert section == "Connect › Pooling"
    assert cited == POOL.text


async def test_the_sites_origin_stands_before_relative_urls_only() -> None:
    _, stored, _ = await read(
        make_citer(POOL, QDRANT, site_url="https://docs.example"), "So [1] and [2]"
    )

    urls = [annotation.source.model_dump()["url"] for annotation in stored.content[0].annotations]
    assert urls == ["https://docs.example/docs/neon#pooling", "https://other.example/qdrant"]


async def test_a_number_that_the_model_made_up_goes_but_an_index_in_prose_stays() -> None:
    _, stored, _ = await read(make_citer(POOL), "Made up [7], but retries[3] stays [1].")

    assert stored.content[0].text == "Made up, but retries[3] stays."
    assert len(stored.content[0].annotations) == 1


async def test_a_made_up_number_goes_where_no_space_stands_before_it() -> None:
    _, stored, _ = await read(make_citer(POOL), "使用连接池[7]。请用池主机[1]。")

    assert stored.content[0].text == "使用连接池。请用池主机。"
    assert len(stored.content[0].annotations) == 1


async def test_messages_with_one_id_get_ids_of_their_own() -> None:
    citer = make_citer(POOL)

    first, stored_first, _ = await read(citer, "One")
    second, stored_second, _ = await read(citer, "Two")

    assert first.id == stored_first.id
    assert second.id == stored_second.id
    assert first.id != second.id
    assert stored_second.content[0].text == "Two"


async def test_a_removal_after_the_end_names_our_id() -> None:
    citer = make_citer(POOL)
    shown, _, _ = await read(citer, "One")

    async def removal() -> AsyncIterator[ThreadStreamEvent]:
        yield ThreadItemRemovedEvent(item_id="__fake_id__")

    removed = [event async for event in citer.rewrite(removal())]
    assert removed == [ThreadItemRemovedEvent(item_id=shown.id)]


def test_the_same_passage_keeps_its_number_over_searches() -> None:
    sources = Sources()

    assert sources.number([POOL, QDRANT]) == [1, 2]
    assert sources.number([QDRANT, Found("3", "/x", "X"), POOL]) == [2, 3, 1]


def test_a_citation_rests_on_all_that_searches_found_of_a_section() -> None:
    sources = Sources()
    sources.number([Found("1", "/docs/neon", "Neon", text="Use the pooled host.")])
    sources.number(
        [Found("1", "/docs/neon", "Neon", text="Branches cost nothing while they sleep.")]
    )

    annotation = sources.annotation(1, "While they sleep, branches cost nothing", None)

    assert annotation.source.description == "\nBranches cost nothing while they sleep."


def test_mending_the_sdk_twice_changes_nothing() -> None:
    mend()
    mend()


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["Hi \ud83d", "\ude42 there"], "Hi 🙂 there"),
        (["Hi \ud83d", "", "\ude42\ud83d", "\ude42"], "Hi 🙂🙂"),
        (["Hi \ude42 there"], "Hi \ufffd there"),
        (["Hi! \ud83d"], "Hi!"),
    ],
)
async def test_an_emoji_in_halves_is_put_together(pieces: list[str], text: str) -> None:
    async def events() -> AsyncIterator[ThreadStreamEvent]:
        message = AssistantMessageItem.model_validate(
            {"id": "m", "thread_id": "thr", "created_at": "2026-01-01T00:00:00Z", "content": []}
        )
        yield ThreadItemAddedEvent(item=message)
        for piece in pieces:
            update = AssistantMessageContentPartTextDelta(content_index=0, delta=piece)
            yield ThreadItemUpdatedEvent(item_id="m", update=update)

    shown = ""
    async for event in make_citer().rewrite(events()):
        event.model_dump_json()
        shown += getattr(getattr(event, "update", None), "delta", "")

    assert shown == text
