"""The built documentation site and a scripted ChatKit server on one origin."""

import json
import re
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WEB = Path(__file__).parents[2] / "web"
BUILD = WEB / "site" / "build"
ELEMENT = WEB.parent / "chatkit_server" / "static"
SOURCES = (
    "core/src",
    "element/src",
    "docusaurus-plugin/src",
    "site/docs",
    "site/src",
    "site/static",
    "site/docusaurus.config.ts",
    "site/sidebars.ts",
    "site/package-lock.json",
)
OUTSIDE = "https://elsewhere.example/guide"
CODE = "\n\n```bash\nexport PORT=8000\n\nserve\n```\n"
NOW = "2026-01-02T03:04:05Z"


def require_build() -> Path:
    """The built site; a clear failure when it is missing or older than what it is made of."""
    how = "run `npm run build` in web/, then in web/site/"
    page = BUILD / "index.html"
    if not page.exists():
        raise FileNotFoundError(f"{page} is missing; {how}")
    built = page.stat().st_mtime
    for source in SOURCES:
        place = WEB / source
        files = place.rglob("*") if place.is_dir() else [place]
        for file in files:
            if file.is_file() and file.stat().st_mtime > built:
                raise RuntimeError(f"{file} is newer than the built site; {how}")
    return BUILD


@dataclass(frozen=True, slots=True)
class Heading:
    url: str
    id: str
    text: str


def find_heading(build: Path) -> Heading:
    """The last heading of the longest page, so that the page has to scroll to show it."""
    pages = (build / "docs").glob("*/index.html")
    page = max(pages, key=lambda page: page.stat().st_size)
    found = re.findall(r"<h2[^>]* id=\"?([\w-]+)\"?[^>]*>(.*?)<a ", page.read_text())
    if not found:
        raise LookupError(f"{page} has no heading of the second level")
    anchor, text = found[-1]
    path = f"/docs/{page.parent.name}"
    return Heading(f"{path}#{anchor}", anchor, re.sub(r"<[^>]+>", "", text))


@dataclass(slots=True)
class ScriptedSite:
    """Answers every question with two sentences and a piece of code.

    After `hold()` all but the first sentence waits for `release()`.
    """

    heading: Heading
    cited: str = ""
    """The words of the heading's section that the first sentence rests on."""
    requests: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    url: str = ""
    #: Sent with every page.
    policy: str = ""
    #: How many loads of a thread do not yet find the answers in it.
    unsaved_loads: int = 0
    _threads: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _gate: threading.Event = field(default_factory=threading.Event)

    def hold(self) -> None:
        self._gate.clear()

    def release(self) -> None:
        self._gate.set()

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append((dict(request.headers), body))
        params = body.get("params", {})
        match body["type"]:
            case "threads.create" | "threads.add_user_message":
                return StreamingResponse(self._turn(params), media_type="text/event-stream")
            case "threads.get_by_id" if params["thread_id"] in self._threads:
                thread = self._thread(params["thread_id"])
                if self.unsaved_loads:
                    self.unsaved_loads -= 1
                    thread["items"] = page(thread["items"]["data"][:1])
                return JSONResponse(thread)
            case "items.list" if params["thread_id"] in self._threads:
                return JSONResponse(page(self._threads[params["thread_id"]]))
            case "threads.list":
                return JSONResponse(page([self._thread(thread) for thread in self._threads]))
        error = {"code": "not_found", "message": "There is no such thread."}
        return JSONResponse({"error": error}, status_code=404)

    def _thread(self, thread_id: str) -> dict[str, Any]:
        return {
            "id": thread_id,
            "title": "A question",
            "created_at": NOW,
            "status": {"type": "active"},
            "metadata": {},
            "items": page(self._threads[thread_id]),
        }

    async def _turn(self, params: dict[str, Any]) -> AsyncIterator[str]:
        thread_id = params.get("thread_id") or f"thr_{len(self._threads) + 1}"
        if thread_id not in self._threads:
            self._threads[thread_id] = []
            yield frame({"type": "thread.created", "thread": self._thread(thread_id)})
        items = self._threads[thread_id]
        shared = {"thread_id": thread_id, "created_at": NOW}
        question = {**shared, **params["input"], "id": f"msg_{len(items)}", "type": "user_message"}
        items.append(question)
        yield frame({"type": "thread.item.done", "item": question})

        answer: dict[str, Any] = {
            **shared,
            "id": f"msg_{len(items)}",
            "type": "assistant_message",
            "content": [],
        }
        yield frame({"type": "thread.item.added", "item": answer})
        text = ""
        annotations: list[dict[str, Any]] = []
        yield update(
            answer, "added", content={"type": "output_text", "text": "", "annotations": []}
        )
        for piece, title, url in (
            ("This is the first sentence.", self.heading.text, self.heading.url),
            (" This is the second sentence.", "A guide elsewhere", OUTSIDE),
        ):
            if text:
                await to_thread.run_sync(self._gate.wait)
            text += piece
            yield update(answer, "text_delta", delta=piece)
            source = {"type": "url", "title": title, "url": url}
            if self.cited and url == self.heading.url:
                source["description"] = f"{title}\n{self.cited}"
            annotation = {"type": "annotation", "source": source, "index": len(text)}
            yield update(
                answer,
                "annotation_added",
                annotation_index=len(annotations),
                annotation=annotation,
            )
            annotations.append(annotation)
        text += CODE
        yield update(answer, "text_delta", delta=CODE)
        content = {"type": "output_text", "text": text, "annotations": annotations}
        done = {**answer, "content": [content]}
        items.append(done)
        yield frame({"type": "thread.item.done", "item": done})


def page(data: list[dict[str, Any]]) -> dict[str, Any]:
    return {"data": data, "has_more": False, "after": None}


def frame(event: dict[str, Any]) -> str:
    return f"data: {json.dumps(event)}\n\n"


def update(item: dict[str, Any], kind: str, **fields: Any) -> str:
    change = {"type": f"assistant_message.content_part.{kind}", "content_index": 0, **fields}
    return frame({"type": "thread.item.updated", "item_id": item["id"], "update": change})


def with_policy(app: ASGIApp, scripted: ScriptedSite) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start" and scripted.policy:
                policy = (b"content-security-policy", scripted.policy.encode())
                message["headers"] = [*message["headers"], policy]
            await send(message)

        await app(scope, receive, send_with_policy)

    return wrapped


@contextmanager
def serve_site() -> Iterator[ScriptedSite]:
    """Serve the built documentation with the scripted chat at /chatkit on a free port."""
    build = require_build()
    with serve_build(build, find_heading(build)) as scripted:
        yield scripted


@contextmanager
def serve_build(build: Path, heading: Heading, base: str = "/") -> Iterator[ScriptedSite]:
    """Serve a built site below `base`, and the element at /element."""
    scripted = ScriptedSite(heading)
    scripted.release()
    app = Starlette(
        routes=[
            Route("/chatkit", scripted.answer, methods=["POST"]),
            Mount("/element", StaticFiles(directory=ELEMENT)),
            Mount(base.rstrip("/"), StaticFiles(directory=build, html=True)),
        ]
    )

    # Listening before the server runs: an early browser waits in the queue.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        scripted.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            with_policy(app, scripted), log_level="warning", ws="none", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield scripted
        finally:
            scripted.release()
            server.should_exit = True
            thread.join()
