"""The server with one more path, `/vitals`, which tells what the process has open.

Run as `python -m tests.faults.observed serve --port PORT`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections import Counter
from typing import Any

import psutil
import uvicorn

from chatkit_server.app import create_app
from chatkit_server.response import RUNNING
from chatkit_server.serving import DrainingServer
from chatkit_server.settings import read_settings


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    for name in ("chatkit_stores", "psycopg.pool"):
        logging.getLogger(name).setLevel(logging.INFO)
    port = int(sys.argv[sys.argv.index("--port") + 1])
    app = create_app(read_settings())

    @app.get("/vitals")
    async def vitals() -> dict[str, Any]:
        # What waits in a cycle for the collector is no leak.
        gc.collect()
        process = psutil.Process()
        sockets = process.net_connections("all")
        readers = [s for s in sockets if s.status == "ESTABLISHED" and s.laddr.port == port]
        names = (getattr(task.get_coro(), "__qualname__", "?") for task in asyncio.all_tasks())
        return {
            "tasks": Counter(names),
            "turns": len(RUNNING),
            # Those that we open, to the database, the engine and the model, are kept when idle.
            "readers": len(readers),
            "files": process.num_fds() - len(sockets),
            "rss": process.memory_info().rss,
        }

    config = uvicorn.Config(app, port=port, log_config=None, access_log=False)
    DrainingServer(config).run()


if __name__ == "__main__":
    main()
