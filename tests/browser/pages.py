"""Pages of an origin of their own, as a site has them whose chat is served from elsewhere."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.browser.site import WEB

EXAMPLES = WEB / "site/docs/other-sites.md"
_BLOCK = re.compile(r'^```\w+ title="([^"]+)"[^\n]*\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def examples(server: str) -> dict[str, str]:
    """The named pieces of code in the docs, with the address of a real server."""
    found = dict(_BLOCK.findall(EXAMPLES.read_text()))
    return {
        name: code.strip().replace("https://chat.example.com", server)
        for name, code in found.items()
    }


@dataclass
class Pages:
    """Files by path, and the policy that HTML is sent with."""

    url: str = ""
    policy: str = ""
    files: dict[str, str] = field(default_factory=dict)

    def put(self, path: str, body: str, *, head: str = "") -> str:
        """A page around a body; gives its address."""
        self.files[path] = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<title>A page</title><link rel="icon" href="data:,">{head}</head>'
            f"<body>{body}</body></html>"
        )
        return self.url + path

    async def respond(self, request: Request) -> Response:
        path = request.url.path
        if path not in self.files:
            return Response("There is no such page.", 404)
        if path.endswith(".js"):
            return Response(self.files[path], media_type="text/javascript")
        headers = {"Content-Security-Policy": self.policy} if self.policy else {}
        return Response(self.files[path], media_type="text/html", headers=headers)


@contextmanager
def serve_pages() -> Iterator[Pages]:
    """On a free port."""
    pages = Pages()
    app = Starlette(routes=[Route("/{path:path}", pages.respond)])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pages.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield pages
        finally:
            server.should_exit = True
            thread.join()
