"""Has a collection filled by a program of others, and looks at what is in it."""

import asyncio
import json
from importlib import import_module
from typing import Any

from chatkit_tools.mapping import FieldMapping
from tests.tools.embedder import EmbeddingServer
from tests.tools.place import Place

LANGCHAIN = FieldMapping(
    text=("page_content",),
    url=("metadata.source",),
    title=("metadata.Header 1",),
    headings=("metadata.Header 2", "metadata.Header 3"),
    base_url="https://lantern.example/docs/",
    root="/home/ci/lantern/docs",
)
PLAIN = FieldMapping(
    text=("text",),
    url=("url",),
    headings=("section",),
    version=("version",),
    locale=("lang",),
    vector="body",
)
LLAMAINDEX = FieldMapping(text=("_node_content.text",), url=("file_path",), base_url="/docs")


async def fill(place: Place, program: str, embedder: EmbeddingServer, model: str = "hashed") -> Any:
    """Run a program of others, and give the connection to look at what it left."""
    connection = await place.connection()
    # An engine starts with its first request.
    await connection.send("GET", f"/collections/{place.name}")
    # In a thread and not a process of its own, since its client takes seconds to import.
    main = import_module(f"tests.tools.foreign.{program}").main
    await asyncio.to_thread(main, place.address(), place.name, embedder.url, model)
    return connection


async def dump(connection: Any, place: Place) -> tuple[Any, Any]:
    """Return everything that the collection has, and its description."""
    path = f"/collections/{place.name}"
    body = {"limit": 1_000, "with_payload": True, "with_vector": True}
    page = await connection.send("POST", f"{path}/points/scroll", body)
    assert page["next_page_offset"] is None
    # The local mode normalizes what is normalized again with each query.
    points = json.loads(
        json.dumps(page["points"]), parse_float=lambda number: round(float(number), 5)
    )
    return points, await connection.send("GET", path)
