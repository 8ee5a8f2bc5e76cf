"""How the command begins and ends: what becomes of answers, of the port, of the exit status."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from chatkit_server.testing import Say, ScriptedModel
from tests.fixtures.app import Client, message
from tests.fixtures.command import COMMAND, free_port, run
from tests.server.test_turns import running, until

LONG = 240.0
BODY = json.dumps(
    {"type": "threads.create", "params": {"input": message("How do I bake bread?")}}
).encode()
HEAD = (
    b"POST /chatkit HTTP/1.1\r\nHost: x\r\nX-Session-Id: %s\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n" % (b"s" * 32, len(BODY))
)


class Command:
    """`chatkit-server serve` as a process of its own, and what it says."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return httpx.get(f"{self.url}/healthz", timeout=30).status_code == 200
        except httpx.TransportError:
            return False

    def refuses(self, host: str = "127.0.0.1") -> bool:
        try:
            socket.create_connection((host, self.port), timeout=1).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            # Taken in by the kernel, and let go of.
            pass
        return False


@pytest.fixture
def settings(database_url: str, docs_data: Path) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "CHATKIT_DATA_DIR": str(docs_data)}


# The same command, which leaves the busiest machine its time for one more question.
LINGERING = [
    *(sys.executable, "-c"),
    "from chatkit_server import cli, serving; serving._LINGER = 600.0; cli.main()",
]


@contextmanager
def serving(
    folder: Path, settings: dict[str, str], *arguments: str, program: Sequence[str] = COMMAND
) -> Iterator[Command]:
    log, port = folder / "server.log", free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*program, "serve", "--port", str(port), *arguments],
            cwd=folder,
            env={**os.environ, **settings},
            stdout=output,
            stderr=output,
        )
    command = Command(process, port, log)
    try:
        until(command.answers, LONG)
        yield command
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


def all_of(connection: socket.socket) -> bytes:
    """What comes until the other end closes."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_ends_takes_nobody_in_and_ends_its_answers_by_itself(
    tmp_path: Path, settings: dict[str, str], workers: str
) -> None:
    with ScriptedModel(Say("One two three four", hold_after=3)) as model:
        asked = {"OPENAI_BASE_URL": model.base_url, "CHATKIT_MODEL": "m", "CHATKIT_DRAIN": "6"}
        with (
            serving(tmp_path, settings | asked, "--workers", workers) as command,
            running(Client(command.url)) as (_, events),
        ):
            command.process.send_signal(signal.SIGTERM)
            # While the answer is still being written.
            until(command.refuses)
            told = list(events)
            command.process.wait(60)

    assert [event["type"] for event in told][-2:] == ["thread.item.done", "error"]
    assert told[-1]["message"].startswith("The server is restarting.")
    assert '"outcome": "interrupted"' in command.log
    assert "Traceback" not in command.log
    assert "ERROR" not in command.log


def test_a_question_that_came_before_the_end_gets_its_time(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with ScriptedModel(Say("One two three four", hold_after=3)) as model:
        asked = {"OPENAI_BASE_URL": model.base_url, "CHATKIT_MODEL": "m", "CHATKIT_DRAIN": "60"}
        with (
            serving(tmp_path, settings | asked) as command,
            socket.create_connection(("127.0.0.1", command.port), timeout=60) as connection,
        ):
            with running(Client(command.url)):
                connection.sendall(HEAD + b"Expect: 100-continue\r\n\r\n")
                # It is being read.
                assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
                command.process.send_signal(signal.SIGTERM)
                until(command.refuses)
                connection.sendall(BODY)
                came = b""
                while came.count(b"text_delta") < 2:
                    came += (part := connection.recv(65_536))
                    assert part, came
            # The other one has left, and nothing else is being written.
            model.wait_for(lambda m: m.requests[0].hung_up_at is not None)
            model.release()
            came += all_of(connection)
            command.process.wait(60)

    assert came.endswith(b"0\r\n\r\n")
    assert b"restarting" not in came
    assert b"One two three four" in came


def test_a_question_over_a_connection_from_before_the_end_is_answered(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with (
        serving(tmp_path, settings, program=LINGERING) as command,
        # As a proxy opens it.
        socket.create_connection(("127.0.0.1", command.port), timeout=60) as connection,
    ):
        # It was taken in before a later one was.
        assert command.answers()
        command.process.send_signal(signal.SIGTERM)
        until(command.refuses)
        connection.sendall(HEAD + b"\r\n" + BODY)
        came = b""
        while not came.endswith(b"0\r\n\r\n"):
            came += (part := connection.recv(65_536))
            assert part, came
        # It would wait for one more.
        command.process.kill()

    assert came.startswith(b"HTTP/1.1 200 ")
    assert b"thread.item.done" in came


def test_questions_that_wait_for_a_busy_server_are_answered_before_it_ends(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with serving(tmp_path, settings) as command, ExitStack() as open_:
        # As on a machine with other work. The system takes connections for it meanwhile, and a
        # proxy sends its questions, which it can't send to another server from then on.
        command.process.send_signal(signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, command.process.pid, os.WSTOPPED)
            asked = [
                open_.enter_context(socket.create_connection(("127.0.0.1", command.port), 60))
                for _ in range(3)
            ]
            for connection in asked:
                connection.sendall(HEAD + b"\r\n" + BODY)
            command.process.send_signal(signal.SIGTERM)
        finally:
            command.process.send_signal(signal.SIGCONT)
        came = [all_of(connection) for connection in asked]
        command.process.wait(60)

    for answer in came:
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"0\r\n\r\n")
        assert b"thread.item.done" in answer
    assert "Traceback" not in command.log


def test_workers_that_cant_start_are_a_failure_of_the_command(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    wrong = {"PORT": str(free_port()), "CHATKIT_TOOLS": "nowhere:tool"}
    done = run(tmp_path, "serve", "--workers", "2", **settings, **wrong)

    assert done.returncode == 3, done.stderr
    assert "CHATKIT_TOOLS" in done.stderr
    assert "Traceback" not in done.stderr


def test_on_the_ipv6_address_of_all_ipv4_is_answered_too(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with serving(tmp_path, settings, "--host", "::") as command:
        six = httpx.get(f"http://[::1]:{command.port}/healthz", timeout=30)
        four = httpx.get(f"{command.url}/healthz", timeout=30)
        command.process.send_signal(signal.SIGTERM)
        until(lambda: command.refuses() and command.refuses("::1"))

    assert six.status_code == four.status_code == 200
    assert f"http://localhost:{command.port}/" in command.log
