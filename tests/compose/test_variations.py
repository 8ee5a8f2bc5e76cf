"""The stack without one of its parts, with others, and after all was stopped."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest

from chatkit_server.testing import Say
from tests.compose.stack import Stack, docker
from tests.compose.use import (
    QUESTION,
    answers,
    figure,
    health,
    model_for,
    settings,
)
from tests.fixtures.app import Client, message
from tests.fixtures.command import free_port
from tests.fixtures.files import PNG, announce, put

# Builds take minutes.
pytestmark = pytest.mark.timeout(3600)


def test_chats_and_files_are_there_after_all_was_stopped_and_removed(
    stack: Stack, ada: Client
) -> None:
    settings(stack)
    stack.compose("up", "--detach", "--scale=server=1")
    stack.wait_until(lambda: stack.ready()["status"] == "ok", "ready")
    announced = announce(ada, PNG)
    assert put(announced, PNG).status_code == 200
    before = ada.threads(), ada.items(ada.threads()[0]["id"])

    copied = stack.compose(
        *("exec", "-T", "postgres", "pg_dump", "--username", "chatkit", "chatkit")
    ).stdout
    assert ada.threads()[0]["id"] in copied

    stack.compose("down")
    assert not stack.containers("postgres")
    stack.compose("up", "--detach")
    stack.wait_until(lambda: stack.ready()["status"] == "ok", "ready again")

    assert (ada.threads(), ada.items(ada.threads()[0]["id"])) == before
    # Also the secret that has signed its address.
    assert httpx.get(announced["preview_url"]).content == PNG
    said = stack.compose("logs", "--no-log-prefix", "index").stdout
    assert "0 added" in said, said


def test_without_search_the_chat_says_so_and_the_rest_goes_on(stack: Stack, ada: Client) -> None:
    stack.compose("stop", "qdrant")
    stack.wait_until(lambda: stack.ready()["parts"]["search"] == "down", "search down")

    response = ada.post("threads.create", input=message(QUESTION))
    figure(without_search_answered=f"{response.status_code}: {told(response)}")
    assert "try again" in told(response).lower()
    assert ada.threads()
    [server] = stack.containers("server")
    assert health(stack, server) == 200

    with model_for(stack, Say("From memory.")) as (_, named):
        settings(stack, **named)
        stack.compose("up", "--detach", "--no-deps", "server")
        stack.wait_until(lambda: stack.ready()["status"] == "degraded", "degraded")
        reply = ada.ask(QUESTION)
        assert "From memory." in reply.text
        assert not reply.urls
    settings(stack)
    stack.compose("up", "--detach")
    stack.wait_until(lambda: stack.ready()["status"] == "ok", "ready")
    assert ada.ask(QUESTION).urls


def told(response: httpx.Response) -> str:
    """The refusal or the error in a response."""
    found = re.findall(r'"message":\s*"([^"]+)"', response.text)
    return str(found[-1]) if found else response.text


def test_what_is_said_while_the_database_is_away_is_kept_on_the_volume(
    stack: Stack, ada: Client
) -> None:
    stack.compose("stop", "postgres")
    reply = ada.ask("How do I connect it to Qdrant Cloud?")
    assert reply.urls, reply.events
    [server] = stack.containers("server")
    # Its next life finds the journal.
    docker("restart", server)

    stack.compose("start", "postgres")
    stack.wait_until(lambda: stack.ready()["status"] == "ok", "all is back")

    stack.wait_until(
        lambda: ada.threads()[0]["id"] == reply.thread_id and len(ada.items(reply.thread_id)) >= 2,
        "what was said is in the database",
    )


def test_the_owners_pages_take_the_place_of_ours(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "oven.md").write_text("# Oven\n\n## Heat\n\nBake the loaf at 230 degrees.\n")
    tmp_path.chmod(0o755)
    mount = f"--volume={tmp_path}:/docs:ro"

    removed = stack.compose("run", "--rm", "index", "--remove", "/").stdout
    indexed = stack.compose("run", "--rm", mount, "index", "/docs", "--base-url", "/help").stdout

    assert "1 added" in indexed, indexed
    assert re.search(r"\d+ removed", removed), removed
    bob = Client(stack.url)
    assert bob.ask("How hot must the oven be for the loaf?").urls == ["/help/oven#heat"]
    assert not bob.ask(QUESTION).urls


def test_redis_pgbouncer_and_a_site_of_ones_own_join_by_profiles(
    stack: Stack, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text("<h1>Handbook</h1>")
    tmp_path.chmod(0o755)
    port = free_port()
    settings(
        stack,
        COMPOSE_PROFILES="redis,pgbouncer,site",
        REDIS_URL="redis://redis:6379/0",
        DATABASE_URL="postgresql://chatkit:chatkit@pgbouncer:6432/chatkit",
        DATABASE_URL_UNPOOLED="postgresql://chatkit:chatkit@postgres:5432/chatkit",
        CHATKIT_ALLOWED_ORIGINS=f"http://localhost:{port}",
        CHATKIT_VISITOR_MESSAGES="3/hour",
        SITE_DIR=str(tmp_path),
        SITE_PORT=str(port),
    )
    stack.compose("build", "pgbouncer")
    stack.compose("up", "--detach", "--scale=server=2")
    servers = stack.containers("server")
    stack.wait_until(lambda: all(answers(stack, one) for one in servers), "two servers")
    report = json.loads(docker("exec", servers[0], "chatkit-server", "doctor", "--json"))
    said = {check["name"]: check["message"] for check in report["checks"]}

    assert report["status"] == "ok", said
    assert "A pooler stands before the database" in said["pooler"]
    assert "redis" in said
    assert httpx.get(f"http://127.0.0.1:{port}").text == "<h1>Handbook</h1>"
    # Both servers count together.
    bob = Client(stack.url)
    statuses = [
        bob.post("threads.create", input=message("How hot is the oven?")).status_code
        for _ in range(5)
    ]
    assert statuses == [200, 200, 200, 429, 429]


def test_the_file_for_https_puts_caddy_before_the_proxy(stack: Stack) -> None:
    settings(stack)
    ports = free_port(), free_port()
    stack.compose(
        *("up", "--detach", "--remove-orphans"),
        files=["docker-compose.https.yml"],
        # No certificate can be had here: the domain says that it does without.
        DOMAIN="http://localhost",
        HTTP_PORT=str(ports[0]),
        HTTPS_PORT=str(ports[1]),
    )
    bob = Client(f"http://localhost:{ports[0]}")
    stack.wait_until(lambda: httpx.get(f"{bob.url}/readyz").status_code == 200, "ready by Caddy")

    assert bob.ask("How hot must the oven be for the loaf?").urls == ["/help/oven#heat"]
    [proxy] = stack.containers("proxy")
    assert not any(stack.inspect(proxy)["NetworkSettings"]["Ports"].values())
