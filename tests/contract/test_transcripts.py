"""A transcript for every request type that works: what is sent, what comes back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.fixtures.app import Client, message


def kinds(events: list[dict[str, object]]) -> list[object]:
    """The event types in order, repeated ones once."""
    seen: list[object] = []
    for event in events:
        if not seen or seen[-1] != event["type"]:
            seen.append(event["type"])
    return seen


def test_threads_create_streams_a_cited_answer(ada: Client) -> None:
    reply = ada.ask("How do I connect to Neon?")

    assert kinds(reply.events) == [
        "thread.created",
        "thread.item.done",
        "stream_options",
        "thread.item.added",
        "thread.item.updated",
        "thread.updated",
        "thread.item.done",
    ]
    assert reply.events[0]["thread"]["items"] == {"data": [], "has_more": False}
    assert (
        reply.of("thread.item.done")[0]["item"]["content"]
        == message("How do I connect to Neon?")["content"]
    )
    assert reply.of("stream_options")[0]["stream_options"] == {"allow_cancel": True}
    assert "DATABASE_URL" in reply.text
    assert "/docs/neon#connect-to-neon" in reply.urls
    assert "[1]" not in reply.text
    sources = [annotation["source"] for annotation in reply.answer["content"][0]["annotations"]]
    described = {(s["title"], *s["description"].split("\n")) for s in sources}
    cited = next(text for title, section, text in described if section == "Connect to Neon")
    assert ("Neon", "Connect to Neon", cited) in described
    assert 0 < len(cited) <= 200


def test_the_deltas_add_up_to_the_answer(ada: Client) -> None:
    reply = ada.ask("How do I connect to Neon?")

    updates = [event["update"] for event in reply.of("thread.item.updated")]
    text = "".join(
        u["delta"] for u in updates if u["type"] == "assistant_message.content_part.text_delta"
    )
    annotations = [
        u["annotation"]
        for u in updates
        if u["type"] == "assistant_message.content_part.annotation_added"
    ]
    assert text == reply.text
    assert annotations == reply.answer["content"][0]["annotations"]


def test_an_answer_that_the_docs_do_not_give_is_not_made_up(ada: Client) -> None:
    reply = ada.ask("Which wavelengths does the James Webb telescope observe?")

    assert reply.text.startswith("The docs don't seem to cover this")


def test_threads_add_user_message_goes_on_in_the_thread(ada: Client) -> None:
    first = ada.ask("How do I connect to Neon?")
    second = ada.ask("At what temperature do I bake the loaf?", first.thread_id)

    assert kinds(second.events)[0] == "thread.item.done"
    assert second.urls[0] == "/docs/bread#oven"
    assert [item["type"] for item in ada.items(first.thread_id)] == [
        "user_message",
        "assistant_message",
        "user_message",
        "assistant_message",
    ]


def test_what_is_stored_is_what_was_streamed(ada: Client) -> None:
    reply = ada.ask("How do I connect to Neon?")

    stored = ada.items(reply.thread_id)[-1]
    assert stored == reply.answer


def test_threads_get_by_id_gives_the_thread_with_its_items(ada: Client) -> None:
    reply = ada.ask("How do I connect to Neon?")

    thread = ada.post("threads.get_by_id", thread_id=reply.thread_id).json()

    assert thread["id"] == reply.thread_id
    assert thread["status"] == {"type": "active"}
    assert [item["type"] for item in thread["items"]["data"]] == [
        "user_message",
        "assistant_message",
    ]


def test_threads_list_has_the_newest_first_with_titles(ada: Client) -> None:
    ada.ask("How do I connect to Neon?")
    ada.ask("At what temperature do I bake the loaf?")

    page = ada.post("threads.list", limit=1).json()
    assert [thread["title"] for thread in page["data"]] == [
        "At what temperature do I bake the loaf?"
    ]
    assert page["has_more"]

    rest = ada.post("threads.list", limit=5, after=page["after"]).json()
    assert [thread["title"] for thread in rest["data"]] == ["How do I connect to Neon?"]
    assert not rest["has_more"]
    assert "after" not in rest


def test_items_list_pages_in_both_directions(ada: Client) -> None:
    thread_id = ada.ask("How do I connect to Neon?").thread_id
    ada.ask("At what temperature do I bake the loaf?", thread_id)
    ids = [item["id"] for item in ada.items(thread_id)]

    for order, expected in (("asc", ids), ("desc", ids[::-1])):
        found, after = [], None
        while True:
            page = ada.post(
                "items.list", thread_id=thread_id, order=order, limit=3, after=after
            ).json()
            found += [item["id"] for item in page["data"]]
            after = page.get("after")
            if not page["has_more"]:
                break
        assert found == expected


def test_threads_update_renames(ada: Client) -> None:
    thread_id = ada.ask("How do I connect to Neon?").thread_id

    renamed = ada.post("threads.update", thread_id=thread_id, title="Neon 🙂")

    assert renamed.json()["title"] == "Neon 🙂"
    assert ada.threads()[0]["title"] == "Neon 🙂"


def test_threads_delete_removes_the_thread(ada: Client) -> None:
    thread_id = ada.ask("How do I connect to Neon?").thread_id

    assert ada.post("threads.delete", thread_id=thread_id).json() == {}
    assert ada.post("threads.get_by_id", thread_id=thread_id).status_code == 404
    assert ada.post("threads.delete", thread_id=thread_id).status_code == 404
    assert ada.threads() == []


def test_threads_retry_after_item_answers_again(ada: Client) -> None:
    reply = ada.ask("How do I connect to Neon?")
    question, old = ada.items(reply.thread_id)

    events = ada.events(
        "threads.retry_after_item", thread_id=reply.thread_id, item_id=question["id"]
    )

    assert kinds(events)[:2] == ["stream_options", "thread.item.added"]
    question_again, new = ada.items(reply.thread_id)
    assert question_again == question
    assert new["id"] != old["id"]
    assert new["content"] == old["content"]


def test_times_are_aware_utc(ada: Client) -> None:
    before = datetime.now(UTC)
    reply = ada.ask("How do I connect to Neon?")

    times = [reply.events[0]["thread"]["created_at"]]
    times += [item["created_at"] for item in ada.items(reply.thread_id)]
    for text in times:
        at = datetime.fromisoformat(text)
        assert at.utcoffset() is not None
        assert before <= at <= datetime.now(UTC)


def test_ids_have_128_bits(ada: Client) -> None:
    reply = ada.ask("How do I connect to Neon?")

    for thing in (reply.thread_id, *(item["id"] for item in ada.items(reply.thread_id))):
        prefix, _, digits = thing.partition("_")
        assert prefix in ("thr", "msg")
        assert len(digits) == 32


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("attachments.create", {"name": "a.png", "size": 1, "mime_type": "image/png"}),
        ("attachments.delete", {"attachment_id": "atc_1"}),
        ("input.transcribe", {"audio_base64": "aGk=", "mime_type": "audio/webm"}),
    ],
)
def test_what_is_not_configured_says_so(ada: Client, kind: str, params: dict[str, object]) -> None:
    response = ada.post(kind, **params)

    assert response.status_code == 501
    assert response.json()["error"]["code"] == "not_configured"


@pytest.mark.parametrize("kind", ["threads.custom_action", "threads.sync_custom_action"])
def test_actions_are_not_configured(ada: Client, kind: str) -> None:
    thread_id = ada.ask("How do I connect to Neon?").thread_id
    action = {"type": "like", "payload": {}}

    assert ada.post(kind, thread_id=thread_id, action=action).status_code == 501
