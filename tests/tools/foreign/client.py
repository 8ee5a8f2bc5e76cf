"""What such programs have in common: a client, an embedding service and pages."""

import json
import urllib.request
from collections.abc import Sequence
from typing import Any

import httpx
from qdrant_client import QdrantClient

PAGES = {
    "guides/connect-postgres.md": (
        "Connect Lantern to Postgres",
        {
            "Connection string": "Set LANTERN_DATABASE to a Postgres connection string before the"
            " service starts, and restart it after every change.",
            "Backups": "Use pg_dump every night, and keep seven copies of the database somewhere"
            " else.",
        },
    ),
    "guides/rollouts.md": (
        "Gradual rollouts",
        {
            "Percentages": "Visitors are hashed by their id, so the same visitor always sees the"
            " same variant of a flag.",
            "Kill switch": "`lantern off FLAG` turns a flag off everywhere within a second.",
        },
    ),
    "intro.md": (
        "Lantern",
        {
            "Install": "Download the binary or build it with Cargo: `cargo install lantern`.",
            "Upgrade": "Stop the service, replace the binary and start it again. The schema"
            " migrates by itself.",
        },
    ),
}


def connect(where: str) -> QdrantClient:
    """Connect to a server by its URL, or to an engine by the path of its socket."""
    if where.startswith("unix:"):
        transport = httpx.HTTPTransport(uds=where.removeprefix("unix:"))
        return QdrantClient(
            url="http://engine:6333", transport=transport, check_compatibility=False
        )
    return QdrantClient(url=where, check_compatibility=False)


def embed(url: str, model: str, texts: Sequence[str]) -> list[list[float]]:
    """Ask an embedding service for vectors."""
    body = {"model": model, "input": list(texts), "encoding_format": "float"}
    request = urllib.request.Request(
        f"{url}/embeddings",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": "Bearer none"},
    )
    with urllib.request.urlopen(request) as response:
        answer: dict[str, Any] = json.load(response)
    data = sorted(answer["data"], key=lambda entry: int(entry["index"]))
    return [entry["embedding"] for entry in data]
