"""Commands that write to, or read from, what is no ordinary file, or has no room left."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.app import Client
from tests.fixtures.command import COMMAND

NEON = "How do I connect to Neon?"


@pytest.fixture
def shell(place: Path, database_url: str) -> Any:
    """Runs a line of a shell, in which `"$@"` is `chatkit-server`."""

    def call(
        line: str, output: int = subprocess.PIPE, **variables: str
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            ["sh", "-c", line, "sh", *COMMAND],
            cwd=place,
            env={**os.environ, "DATABASE_URL": database_url, "PYTHONUNBUFFERED": "", **variables},
            stdout=output,
            stderr=subprocess.PIPE,
            timeout=240,
            check=False,
        )
        for unwanted in (b"Traceback", b"Exception ignored", b"Errno"):
            assert unwanted not in done.stderr, done.stderr
        return done

    return call


@pytest.mark.parametrize("command", ["threads export", "threads show", "monitoring alerts"])
def test_output_for_which_there_is_no_room_is_an_error(
    shell: Any, ada: Client, command: str
) -> None:
    ada.ask(NEON)

    done = shell(f'"$@" {command} > /dev/full')

    assert done.returncode == 1
    assert b"can't be written: No space left on device" in done.stderr
    assert b"were exported" not in done.stderr


@pytest.mark.parametrize("command", ["threads export", "threads show", "ask 'What is a loaf?'"])
def test_a_reader_who_has_enough_is_no_error_to_tell_of(
    shell: Any, ada: Client, command: str
) -> None:
    ada.ask(NEON)

    reading, writing = os.pipe()
    os.close(reading)

    done = shell(f'"$@" {command}', output=writing)

    os.close(writing)
    assert done.returncode == 1
    assert b"pipe" not in done.stderr


def test_an_export_is_in_utf_8_whatever_the_terminal_takes(shell: Any, ada: Client) -> None:
    ada.ask("Où est le café ☕?")

    done = shell('"$@" threads export --quiet', PYTHONIOENCODING="latin-1")

    assert json.loads(done.stdout.split(b"\n")[0])["title"] == "Où est le café ☕?"


def test_an_export_goes_into_a_pipe_and_leaves_it_there(
    shell: Any, ada: Client, place: Path
) -> None:
    ada.ask(NEON)
    pipe = place / "pipe"
    os.mkfifo(pipe)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()), daemon=True)
    reader.start()

    done = shell('"$@" threads export --output pipe')

    assert done.returncode == 0, done.stderr
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    reader.join(60)
    assert len(found[0].splitlines()) == 3


@pytest.mark.parametrize("command", ["threads show --user", "answering off --message"])
def test_an_argument_that_is_no_text_is_an_error(shell: Any, command: str) -> None:
    done = shell(f'"$@" {command} "$(printf \'caf\\351\')"')

    assert done.returncode == 1
    assert b"an argument is no text in UTF-8" in done.stderr


def test_an_import_is_read_twice_and_so_of_no_pipe(shell: Any, ada: Client) -> None:
    thread = ada.ask(NEON).thread_id
    shell('"$@" threads export --output chats.jsonl')
    ada.post("threads.delete", thread_id=thread)

    piped = shell('cat chats.jsonl | "$@" threads import --undelete --quiet /dev/stdin')
    redirected = shell('"$@" threads import --undelete /dev/stdin < chats.jsonl')

    assert piped.returncode == 1
    assert b"is read twice: write it to a file first" in piped.stderr
    assert redirected.stdout.startswith(b"1 chats, 2 items"), redirected.stderr
