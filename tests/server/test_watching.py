"""What an operator sees: metrics, the log, traces."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from chatkit_server.exposition import Workers
from chatkit_server.logs import logging_config
from chatkit_server.metrics import Metrics
from chatkit_server.monitoring import read
from chatkit_server.settings import read_settings
from chatkit_server.testing import Break, Fail, Say, ScriptedModel
from tests.fixtures.app import Client, StartServer, message
from tests.fixtures.command import COMMAND, free_port, run
from tests.fixtures.files import SECRET
from tests.fixtures.traces import Collector, attributes
from tests.server.test_turns import running, stop, until

QUESTION = "How do I connect to Neon? My secret word is xyzzy."
PAGE = Path(__file__).parents[2] / "web/site/docs/watching.md"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(port: int) -> Samples:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert "xyzzy" not in text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """All series of a metric that have these labels, added up."""
    return sum(
        number
        for (found, its), number in samples.items()
        if found == f"chatkit_{name}" and labels.items() <= dict(its).items()
    )


def counted(port: int, **labels: str) -> Samples:
    """What there is once such a request is counted, which comes after its answer."""
    found: list[Samples] = []

    def is_counted() -> bool:
        found.append(scrape(port))
        return value(found[-1], "requests_total", **labels) > 0

    until(is_counted)
    return found[-1]


# Metrics


def test_a_turn_is_counted_and_timed(start_server: StartServer) -> None:
    port = free_port()
    with (
        ScriptedModel(Say("Set it [1].")) as model,
        start_server(
            openai_base_url=model.base_url,
            model="m",
            metrics_port=port,
            token_prices="m=2/10",
        ) as url,
    ):
        Client(url).ask(QUESTION)
        found = counted(port, route="/chatkit", status="200")
        until(lambda: value(scrape(port), "pool_connections"))
        seen = scrape(port)

    assert value(found, "turns_total", kind="threads.create", outcome="completed") == 1
    assert value(found, "answers_total", by="m") == 1
    assert value(found, "questions_total", covered="yes") == 1
    assert value(found, "first_token_seconds_count") == 1
    assert value(found, "model_call_seconds_count", model="m", outcome="ok") == 1
    assert value(found, "search_seconds_count", outcome="ok") >= 1
    assert value(found, "store_seconds_count", outcome="ok") >= 2
    assert value(found, "requests_total", route="/chatkit", method="POST", status="200") == 1
    asked = value(found, "tokens_total", model="m", direction="input")
    written = value(found, "tokens_total", model="m", direction="output")
    assert asked > 0 < written
    assert value(found, "cost_total", model="m") == pytest.approx((asked * 2 + written * 10) / 1e6)
    assert value(seen, "pool_limit") > 0
    assert value(seen, "memory_bytes") > 10_000_000
    assert value(seen, "breaker_open") == 0


def test_what_fails_is_counted_apart(start_server: StartServer) -> None:
    port = free_port()
    with (
        ScriptedModel(Fail(500), Fail(500), Break("One two ", hold=True)) as model,
        start_server(openai_base_url=model.base_url, model="m", metrics_port=port) as url,
    ):
        Client(url).ask(QUESTION)
        Client(url).ask_held(model, QUESTION)
        Client(url).send({"type": "threads.get_by_id", "params": {"thread_id": "thr_unknown"}})
        counted(port, route="/chatkit", status="404")
        httpx.request("BREW", f"{url}/some/page/of/a/visitor")
        found = counted(port, method="other")

    assert value(found, "fallbacks_total") == 1
    assert value(found, "model_call_seconds_count", outcome="failed") == 2
    assert value(found, "turns_total", outcome="failed") == 1
    assert value(found, "requests_total", route="/chatkit", status="404") == 1
    assert value(found, "requests_total", method="other", route="site") == 1


def test_running_turns_leases_and_limits_show(start_server: StartServer) -> None:
    port = free_port()
    with (
        ScriptedModel(Say("One two three four", hold_after=3)) as model,
        start_server(
            openai_base_url=model.base_url,
            model="m",
            metrics_port=port,
            visitor_messages="1/hour",
        ) as url,
    ):
        ada = Client(url)
        with running(ada) as (thread_id, _):
            until(lambda: value(scrape(port), "leases") == 1)
            assert value(scrape(port), "running_turns") == 1
            refused = ada.send(
                {
                    "type": "threads.add_user_message",
                    "params": {"thread_id": thread_id, "input": message(QUESTION)},
                }
            )
            stop(ada, thread_id)
        found = scrape(port)

    assert refused.status_code == 429
    assert value(found, "rate_limited_total", limit="visitor_messages") == 1
    assert value(found, "turns_total", outcome="stopped") == 1
    assert value(found, "model_call_seconds_count", outcome="stopped") == 1


def test_without_a_port_nothing_is_counted_or_served(start_server: StartServer) -> None:
    with start_server() as url:
        assert httpx.get(f"{url}/metrics").status_code == 404


def test_what_alerts_count_is_there_before_it_happens() -> None:
    shown = generate_latest(Metrics().registry).decode()

    for series in (
        'chatkit_turns_total{kind="threads.create",outcome="failed"} 0.0',
        'chatkit_rate_limited_total{limit="visitor_messages"} 0.0',
        'chatkit_questions_total{covered="no"} 0.0',
        "chatkit_fallbacks_total 0.0",
        "chatkit_unsaved_turns_total 0.0",
        "chatkit_journal_dropped_total 0.0",
    ):
        assert series in shown


def test_a_fault_of_each_route_is_counted_from_zero(
    start_server: StartServer, tmp_path: Path
) -> None:
    port = free_port()
    with start_server(
        metrics_port=port, attachments=str(tmp_path), secret=SECRET, site_dir=tmp_path
    ):
        routes = {
            (labels["route"], labels["method"])
            for (name, pairs), number in scrape(port).items()
            if name == "chatkit_requests_total" and (labels := dict(pairs))["status"] == "500"
            if number == 0
        }

    assert {
        ("/chatkit", "POST"),
        ("/chatkit/stop", "POST"),
        ("/chatkit/turns/{thread_id}", "GET"),
        ("/chatkit/me", "DELETE"),
        ("/chatkit/attachments/{attachment_id}", "PUT"),
        ("/readyz", "GET"),
        ("/chat", "GET"),
        ("site", "GET"),
    } <= routes


def test_a_taken_port_is_a_sentence_at_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for workers in ("1", "2"):
            done = run(
                tmp_path,
                "serve",
                "--workers",
                workers,
                PORT=str(free_port()),
                CHATKIT_METRICS_PORT=str(taken.getsockname()[1]),
                DATABASE_URL="postgresql://nobody@127.0.0.1:9/x",
            )

            assert done.returncode in (1, 3)
            assert "can't be listened on" in done.stderr
            assert "Traceback" not in done.stderr


def test_the_numbers_of_workers_are_added_up_and_dead_ones_hold_nothing(
    tmp_path: Path, database_url: str, docs_data: Path
) -> None:
    port, metrics = free_port(), free_port()
    settings = {
        "DATABASE_URL": database_url,
        "CHATKIT_DATA_DIR": str(docs_data),
        "PORT": str(port),
        "CHATKIT_METRICS_PORT": str(metrics),
        "TMPDIR": str(tmp_path),
    }
    url = f"http://127.0.0.1:{port}"
    with serving(tmp_path, settings, "--workers", "2") as log:
        until(lambda: value(scrape(metrics), "pool_limit") == 20, 120)
        for _ in range(3):
            Client(url).ask("How do I connect to Neon?")
        before = value(scrape(metrics), "turns_total", outcome="completed")
        victim = int(httpx.get(f"{url}/healthz", timeout=30).json()["pid"])
        written = f"chatkit-metrics-*/*_{victim}.db"
        assert len(list(tmp_path.glob(written))) >= 3
        os.kill(victim, signal.SIGKILL)
        until(lambda: httpx.get(f"{url}/healthz", timeout=30).json()["pid"] != victim, 60)
        # Also while nobody scrapes.
        until(lambda: not list(tmp_path.glob(written)), 60)
        after = scrape(metrics)
        # A third worker takes its place.
        until(lambda: value(scrape(metrics), "pool_limit") == 20, 120)
    # Nobody writes any more.
    lines = [json.loads(line) for line in log.read_text().splitlines()]

    assert before == 3
    assert value(after, "turns_total", outcome="completed") == 3
    assert any(line["event"].startswith("Ready: http://") for line in lines)
    assert sum(line["event"] == "turn" for line in lines) == 3


def test_workers_that_die_again_and_again_leave_their_counts_and_no_files(tmp_path: Path) -> None:
    code = (
        "import os; from chatkit_server.metrics import Metrics; m = Metrics()\n"
        "m.limited('x'); m.call_ended('m', 0.3, 'ok'); os._exit(1)"
    )
    for _ in range(3):
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            check=False,
        )
    # Of one that was killed as it made it; no process has such a number.
    (tmp_path / "counter_99999999.db").touch()
    assert len(list(tmp_path.iterdir())) > 9

    for _ in range(2):
        shown = generate_latest(Workers(tmp_path)).decode()

    assert 'chatkit_rate_limited_total{limit="x"} 3.0' in shown
    assert 'chatkit_model_call_seconds_bucket{le="0.5",model="m",outcome="ok"} 3.0' in shown
    assert 'chatkit_model_call_seconds_count{model="m",outcome="ok"} 3.0' in shown
    assert "chatkit_info{" not in shown
    assert {path.name for path in tmp_path.iterdir()} == {"counter_dead.db", "histogram_dead.db"}


def test_a_worker_that_is_about_to_make_its_files_spoils_no_scrape(tmp_path: Path) -> None:
    workers = Workers(tmp_path)
    (tmp_path / f"counter_{os.getpid()}.db").touch()

    assert list(workers.collect()) == []


def test_a_dead_workers_number_may_be_another_users_by_now() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        left = folder / "gauge_livesum_1.db"
        # A file without a value in it.
        left.write_bytes(struct.pack("ii", 8, 0))
        workers = Workers(folder)
        with nobody():
            assert list(workers.collect()) == []
        assert not left.exists()


@contextmanager
def nobody() -> Iterator[None]:
    """Not root, where it is root that runs the tests."""
    if os.getuid() != 0:
        yield
        return
    os.setresuid(65_534, 65_534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@contextmanager
def serving(folder: Path, settings: dict[str, str], *arguments: str) -> Iterator[Path]:
    """The real command; gives its log."""
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, "serve", *arguments],
            cwd=folder,
            env={**os.environ, **settings},
            stdout=subprocess.DEVNULL,
            stderr=output,
        )

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(f"http://127.0.0.1:{settings['PORT']}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    try:
        until(ready, 240)
        yield log
    finally:
        process.terminate()
        process.wait(60)


# The dashboard, the alerts and the page say nothing that is not there.


def exported() -> dict[str, tuple[str, list[str]]]:
    """Each metric's type and labels."""
    collectors = Metrics().registry._collector_to_names
    return {
        metric._name: (metric._type, list(metric._labelnames))  # type: ignore[attr-defined]
        for metric in collectors
    }


def series() -> set[str]:
    names = set()
    for name, (kind, _) in exported().items():
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
        names |= {name + end for end in ends[kind]}
    return names


def expressions(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for name, part in document.items():
            if name in ("expr", "definition"):
                yield part
            else:
                yield from expressions(part)
    elif isinstance(document, list):
        for part in document:
            yield from expressions(part)


@pytest.mark.parametrize("what", ["dashboard", "alerts"])
def test_the_dashboard_and_the_alerts_ask_for_metrics_that_exist(what: str) -> None:
    asked = list(expressions(yaml.safe_load(read(what))))
    used = {name for text in asked for name in re.findall(r"\bchatkit_\w+", text)}
    known = {label for _, labels in exported().values() for label in labels}
    known |= {"job", "instance", "le"}
    matched = {label for text in asked for label in re.findall(r"(\w+)=~?\"", text)}
    grouped = {
        label.strip()
        for text in asked
        for labels in re.findall(r"by \(([^)]*)\)", text)
        for label in labels.split(",")
    }

    assert len(asked) > 10
    assert used - series() == set()
    assert (matched | grouped) - known == set()


def test_the_dashboard_shows_every_metric_and_no_panel_lies_on_another() -> None:
    dashboard = json.loads(read("dashboard"))
    used = set(re.findall(r"\bchatkit_\w+", read("dashboard")))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells

    unseen = {name for name in exported() if not any(one.startswith(name) for one in used)}
    assert unseen == set()
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_the_page_names_every_metric_with_its_labels_and_every_alert() -> None:
    page = PAGE.read_text()
    rows = dict(re.findall(r"^\| `(chatkit_\w+)` \| (?:\w+) \| (.*?) \|", page, re.MULTILINE))
    described = {name: sorted(re.findall(r"`(\w+)`", labels)) for name, labels in rows.items()}
    alerts = [
        rule["alert"]
        for group in yaml.safe_load(read("alerts"))["groups"]
        for rule in group["rules"]
    ]

    assert described == {
        name + ("_total" if kind == "counter" else ""): sorted(labels)
        for name, (kind, labels) in exported().items()
    }
    assert re.findall(r"^\| `(Chatkit\w+)` \|", page, re.MULTILINE) == alerts


# The log


@contextmanager
def logged(form: str) -> Iterator[io.StringIO]:
    """What the log gets, as `serve` writes it."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    config = logging_config("info", form)  # type: ignore[arg-type]
    config["handlers"]["stderr"]["stream"] = stream
    try:
        logging.config.dictConfig(config)
        yield stream
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def test_a_json_log_names_the_request_and_the_turn_in_every_line(
    start_server: StartServer,
) -> None:
    with (
        logged("json") as log,
        ScriptedModel(Fail(500), Fail(500)) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        response = Client(url).send(
            {"type": "threads.create", "params": {"input": message(QUESTION)}}
        )
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    [turn] = [line for line in lines if line["event"] == "turn"]
    [warning] = [line for line in lines if "quoting the docs instead" in line["event"]]

    assert response.headers["x-request-id"] == turn["request_id"] == warning["request_id"]
    assert turn["turn_id"] == warning["turn_id"]
    assert turn["thread_id"] == warning["thread_id"]
    assert (turn["level"], warning["level"]) == ("info", "warning")
    assert turn["logger"] == "chatkit_server.turn"
    assert (turn["outcome"], turn["model"], turn["fallbacks"]) == ("completed", "quotes", 1)
    assert {"store", "search", "first_delta", "end"} <= turn["ms"].keys()
    assert turn["passages"] > 0
    assert "xyzzy" not in log.getvalue()


def test_the_question_is_logged_where_that_is_asked_for(start_server: StartServer) -> None:
    with logged("json") as log, start_server(log_questions=True) as url:
        Client(url).ask(QUESTION)
    [turn] = [
        line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "turn"
    ]

    assert turn["question"] == turn["searched"] == QUESTION


def test_a_text_log_has_the_ids_at_the_end_of_a_line(start_server: StartServer) -> None:
    with (
        logged("text") as log,
        ScriptedModel(Fail(500), Fail(500)) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        Client(url).ask(QUESTION)

    pattern = r"quoting the docs instead \[request_id=req_\w+ turn_id=turn_\w+ thread_id=thr_\w+\]"
    assert re.search(pattern, log.getvalue())
    assert "xyzzy" not in log.getvalue()


def test_a_fault_is_one_line_of_json() -> None:
    with logged("json") as log:
        try:
            raise ValueError("broken")
        except ValueError:
            logging.getLogger("chatkit_server").exception("it \ud800 failed:\n%s", "twice")
    [line] = log.getvalue().splitlines()

    assert json.loads(line)["event"] == "it \ud800 failed:\ntwice"
    assert "ValueError: broken" in json.loads(line)["exception"]


def test_the_id_of_a_request_is_taken_from_a_known_proxy_alone(start_server: StartServer) -> None:
    given = {"X-Request-Id": "from-the-proxy-1", "X-Forwarded-For": "203.0.113.7"}
    with start_server() as url:
        alone = httpx.get(f"{url}/healthz", headers=given).headers["x-request-id"]
    with start_server(trusted_proxies="127.0.0.1") as url:
        behind = httpx.get(f"{url}/healthz", headers=given).headers["x-request-id"]
        odd = httpx.get(f"{url}/healthz", headers={"X-Request-Id": "a b"}).headers["x-request-id"]

    assert re.fullmatch(r"req_[0-9a-f]{24}", alone)
    assert behind == "from-the-proxy-1"
    assert odd.startswith("req_")


# Traces


def test_a_turn_is_a_trace_without_any_text(
    start_server: StartServer, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    caller = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    with (
        ScriptedModel(Say("Set the secret plugh [1].")) as model,
        start_server(openai_base_url=model.base_url, model="m") as url,
    ):
        Client(url).send(
            {"type": "threads.create", "params": {"input": message(QUESTION)}}, headers=caller
        )
        httpx.get(f"{url}/healthz")
    # The server waits for the end of it no longer than a few seconds.
    until(lambda: {"request", "turn", "model"} <= {span.name for span in collector.spans})
    request, turn, call = (collector.one(name) for name in ("request", "turn", "model"))
    searches = [span for span in collector.spans if span.name == "search"]
    stores = [span for span in collector.spans if span.name == "store"]
    mine = [span for span in stores if span.trace_id == request.trace_id]

    assert request.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert turn.parent_span_id == request.span_id
    assert call.parent_span_id == turn.span_id
    assert turn.span_id in {span.parent_span_id for span in searches}
    assert len(mine) == 2
    assert {span.parent_span_id for span in mine} == {turn.span_id}
    assert attributes(request)["route"] == "/chatkit"
    assert attributes(turn)["outcome"] == "completed"
    assert attributes(call)["model"] == "m"
    assert attributes(call)["input_tokens"] > 0
    assert collector.resources[0]["service.name"] == "chatkit-server"
    assert collector.resources[0]["deployment.environment"] == "test"
    assert b"xyzzy" not in collector.raw
    assert b"plugh" not in collector.raw


def test_without_the_variables_nothing_of_opentelemetry_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys; from chatkit_server.tracing import open_tracing, span\n"
        "with open_tracing(), span('x', {}) as s: assert s is None\n"
        "assert not [m for m in sys.modules if m.startswith('opentelemetry')]"
    )
    environment = {n: v for n, v in os.environ.items() if not n.startswith("OTEL_")}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)


def test_a_collector_that_does_not_answer_keeps_no_server_from_ending(tmp_path: Path) -> None:
    code = (
        "import time; from chatkit_server.tracing import open_tracing, span\n"
        "with open_tracing(), span('x', {}): ended = time.monotonic()\n"
        "print(ended, time.monotonic())"
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_EXPORTER_OTLP_TIMEOUT": "60"}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, **asked},
            capture_output=True,
            text=True,
            check=True,
            timeout=240,
        )
        over = time.monotonic()

    ended, closed = map(float, done.stdout.split())
    # By itself, it takes half a minute.
    assert 2 < closed - ended < 25
    # The thread that still tries does not hold the process either.
    assert over - closed < 50


def test_an_exporter_that_is_not_installed_costs_the_traces_and_not_the_server(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "carrier_pigeon")
    with start_server() as url:
        assert Client(url).ask("How do I connect to Neon?").error is None

    assert "no exporter 'carrier_pigeon' is installed" in caplog.text


# Prices


def test_prices_are_read_by_model_and_for_all_others() -> None:
    prices = read_settings({"token_prices": "gpt-5.1=1.25/10, *=0.5/2"}).token_prices

    assert {name: tuple(price) for name, price in prices.items()} == {
        "gpt-5.1": (1.25, 10.0),
        "*": (0.5, 2.0),
    }
