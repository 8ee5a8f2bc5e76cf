"""Measures how often a turn waits for a database that is far away.

    python -m tests.bench.round_trips

20 ms are added to each packet, one way, between the server and the database; the model answers at
once. Beside our server stands the one of the SDK's guide. The readers ask in turns.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections import defaultdict

import httpx

from chatkit_server.testing import Answer, ModelRequest, Say, ScriptedModel
from tests.bench.grounds import Which, grounds, served
from tests.fixtures.app import Client, message
from tests.fixtures.flights import Flights

DELAY = 0.02
ROUNDS = 15
SERVERS: tuple[Which, ...] = ("ours", "documented")


class Visitor:
    """A reader who asks and notes the times."""

    def __init__(self, url: str, flights: Flights, model: ScriptedModel, http: httpx.Client):
        self._client = Client(url)
        self._flights = flights
        self._model = model
        self._http = http

    def ask(self, thread_id: str | None = None) -> tuple[str, dict[str, float]]:
        """One turn: its thread, milliseconds and round trips."""
        self._flights.reset()
        body = {"type": "threads.create", "params": {"input": message("How do I start it?")}}
        if thread_id is not None:
            body = {
                "type": "threads.add_user_message",
                "params": {"thread_id": thread_id, "input": message("And how do I stop it?")},
            }
        began = time.monotonic()
        first = None
        with self._http.stream(
            "POST",
            f"{self._client.url}/chatkit",
            json=body,
            headers={"X-Session-Id": self._client.secret},
        ) as response:
            for line in response.iter_lines():
                if first is None and "text_delta" in line:
                    first = time.monotonic()
                if "thread.created" in line:
                    thread_id = json.loads(line.removeprefix("data: "))["thread"]["id"]
        ended = time.monotonic()
        assert first is not None, response.status_code
        assert thread_id is not None
        return thread_id, {
            "trips before the model is called": BEFORE[-1],
            "trips in all": self._flights.count,
            "ms until the model is called": (self._model.requests[-1].at - began) * 1000,
            "ms until the first delta": (first - began) * 1000,
            "ms until the end": (ended - began) * 1000,
        }


BEFORE: list[int] = []


def main() -> None:
    def answer(_: ModelRequest) -> Answer:
        BEFORE.append(flights.count)
        return Say("Start it with one command.", cut=6)

    seen: dict[tuple[str, Which, str], list[float]] = defaultdict(list)
    with grounds() as where, asyncio.Runner() as runner, ScriptedModel(answer) as model:
        flying = Flights.to(where.dsn, delay=DELAY)
        flights = runner.run(flying.__aenter__())

        def talk(urls: dict[Which, str]) -> None:
            with httpx.Client(timeout=30) as http:
                visitors = {which: Visitor(urls[which], flights, model, http) for which in urls}
                for number in range(ROUNDS + 1):
                    for which, visitor in visitors.items():
                        thread_id, first = visitor.ask()
                        turns = {"new thread": first, "second message": visitor.ask(thread_id)[1]}
                        if number == 0:
                            continue  # connections are opened, code is loaded
                        for turn, values in turns.items():
                            for what, value in values.items():
                                seen[turn, which, what].append(value)

        async def measure() -> None:
            def run() -> None:
                with (
                    served("ours", flights.dsn, model.base_url, where.folder) as (ours, _),
                    served("documented", flights.dsn, model.base_url, where.folder) as (theirs, _),
                ):
                    talk({"ours": ours, "documented": theirs})

            await asyncio.to_thread(run)

        try:
            runner.run(measure())
        finally:
            runner.run(flying.__aexit__(None, None, None))

    trip = 2000 * DELAY
    print(f"database {trip:.0f} ms away and back, medians of {ROUNDS} turns: ours, the SDK's guide")
    for turn in ("new thread", "second message"):
        for what in (name for place, which, name in seen if (place, which) == (turn, "ours")):
            ours, theirs = (statistics.median(seen[turn, which, what]) for which in SERVERS)
            goal = {
                "trips before the model is called": "1",
                "ms until the first delta": f"at most {trip + 20:.0f}",
            }.get(what, "")
            print(f"{turn + ', ' + what:50} {ours:8.0f} {theirs:8.0f}   {goal}")


if __name__ == "__main__":
    main()
