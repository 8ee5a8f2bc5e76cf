"""The pages beside the endpoint: the bare chat, and a built site at `/`."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from .headers import PAGE, SITE

STATIC = Path(str(files("chatkit_server"))) / "static"

_FOR_GOOD = "public, max-age=31536000, immutable"


def chat_page() -> Response:
    """The chat alone on a page; 404 where the web files were not built."""
    page = STATIC / "chat.html"
    if not page.is_file():
        raise HTTPException(404, "The web files are not built; run `make web`.")
    return FileResponse(page, headers=PAGE)


class WebFiles(StaticFiles):
    """The chat's scripts, which pages of any origin may load; nothing in them is anybody's."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)
        # Written by the build; what is asked for by its version may be kept for good.
        integrity = STATIC / "integrity.json"
        known = json.loads(integrity.read_text()) if integrity.is_file() else {}
        self._versions = {name: entry["version"] for name, entry in known.items()}

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        version = QueryParams(scope["query_string"]).get("v")
        # Names under assets/ carry a hash of their content.
        kept = path.startswith("assets/") or (version and version == self._versions.get(path))
        response.headers["Cache-Control"] = _FOR_GOOD if kept else "no-cache"
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response


class Site(StaticFiles):
    """A built site: `/page` is `page.html` or `page/index.html`, without a redirect."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        for candidate in (path, f"{path.rstrip('/')}.html", f"{path.rstrip('/')}/index.html"):
            full_path, found = super().lookup_path(candidate.lstrip("/"))
            if found is not None and Path(full_path).is_file():
                return full_path, found
        return "", None

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(SITE)
        # Names under assets/ carry a hash of their content. A missing one may come with the next
        # deploy: kept for good, it would be missing ever after.
        hashed = path.startswith("assets/") and response.status_code < 400
        response.headers["Cache-Control"] = _FOR_GOOD if hashed else "no-cache"
        return response
