"""The events of the ChatKit protocol that the scripts are made of."""

from typing import Any

from tests.browser.protocol import Event

NOW = "2026-01-02T03:04:05Z"
THREAD = "thr_1"


def thread(id_: str = THREAD, title: str | None = None, **fields: Any) -> Event:
    return {"id": id_, "title": title, "created_at": NOW, "status": {"type": "active"}, **fields}


def created(**fields: Any) -> Event:
    return {"type": "thread.created", "thread": thread(**fields)}


def question(text: str, id_: str = "msg_q") -> Event:
    content = [{"type": "input_text", "text": text}]
    return item("user_message", id_, content=content, attachments=[], inference_options={})


def answer(text: str, id_: str = "msg_a", annotations: list[Event] | None = None) -> Event:
    part = {"type": "output_text", "text": text, "annotations": annotations or []}
    return item("assistant_message", id_, content=[part])


def item(type_: str, id_: str, **fields: Any) -> Event:
    return {"type": type_, "id": id_, "thread_id": THREAD, "created_at": NOW, **fields}


def added(item: Event) -> Event:
    return {"type": "thread.item.added", "item": item}


def done(item: Event) -> Event:
    return {"type": "thread.item.done", "item": item}


def begun(id_: str = "msg_a") -> Event:
    return added(item("assistant_message", id_, content=[]))


def delta(text: str, id_: str = "msg_a") -> Event:
    return _update(id_, "assistant_message.content_part.text_delta", delta=text)


def annotated(annotation: Event, at: int = 0, id_: str = "msg_a") -> Event:
    return _update(
        id_,
        "assistant_message.content_part.annotation_added",
        annotation_index=at,
        annotation=annotation,
    )


def source(url: str, title: str, heading: str, index: int) -> Event:
    found = {"type": "url", "url": url, "title": title, "description": heading}
    return {"type": "annotation", "source": found, "index": index}


def page_of(items: list[Event], after: str | None = None) -> Event:
    return {"data": items, "has_more": after is not None, "after": after}


def _update(id_: str, type_: str, **fields: Any) -> Event:
    update = {"type": type_, "content_index": 0, **fields}
    return {"type": "thread.item.updated", "item_id": id_, "update": update}
