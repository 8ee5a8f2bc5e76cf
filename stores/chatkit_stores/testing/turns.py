"""The SDK's own server on the store: what its order of calls asks for."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import chatkit.server
import pytest
from chatkit.server import ChatKitServer, NonStreamingResult
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    HiddenContextItem,
    LockedStatus,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
)

from chatkit_stores.testing.case import NOON, Case, Contract, check

Meanwhile = Callable[[str], Awaitable[None]]


class Server(ChatKitServer[Any]):
    """Answers in capitals; `meanwhile` is what another request does during the answer."""

    meanwhile: Meanwhile | None = None

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: Any
    ) -> AsyncIterator[ThreadStreamEvent]:
        assert input_user_message is not None
        text = "".join(part.text for part in input_user_message.content)
        if self.meanwhile:
            await self.meanwhile(thread.id)
        thread.metadata = {**thread.metadata, "last": text}
        yield ThreadItemRemovedEvent(
            item_id=self.store.generate_item_id("message", thread, context)
        )
        yield ThreadItemDoneEvent(
            item=AssistantMessageItem(
                id=self.store.generate_item_id("message", thread, context),
                thread_id=thread.id,
                # By the SDK's clock, which some servers make aware.
                created_at=chatkit.server.datetime.now(),  # type: ignore[attr-defined]
                content=[AssistantMessageContent(text=text.upper())],
            )
        )


async def _ask(server: Server, context: Any, kind: str, **params: Any) -> list[dict[str, Any]]:
    result = await server.process(json.dumps({"type": kind, "params": params}), context)
    if isinstance(result, NonStreamingResult):
        return [json.loads(result.json)]
    events = [json.loads(event.removeprefix(b"data: ")) async for event in result]
    assert not [event for event in events if event["type"] == "error"], events
    return events


def _message(text: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"content": content, "attachments": [], "inference_options": {}}


async def _begun(server: Server, context: Any, text: str = "why") -> str:
    events = await _ask(server, context, "threads.create", input=_message(text))
    created = next(event for event in events if event["type"] == "thread.created")
    return str(created["thread"]["id"])


def _texts(page: dict[str, Any]) -> list[str]:
    return [item["content"][0]["text"] for item in page["data"]]


class Turns(Contract):
    @check
    async def test_the_sdks_server_runs_on_it(self, case: Case) -> None:
        """The SDK passes arguments by keyword and saves in an order of its own: a store of which
        each method works can still end every answer with an error."""
        server = Server(case.store)
        thread_id = await _begun(server, case.ada)
        await _ask(
            server,
            case.ada,
            "threads.add_user_message",
            thread_id=thread_id,
            input=_message("and how"),
        )

        [found] = await _ask(server, case.ada, "threads.get_by_id", thread_id=thread_id)
        assert _texts(found["items"]) == ["why", "WHY", "and how", "AND HOW"]
        [listed] = await _ask(server, case.ada, "threads.list")
        assert [entry["id"] for entry in listed["data"]] == [thread_id]

        third = found["items"]["data"][2]["id"]
        await _ask(server, case.ada, "threads.retry_after_item", thread_id=thread_id, item_id=third)
        [page] = await _ask(server, case.ada, "items.list", thread_id=thread_id, order="asc")
        assert _texts(page) == ["why", "WHY", "and how", "AND HOW"]
        assert page["data"][3]["id"] != found["items"]["data"][3]["id"]

        await _ask(server, case.ada, "threads.update", thread_id=thread_id, title="New")
        thread = await case.store.load_thread(thread_id, context=case.ada)
        assert (thread.title, thread.metadata) == ("New", {"last": "and how"})
        await _ask(server, case.ada, "threads.delete", thread_id=thread_id)
        assert (await _ask(server, case.ada, "threads.list"))[0]["data"] == []

    @pytest.mark.parametrize("begun", ["before", "with the turn"])
    @check
    async def test_a_rename_survives_the_answer(self, case: Case, begun: str) -> None:
        """A turn saves the whole thread as it read it at its beginning: what the reader renamed
        meanwhile has its old title again."""
        server = Server(case.store)

        async def rename(thread_id: str) -> None:
            await _ask(server, case.ada, "threads.update", thread_id=thread_id, title="Renamed")

        thread = await _changed_during_the_answer(server, case, begun, rename)
        assert (thread.title, thread.metadata) == ("Renamed", {"last": "and"})

    @pytest.mark.parametrize("begun", ["before", "with the turn"])
    @check
    async def test_a_lock_survives_the_answer(self, case: Case, begun: str) -> None:
        """An administrator locks a thread while an answer is written, and the turn unlocks it."""

        async def lock(thread_id: str) -> None:
            request = case.ada
            thread = await case.store.load_thread(thread_id, context=request)
            thread.status = LockedStatus(reason="audit")
            await case.store.save_thread(thread, context=request)

        thread = await _changed_during_the_answer(Server(case.store), case, begun, lock)
        assert thread.status == LockedStatus(reason="audit")
        assert thread.metadata == {"last": "and"}

    @check
    async def test_hidden_items_count_as_items(self, case: Case) -> None:
        """The SDK takes hidden items out after the page was made. A store that leaves them out
        itself hides from the model what was put there for it; one that counts wrongly ends the
        list at a page of nothing but hidden items."""
        thread = await case.saved_thread()
        visible = []
        for number in range(18):
            created_at = NOON + timedelta(seconds=number)
            if number % 6 == 5:
                visible.append((await case.added_answer(thread, created_at=created_at)).id)
                continue
            hidden = HiddenContextItem(
                id=case.new_id("hid"), thread_id=thread.id, created_at=created_at, content=number
            )
            await case.store.add_thread_item(thread.id, hidden, context=case.ada)

        assert len(await case.items(thread)) == 18
        for order in ("asc", "desc"):
            seen: list[str] = []
            after: str | None = None
            more = True
            while more:
                [page] = await _ask(
                    Server(case.store),
                    case.ada,
                    "items.list",
                    thread_id=thread.id,
                    order=order,
                    limit=4,
                    after=after,
                )
                seen += [item["id"] for item in page["data"]]
                after, more = page.get("after"), page["has_more"]
                assert after or not more, "there are more pages, and no `after` to load them by"
            assert seen == (visible if order == "asc" else visible[::-1])

    @check
    async def test_two_turns_at_once_keep_all_their_items(self, case: Case) -> None:
        """Two tabs ask in one thread at once; a store that reads, changes and writes back what it
        keeps of a thread loses one of the answers."""
        thread = await case.saved_thread()
        words = [f"question {number}" for number in range(6)]
        await asyncio.gather(
            *(
                _ask(
                    Server(case.store),
                    case.ada,
                    "threads.add_user_message",
                    thread_id=thread.id,
                    input=_message(word),
                )
                for word in words
            )
        )

        [page] = await _ask(Server(case.store), case.ada, "items.list", thread_id=thread.id)
        assert sorted(_texts(page)) == sorted([*words, *(word.upper() for word in words)])


async def _changed_during_the_answer(
    server: Server, case: Case, begun: str, change: Meanwhile
) -> ThreadMetadata:
    if begun == "before":
        thread_id = await _begun(server, case.ada)
        server.meanwhile = change
        await _ask(
            server, case.ada, "threads.add_user_message", thread_id=thread_id, input=_message("and")
        )
    else:
        server.meanwhile = change
        thread_id = await _begun(server, case.ada, "and")
    return await case.store.load_thread(thread_id, context=case.ada)
