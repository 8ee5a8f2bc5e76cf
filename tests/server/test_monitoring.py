"""The dashboard and the alerts, asked and judged by a real Prometheus."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from chatkit_server.monitoring import read
from chatkit_server.testing import Fail, Say, ScriptedModel
from tests.fixtures.app import Client, StartServer
from tests.fixtures.command import free_port
from tests.fixtures.files import LOG, SECRET, ask_about, upload
from tests.fixtures.prometheus import ALERTS, Query, panels, prometheus, queries

CASES = Path(__file__).with_name("alerts.yml")
QUESTION = "How do I connect to Neon?"


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_when_it_should_and_on_no_healthy_site() -> None:
    rules = {r["alert"] for g in yaml.safe_load(read("alerts"))["groups"] for r in g["rules"]}
    *troubled, healthy = [
        {(case["alertname"], "exp_alerts" in case) for case in group["alert_rule_test"]}
        for group in yaml.safe_load(CASES.read_text())["tests"]
    ]

    assert {name for group in troubled for name, fires in group if fires} == rules
    assert healthy == {(name, False) for name in rules}
    promtool("check", "rules", ALERTS)
    promtool("test", "rules", str(CASES))


def test_every_query_of_the_dashboard_has_data(start_server: StartServer, tmp_path: Path) -> None:
    port = free_port()
    with (
        ScriptedModel(Say("Set it [1]."), Fail(500), Say("Set it [1].")) as model,
        start_server(
            openai_base_url=model.base_url,
            model="m",
            metrics_port=port,
            journal_dir=tmp_path / "journal",
            attachments=str(tmp_path / "files"),
            secret=SECRET,
            token_prices="m=1/2",
        ) as url,
        prometheus(f"127.0.0.1:{port}", interval=0.5) as server,
    ):
        ada = Client(url)

        def ask() -> None:
            log = upload(ada, LOG.encode(), "server.log", "text/plain")
            ask_about(ada, QUESTION, log)

        # A rate has to see a series before it rises.
        server.wait_for([Query("", "chatkit_info", "", instant=True)])
        ask()
        server.wait_for([Query("", "chatkit_tokens_total", "", instant=True)])
        ask()
        asked = [query for panel in panels() for query in queries(panel, interval=15)]
        server.wait_for(asked)

    assert len(asked) > 30


def test_a_query_that_is_wrong_or_has_no_data_is_told() -> None:
    with prometheus(f"127.0.0.1:{free_port()}", interval=1) as server:
        with pytest.raises(ValueError, match="unclosed left parenthesis"):
            server.answer(Query("Broken", "sum(rate(x[5m])", "", instant=True))
        with pytest.raises(TimeoutError, match="chatkit_inf"):
            server.wait_for([Query("Misspelt", "chatkit_inf", "", instant=True)], seconds=0)
