"""Runs the body of a check on a freshly opened store, in an event loop of its own."""

import asyncio
import functools
import inspect
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from itertools import count
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeAlias, TypeVar, cast

import pytest
from chatkit.store import NotFoundError, Store
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    FileAttachment,
    Page,
    ThreadItem,
    ThreadMetadata,
)

OpenStore: TypeAlias = Callable[[], AbstractAsyncContextManager[Store[Any]]]
Load: TypeAlias = Callable[[str | None, int], Awaitable[Page[Any]]]

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ODD_IDS = ("", "\0", "\ud800", "' or 1=1 --", "../..", "x" * 10_000)


@dataclass
class User:
    """The context that most stores need."""

    user_id: str


@dataclass
class Case:
    """One test's store, two users and names that no other test has used."""

    store: Store[Any]
    open_another: OpenStore
    """A second store over the same data, as another process or the next start has one."""
    _context: Callable[[str], Any]
    _token: str = field(default_factory=lambda: secrets.token_hex(8))
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def ada(self) -> Any:
        """A new context of this user each time, as each request has one."""
        return self._context(f"ada_{self._token}")

    @property
    def bob(self) -> Any:
        return self._context(f"bob_{self._token}")

    def new_id(self, prefix: str = "msg") -> str:
        return f"{prefix}_{next(self._numbers):04}_{self._token}"

    def thread(self, **fields: Any) -> ThreadMetadata:
        thread_id = self.store.generate_thread_id(self.ada)
        return ThreadMetadata(**{"id": thread_id, "created_at": NOON} | fields)

    async def saved_thread(self, context: Any = None, **fields: Any) -> ThreadMetadata:
        thread = self.thread(**fields)
        await self.store.save_thread(thread, context=context or self.ada)
        return thread

    def answer(
        self, thread: ThreadMetadata, text: str = "Because.", **fields: Any
    ) -> AssistantMessageItem:
        return AssistantMessageItem(
            **{
                "id": self.new_id(),
                "thread_id": thread.id,
                "created_at": NOON,
                "content": [AssistantMessageContent(text=text)],
            }
            | fields
        )

    async def added_answer(
        self, thread: ThreadMetadata, text: str = "Because.", *, context: Any = None, **fields: Any
    ) -> AssistantMessageItem:
        item = self.answer(thread, text, **fields)
        await self.store.add_thread_item(thread.id, item, context=context or self.ada)
        return item

    def attachment(self, **fields: Any) -> FileAttachment:
        return FileAttachment(
            **{"id": self.new_id("atc"), "name": "notes.txt", "mime_type": "text/plain"} | fields
        )

    async def items(
        self, thread: ThreadMetadata, order: str = "asc", *, limit: int = 50, context: Any = None
    ) -> list[ThreadItem]:
        """All of a thread's items, page by page."""
        pages = self.pages(self.load_items(thread, order, context=context), limit)
        return [item async for page in pages for item in page.data]

    def load_items(self, thread: ThreadMetadata, order: str, *, context: Any = None) -> Load:
        return lambda after, limit: self.store.load_thread_items(
            thread.id, after=after, limit=limit, order=order, context=context or self.ada
        )

    def load_threads(self, order: str, *, context: Any = None) -> Load:
        return lambda after, limit: self.store.load_threads(
            limit=limit, after=after, order=order, context=context or self.ada
        )

    async def pages(self, load: Load, limit: int) -> AsyncIterator[Page[Any]]:
        """Follow `after` to the end, and fail where there is none."""
        after: str | None = None
        seen: set[str | None] = set()
        while True:
            page = await load(after, limit)
            yield page
            if not page.has_more:
                assert page.after is None, "the last page has an `after`: clients ask for more"
                return
            assert page.after is not None, "there are more pages, and no `after` to load them by"
            after = page.after
            assert after not in seen, f"paging goes round in circles at {after}"
            seen.add(after)

    async def found(self, loading: Awaitable[Any]) -> Any:
        """What is loaded, or None when it is not found."""
        try:
            return await loading
        except NotFoundError:
            return None

    async def is_refused(self, writing: Awaitable[Any]) -> bool:
        """Whether the store refused a write, by whatever exception."""
        try:
            await writing
        except Exception:
            return True
        return False


def wire(model: Any) -> Any:
    """What a client would see: two objects are the same when this is."""
    return model.model_dump(mode="json")


P = ParamSpec("P")
C = TypeVar("C", bound="Contract")


def check(
    body: Callable[Concatenate[C, Case, P], Awaitable[None]],
) -> Callable[Concatenate[C, OpenStore, P], None]:
    """Make the test of a coroutine that takes a case.

    A plain function with a loop of its own: it needs no plugin for asyncio, and whichever is
    installed, in whichever mode, leaves it alone.
    """

    @functools.wraps(body)
    def test(self: C, /, open_store: OpenStore, *args: P.args, **kwargs: P.kwargs) -> None:
        async def run() -> None:
            async with asyncio.timeout(self.patience), open_store() as store:
                await body(self, Case(store, open_store, self.context), *args, **kwargs)

        asyncio.run(run())

    # What pytest takes for the names of fixtures.
    own, _, *params = inspect.signature(body).parameters.values()
    fixture = inspect.Parameter("open_store", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    test.__signature__ = inspect.Signature([own, fixture, *params])  # type: ignore[attr-defined]
    return cast("Callable[Concatenate[C, OpenStore, P], None]", test)


class Contract:
    """What each part of the contract has in common."""

    left_out: ClassVar[Mapping[str, str]] = {}
    """Tests that the store is not meant to pass: a name or pattern, and the reason."""

    patience: ClassVar[float] = 60.0
    """Seconds after which a test fails instead of waiting on."""

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """What opens the store under test: a function that gives an async context manager.

        Tests call it again for a second store over the same data.
        """
        raise NotImplementedError(f"{type(self).__name__} must override the fixture open_store")

    def context(self, user_id: str) -> Any:
        """The context of a request by this user."""
        return User(user_id)

    @pytest.fixture(autouse=True)
    def _leave_out(self, request: pytest.FixtureRequest) -> None:
        names = [name for name in dir(type(self)) if name.startswith("test_")]
        for pattern, reason in self.left_out.items():
            if not any(fnmatch(name, pattern) for name in names):
                pytest.fail(f"left_out names {pattern!r}, and there is no such test")
            if fnmatch(request.function.__name__, pattern):
                pytest.skip(reason)
