"""Prints what an operator loads into Grafana and Prometheus."""

from __future__ import annotations

from importlib.resources import files
from typing import Literal

import click

FILES = {"dashboard": "dashboard.json", "alerts": "alerts.yml"}


@click.command()
@click.argument("what", type=click.Choice(list(FILES)))
def monitoring(what: Literal["dashboard", "alerts"]) -> None:
    """Print the dashboard for Grafana, or alerts for Prometheus.

    \b
    chatkit-server monitoring dashboard > chatkit.json    import it in Grafana
    chatkit-server monitoring alerts > chatkit.yml        name it in rule_files
    """
    click.echo(read(what), nl=False)


def read(what: str) -> str:
    return (files(__package__) / "operations" / FILES[what]).read_text(encoding="utf-8")
