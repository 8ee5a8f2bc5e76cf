"""Makes ids that sort by time and do not collide."""

import secrets
import time
from typing import Final

from chatkit.store import StoreItemType

_PREFIXES: Final[dict[StoreItemType, str]] = {
    "thread": "thr",
    "message": "msg",
    "tool_call": "tc",
    "workflow": "wf",
    "task": "tsk",
    "attachment": "atc",
    "sdk_hidden_context": "shcx",
}


def new_id(kind: StoreItemType) -> str:
    """128 bits behind ChatKit's prefix: 48 of milliseconds, then 80 random ones.

    The SDK's own ids have 32 random bits, and are as likely as not to collide at 77,000 items.
    """
    milliseconds = time.time_ns() // 1_000_000
    return f"{_PREFIXES[kind]}_{milliseconds:012x}{secrets.token_hex(10)}"
