"""Several servers, each in a process of its own, are one: limits, budgets, the index."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatkit_server.testing import Say, ScriptedModel
from tests.faults.replicas import REPLICAS, Replicas
from tests.faults.visitor import until
from tests.fixtures.app import DOCS, Client, Reply, message
from tests.fixtures.folders import remove
from tests.fixtures.postgres import rows
from tests.fixtures.redis import RedisServer
from tests.server.test_rates import patient

QUESTION = "How do I connect to Neon?"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, since a socket's path has to fit into 108 bytes."""
    path = Path(tempfile.mkdtemp(prefix="ck-"))
    yield path
    remove(path)


async def statuses(replicas: Replicas, secrets: list[str]) -> list[int]:
    """What each of these visitors gets for a question, from one server after another."""
    found = []
    for number, secret in enumerate(secrets):
        client = Client(replicas.servers[number % REPLICAS].url, secret)
        response = await asyncio.to_thread(client.post, "threads.create", input=message(QUESTION))
        found.append(response.status_code)
    return found


async def test_limits_and_budgets_are_shared(
    database_url: str, docs_data: Path, folder: Path, redis_server: RedisServer
) -> None:
    ada, bob, *others = [f"{name:x<32}" for name in ("ada", "bob", *"cdefghij")]
    with ScriptedModel(Say("Set it.")) as model:
        async with Replicas.run(
            folder,
            DATABASE_URL=database_url,
            CHATKIT_DATA_DIR=docs_data,
            OPENAI_BASE_URL=model.base_url,
            CHATKIT_MODEL="scripted",
            CHATKIT_VISITOR_MESSAGES="4/hour",
            CHATKIT_ADDRESS_MESSAGES="10/hour",
            # One answer takes 120.
            CHATKIT_DAILY_TOKENS_PER_VISITOR=100,
            REDIS_URL=patient(redis_server),
        ) as replicas:
            first = await statuses(replicas, [ada])

            async def counted() -> bool:
                return bool(await rows(database_url, "select from chatkit.usage"))

            await until(counted, 60, "the tokens are counted")
            of_ada = await statuses(replicas, [ada] * 5)
            asked_for_ada = len(model.requests)
            of_bob = await statuses(replicas, [bob])
            of_others = await statuses(replicas, others)

    # The budget lets one of them through to the model, and the limit four to the docs.
    assert (first, of_ada) == ([200], [200] * 3 + [429] * 2)
    assert asked_for_ada == 1
    assert of_bob == [200]
    # Five of the ten from this address are used up.
    assert of_others == [200] * 5 + [429] * 3


async def test_what_one_indexes_all_find(database_url: str, folder: Path) -> None:
    docs = folder / "docs"
    docs.mkdir()
    (docs / "bread.md").write_text(DOCS["bread.md"])
    await index(folder, docs)
    async with Replicas.run(
        folder, DATABASE_URL=database_url, CHATKIT_DATA_DIR=folder / "data"
    ) as replicas:
        clients = [Client(server.url) for server in replicas.servers]
        before = [await cited(client) for client in clients]
        (docs / "neon.md").write_text(DOCS["neon.md"])
        (docs / "bread.md").unlink()
        await index(folder, docs)
        after = [await cited(client) for client in clients]
        oven = [await cited(client, "How hot is the oven?") for client in clients]

    assert all("neon" not in url for urls in before for url in urls)
    assert all(any("/docs/neon" in url for url in urls) for urls in after), after
    assert all("bread" not in url for urls in oven for url in urls), oven


async def cited(client: Client, question: str = QUESTION) -> list[str]:
    reply: Reply = await asyncio.to_thread(client.ask, question)
    return reply.urls


async def index(folder: Path, docs: Path) -> None:
    command: list[Any] = [sys.executable, "-m", "chatkit_server", "index", docs]
    process = await asyncio.create_subprocess_exec(
        *command,
        "--base-url",
        "/docs",
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "CHATKIT_DATA_DIR": str(folder / "data"),
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
