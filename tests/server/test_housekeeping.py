"""Chats that nobody uses go at night, by one server at a time, with all that belongs to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chatkit_server import housekeeping
from chatkit_server.attachments import Attachments
from chatkit_server.housekeeping import Housekeeping, seconds_until_night
from chatkit_server.signing import Signer
from chatkit_stores import PostgresStore
from chatkit_stores.blobs import FolderBlobs
from tests.fixtures.app import Client, StartServer
from tests.fixtures.files import PNG, SECRET, ask_about, upload
from tests.fixtures.postgres import execute, rows
from tests.server.test_turns import until

NEON = "How do I connect to Neon?"


def age(database_url: str, thread_id: str, days: int) -> None:
    """Make a thread, and all that is in it, older."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "update chatkit.threads set created_at = created_at - make_interval(days => %s)"
            " where id = %s",
            (days, thread_id),
        )
        items = connection.execute(
            "select id, data::text from chatkit.items where thread_id = %s", (thread_id,)
        ).fetchall()
        for item_id, data in items:
            item = json.loads(data)
            made_at = datetime.fromisoformat(item["created_at"]) - timedelta(days=days)
            item["created_at"] = made_at.isoformat()
            connection.execute(
                "update chatkit.items set data = %s where id = %s",
                (json.dumps(item, separators=(",", ":")), item_id),
            )


def long_ago(database_url: str) -> None:
    """As if the night's work had been done the day before yesterday."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "insert into chatkit.chores (name, done_at) values ('tidy', now() - interval '2 days')"
            " on conflict (name) do update set done_at = excluded.done_at"
        )


def test_a_server_deletes_old_chats_with_their_files(
    start_server: StartServer,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(housekeeping, "FIRST_LOOK", 0.0)
    values: dict[str, Any] = {"attachments": str(tmp_path / "files"), "secret": SECRET}
    with start_server(**values) as url:
        ada, bob = Client(url), Client(url)
        old = ask_about(ada, NEON, upload(ada, PNG)).thread_id
        unanswered = ada.ask("Is there a zeppelin museum?").thread_id
        new = ask_about(ada, NEON, upload(ada, PNG)).thread_id
        bobs = bob.ask(NEON).thread_id
    for thread_id in (old, unanswered):
        age(database_url, thread_id, 31)
    age(database_url, bobs, 29)

    # Neither at the first start ever, nor without the setting.
    with start_server(**values, retention_days=30) as url:
        assert len(Client(url, ada.secret).threads()) == 3
    long_ago(database_url)
    with start_server(**values) as url:
        until(lambda: done_lately(database_url))
        assert len(Client(url, ada.secret).threads()) == 3
    long_ago(database_url)
    with start_server(**values, retention_days=30) as url:
        until(lambda: done_lately(database_url))
        left = [thread["id"] for thread in Client(url, ada.secret).threads()]
        bobs_left = [thread["id"] for thread in Client(url, bob.secret).threads()]
        until(lambda: len(list((tmp_path / "files").iterdir())) == 1)

    assert (left, bobs_left) == ([new], [bobs])
    with psycopg.connect(database_url) as connection:
        found = connection.execute("select count(*) from chatkit.unanswered").fetchone()
        assert found == (0,)
        threads = connection.execute("select distinct thread_id from chatkit.items").fetchall()
        assert {thread_id for (thread_id,) in threads} == {new, bobs}


def done_lately(database_url: str) -> bool:
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "select done_at > now() - interval '1 hour' from chatkit.chores"
        ).fetchone()
        return found == (True,)


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[PostgresStore]:
    async with PostgresStore.open(database_url) as store:
        yield store


async def test_two_servers_share_a_night(
    store: PostgresStore, other: PostgresStore, database_url: str, tmp_path: Path
) -> None:
    await execute(
        database_url,
        "insert into chatkit.threads (id, user_id, created_at)"
        " select 'thr_' || n, 'ada', now() - interval '40 days' from generate_series(1, 250) n",
        "insert into chatkit.attachments (id, user_id, thread_id, data, upload, uploaded_at)"
        " values ('atc_' || repeat('a', 32), 'ada', 'thr_7', '{}', 'up', now())",
    )
    long_ago(database_url)
    blobs = FolderBlobs(tmp_path)
    (tmp_path / ("atc_" + "a" * 32)).write_bytes(PNG)
    servers = [
        Housekeeping(each, Attachments(each, blobs, Signer(SECRET), lambda: ""), 30)
        for each in (store, other)
    ]

    done = await asyncio.gather(*(server.tidy() for server in servers))

    assert sorted(done) == [False, True]
    assert await rows(database_url, "select count(*) from chatkit.threads where not deleted") == [
        (0,)
    ]
    assert list(tmp_path.iterdir()) == []
    # Once a night.
    assert [await server.tidy() for server in servers] == [False, False]


async def test_another_server_goes_on_where_one_was_lost(
    store: PostgresStore, other: PostgresStore, database_url: str
) -> None:
    await execute(
        database_url,
        "insert into chatkit.threads (id, user_id, created_at)"
        " select 'thr_' || n, 'ada', now() - interval '40 days' from generate_series(1, 150) n",
    )
    long_ago(database_url)
    assert await store.take_chore("tidy", "killed", pause=3600)

    second = Housekeeping(other, None, 30)
    assert not await second.tidy()
    await execute(database_url, "update chatkit.chores set held_until = now() - interval '1 s'")

    assert await second.tidy()
    assert await rows(database_url, "select count(*) from chatkit.threads where not deleted") == [
        (0,)
    ]


@pytest.mark.parametrize(
    ("now", "hours"), [("02:00", 1), ("03:00", 24), ("03:30", 23.5), ("23:00", 4)]
)
def test_the_night_is_that_of_the_machine(now: str, hours: float) -> None:
    for zone in (UTC, timezone(timedelta(hours=9))):
        at = datetime.fromisoformat(f"2026-11-21T{now}").replace(tzinfo=zone)
        assert seconds_until_night(at) == hours * 3600
