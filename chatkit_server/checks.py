"""Refuses what a thread, as it is now, has no place for; the SDK would break the stream instead."""

from __future__ import annotations

from typing import Any

from chatkit.store import Store
from chatkit.types import (
    ClientToolCallItem,
    StreamingReq,
    StructuredInputItem,
    ThreadItem,
    ThreadsAddClientToolOutputReq,
    ThreadsAddStructuredInputReq,
    ThreadsCustomActionReq,
    WidgetItem,
)

from .errors import RequestError, invalid
from .forms import check_answers


async def check_fits(
    request: StreamingReq,
    items: list[ThreadItem],
    store: Store[Any],
    context: Any,
    *,
    own_answers: bool,
) -> None:
    """Check a request against the items that it is about.

    Args:
        request: What goes on in the thread.
        items: The thread's newest, oldest first.
        store: Knows the others.
        context: Of the request.
        own_answers: See `check_answers`.

    Raises:
        RequestError: 400 or 409.
        NotFoundError: there is no such item in this thread.
    """
    match request:
        case ThreadsAddClientToolOutputReq():
            last = items[-1] if items else None
            if not isinstance(last, ClientToolCallItem) or last.status != "pending":
                raise RequestError(409, "not_pending", "No tool call waits for its output.")
        case ThreadsAddStructuredInputReq(params=params):
            item = await store.load_item(params.thread_id, params.item_id, context)
            if not isinstance(item, StructuredInputItem):
                raise invalid("This item does not ask for answers.")
            check_answers(item, params.input, own_answers=own_answers)
        case ThreadsCustomActionReq(params=params):
            await load_sender(store, params.thread_id, params.item_id, context)


async def load_sender(
    store: Store[Any], thread_id: str, item_id: str | None, context: Any
) -> WidgetItem | None:
    """The widget that an action comes from, where it comes from one.

    Raises:
        RequestError: 400 for any other item.
        NotFoundError: there is no such item in this thread.
    """
    if item_id is None:
        return None
    item = await store.load_item(thread_id, item_id, context)
    if not isinstance(item, WidgetItem):
        raise invalid("Only a widget can send an action.")
    return item
