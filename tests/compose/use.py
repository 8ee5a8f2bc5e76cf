"""What the tests of the stack do all the time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from chatkit_server.testing import ScriptedModel
from tests.compose.relay import relay
from tests.compose.stack import PROJECT, Stack, docker

QUESTION = "How do I connect it to Neon?"

NO_LIMITS = {
    f"CHATKIT_{whose}_{what}": "off"
    for whose in ("VISITOR", "ADDRESS")
    for what in ("MESSAGES", "REQUESTS")
}


def figure(**figures: object) -> None:
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())
    print(f"\nfigures: {told}", flush=True)


def settings(stack: Stack, **variables: str) -> None:
    """What stands in `.env` from now on."""
    lines = "".join(f"{name}={value}\n" for name, value in variables.items())
    (stack.folder / ".env").write_text(lines)


@contextmanager
def model_for(stack: Stack, *script: Any) -> Iterator[tuple[ScriptedModel, dict[str, str]]]:
    """A model that containers reach, and the settings that name it."""
    networks = json.loads(docker("network", "inspect", f"{PROJECT}_front"))
    gateway = networks[0]["IPAM"]["Config"][0]["Gateway"]
    with ScriptedModel(*script) as model:
        port = urlsplit(model.base_url).port
        assert port is not None
        with relay(gateway, port) as there:
            yield (
                model,
                {"OPENAI_BASE_URL": f"http://{gateway}:{there}/v1", "CHATKIT_MODEL": "scripted"},
            )


def metrics(stack: Stack, container: str) -> str:
    return httpx.get(f"http://{stack.address(container, 'front')}:9464/metrics").text


def health(stack: Stack, container: str) -> int:
    return httpx.get(f"http://{stack.address(container, 'front')}:8000/healthz").status_code


def answers(stack: Stack, container: str) -> bool:
    try:
        return health(stack, container) == 200
    except (httpx.TransportError, httpx.InvalidURL):
        return False
