"""Measures what the README promises, and prints ratios and counts.

make bench                    start, first text, memory, size of the bubble, and the subjects below
make bench CORPORA=DIR        indexing and search too, over the corpora in DIR
python -m tests.bench.streams one subject alone: round_trips, retry, pages, load, streaming too
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from tests.bench.grounds import DOCS, ROOT, UNLIMITED, command
from tests.fixtures.app import Client, message

SUBJECTS = ("round_trips", "retry", "pages", "streams", "load", "streaming")
QUESTION = "How do I connect it to Neon?"
TURNS = 1000


def show(what: str, measured: str, goal: str = "") -> None:
    print(f"{what:58} {measured:>28}   {goal}", flush=True)


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, psutil.Process, float]]:
    """What `make run` does once everything is built: its URL, process, seconds until ready."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    data = {"CHATKIT_DATA_DIR": str(folder), "PORT": str(port)}
    environment = {**os.environ, **UNLIMITED, **data}
    url = f"http://127.0.0.1:{port}"
    started = time.perf_counter()
    index = command("chatkit_server", "index", str(DOCS), "--base-url", "/docs", "--quiet")
    subprocess.run(index, env=environment, check=True, stdout=subprocess.DEVNULL)
    with subprocess.Popen(
        command("chatkit_server", "serve"), env=environment, stderr=subprocess.DEVNULL
    ) as server:
        try:
            while True:
                try:
                    if httpx.get(f"{url}/readyz").json()["status"] == "ok":
                        break
                except httpx.TransportError:
                    time.sleep(0.01)
            yield url, psutil.Process(server.pid), time.perf_counter() - started
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()


def first_text(client: Client, http: httpx.Client) -> float:
    """Milliseconds from the request to the first text of an answer."""
    began = time.perf_counter()
    with http.stream(
        "POST",
        f"{client.url}/chatkit",
        json={"type": "threads.create", "params": {"input": message(QUESTION)}},
        headers={"X-Session-Id": client.secret},
    ) as response:
        for line in response.iter_lines():
            if "text_delta" in line:
                return (time.perf_counter() - began) * 1000
    raise AssertionError("no text came")


def start_and_first_text(folder: Path) -> None:
    with served(folder) as (_, _, seconds):
        show("first start until /readyz is ok, initdb and index included", f"{seconds:.2f} s")
    with served(folder) as (url, process, seconds):
        show("second start until /readyz is ok", f"{seconds:.2f} s", "under 5 s")
        client = Client(url)
        with httpx.Client(timeout=30) as http:
            http.get(f"{url}/healthz")
            show(
                "first text of the first answer after a start",
                f"{first_text(client, http):.0f} ms",
                "under 300 ms",
            )
            times = sorted(first_text(client, http) for _ in range(50))
            show(
                "first text without a model, median and worst of 50",
                f"{statistics.median(times):.0f} ms, {times[-1]:.0f} ms",
                "under 300 ms",
            )
        memory(client, process)


def memory(client: Client, process: psutil.Process) -> None:
    def turns(count: int) -> float:
        thread_id = None
        for number in range(count):
            # Threads of ten turns each.
            reply = client.ask(QUESTION, thread_id if number % 10 else None)
            assert reply.error is None, reply.events
            thread_id = reply.thread_id if not number % 10 else thread_id
        return process.memory_info().rss / 1e6

    early = turns(TURNS // 5)
    late = turns(TURNS - TURNS // 5)
    show(
        f"memory of the server process after {TURNS // 5} and {TURNS} turns",
        f"{early:.0f} MB, {late:.0f} MB",
        "under 250 MB, not growing",
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--corpora", type=Path, metavar="DIR", help="folders of documents")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        start_and_first_text(folder / "data")
    for subject in SUBJECTS:
        print(flush=True)
        subprocess.run(command(f"tests.bench.{subject}"), check=True)
    bubble = ["npm", "--silent", "--prefix", str(ROOT / "web/site"), "run", "measure-bubble"]
    subprocess.run(bubble, check=True)
    for subject in ("indexing", "search", "retrieval") if arguments.corpora else ():
        corpora = str(arguments.corpora)
        subprocess.run([*command(f"tests.bench.{subject}"), "--corpora", corpora], check=True)


if __name__ == "__main__":
    main()
