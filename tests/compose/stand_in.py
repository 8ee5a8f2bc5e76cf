"""Serves the embedded engine over TCP, where the image of a Qdrant server can't be had.

It is Qdrant's own engine, Qdrant Edge, behind that part of Qdrant's REST interface that
`chatkit_tools` calls, and no Qdrant server.
"""

import socket
from pathlib import Path
from typing import Any

from chatkit_tools.engine import EngineServer, _Handler
from chatkit_tools.shard import Shards


class Handler(_Handler):
    def _answer(self, method: str, path: str, data: bytes) -> tuple[int, dict[str, Any]]:
        return (200, {}) if path == "/readyz" else super()._answer(method, path, data)


def main() -> None:
    listener = socket.create_server(("0.0.0.0", 6333))
    with EngineServer(listener, Shards(Path("/qdrant/storage"))) as server:
        server.RequestHandlerClass = Handler
        server.serve_forever()


if __name__ == "__main__":
    main()
