"""The whole server for one test: its database, its docs, its tools, and a visitor to ask it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatkit_server.settings import Settings, read_settings

from .models import ScriptedModel
from .servers import serve_in_thread
from .visitors import Visitor

if TYPE_CHECKING:
    from chatkit_server.server import DocsServer

_UNLIMITED = dict.fromkeys(
    [
        "visitor_messages", "address_messages", "visitor_requests", "address_requests",
        "visitor_exports",
    ],
    "off",
)  # fmt: skip


@contextmanager
def open_chat(
    model: ScriptedModel | None = None,
    *,
    docs: Path | Mapping[str, str] | None = None,
    base_url: str = "/docs",
    server_class: type[DocsServer] | None = None,
    **settings: Any,
) -> Iterator[Visitor]:
    """Run the server that `chatkit-server serve` runs; gives a visitor, and ends with the block.

    Nothing of the environment or of `.env` is read, so that no test can reach what is real. The
    database and the search engine are embedded, in a folder that is deleted afterwards; that needs
    the extra `[local]`, unless `database_url` names a database for tests.

    Args:
        model: Writes the answers; without one, they quote the docs.
        docs: A folder to index, or pages by the path of their file: `{"hours.md": "# Hours ..."}`.
        base_url: Where the docs stand on the site.
        server_class: A `DocsServer` of one's own, with actions for example.
        settings: Others by the names of their fields: `tools="acme_docs.tools:service_status"`,
            `agent`, `site_url`, `own_answers`.

    Raises:
        SettingsError: one of them is wrong, or is none.
    """
    # Short, since a socket's path has to fit into 108 bytes, and open to the user as whom
    # PostgreSQL runs when we are root.
    folder = Path(tempfile.mkdtemp(prefix="chat-"))
    folder.chmod(0o755)
    try:
        values: dict[str, Any] = {
            name: field.get_default(call_default_factory=True)
            for name, field in Settings.model_fields.items()
        }
        values |= {**_UNLIMITED, "data_dir": folder / "data", "drain": 1.0}
        if model is not None:
            values |= {"openai_base_url": model.base_url, "model": "scripted"}
        read = read_settings(values | settings)
        if docs is not None:
            asyncio.run(_index(read, _written(docs, folder / "docs"), base_url))

        from chatkit_server.app import create_app

        app = create_app(read, server_class=server_class)
        with serve_in_thread(app, graceful=read.drain) as url:
            yield Visitor(url)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _written(docs: Path | Mapping[str, str], folder: Path) -> Path:
    if not isinstance(docs, Mapping):
        return docs
    for name, text in docs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


async def _index(settings: Settings, docs: Path, base_url: str) -> None:
    from chatkit_server.search import open_passages, open_source

    settings.make_data_dir()
    async with open_passages(settings) as passages:
        summary = await passages.index(open_source(str(docs), base_url=base_url))
    if summary.unreadable:
        raise ValueError(f"these docs can't be read: {summary.unreadable}")
