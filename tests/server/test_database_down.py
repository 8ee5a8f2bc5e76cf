"""While the database is away, messages are answered, and what is said is brought to it later."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from chatkit_server.journal import MAX_BYTES
from chatkit_server.testing import Break, Say, ScriptedModel
from chatkit_stores import PostgresStore
from tests.fixtures.app import Client, Reply, StartScripted, StartServer, message
from tests.fixtures.command import COMMAND, free_port
from tests.fixtures.flights import Flights
from tests.server.test_turns import until

NEON = "How do I connect to Neon?"
StartAway = Callable[..., Any]


@pytest.fixture(autouse=True)
def _no_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that takes long here would be in the journal once more."""
    monkeypatch.setattr("chatkit_server.lease.CHECKPOINT", 600.0)


class Line:
    """The way to the database, which can be cut."""

    def __init__(self, loop: asyncio.AbstractEventLoop, flights: Flights) -> None:
        self._loop = loop
        self._flights = flights
        self.dsn = flights.dsn

    def cut(self) -> None:
        asyncio.run_coroutine_threadsafe(self._flights.shut(), self._loop).result(60)

    def mend(self) -> None:
        asyncio.run_coroutine_threadsafe(self._flights.reopen(), self._loop).result(60)


@pytest.fixture
def line(database_url: str) -> Iterator[Line]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    opening = Flights.to(database_url, delay=0.0)
    yield Line(loop, run(opening.__aenter__()))
    run(opening.__aexit__(None, None, None))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def start(start_scripted: StartScripted, line: Line, tmp_path: Path) -> StartAway:
    """`with start(*script) as (client, model)`: a server whose database is at the end of `line`."""
    return partial(start_scripted, database_url=line.dsn, journal_dir=tmp_path / "journal")


def ready(client: Client) -> dict[str, Any]:
    response = httpx.get(f"{client.url}/readyz")
    return {"code": response.status_code, **response.json()}


def until_replayed(client: Client) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        state = ready(client)
        if state["parts"]["database"] == "ok" and state["journal"]["bytes"] == 0:
            return state
    raise TimeoutError(f"the journal was not replayed: {state}")


def texts(client: Client, thread_id: str) -> list[str]:
    return [item["content"][0]["text"] for item in client.items(thread_id) if "content" in item]


def notices(reply: Reply) -> str:
    return " ".join(notice["message"] for notice in reply.of("notice"))


def test_messages_are_answered_and_brought_to_the_database_in_order(
    start: StartAway, line: Line
) -> None:
    with start(*[Say(f"Answer {n}.") for n in range(1, 6)]) as (client, model):
        old = client.ask("What about Ada's secret?").thread_id
        line.cut()

        new = client.ask(NEON)
        more = client.ask("And then?", new.thread_id)
        older = client.ask("And pooled?", old)
        state = ready(client)
        refused = {
            "history": client.post("items.list", thread_id=old, order="asc"),
            "thread": client.post("threads.get_by_id", thread_id=new.thread_id),
            "list": client.post("threads.list"),
            "rename": client.post("threads.update", thread_id=old, title="T"),
            "delete": client.post("threads.delete", thread_id=old),
            "retry": client.post(
                "threads.retry_after_item", thread_id=old, item_id=older.events[0]["item"]["id"]
            ),
            "output": client.post("threads.add_client_tool_output", thread_id=old, result="1"),
        }
        line.mend()
        found = until_replayed(client)
        last = client.ask("Thanks?", new.thread_id)

        assert texts(client, new.thread_id) == [
            NEON, "Answer 2.", "And then?", "Answer 3.", "Thanks?", "Answer 5.",
        ]  # fmt: skip
        assert texts(client, old)[2:] == ["And pooled?", "Answer 4."]
        assert client.threads()[0]["title"] == NEON
        ids = [item["id"] for item in client.items(new.thread_id)]
        promised = [
            event["item"]["id"]
            for reply in (new, more, last)
            for event in reply.of("thread.item.done")
        ]
        assert ids == promised

    for reply in (new, more, older):
        assert reply.error is None
        assert [event["type"] for event in reply.events].index("notice") > 0
    assert "history later" in notices(new)
    assert "earlier messages" in notices(more)
    assert new.of("thread.updated")[0]["thread"]["title"] == NEON
    assert notices(last) == ""
    assert (state["code"], state["status"], state["parts"]["database"]) == (
        200, "degraded", "degraded",
    )  # fmt: skip
    assert state["journal"]["entries"] == 6
    assert state["journal"]["bytes"] > 0
    for name, response in refused.items():
        assert response.status_code == 503, name
        assert response.json()["error"]["code"] == "unavailable", name
        assert response.headers["retry-after"], name
    assert found["journal"] == {"entries": 0, "bytes": 0, "rejected": 0}
    # Nothing of a thread that could not be looked up reaches the model.
    assert "secret" not in model.requests[3].text
    assert "Answer 3." in model.requests[4].text


def test_what_the_docs_do_not_answer_is_kept_too(
    start: StartAway, line: Line, database_url: str
) -> None:
    with start(Say("They don't say.")) as (client, _):
        client.ask(NEON)
        line.cut()
        client.ask("Which loaf has autoscaling and Helm charts?")
        line.mend()
        until_replayed(client)

    async def load() -> list[str]:
        async with PostgresStore.open(database_url) as store:
            return [kept.data["question"] for kept in await store.load_unanswered()]

    # The first one cites nothing, and was stored before.
    assert asyncio.run(load()) == ["Which loaf has autoscaling and Helm charts?", NEON]


def test_a_thread_is_whole_as_soon_as_it_can_be_read(start: StartAway, line: Line) -> None:
    with start(Say("Answer 1.")) as (client, _):
        line.cut()
        thread_id = client.ask(NEON).thread_id
        line.mend()
        responses: list[httpx.Response] = []
        while not responses or responses[-1].status_code == 503:
            responses.append(client.post("items.list", thread_id=thread_id, order="asc"))

        assert {response.status_code for response in responses[:-1]} <= {503}
        assert texts(client, thread_id) == [NEON, "Answer 1."]
        assert len(responses[-1].json()["data"]) == 2


def test_a_disk_that_fails_hides_no_chat(start: StartAway, line: Line, tmp_path: Path) -> None:
    with start(Say("Answer 1."), Say("Answer 2.")) as (client, _model):
        old = client.ask("Before?").thread_id
        line.cut()
        client.ask(NEON)
        # Waits for its thread, so that the journal has to be written anew without the rest.
        unknown = {"thread_id": "thr_unknown", "input": message("Who are you?")}
        client.post("threads.add_user_message", **unknown)
        [journal] = (tmp_path / "journal").glob("*.journal")
        (journal.with_suffix(".new") / "in the way").mkdir(parents=True)
        line.mend()
        until(lambda: ready(client)["parts"]["database"] == "ok")

        assert [thread["title"] for thread in client.threads()] == [NEON, "Before?"]
        assert client.ask("And then?", old).text == "Answer 2."
        export = httpx.get(f"{client.url}/chatkit/me", headers={"X-Session-Id": client.secret})
        assert (export.status_code, ready(client)["journal"]["entries"]) == (200, 2)


def test_without_a_journal_the_reader_is_told_that_nothing_is_kept(
    start: StartAway, line: Line, database_url: str
) -> None:
    with start(Say("Answer 1."), journal_dir=None) as (client, _):
        line.cut()
        reply = client.ask(NEON)
        state = ready(client)

    assert (reply.text, reply.error) == ("Answer 1.", None)
    assert "can't be saved" in notices(reply)
    assert (state["code"], state["status"]) == (200, "degraded")
    assert "journal" not in state
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select count(*) from chatkit.items").fetchone() == (0,)


def test_a_full_journal_takes_nothing_and_the_reader_is_told(
    start: StartAway, line: Line, tmp_path: Path, database_url: str
) -> None:
    with start(Say("Answer 1."), Say("Answer 2.")) as (client, _):
        line.cut()
        with (tmp_path / "journal/another.journal").open("wb") as another:
            fcntl.flock(another, fcntl.LOCK_EX)
            another.truncate(MAX_BYTES)
            full = client.ask(NEON)
            another.truncate(0)
            roomy = client.ask(NEON)
        line.mend()
        until_replayed(client)

        assert [thread["id"] for thread in client.threads()] == [roomy.thread_id]

    assert (full.text, full.error, roomy.error) == ("Answer 1.", None, None)
    assert "can't be saved at the moment. Copy" in notices(full)
    assert "history later" in notices(roomy)


async def test_where_answering_is_off_nothing_is_taken_without_the_database_either(
    start: StartAway, line: Line, database_url: str
) -> None:
    async with PostgresStore.open(database_url) as store:
        await store.set_answering("off", "Not now.")

    def talk() -> tuple[httpx.Response, dict[str, Any]]:
        with start() as (client, _):
            assert client.post("threads.create", input=message(NEON)).status_code == 503
            line.cut()
            return client.post("threads.create", input=message(NEON)), ready(client)

    refused, state = await asyncio.to_thread(talk)

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "answering_off")
    assert state["journal"] == {"entries": 0, "bytes": 0, "rejected": 0}


def test_an_answer_that_loses_the_database_half_way_is_kept(start: StartAway, line: Line) -> None:
    with start(Say("One two three four.", hold_after=2)) as (client, model):
        with client.stream("threads.create", input=message(NEON)) as events:
            seen = [next(events)]
            thread_id = seen[0]["thread"]["id"]
            while not seen[-1].get("update", {}).get("delta"):
                seen.append(next(events))
            line.cut()
            model.release()
            reply = Reply([*seen, *events])
        entries = ready(client)["journal"]["entries"]
        line.mend()
        until_replayed(client)

        assert texts(client, thread_id) == [NEON, "One two three four."]
        assert client.threads()[0]["title"] == NEON
        again = client.ask("And then?", thread_id)
        assert again.of("notice") == []

    assert (reply.text, reply.error) == ("One two three four.", None)
    assert reply.of("thread.updated")[0]["thread"]["title"] == NEON
    assert entries == 1


def test_a_stopped_and_a_failed_answer_keep_what_was_sent(start: StartAway, line: Line) -> None:
    script = [
        Say("One two three four.", hold_after=3),
        Break("Half an answer", hold=True),
        Say("Next."),
    ]
    with start(*script) as (client, model):
        line.cut()
        with client.stream("threads.create", input=message(NEON)) as events:
            thread_id = next(events)["thread"]["id"]
            seen = ""
            for event in events:
                seen += event.get("update", {}).get("delta", "")
                if len(seen) > 6:
                    break
        model.wait_for(lambda m: m.requests[0].hung_up_at is not None)
        failed = client.ask_held(model, "And then?", thread_id)
        line.mend()
        until_replayed(client)
        kept = texts(client, thread_id)
        client.ask("Go on?", thread_id)

    assert failed.error is not None
    assert "broke off" in failed.error["message"]
    assert kept[0] == NEON
    assert kept[1].startswith(seen.rstrip())
    assert "One two three four.".startswith(kept[1])
    assert kept[2:] == ["And then?", "Half an answer"]
    assert "The user stopped this answer" in model.requests[-1].text


def test_one_message_at_a_time_also_without_the_database(start: StartAway, line: Line) -> None:
    with start(Say("Long answer.", hold_after=1), Say("Bob's."), Say("Next.")) as (client, model):
        line.cut()
        with client.stream("threads.create", input=message(NEON)) as events:
            thread_id = next(events)["thread"]["id"]
            model.wait_for(lambda m: len(m.requests) == 1)
            params = {"thread_id": thread_id, "input": message("And then?")}
            second = client.post("threads.add_user_message", **params)
            # Somebody else learns nothing of it, and changes nothing.
            bob = Client(client.url)
            foreign = bob.ask("Whose is it?", thread_id)
            model.release()
            list(events)
        third = client.ask("And then?", thread_id)
        line.mend()
        state = until_replayed(client)
        stored = texts(client, thread_id)
        assert bob.post("items.list", thread_id=thread_id, order="asc").status_code == 404

    assert (second.status_code, second.json()["error"]["code"]) == (409, "busy")
    assert (third.error, third.text) == (None, "Next.")
    assert foreign.text == "Bob's."
    assert stored == [NEON, "Long answer.", "And then?", "Next."]
    assert state["journal"]["rejected"] >= 1


def test_what_was_deleted_meanwhile_is_not_brought_back(
    start: StartAway, line: Line, start_server: StartServer, database_url: str
) -> None:
    with start(Say("Answer 1."), Say("Answer 2.")) as (client, _):
        thread_id = client.ask(NEON).thread_id
        line.cut()
        client.ask("And then?", thread_id)
        with start_server(database_url=database_url) as url:
            elsewhere = Client(url, client.secret)
            assert elsewhere.post("threads.delete", thread_id=thread_id).status_code == 200
        line.mend()
        state = until_replayed(client)

        assert client.threads() == []
        assert client.post("items.list", thread_id=thread_id, order="asc").status_code == 404
    assert state["journal"]["rejected"] == 2


def test_a_server_that_starts_without_its_database_answers_and_migrates_later(
    start: StartAway, line: Line, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("drop schema chatkit cascade")
    line.cut()
    with start(Say("Answer 1.")) as (client, _):
        reply = client.ask(NEON)
        line.mend()
        until_replayed(client)
        assert texts(client, reply.thread_id) == [NEON, "Answer 1."]


@contextmanager
def process(port: int, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server of its own, which may be killed."""
    running = subprocess.Popen(
        [*COMMAND, "serve", "--port", str(port)],
        env={**os.environ, **variables},
        stderr=subprocess.DEVNULL,
    )
    try:
        while running.poll() is None:
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz")
                break
            except httpx.TransportError:
                continue
        yield running
    finally:
        running.terminate()
        running.wait(60)


def journaled(folder: Path) -> list[str]:
    """The whole entries that are on the disk."""
    return [
        entry
        for file in folder.glob("*.journal")
        for entry in file.read_text().splitlines(keepends=True)
        if entry.endswith("\n")
    ]


def test_a_killed_server_leaves_its_journal_to_the_next(
    line: Line, docs_data: Path, tmp_path: Path
) -> None:
    script = [Say("Whole."), Say("One two three four five six.", hold_after=5), Say("Next.")]
    with ScriptedModel(*script) as model:
        port = free_port()
        variables = {
            "DATABASE_URL": line.dsn,
            "OPENAI_BASE_URL": model.base_url,
            "CHATKIT_MODEL": "m",
            "CHATKIT_DATA_DIR": str(docs_data),
            "CHATKIT_JOURNAL_DIR": str(tmp_path / "journal"),
        }
        client = Client(f"http://127.0.0.1:{port}")
        with process(port, **variables) as first:
            line.cut()
            thread_id = client.ask(NEON).thread_id
            params = {"thread_id": thread_id, "input": message("And then?")}
            with client.stream("threads.add_user_message", **params) as events:
                seen = ""
                while "two" not in seen:
                    seen += next(events).get("update", {}).get("delta", "")
                # Until a checkpoint of the answer is on the disk as well. A number of entries would
                # not tell: the first answer may have had one, and what is being written counts.
                while not any("One two" in entry for entry in journaled(tmp_path / "journal")):
                    pass
                assert model.requests[1].hung_up_at is None
                first.send_signal(signal.SIGKILL)
                first.wait()
        line.mend()
        with process(port, **variables):
            until_replayed(client)
            kept = texts(client, thread_id)
            again = client.ask("Go on?", thread_id)
            assert list((tmp_path / "journal").iterdir()) != []
        assert list((tmp_path / "journal").iterdir()) == []

    assert kept[:3] == [NEON, "Whole.", "And then?"]
    assert "two" in kept[3]
    assert "One two three four five six.".startswith(kept[3])
    assert (again.error, again.text) == (None, "Next.")
