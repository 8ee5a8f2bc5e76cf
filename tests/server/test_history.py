"""What the model is told of a thread."""

from datetime import UTC, datetime
from typing import Any

import pytest
from agents.models.chatcmpl_converter import Converter
from chatkit.types import ThreadItem
from pydantic import TypeAdapter

from chatkit_server.followup import complete
from chatkit_server.history import model_input

ITEM: TypeAdapter[ThreadItem] = TypeAdapter(ThreadItem)
NOW = datetime(2026, 1, 1, tzinfo=UTC).isoformat()


def item(kind: str, number: int = 0, **fields: Any) -> ThreadItem:
    base = {"id": f"{kind}_{number}", "thread_id": "thr", "created_at": NOW, "type": kind}
    return ITEM.validate_python({**base, **fields})


def user(text: str, number: int = 0) -> ThreadItem:
    content = [{"type": "input_text", "text": text}]
    return item("user_message", number, content=content, inference_options={})


def assistant(text: str, number: int = 0) -> ThreadItem:
    return item("assistant_message", number, content=[{"text": text}])


async def test_a_long_thread_loses_its_beginning_and_not_its_end() -> None:
    items = [
        made
        for n in range(40)
        for made in (user(f"question {n} " + "word " * 60, n), assistant(f"answer {n}", n))
    ]
    items.append(user("the last question", 99))

    sent = str(await model_input(items, budget=1000, passages=None))

    assert "the last question" in sent
    assert "question 39" in sent
    assert "question 1 " not in sent


async def test_the_question_is_sent_whole_even_without_a_budget() -> None:
    sent = await model_input([user("old"), user("long " * 5000, 1)], budget=0, passages=None)

    assert len(sent) == 1
    assert "long" in str(sent)


async def test_the_passages_are_a_second_part_of_the_users_own_item() -> None:
    items = [user("first", 1), assistant("reply", 1), user("second", 2)]
    sent: Any = await model_input(items, budget=1000, passages="<passages>[]</passages>")

    assert [entry["role"] for entry in sent] == ["user", "assistant", "user"]
    assert [part["text"] for part in sent[-1]["content"]] == ["second", "<passages>[]</passages>"]
    assert "passages" not in str(sent[:-1])


async def test_what_the_reader_has_quoted_is_part_of_their_message_also_later_on() -> None:
    content = [
        {"type": "input_text", "text": "What is "},
        {"type": "input_tag", "id": "1", "text": "this", "data": {"secret": 1}},
    ]
    quoting = item("user_message", 1, content=content, quoted_text="a pooler", inference_options={})
    for items in ([quoting, assistant("So.", 1), user("And?", 2)], [quoting]):
        sent: Any = await model_input(items, budget=1000, passages=None)
        roles = [entry["role"] for entry in sent]
        assert roles == ["user", "assistant", "user"][: len(roles)]
        texts = [part["text"] for part in sent[0]["content"]]
        assert texts[0] == "What is @this"
        assert "a pooler" in "".join(texts)
        assert "secret" not in "".join(texts)


@pytest.mark.parametrize(
    "odd",
    [
        item("hidden_context_item", content={"any": "thing"}),
        item("widget", widget={"type": "Card", "children": []}),
        item("end_of_turn"),
        item("workflow", workflow={"type": "reasoning", "tasks": []}),
        item(
            "user_message",
            5,
            content=[{"type": "input_tag", "id": "1", "text": "v2", "data": {}}],
            attachments=[{"type": "file", "id": "a", "name": "a.txt", "mime_type": "text/plain"}],
            inference_options={},
        ),
        item("client_tool_call", call_id="c", name="where", arguments={}, status="pending"),
        item(
            "client_tool_call",
            call_id="c",
            name="where",
            arguments={},
            status="completed",
            output=1,
        ),
    ],
    ids=lambda thing: thing.type,
)
async def test_no_item_makes_a_thread_unusable_for_either_api(odd: ThreadItem) -> None:
    sent = await model_input([odd, user("go on", 9)], budget=1000, passages="<passages>")

    assert "go on" in str(sent)
    assert Converter.items_to_messages(sent)


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ("and in TypeScript?", "How do I connect to Neon? and in TypeScript?"),
        ("What does it cost on Neon when nobody uses it?", None),
        ("How do I configure allowed origins for another site?", "the question itself"),
    ],
)
def test_a_question_that_leans_on_the_one_before_is_completed(
    question: str, query: str | None
) -> None:
    items = [user("How do I connect to Neon?", 1), assistant("So.", 1), user(question, 2)]

    expected = {
        None: f"How do I connect to Neon? {question}",
        "the question itself": question,
    }.get(query, query)
    assert complete(question, items) == expected


def test_a_first_question_stands_alone() -> None:
    assert complete("and this?", [user("and this?")]) == "and this?"
