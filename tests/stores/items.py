"""Threads, items and an attachment for the tests of the store."""

from datetime import UTC, datetime

from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    FileAttachment,
    InferenceOptions,
    ThreadItem,
    ThreadMetadata,
    UserMessageItem,
    UserMessageTextContent,
)

from chatkit_stores.testing import samples

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def thread(thread_id: str = "thr_1", title: str | None = None) -> ThreadMetadata:
    return ThreadMetadata(id=thread_id, created_at=NOON, title=title)


def question(item_id: str, text: str = "Why?", *, thread_id: str = "thr_1") -> UserMessageItem:
    return UserMessageItem(
        id=item_id,
        thread_id=thread_id,
        created_at=NOON,
        content=[UserMessageTextContent(text=text)],
        inference_options=InferenceOptions(),
    )


def answer(
    item_id: str, text: str = "Because.", *, thread_id: str = "thr_1"
) -> AssistantMessageItem:
    return AssistantMessageItem(
        id=item_id,
        thread_id=thread_id,
        created_at=NOON,
        content=[AssistantMessageContent(text=text)],
    )


def items_of_every_kind(text: str) -> list[ThreadItem]:
    items: list[ThreadItem] = []
    for number, sample in enumerate(samples.thread_items(text)):
        item = sample.model_copy(update={"id": f"item_{number}", "thread_id": "thr_1"})
        if isinstance(item, UserMessageItem):
            # The server has looked them up: their ids are no text of the user's.
            item.attachments = [
                attachment.model_copy(update={"id": f"atc_{number}_{place}", "thread_id": None})
                for place, attachment in enumerate(item.attachments)
            ]
        items.append(item)
    return items


def file_attachment(name: str = "a.txt", attachment_id: str = "atc_file") -> FileAttachment:
    return FileAttachment(id=attachment_id, name=name, mime_type="text/plain", metadata={"m": name})
