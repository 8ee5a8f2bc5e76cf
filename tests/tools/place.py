"""A place where collections live: the engine, or a server of any kind."""

from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

from chatkit_tools import Embeddings, Passages, Reranker
from chatkit_tools.collection import Collection
from chatkit_tools.connection import Connection, connect_engine, connect_server
from chatkit_tools.launcher import socket_path
from chatkit_tools.mapping import FieldMapping


class Place:
    """Opens clients of one place, all of them closed after the test."""

    def __init__(self, where: dict[str, Any], stack: AsyncExitStack) -> None:
        self.where = where
        self._stack = stack
        self.name = f"test-{uuid4().hex[:12]}"

    async def open(
        self,
        *,
        embeddings: Embeddings | None = None,
        reranker: Reranker | None = None,
        language: str = "english",
        version: str | None = None,
        mapping: FieldMapping | None = None,
    ) -> Passages:
        opened = Passages.open(
            collection=self.name,
            embeddings=embeddings,
            reranker=reranker,
            language=language,
            version=version,
            mapping=mapping,
            **self.where,
        )
        return await self._stack.enter_async_context(opened)

    async def collection(self) -> Collection:
        return Collection(self.name, await self.connection())

    async def connection(self) -> Connection:
        if "url" in self.where:
            connecting = connect_server(self.where["url"], self.where.get("api_key"))
        else:
            connecting = connect_engine(self.where["data_dir"] / "search")
        return await self._stack.enter_async_context(connecting)

    def address(self) -> str:
        """Where a program of others reaches it: a URL, or the path of a socket."""
        if "url" in self.where:
            return str(self.where["url"])
        return f"unix:{socket_path(self.where['data_dir'] / 'search')}"
