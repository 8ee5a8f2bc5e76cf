"""The seams to the ChatKit SDK: what is mended from outside, and checked at import.

The SDK makes naive local timestamps, and its annotation converter refuses the classes that the
openai package has used since 3.6, which ends every answer that has a provider's citation. Both are
module attributes; `tests/server/test_sdk.py` fails when a new version moves them.
"""

from __future__ import annotations

import datetime
from typing import Any

import chatkit.agents
import chatkit.server
from chatkit.types import ChatKitReq
from pydantic import BaseModel, TypeAdapter


class _AwareDatetime(datetime.datetime):
    """`datetime.now()` in UTC; the SDK uses the name for nothing else."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
        return datetime.datetime.now(tz or datetime.UTC)


def mend() -> None:
    """Mend the SDK; calling it again changes nothing.

    Raises:
        RuntimeError: the installed SDK has no such seam.
    """
    for module in (chatkit.server, chatkit.agents):
        if not isinstance(getattr(module, "datetime", None), type):
            raise RuntimeError(f"{module.__name__} has no clock to mend; pin openai-chatkit<1.7")
        module.datetime = _AwareDatetime  # type: ignore[attr-defined]

    convert = getattr(chatkit.agents, "_convert_annotation", None)
    if convert is None:
        raise RuntimeError("chatkit.agents has no _convert_annotation; pin openai-chatkit<1.7")
    if convert.__module__ == __name__:
        return

    async def convert_any(raw: Any, converter: Any) -> Any:
        return await convert(raw.model_dump() if isinstance(raw, BaseModel) else raw, converter)

    chatkit.agents._convert_annotation = convert_any  # type: ignore[assignment]


# Built once: the SDK builds it anew for each request, which takes 2.5 ms.
REQUESTS: TypeAdapter[ChatKitReq] = TypeAdapter(ChatKitReq)

mend()
