"""What `doctor` says of each part: of a real one that works, and of one that does not."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from chatkit_server.diagnosis import Check
from chatkit_server.diagnosis.access import (
    check_origins,
    check_settings,
    check_tokens,
    check_traces,
)
from chatkit_server.diagnosis.calls import check_dictation, check_models, check_reranker
from chatkit_server.diagnosis.database import check_clock, check_database
from chatkit_server.diagnosis.places import check_attachments, check_folders, check_redis
from chatkit_server.settings import read_settings
from chatkit_server.testing import Fail, Say, ScriptedModel
from chatkit_stores.inspection import Inspection, inspect
from tests.fixtures.flights import Flights
from tests.fixtures.postgres import DatabaseServer, execute
from tests.fixtures.redis import RedisServer
from tests.fixtures.s3 import Storage
from tests.fixtures.traces import Collector
from tests.named import ROOT
from tests.server.test_watching import nobody
from tests.tools.rerank_server import RerankServer

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("CHATKIT_", "OTEL_"))]:
        monkeypatch.delenv(name)


def told(checks: Sequence[Check]) -> dict[str, tuple[str, str]]:
    """Status and words of each check; one that asks for something says what."""
    assert all(check.advice or check.status == "ok" for check in checks)
    return {check.name: (check.status, f"{check.message} {check.advice}") for check in checks}


# The database


async def test_a_database_that_is_as_it_should_be(database_url: str) -> None:
    found = told(await check_database(read_settings({"database_url": database_url})))

    assert {name: status for name, (status, _) in found.items()} == dict.fromkeys(
        ["database", "migrations", "clock"], "ok"
    )
    assert "PostgreSQL 1" in found["database"][1]


async def test_migrations_that_are_missing_or_newer(
    database_server: DatabaseServer, database_url: str
) -> None:
    with database_server.fresh_database("template0") as name:
        empty = database_server.database(name)
        waits = told(await check_database(read_settings({"database_url": empty})))
        never = told(await check_database(read_settings({"database_url": empty, "migrate": "off"})))
        with psycopg.connect(empty) as connection:
            schemas = connection.execute(
                "select count(*) from pg_namespace where nspname = 'chatkit'"
            ).fetchone()
    await execute(database_url, "insert into chatkit.migrations (name) values ('9999_future')")
    newer = told(await check_database(read_settings({"database_url": database_url})))

    assert waits["migrations"][0] == "warning"
    assert never["migrations"][0] == "error"
    assert "chatkit-server migrate" in never["migrations"][1]
    assert newer["migrations"] == (
        "error",
        "The database was migrated by a newer version: 9999_future. Update chatkit-server.",
    )
    assert schemas == (0,)  # nothing was changed


async def test_a_database_that_takes_no_writes_or_is_another(
    database_server: DatabaseServer, database_url: str
) -> None:
    with database_server.fresh_database("migrated") as name:
        other = database_server.database(name)
        await execute(other, "delete from chatkit.migrations where name like '0005%'")
        apart = told(
            await check_database(
                read_settings({"database_url": database_url, "database_url_unpooled": other})
            )
        )
        database_server.execute(f"alter database {name} set default_transaction_read_only = on")
        frozen = told(await check_database(read_settings({"database_url": other})))

    assert apart["pooler"][0] == "error"
    assert frozen["database"][0] == "error"
    assert "takes no writes" in frozen["database"][1]


async def test_a_database_that_is_away_is_an_error_without_its_password() -> None:
    dsn = "postgresql://u:hunter2@127.0.0.1:9/x"
    [check] = await check_database(read_settings({"database_url": dsn}))

    assert check.status == "error"
    assert "Check DATABASE_URL" in check.advice
    assert "hunter2" not in check.message


async def test_an_embedded_database_is_not_made(tmp_path: Path) -> None:
    [check] = await check_database(read_settings({"data_dir": tmp_path / "data"}))

    assert check.status == "ok"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("ahead", "status", "said"),
    [(0.4, "ok", "0.4"), (5.0, "warning", "behind"), (-90.0, "error", "ahead of")],
)
def test_clocks_that_differ(ahead: float, status: str, said: str) -> None:
    found = Inspection("18", 180000, 0.1, 0.01, ahead, True, False, 100, [], [])
    check = check_clock(found)

    assert check.status == status
    assert said in check.message


async def test_the_clock_is_compared_with_the_databases_own(database_url: str) -> None:
    assert abs((await inspect(database_url)).clock_ahead_seconds) < 1


async def test_a_late_answer_is_not_taken_for_a_long_way(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit_stores.inspection._PATIENCE", 60.0)
    async with Flights.to(database_url, delay=0) as flights:
        looking = asyncio.create_task(inspect(flights.dsn))
        # The first answer is late, then the second question; nothing else is.
        while flights.count < 1:
            await asyncio.sleep(0)
        flights.delay = 3
        while flights.count < 2:
            await asyncio.sleep(0)
        flights.delay = 0
        found = await looking

    assert found.round_trip_seconds < 3
    # By half of the way it may be wrong, and by no more.
    assert abs(found.clock_ahead_seconds) <= found.round_trip_seconds / 2 + 0.01


async def test_a_pooler_is_noticed(pooler: DatabaseServer, database_url: str) -> None:
    async def look(**values: str) -> tuple[str, str]:
        return told(await check_database(read_settings(values)))["pooler"]

    pooled = pooler.database(urlsplit(database_url).path.removeprefix("/"))
    alone = await look(database_url=pooled)
    past = await look(database_url=pooled, database_url_unpooled=database_url)
    twisted = await look(database_url=database_url, database_url_unpooled=pooled)

    assert alone[0] == "warning"
    assert "Set DATABASE_URL_UNPOOLED" in alone[1]
    assert past[0] == "ok"
    assert twisted[0] == "warning"
    assert "DATABASE_URL_UNPOOLED leads through a pooler" in twisted[1]


# Calls


@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_each_model_is_really_called(api: str) -> None:
    with ScriptedModel(Say("OK")) as model:
        checks = await check_models(
            read_settings(
                {
                    "openai_base_url": model.base_url,
                    "model": "big",
                    "models": ("bigger",),
                    "rewrite_model": "small",
                    "model_api": api,
                }
            )
        )
        asked = sorted(str(request.body["model"]) for request in model.requests)

    assert [check.status for check in checks] == ["ok"] * 3
    assert asked == ["big", "bigger", "small"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Fail(401, "bad key sk-hunter2"), "Check OPENAI_API_KEY"),
        (Fail(404), "An address mostly ends with /v1"),
        (Fail(429), "has no credit"),
        (Fail(500), "says more"),
    ],
)
async def test_a_model_that_fails_is_told_with_what_to_do(answer: Fail, said: str) -> None:
    with ScriptedModel(answer, answer) as model:
        settings = read_settings({"openai_base_url": model.base_url, "model": "m"})
        [check] = await check_models(settings)

    assert check.status == "error"
    assert str(answer.status) in check.message
    assert said in check.advice
    assert "hunter2" not in check.message


async def test_a_model_that_can_not_be_reached_and_tools_that_lead_nowhere() -> None:
    settings = read_settings(
        {"openai_base_url": f"{NOWHERE}/v1", "model": "m", "tools": ("nothing.here:tool",)}
    )
    found = told(await check_models(settings))

    assert found["agent"][0] == "error"
    assert "'nothing.here:tool'" in found["agent"][1]
    assert "Check OPENAI_BASE_URL" in found["answers"][1]


async def test_without_a_model_that_is_said(tmp_path: Path) -> None:
    [check] = await check_models(read_settings())

    assert (check.status, check.message) == (
        "ok",
        "No model is configured: answers quote the docs.",
    )


async def test_a_reranker_is_really_asked() -> None:
    with RerankServer.run() as server:
        [works] = await check_reranker(read_settings({"rerank_url": f"{server.url}/rerank"}))
    [away] = await check_reranker(read_settings({"rerank_url": NOWHERE}))

    assert works.status == "ok", works
    assert away.status == "error"


async def test_dictation_has_a_server() -> None:
    with ScriptedModel(Say("")) as model:
        settings = {"transcription_model": "whisper", "transcription_base_url": model.base_url}
        [works] = await check_dictation(read_settings(settings))
    settings["transcription_base_url"] = NOWHERE
    [away] = await check_dictation(read_settings(settings))

    assert works.status == "ok"
    assert away.status == "error"
    assert "CHATKIT_TRANSCRIPTION_BASE_URL" in away.advice


# Places


def test_folders_must_be_writable(tmp_path: Path) -> None:
    shut = tmp_path / "file"
    shut.write_text("no folder")
    [works] = check_folders(read_settings({"data_dir": tmp_path / "new" / "data"}))
    [fails] = check_folders(read_settings({"data_dir": "/proc/chatkit"}))

    assert works.status == "ok"
    assert "can be made" in works.message
    assert not (tmp_path / "new").exists()
    assert fails.status == "error"
    assert f"uid {os.getuid()}" in fails.advice


def test_a_folder_that_nobody_may_look_into_is_told(tmp_path: Path) -> None:
    # Outside of the folder of the tests, which only their user may pass through.
    with tempfile.TemporaryDirectory() as name:
        shut = Path(name) / "shut"
        shut.mkdir()
        settings = read_settings({"journal_dir": shut / "journal", "data_dir": name})
        shut.chmod(0)
        Path(name).chmod(0o777)
        with nobody():
            _, check = check_folders(settings)
        shut.chmod(0o700)

    assert check.status == "error"
    assert "can't be written to: Permission denied" in check.message


def test_a_site_without_a_first_page_is_told(tmp_path: Path) -> None:
    settings = read_settings({"site_dir": tmp_path, "data_dir": tmp_path})
    assert "has no index.html" in told(check_folders(settings))["folders"][1]

    (tmp_path / "index.html").write_text("<h1>Docs</h1>")
    assert [check.status for check in check_folders(settings)] == ["ok"]


async def test_attachments_are_stored_and_removed_again(tmp_path: Path) -> None:
    [works] = await check_attachments(read_settings({"attachments": str(tmp_path / "files")}))
    [fails] = await check_attachments(read_settings({"attachments": "/proc/chatkit"}))
    [none] = await check_attachments(read_settings({"attachments": "s3://my<bucket"}))

    assert works.status == "ok"
    assert list((tmp_path / "files").iterdir()) == []
    assert fails.status == "error"
    assert "CHATKIT_ATTACHMENTS" in fails.message
    assert "write it like s3://bucket/prefix" in none.message


async def test_a_bucket_is_written_to_read_and_tidied(storage: Storage) -> None:
    before = storage.objects()
    [works] = await check_attachments(read_settings(storage.settings()))

    assert works.status == "ok", works
    assert storage.objects() == before


async def test_redis_answers_or_does_not(redis_server: RedisServer) -> None:
    [works] = await check_redis(read_settings({"redis_url": redis_server.url}))
    redis_server.stop()
    away = redis_server.url.replace("redis://", "redis://:hunter2@")
    [fails] = await check_redis(read_settings({"redis_url": away}))

    assert works.status == "ok"
    assert fails.status == "error"
    assert "hunter2" not in fails.message


# Who may use it


def test_a_misspelt_variable_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CHATKIT_ALOWED_ORIGINS=https://docs.acme.io\n")
    monkeypatch.setenv("CHATKIT_COFFEE", "1")
    monkeypatch.setenv("CHATKIT_SECRET_FILE", "/run/secrets/chatkit")
    [check] = check_settings()

    assert check.status == "warning"
    assert "CHATKIT_ALOWED_ORIGINS (did you mean CHATKIT_ALLOWED_ORIGINS?)" in check.message
    assert "CHATKIT_COFFEE" in check.message
    assert "CHATKIT_SECRET_FILE" not in check.message


def test_a_file_in_place_of_what_is_no_secret_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_URL_FILE", "/run/secrets/qdrant_url")
    [check] = check_settings()

    assert check.status == "warning"
    assert "nothing reads: QDRANT_URL_FILE" in check.message


def test_quotes_that_became_part_of_a_value_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text('CHATKIT_SITE_NAME="Acme"\n')
    monkeypatch.setenv("CHATKIT_COLLECTION_TITLE", '"page.title"')
    assert [check.status for check in check_settings()] == ["ok"]

    # As `docker run --env-file` and `kubectl create secret --from-env-file` read it.
    monkeypatch.setenv("OPENAI_API_KEY", '"sk-hunter2"')
    [check] = check_settings()

    assert check.status == "warning"
    assert "OPENAI_API_KEY" in check.message
    assert "hunter2" not in check.message


@pytest.mark.parametrize(
    ("values", "status", "said"),
    [
        ({}, "ok", "no page of another origin"),
        ({"allow_anonymous": False}, "error", "Nobody may ask"),
        ({"allowed_origins": "http://docs.acme.io"}, "warning", "http://docs.acme.io"),
        ({"allowed_origins": "http://localhost:3000"}, "ok", "localhost:3000"),
        ({"site_url": "https://acme.io/docs"}, "warning", "Add it to CHATKIT_ALLOWED_ORIGINS"),
        (
            {"site_url": "https://acme.io/docs", "allowed_origins": "https://acme.io"},
            "ok",
            "https://acme.io",
        ),
        (
            {"site_url": "https://acme.io", "public_url": "https://acme.io/chat"},
            "ok",
            "anonymous visitors",
        ),
    ],
)
def test_who_may_call_it(values: dict[str, Any], status: str, said: str) -> None:
    [check] = check_origins(read_settings(values))

    assert check.status == status
    assert said in f"{check.message} {check.advice}"


async def test_keys_for_tokens_that_can_not_be_fetched() -> None:
    settings = read_settings({"jwt_jwks_url": f"{NOWHERE}/keys?key=hunter2", "jwt_issuer": "i"})
    [check] = await check_tokens(settings)

    assert check.status == "error"
    assert "hunter2" not in f"{check.message} {check.advice}"


async def test_traces_are_tried_where_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, collector: Collector, tmp_path: Path
) -> None:
    assert await check_traces() == []
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", NOWHERE)
    [away] = await check_traces()
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "carrier_pigeon")
    [strange] = await check_traces()
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(name)
    # By the file that the server reads them from.
    (tmp_path / ".env").write_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={collector.url}\n")
    [works] = await check_traces()
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")

    assert works.status == "ok", works
    assert away.status == strange.status == "warning"
    assert "Check OTEL_EXPORTER_OTLP_ENDPOINT" in away.advice
    assert "'carrier_pigeon'" in strange.message


def test_the_docs_explain_every_check() -> None:
    sources = [
        ROOT / "chatkit_server/doctor.py",
        *(ROOT / "chatkit_server/diagnosis").glob("*.py"),
        *(ROOT / "tools/chatkit_tools").glob("*.py"),
    ]
    made = {
        name
        for source in sources
        for name in re.findall(r'\b(?:Check|Finding)\(\s*"([a-z]+)"', source.read_text())
    }
    page = (ROOT / "web/site/docs/watching.md").read_text()
    table = page.partition("| check | what is looked at |")[2].partition("\n\n")[0]
    explained = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)

    assert set(re.findall(r"`([a-z]+)`", " ".join(explained))) == made
