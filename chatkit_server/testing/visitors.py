"""A visitor's browser, as far as the protocol goes, and what it was answered."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx


def message(text: str, **fields: Any) -> dict[str, Any]:
    """The `input` of a user's message."""
    content = [{"type": "input_text", "text": text}]
    return {"content": content, "attachments": [], "inference_options": {}, **fields}


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a statement of an answer leads."""

    url: str
    title: str
    section: str
    """The headings on the way, as the reader sees them; empty for a whole page."""
    index: int
    """Behind which character of its part of the text it stands."""


@dataclass(slots=True)
class Reply:
    """The events of one turn, read."""

    events: list[dict[str, Any]]
    asked_in: str | None = None
    """The thread that was asked in; None where the turn began one."""

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of a type, such as `progress_update`."""
        return [event for event in self.events if event["type"] == kind]

    @property
    def thread_id(self) -> str:
        if self.asked_in is not None:
            return self.asked_in
        return str(self.of("thread.created")[0]["thread"]["id"])

    @property
    def items(self) -> list[dict[str, Any]]:
        """What the turn has added to the thread, in order: the question, widgets, the answer."""
        return [event["item"] for event in self.of("thread.item.done")]

    def item(self, kind: str) -> dict[str, Any]:
        """The turn's last item of a type, such as `widget`.

        Raises:
            LookupError: there is none; the message lists those that there are.
        """
        for item in reversed(self.items):
            if item["type"] == kind:
                return dict(item)
        found = ", ".join(item["type"] for item in self.items) or "nothing"
        raise LookupError(f"the turn has no {kind}; it has {found}; error: {self.error}")

    @property
    def answer(self) -> dict[str, Any]:
        """The assistant's last message as it was declared done."""
        return self.item("assistant_message")

    @property
    def text(self) -> str:
        """The answer's text, in which citations have no marks."""
        return "".join(part["text"] for part in self.answer["content"])

    @property
    def citations(self) -> list[Citation]:
        """The answer's citations, in order."""
        return [
            Citation(
                url=annotation["source"].get("url", ""),
                title=annotation["source"]["title"],
                section=(annotation["source"].get("description") or "").partition("\n")[0],
                index=annotation.get("index") or 0,
            )
            for part in self.answer["content"]
            for annotation in part.get("annotations", [])
        ]

    @property
    def urls(self) -> list[str]:
        """Where the citations lead, in order."""
        return [citation.url for citation in self.citations]

    @property
    def notices(self) -> list[str]:
        """What the reader was told beside the answer."""
        return [event["message"] for event in self.of("notice")]

    @property
    def error(self) -> dict[str, Any] | None:
        return next(iter(self.of("error")), None)


@dataclass
class Visitor:
    """Somebody who asks the server at `url`, with a secret of their own unless one is given."""

    url: str
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    path: str = "/chatkit"
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every request, such as `Authorization`."""

    def _headers(self) -> dict[str, str]:
        return {"X-Session-Id": self.secret, **self.headers}

    def post(self, request: str, /, **params: Any) -> httpx.Response:
        """Send a request of a type with its parameters, and read the whole response."""
        body = {"type": request, "params": params}
        return httpx.post(self.url + self.path, json=body, headers=self._headers(), timeout=30)

    @contextmanager
    def stream(
        self, request: str, /, metadata: Any = None, **params: Any
    ) -> Iterator[Iterator[dict[str, Any]]]:
        """Send a request and read its events as they come; leaving the block hangs up.

        Raises:
            httpx.HTTPStatusError: the server refused it; the message has what it said.
        """
        with httpx.stream(
            "POST",
            self.url + self.path,
            json={"type": request, "params": params, "metadata": metadata or {}},
            headers=self._headers(),
            timeout=30,
        ) as response:
            if response.status_code != 200:
                said = response.read().decode(errors="replace")
                raise httpx.HTTPStatusError(
                    f"{response.status_code} for {request}: {said}",
                    request=response.request,
                    response=response,
                )
            yield _events(response)

    def events(self, request: str, /, **params: Any) -> list[dict[str, Any]]:
        """All events of a streamed request."""
        with self.stream(request, **params) as events:
            return list(events)

    def ask(
        self,
        text: str,
        thread_id: str | None = None,
        *,
        page: dict[str, str] | None = None,
        **fields: Any,
    ) -> Reply:
        """Ask a question, in a new thread or an old one, and wait for the end of the answer.

        Args:
            text: The question.
            thread_id: The thread to ask on in.
            page: What the reader has open: `url`, `title`, `heading`, `version`, `locale`.
            fields: Further fields of the message, such as `quoted_text`.
        """
        metadata = {"page": page} if page else None
        sent = message(text, **fields)
        if thread_id is None:
            return Reply(self.events("threads.create", input=sent, metadata=metadata))
        events = self.events(
            "threads.add_user_message", thread_id=thread_id, input=sent, metadata=metadata
        )
        return Reply(events, thread_id)

    def act(self, widget: dict[str, Any], kind: str, payload: Any = None) -> Reply:
        """Do what a button of a widget does: send its action, and wait for what comes of it."""
        events = self.events(
            "threads.custom_action",
            thread_id=widget["thread_id"],
            item_id=widget["id"],
            action={"type": kind, "payload": payload},
        )
        return Reply(events, str(widget["thread_id"]))

    def items(self, thread_id: str, **params: Any) -> list[dict[str, Any]]:
        """What is stored in a thread, oldest first."""
        response = self.post("items.list", thread_id=thread_id, order="asc", **params)
        return list(_data(response))

    def threads(self) -> list[dict[str, Any]]:
        """The visitor's threads, newest first."""
        return list(_data(self.post("threads.list", order="desc")))


def _events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    # Not by `iter_lines`: what people and models write has more kinds of ends than the protocol.
    rest = b""
    for chunk in response.iter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))


def _data(response: httpx.Response) -> list[dict[str, Any]]:
    if response.status_code != 200:
        raise httpx.HTTPStatusError(
            f"{response.status_code}: {response.text}", request=response.request, response=response
        )
    return list(response.json()["data"])
