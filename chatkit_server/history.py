"""What the model is told of the thread: the newest items within a token budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agents import TResponseInputItem
from chatkit.agents import ThreadItemConverter
from chatkit.types import (
    AssistantMessageItem,
    Attachment,
    HiddenContextItem,
    ThreadItem,
    UserMessageItem,
    UserMessageTagContent,
    WidgetItem,
)

from .reading import quote_note


class HistoryConverter(ThreadItemConverter):
    """Converts items so that every model API takes them, and no item makes a thread unusable.

    Args:
        files: What is known of attachments, by id; others are told of by their names.
    """

    def __init__(self, files: Mapping[str, Any] | None = None) -> None:
        self._files = files or {}

    async def assistant_message_to_input(self, item: AssistantMessageItem) -> TResponseInputItem:
        # As plain text: Chat Completions refuses the SDK's `output_text` parts.
        text = "".join(part.text for part in item.content)
        return {"role": "assistant", "content": text}

    async def user_message_to_input(
        self, item: UserMessageItem, is_last_message: bool = True
    ) -> TResponseInputItem:
        # The SDK leaves out what older messages have quoted, puts it between no signs, and makes
        # items of their own of quotes and tags: some models refuse two of the same role in a row.
        bare = item.model_copy(update={"quoted_text": None})
        converted = await super().user_message_to_input(bare, is_last_message=True)
        messages: list[Any] = converted if isinstance(converted, list) else [converted]
        content = [part for message in messages for part in message["content"]]
        if item.quoted_text:
            content.append({"type": "input_text", "text": quote_note(item.quoted_text)})
        return {"type": "message", "role": "user", "content": content}

    async def attachment_to_message_content(self, attachment: Attachment) -> Any:
        by_name = {"type": "input_text", "text": f"(attached file: {attachment.name})"}
        return self._files.get(attachment.id, by_name)

    async def tag_to_message_content(self, tag: UserMessageTagContent) -> Any:
        return {"type": "input_text", "text": f"@{tag.text}"}

    async def hidden_context_to_input(self, item: HiddenContextItem) -> Any:
        if isinstance(item.content, str):
            return await super().hidden_context_to_input(item)
        return None

    async def widget_to_input(self, item: WidgetItem) -> Any:
        if not item.copy_text:
            return None
        text = f"A widget was shown to the user:\n{item.copy_text}"
        return {"role": "user", "content": [{"type": "input_text", "text": text}]}


_BY_NAME = HistoryConverter()
# Whatever its size in bytes; some models take more, most less.
_IMAGE_TOKENS = 1000


def estimate_tokens(item: TResponseInputItem) -> int:
    """Tokens of an input item, one for each three bytes of UTF-8: on the high side for English.

    A tokenizer would be exact for one family of models, and has to be downloaded.
    """
    return _bytes(item) // 3 + 4


def _bytes(value: object) -> int:
    match value:
        case {"type": "input_image"}:
            return _IMAGE_TOKENS * 3
        case str():
            return len(value.encode("utf-8", "surrogatepass"))
        case dict():
            return sum(_bytes(part) for part in value.values())
        case list() | tuple():
            return sum(_bytes(part) for part in value)
        case _:
            return 4


def recent_attachments(items: Sequence[ThreadItem]) -> list[Attachment]:
    """Those that the model is given again: of the question, and of the one before it.

    Of the one before only where it was answered. A file that the model can't take would otherwise
    end the next answer too.
    """
    found: list[Attachment] = []
    answered = False
    questions = 0
    for item in reversed(items):
        if isinstance(item, AssistantMessageItem):
            answered = True
        if isinstance(item, UserMessageItem):
            if questions == 0 or answered:
                found.extend(item.attachments)
            questions += 1
            if questions == 2:
                break
            answered = False
    return found


async def model_input(
    items: Sequence[ThreadItem],
    *,
    budget: int,
    passages: str | None,
    files: Mapping[str, Any] | None = None,
) -> list[TResponseInputItem]:
    """Input for the agent: earlier items within `budget` tokens, then the newest in full.

    Args:
        items: Of the thread, oldest first; the last one is what is answered.
        budget: Tokens for everything before the last user message.
        passages: What the first search found, rendered; becomes the last part of the question.
        files: What the model gets of attachments, by id, in place of their names.
    """
    converter = HistoryConverter(files)
    # The question and whatever came after it (a tool's output, an answered form) is never cut.
    start = next(
        (n for n in range(len(items) - 1, -1, -1) if isinstance(items[n], UserMessageItem)),
        max(len(items) - 1, 0),
    )
    newest: list[TResponseInputItem] = []
    for item in items[start:]:
        converted = await _convert(converter, item, newest=True)
        if passages and item is items[start] and isinstance(item, UserMessageItem) and converted:
            # In the user's own item: a developer's or a tool's word would carry more authority.
            content: Any = converted[0]["content"]  # type: ignore[typeddict-item]
            content.append({"type": "input_text", "text": passages})
        newest.extend(converted)

    # Newest first, so that a long thread loses its beginning and not its end.
    earlier: list[list[TResponseInputItem]] = []
    for item in reversed(items[:start]):
        converted = await _convert(converter, item, newest=False)
        if _tokens(converted) > budget:
            converted = await _convert(_BY_NAME, item, newest=False)
        budget -= _tokens(converted)
        if budget < 0:
            break
        earlier.append(converted)
    return [part for group in reversed(earlier) for part in group] + newest


def _tokens(converted: Sequence[TResponseInputItem]) -> int:
    return sum(estimate_tokens(part) for part in converted)


async def _convert(
    converter: HistoryConverter, item: ThreadItem, *, newest: bool
) -> list[TResponseInputItem]:
    converted = await converter._thread_item_to_input_item(item, is_last_message=newest)
    return [dict(part) for part in converted]  # type: ignore[misc]
