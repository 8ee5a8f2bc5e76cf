"""A scripted transcription server on loopback."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .models import Fail, failure
from .servers import serve_in_thread


@dataclass(frozen=True, slots=True)
class Recording:
    """One call of the server, as it came in."""

    model: str
    name: str
    type: str
    data: bytes
    headers: dict[str, str]


class ScriptedTranscriber:
    """Speaks `/v1/audio/transcriptions`, and says the texts of its script, the last one again.

    Args:
        script: Texts, failures, or whole responses.
    """

    def __init__(self, *script: str | Fail | Response) -> None:
        self._script = script or ("I have no script.",)
        self._next = itertools.count()
        self._stack = ExitStack()
        self.recordings: list[Recording] = []
        self.base_url = ""
        """What goes into CHATKIT_TRANSCRIPTION_BASE_URL; set inside the block."""

    def __enter__(self) -> Self:
        route = Route("/v1/audio/transcriptions", self._transcribe, methods=["POST"])
        app = Starlette(routes=[route])
        self.base_url = self._stack.enter_context(serve_in_thread(app, graceful=1)) + "/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def _transcribe(self, request: Request) -> Response:
        async with request.form() as form:
            file = form["file"]
            if not isinstance(file, UploadFile):
                return failure(Fail(400, "file is not a file"))
            self.recordings.append(
                Recording(
                    model=str(form["model"]),
                    name=file.filename or "",
                    type=file.content_type or "",
                    data=await file.read(),
                    headers=dict(request.headers),
                )
            )
        step = self._script[min(next(self._next), len(self._script) - 1)]
        if isinstance(step, Fail):
            return failure(step)
        return step if isinstance(step, Response) else JSONResponse({"text": step})
