"""A server that speaks the ChatKit protocol from a script, and pages with the built element."""

import asyncio
import json
import socket
import threading
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "chatkit_server" / "static"
SOURCES = ("core/src", "element/src", "element/pages")

# As strict as a page can be: no inline code, no HTML from strings.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src * data:; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
PAGE = """<!doctype html>
<html lang="en">
  <head>
    <title>Page</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/chat/static/chat.css">
    <script type="module" src="/chat/static/chatkit-element.js"></script>
  </head>
  <body></body>
</html>"""

Event = dict[str, Any]

VISIT = "X-Visit"


class Gate:
    """Holds a stream back until the test opens it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._event = asyncio.Event()

    def open(self) -> None:
        self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        await self._event.wait()


@dataclass(frozen=True, slots=True)
class Pause:
    """Time between two events, for what measures a pace."""

    seconds: float


class Drop:
    """Breaks the connection off in the middle of a stream."""


class DroppedError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Reply:
    """A stream where it has steps, a JSON body otherwise."""

    steps: tuple[Event | Gate | Pause | Drop, ...] | None = None
    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class ScriptedServer:
    """Answers each type of request with the next reply that was scripted for it."""

    url: str
    loop: asyncio.AbstractEventLoop
    requests: list[Event] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    visit: int = 0
    """Said by the pages of the test; what comes late from those of an earlier one is not heard."""
    uploads: dict[str, bytes] = field(default_factory=dict)
    """What was put at `/uploads/{name}`."""
    _arrived: threading.Condition = field(default_factory=threading.Condition)
    _replies: dict[str, deque[Reply]] = field(default_factory=lambda: defaultdict(deque))

    def stream(self, type_: str, *steps: Event | Gate | Pause | Drop) -> None:
        self._replies[type_].append(Reply(steps=steps))

    def answer(self, type_: str, body: Any, status: int = 200, **headers: str) -> None:
        self._replies[type_].append(Reply(body=body, status=status, headers=headers))

    def refuse(self, type_: str, status: int, message: str, **headers: str) -> None:
        error = {"code": "refused", "message": message}
        self.answer(type_, {"error": error}, status, **headers)

    def gate(self) -> Gate:
        return Gate(self.loop)

    def sent(self, type_: str, count: int = 1) -> list[Event]:
        """The parameters of every request of a type, as soon as so many have arrived."""

        def sent() -> list[Event]:
            return [request["params"] for request in self.requests if request["type"] == type_]

        with self._arrived:
            self._arrived.wait_for(lambda: len(sent()) >= count, timeout=60)
            return sent()

    def reset(self) -> None:
        with self._arrived:
            self.visit += 1
            self.requests.clear()
            self.headers.clear()
            self.uploads.clear()
            self._replies.clear()
        # Another one: streams of an earlier test may end only now.
        self.hung_up = threading.Event()

    async def take_upload(self, request: Request) -> Response:
        self.uploads[request.path_params["name"]] = await request.body()
        return Response(status_code=204)

    async def handle(self, request: Request) -> Response:
        body = await request.json()
        with self._arrived:
            if request.headers.get(VISIT, str(self.visit)) != str(self.visit):
                return Response(status_code=410)
            self.requests.append(body)
            self.headers.append(dict(request.headers))
            self._arrived.notify_all()
            replies = self._replies[body["type"]]
            reply = replies.popleft() if replies else None
        if reply is None:
            error = {"code": "unscripted", "message": f"No reply is scripted for {body['type']}."}
            return JSONResponse({"error": error}, 500)
        if reply.steps is None:
            return JSONResponse(reply.body, reply.status, reply.headers)
        return StreamingResponse(
            self._play(reply.steps, self.hung_up), media_type="text/event-stream"
        )

    async def _play(
        self, steps: tuple[Event | Gate | Pause | Drop, ...], hung_up: threading.Event
    ) -> AsyncIterator[str]:
        try:
            yield ": ping\n\n"
            for step in steps:
                if isinstance(step, Gate):
                    await step.wait()
                elif isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                elif isinstance(step, Drop):
                    raise DroppedError
                else:
                    yield f"data: {json.dumps(step)}\n\n"
        except asyncio.CancelledError:
            hung_up.set()
            raise


def require_build() -> None:
    """A clear failure when the built element is missing or older than its sources."""
    how = "run `npm run build` in web/"
    script = STATIC / "chatkit-element.js"
    if not script.exists():
        raise FileNotFoundError(f"{script} is missing; {how}")
    built = script.stat().st_mtime
    for source in SOURCES:
        for file in (ROOT / "web" / source).rglob("*"):
            if file.is_file() and file.stat().st_mtime > built:
                raise RuntimeError(f"{file} is newer than the built element; {how}")


@contextmanager
def serve() -> Iterator[ScriptedServer]:
    """The server in a thread of its own, on a port that the system chose."""
    require_build()
    policy = {"Content-Security-Policy": POLICY}
    listener = socket.create_server(("127.0.0.1", 0))
    scripted = ScriptedServer(
        url=f"http://127.0.0.1:{listener.getsockname()[1]}", loop=asyncio.new_event_loop()
    )
    app = Starlette(
        routes=[
            Route("/", lambda _: HTMLResponse(PAGE, headers=policy)),
            # Where nothing but the element itself keeps a script from running.
            Route("/unguarded", lambda _: HTMLResponse(PAGE)),
            Route("/chat", lambda _: FileResponse(STATIC / "chat.html", headers=policy)),
            Route("/chatkit", scripted.handle, methods=["POST"]),
            Route("/uploads/{name}", scripted.take_upload, methods=["PUT"]),
            Route("/docs/{page}", lambda _: HTMLResponse("<title>Docs</title><h1>Docs</h1>")),
            Mount("/chat/static", StaticFiles(directory=STATIC)),
        ]
    )
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    )

    def run() -> None:
        # Ends the streams, too, that the server has only told to end.
        with asyncio.Runner(loop_factory=lambda: scripted.loop) as runner:
            runner.run(server.serve(sockets=[listener]))

    thread = threading.Thread(target=run, name="scripted-server")
    thread.start()
    try:
        yield scripted
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
