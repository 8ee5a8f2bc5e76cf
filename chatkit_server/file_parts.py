"""What the model gets of attached files: images as images, text as text, the rest by name."""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from collections.abc import Awaitable, Callable, Sequence

from chatkit.types import Attachment
from openai.types.responses import ResponseInputImageParam, ResponseInputTextParam

from .errors import RequestError
from .filetypes import image_type

logger = logging.getLogger("chatkit_server")

_PATIENCE = 10.0
# As `history.estimate_tokens` counts.
_BYTES_A_TOKEN = 3
Part = ResponseInputImageParam | ResponseInputTextParam


class FileParts:
    """Reads attachments into parts of a model's input.

    Args:
        load: Gives the bytes of an attachment, None where there are none.
        text_tokens: Budget for the text files of one call.
    """

    def __init__(self, load: Callable[[str], Awaitable[bytes | None]], *, text_tokens: int) -> None:
        self._load = load
        self._text_tokens = text_tokens

    async def read(self, attachments: Sequence[Attachment]) -> dict[str, Part]:
        """A part for each, by id; the first ones are given most of the budget.

        Nothing here ends an answer: a file that can't be had is told of by its name.
        """
        contents = await asyncio.gather(*(self._content(found.id) for found in attachments))
        left = self._text_tokens * _BYTES_A_TOKEN
        parts: dict[str, Part] = {}
        for attachment, content in zip(attachments, contents, strict=True):
            if content is None:
                parts[attachment.id] = _text(f"({attachment.name} was attached and is gone)")
            elif kind := image_type(content):
                parts[attachment.id] = ResponseInputImageParam(
                    type="input_image",
                    detail="auto",
                    image_url=f"data:{kind};base64,{base64.b64encode(content).decode()}",
                )
            else:
                parts[attachment.id] = _text(_quoted(attachment.name, content, left))
                left -= min(left, len(content))
        return parts

    async def _content(self, attachment_id: str) -> bytes | None:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._load(attachment_id)
        except (RequestError, TimeoutError, ValueError) as error:
            logger.warning("an attachment is kept from the model: %s", error or "it took too long")
            return None


def _quoted(name: str, content: bytes, most: int) -> str:
    if most <= 0:
        return f"(attached file: {name}, too long to be read here)"
    # Cut within a character, it loses that character.
    text = content[:most].decode("utf-8-sig", errors="ignore")
    # No file can end its quotation, or be taken for passages of the docs.
    text = re.sub(r"<(?=/?(?:file|passages)\b)", "&lt;", text)
    cut = ""
    if len(content) > most:
        cut = f"\n(cut off here: these are the first {most:,} of {len(content):,} bytes)"
    return f"<file>\n{name}\n\n{text}\n</file>{cut}"


def _text(text: str) -> Part:
    return ResponseInputTextParam(type="input_text", text=text)
