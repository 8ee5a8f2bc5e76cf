"""Two users, and every operation with the ids of the other: nothing is read, nothing is changed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from chatkit.types import (
    ClientToolCallItem,
    NoticeEvent,
    StructuredInputFreeform,
    StructuredInputItem,
    SyncCustomActionResponse,
    ThreadStreamEvent,
    WidgetItem,
)
from chatkit.widgets import Card, Text
from fastapi import FastAPI

from chatkit_server.agent import make_quoter
from chatkit_server.identity import anonymous_user, make_identity
from chatkit_server.protocol import TYPES
from chatkit_server.quoting import QuotingModel
from chatkit_server.routes import chatkit_router
from chatkit_server.server import DocsServer
from chatkit_server.testing import Say, ScriptedModel, serve_in_thread
from chatkit_stores import PostgresStore
from chatkit_tools.tool import parse_passages, render_passages
from tests.faults.size import report
from tests.faults.tables import dump
from tests.fixtures.app import Client, StartServer, message
from tests.fixtures.files import SECRET, announce, upload
from tests.fixtures.flights import Flights
from tests.fixtures.postgres import User
from tests.stores.items import NOON, answer, file_attachment, question, thread

SECRETS = {owner: f"{owner}-" + "x" * 40 for owner in ("ada", "bob")}
# In everything that a user has, and in nothing that anybody else may see.
WORDS = {"ada": "saffron", "bob": "vermilion"}


@dataclass(frozen=True)
class Operation:
    """One request; `{thread}` is the other's thread, `{my_thread}` one's own, and so on."""

    kind: str
    params: dict[str, Any]
    by_owner: int = 200
    """What the owner gets for the same with ids of their own."""

    def fill(self, ids: dict[str, str]) -> dict[str, Any]:
        text = json.dumps(self.params)
        for name, value in ids.items():
            text = text.replace(f'"{{{name}}}"', json.dumps(value))
        filled: dict[str, Any] = json.loads(text)
        return filled


_LIKE = {"action": {"type": "like", "payload": {}}}
_ANSWERS = {"input": {"answers": {"why": {"values": ["so"]}}}}
OPERATIONS = [
    Operation("threads.get_by_id", {"thread_id": "{thread}"}),
    Operation("threads.update", {"thread_id": "{thread}", "title": "mine now"}),
    Operation("threads.list", {"after": "{thread}"}),
    Operation("items.list", {"thread_id": "{thread}"}),
    Operation("items.list", {"thread_id": "{my_thread}", "after": "{answer}"}),
    Operation("items.list", {"thread_id": "{thread}", "after": "{my_answer}"}),
    *(
        Operation("items.feedback", {"thread_id": where, "item_ids": items, "kind": "negative"})
        for where, items in (
            ("{thread}", ["{answer}"]),
            ("{my_thread}", ["{answer}"]),
            ("{my_thread}", ["{my_answer}", "{answer}"]),
            ("{thread}", ["{my_answer}"]),
        )
    ),
    Operation("threads.add_user_message", {"thread_id": "{thread}", "input": message("hello?")}),
    *(
        Operation("threads.retry_after_item", {"thread_id": where, "item_id": item})
        for where, item in (
            ("{thread}", "{question}"),
            ("{my_thread}", "{question}"),
            ("{thread}", "{my_question}"),
        )
    ),
    Operation("threads.add_client_tool_output", {"thread_id": "{tool_thread}", "result": 1}),
    *(
        Operation("threads.add_structured_input", {"thread_id": where, "item_id": item, **_ANSWERS})
        for where, item in (
            ("{form_thread}", "{form}"),
            ("{my_form_thread}", "{form}"),
            ("{form_thread}", "{my_form}"),
        )
    ),
    *(
        Operation(kind, {"thread_id": where, "item_id": item, **_LIKE})
        for kind in ("threads.custom_action", "threads.sync_custom_action")
        for where, item in (
            ("{thread}", "{widget}"),
            ("{my_thread}", "{widget}"),
            ("{thread}", "{my_widget}"),
            ("{thread}", None),
        )
    ),
    Operation("stop", {"thread_id": "{thread}"}),
    Operation("turns", {"thread_id": "{thread}"}, 204),
    # Last, since nothing is left afterwards.
    Operation("threads.delete", {"thread_id": "{thread}"}),
]
# These take no id, or those of attachments, which have tests of their own.
_ELSEWHERE = {"threads.create", "attachments.create", "attachments.delete", "input.transcribe"}


def test_every_request_type_is_tried() -> None:
    assert {operation.kind for operation in OPERATIONS} | _ELSEWHERE == {*TYPES, "stop", "turns"}


class Acting(DocsServer):
    """With actions, which are refused before anything is looked up where there are none."""

    async def action(self, *args: Any, **kwargs: Any) -> AsyncIterator[ThreadStreamEvent]:
        yield NoticeEvent(level="info", message="done")

    async def sync_action(self, *args: Any, **kwargs: Any) -> SyncCustomActionResponse:
        return SyncCustomActionResponse()


async def _find_nothing(query: str, **place: str | None) -> list[Any]:
    return []


@pytest.fixture
def acting(database_url: str) -> Iterator[httpx.Client]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with PostgresStore.open(database_url) as store:
            quoter = make_quoter(QuotingModel(parse_passages))
            server = Acting(store, _find_nothing, render_passages, quoter)
            app.include_router(chatkit_router(server, make_identity()))
            yield

    with (
        serve_in_thread(FastAPI(lifespan=lifespan)) as url,
        httpx.Client(base_url=url, timeout=30) as http,
    ):
        yield http


async def settle(store: PostgresStore, owner: str, number: int) -> dict[str, str]:
    """Threads with an item of every kind that an operation asks for; their ids by name."""
    context = User(anonymous_user(SECRETS[owner]) or "")
    word = WORDS[owner]
    ids = {
        name: f"{name}_{owner}_{number}"
        for name in (
            *("thread", "tool_thread", "form_thread", "question", "answer", "widget"),
            *("form", "call", "attachment"),
        )
    }
    for name in ("thread", "tool_thread", "form_thread"):
        await store.save_thread(thread(ids[name], f"{word} title"), context)
    base = {"created_at": NOON}
    for where, item in (
        ("thread", question(ids["question"], f"{word} question")),
        ("thread", answer(ids["answer"], f"{word} answer")),
        (
            "thread",
            WidgetItem(
                id=ids["widget"],
                thread_id=ids["thread"],
                **base,
                widget=Card(children=[Text(value=word)]),
            ),
        ),
        ("tool_thread", question(f"{ids['question']}_2", f"{word} question")),
        (
            "tool_thread",
            ClientToolCallItem(
                id=ids["call"],
                thread_id=ids["tool_thread"],
                **base,
                call_id=word,
                name=word,
                arguments={},
            ),
        ),
        ("form_thread", question(f"{ids['question']}_3", f"{word} question")),
        (
            "form_thread",
            StructuredInputItem(
                id=ids["form"],
                thread_id=ids["form_thread"],
                **base,
                inputs=[StructuredInputFreeform(id="why", question=f"{word}?")],
            ),
        ),
    ):
        await store.add_thread_item(ids[where], item, context)
    await store.add_feedback(ids["thread"], [ids["answer"]], "positive", context=context)
    await store.save_attachment(file_attachment(f"{word}.txt", ids["attachment"]), context)
    return ids


def send(
    http: httpx.Client, owner: str, operation: Operation, ids: dict[str, str]
) -> httpx.Response:
    params = operation.fill(ids)
    headers = {"X-Session-Id": SECRETS[owner]}
    match operation.kind:
        case "stop":
            return http.post("/chatkit/stop", json=params, headers=headers)
        case "turns":
            return http.get(f"/chatkit/turns/{params['thread_id']}", headers=headers)
    return http.post("/chatkit", json={"type": operation.kind, "params": params}, headers=headers)


def told(response: httpx.Response) -> tuple[int, str, list[tuple[str, str]]]:
    """All that a response says, but for the time of day and the request's number."""
    own = {"date", "x-request-id"}
    kept = [(name, value) for name, value in response.headers.items() if name not in own]
    return response.status_code, response.text, kept


async def test_the_ids_of_another_user_are_as_good_as_none(
    acting: httpx.Client, store: PostgresStore, database_url: str
) -> None:
    wrong: list[str] = []
    tried = 0
    for number, operation in enumerate(OPERATIONS):
        ids = {owner: await settle(store, owner, number) for owner in ("ada", "bob")}
        nobody = {name: value.replace("bob", "eve") for name, value in ids["bob"].items()}
        for stranger, owner in (("ada", "bob"), ("bob", "ada")):
            before = await dump(database_url)
            own = {f"my_{name}": value for name, value in ids[stranger].items()}
            theirs = send(acting, stranger, operation, {**ids[owner], **own})
            nothing = send(acting, stranger, operation, {**nobody, **own})
            tried += 1
            name = f"{stranger}: {operation.kind} {operation.params}"
            if told(theirs) != told(nothing):
                wrong.append(f"{name}: {told(theirs)} but for nobody's {told(nothing)}")
            if theirs.status_code != 404:
                wrong.append(f"{name}: {theirs.status_code} {theirs.text[:200]}")
            if WORDS[owner] in theirs.text or owner in theirs.text:
                wrong.append(f"{name}: tells {theirs.text[:200]}")
            after = await dump(database_url)
            # A turn that is refused leaves its number on the stranger's own thread.
            user = anonymous_user(SECRETS[stranger]) or ""
            for at in (before, after):
                at["threads"] = [row for row in at["threads"] if user not in row]
            wrong += [
                f"{name}: changed {table}" for table in after if after[table] != before[table]
            ]
        # The same request is a good one for the owner, or nothing was tried.
        own = {f"my_{name}": value for name, value in ids["ada"].items()}
        response = send(acting, "ada", operation, {**ids["ada"], **own})
        if response.status_code != operation.by_owner:
            wrong.append(f"{operation.kind} {operation.params} by the owner: {told(response)}")

    report("Strangers", operations=tried, wrong=len(wrong))
    assert not wrong, "\n".join(wrong)
    assert tried == 2 * len(OPERATIONS)


def test_what_one_asks_for_without_an_id_holds_nothing_of_others(acting: httpx.Client) -> None:
    ada, bob = (Client(str(acting.base_url).rstrip("/"), secret) for secret in SECRETS.values())
    threads = {
        client.secret: client.ask(f"{WORDS[owner]}?").thread_id
        for client, owner in ((ada, "ada"), (bob, "bob"))
    }

    for client, other in ((ada, "bob"), (bob, "ada")):
        page = client.post("threads.list")
        assert [thread["id"] for thread in page.json()["data"]] == [threads[client.secret]]
        assert WORDS[other] not in page.text
        assert WORDS[other] not in str(client.items(threads[client.secret]))


def test_a_running_answer_is_neither_stopped_nor_followed_by_a_stranger(
    start_server: StartServer,
) -> None:
    with (
        ScriptedModel(Say("saffron one two three four five", hold_after=3)) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
        httpx.Client(base_url=url, timeout=30) as http,
    ):
        ada, bob = (Client(url, secret) for secret in SECRETS.values())
        with ada.stream("threads.create", input=message("How do I connect to Neon?")) as events:
            thread_id = next(events)["thread"]["id"]
            model.wait_for(lambda m: bool(m.requests) and m.requests[0].sent >= 3)
            for kind in ("stop", "turns"):
                operation = Operation(kind, {"thread_id": "{thread}"})
                theirs = send(http, "bob", operation, {"thread": thread_id})
                nothing = send(http, "bob", operation, {"thread": "thr_never_was"})
                assert theirs.status_code == 404
                assert told(theirs) == told(nothing)
            for kind, params in (
                ("threads.delete", {}),
                ("threads.add_user_message", {"input": message("hello?")}),
            ):
                theirs = bob.post(kind, thread_id=thread_id, **params)
                nothing = bob.post(kind, thread_id="thr_never_was", **params)
                assert told(theirs) == told(nothing)
            model.release()
            done = [event["item"] for event in events if event["type"] == "thread.item.done"]

        assert done[-1]["content"][0]["text"] == "saffron one two three four five"
        assert [item["id"] for item in ada.items(thread_id)] == [item["id"] for item in done]


async def test_a_file_of_another_user_is_as_good_as_none(
    start_server: StartServer, database_url: str, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    with (
        start_server(attachments=str(files), secret=SECRET) as url,
        httpx.Client(base_url=url, timeout=30) as http,
    ):
        people = {owner: Client(url, secret) for owner, secret in SECRETS.items()}
        threads = {owner: people[owner].ask("What is Neon?").thread_id for owner in people}
        held: dict[str, dict[str, Any]] = {
            owner: {
                "ready": upload(client, f"{WORDS[owner]} inside".encode(), "a.txt", "text/plain"),
                "announced": announce(client, b"x" * 9, "b.txt", "text/plain"),
            }
            for owner, client in people.items()
        }
        before = await dump(database_url), on_disk(files)
        for stranger, owner in (("ada", "bob"), ("bob", "ada")):
            client = people[stranger]
            token = urlsplit(held[stranger]["announced"]["upload_descriptor"]["url"]).query

            def tries(
                file: str,
                client: Client = client,
                token: str = token,
                thread_id: str = threads[stranger],
            ) -> list[Any]:
                path, own = f"/chatkit/attachments/{file}", {"X-Session-Id": client.secret}
                sent = message("Neon?", attachments=[file])
                there = {"thread_id": thread_id, "input": sent}
                return [
                    told(http.get(path, headers=own)),
                    # With a token that is good for a file of one's own.
                    told(http.get(f"{path}?{token}", headers=own)),
                    told(http.put(f"{path}?{token}", content=b"mine now", headers=own)),
                    told(http.put(path, content=b"mine now", headers=own)),
                    told(client.post("threads.create", input=sent)),
                    told(client.post("threads.add_user_message", **there)),
                    told(client.post("attachments.delete", attachment_id=file)),
                ]

            nothing = tries("atc_00000000000000000000000000000000")
            assert all(status in (401, 404) for status, *_ in nothing), nothing
            for file in (held[owner]["ready"], held[owner]["announced"]["id"]):
                assert tries(file) == nothing
        assert (await dump(database_url), on_disk(files)) == before


def on_disk(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_what_is_said_in_anothers_thread_while_the_database_is_away_stays_outside(
    start_server: StartServer, database_url: str, tmp_path: Path
) -> None:
    """Whose thread it is can't be asked then; it is asked before anything is written."""
    loop = asyncio.get_running_loop()
    async with Flights.to(database_url, delay=0.0) as flights:

        def do(work: Coroutine[Any, Any, Any]) -> Any:
            return asyncio.run_coroutine_threadsafe(work, loop).result(120)

        def meddle() -> None:
            with (
                ScriptedModel(Say("A colour.")) as model,
                start_server(
                    database_url=flights.dsn,
                    journal_dir=tmp_path / "journal",
                    openai_base_url=model.base_url,
                    model="m",
                ) as url,
            ):
                people = {owner: Client(url, secret) for owner, secret in SECRETS.items()}
                threads = {
                    owner: client.ask(f"What is {WORDS[owner]}?").thread_id
                    for owner, client in people.items()
                }
                asked = len(model.requests)
                do(flights.shut())
                for stranger, owner in (("ada", "bob"), ("bob", "ada")):
                    reply = people[stranger].ask("What was said?", threads[owner])
                    nothing = people[stranger].ask("What was said?", "thr_never_was")
                    assert [event["type"] for event in reply.events] == [
                        event["type"] for event in nothing.events
                    ]
                    assert reply.text == nothing.text == "A colour."
                    assert not any(WORDS[owner] in call.text for call in model.requests[asked:])
                # Last in the journal: when they are stored, all before them has been tried.
                for owner, client in people.items():
                    client.ask("And then?", threads[owner])
                do(flights.reopen())
                deadline = time.monotonic() + 120
                for owner, client in people.items():
                    page = client.post("items.list", thread_id=threads[owner])
                    while page.is_error or len(page.json()["data"]) < 4:
                        assert time.monotonic() < deadline, page.text
                        page = client.post("items.list", thread_id=threads[owner])
                    said = [item["content"][0]["text"] for item in client.items(threads[owner])]
                    word = WORDS[owner]
                    assert said == [f"What is {word}?", "A colour.", "And then?", "A colour."]
                everything = do(dump(database_url))
                assert len(everything["threads"]) == 2
                assert len(everything["items"]) == 8

        await asyncio.to_thread(meddle)
