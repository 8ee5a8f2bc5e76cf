"""The store below somebody else's ChatKit server, with the SDK's own flow of calls."""

import json
from collections.abc import AsyncIterator
from typing import Any

from chatkit.server import ChatKitServer, NonStreamingResult, StreamingResult
from chatkit.types import (
    ThreadItemDoneEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
)

from chatkit_stores import PostgresStore, StoreContext, new_id
from tests.fixtures.postgres import ADA, BOB, User
from tests.stores.items import answer


class Echo(ChatKitServer[StoreContext]):
    async def respond(
        self,
        thread: ThreadMetadata,
        input_user_message: UserMessageItem | None,
        context: StoreContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        assert input_user_message is not None
        text = "".join(part.text for part in input_user_message.content)
        thread.title = text
        item_id = self.store.generate_item_id("message", thread, context)
        yield ThreadItemDoneEvent(item=answer(item_id, text.upper(), thread_id=thread.id))


async def _ask(server: Echo, user: User, kind: str, **params: object) -> list[dict[str, Any]]:
    result = await server.process(json.dumps({"type": kind, "params": params}), user)
    if isinstance(result, NonStreamingResult):
        return [json.loads(result.json)]
    assert isinstance(result, StreamingResult)
    return [json.loads(event.removeprefix(b"data: ")) async for event in result]


def _message(text: str) -> dict[str, object]:
    content = [{"type": "input_text", "text": text}]
    return {"content": content, "attachments": [], "inference_options": {}}


async def test_a_server_of_ones_own_keeps_its_threads_in_the_store(store: PostgresStore) -> None:
    server = Echo(store)

    created = await _ask(server, ADA, "threads.create", input=_message("why\0"))
    thread_id = next(event for event in created if event["type"] == "thread.created")["thread"][
        "id"
    ]
    await _ask(
        server, ADA, "threads.add_user_message", thread_id=thread_id, input=_message("and how")
    )

    [found] = await _ask(server, ADA, "threads.get_by_id", thread_id=thread_id)
    texts = [item["content"][0]["text"] for item in found["items"]["data"]]
    assert texts == ["why\0", "WHY\0", "and how", "AND HOW"]
    assert found["title"] == "and how"
    assert found["created_at"].endswith("Z")
    [listed] = await _ask(server, ADA, "threads.list", limit=5)
    assert [entry["id"] for entry in listed["data"]] == [thread_id]
    assert (await _ask(server, BOB, "threads.list", limit=5))[0]["data"] == []

    await _ask(server, ADA, "threads.retry_after_item", thread_id=thread_id, item_id=_third(found))
    [page] = await _ask(server, ADA, "items.list", thread_id=thread_id, order="asc")
    assert [item["content"][0]["text"] for item in page["data"]] == texts
    assert page["data"][3]["id"] != found["items"]["data"][3]["id"]

    await _ask(server, ADA, "threads.update", thread_id=thread_id, title="New")
    assert (await store.load_thread(thread_id, ADA)).title == "New"
    await _ask(server, ADA, "threads.delete", thread_id=thread_id)
    assert (await _ask(server, ADA, "threads.list", limit=5))[0]["data"] == []


def _third(found: dict[str, Any]) -> str:
    item_id: str = found["items"]["data"][2]["id"]
    return item_id


def test_ids_sort_by_time_and_keep_the_prefixes() -> None:
    ids = [new_id("message") for _ in range(20_000)]

    assert len(set(ids)) == len(ids)
    assert [made[:16] for made in ids] == sorted(made[:16] for made in ids)
    assert {len(made) for made in ids} == {len("msg_") + 32}
    assert [
        new_id(kind).split("_")[0]
        for kind in ("thread", "tool_call", "workflow", "task", "attachment", "sdk_hidden_context")
    ] == ["thr", "tc", "wf", "tsk", "atc", "shcx"]
