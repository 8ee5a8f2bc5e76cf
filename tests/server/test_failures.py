"""Each failure of the model has its own sentence, and says whether trying again may help."""

from __future__ import annotations

import gc
import json
import logging
from typing import Any

import pytest

from chatkit_server.testing import Answer, Break, Fail, Refuse, Say, ScriptedModel
from tests.fixtures.app import Client, Reply, StartServer

NEON = "How do I connect to Neon?"
SECRET = "sk-quoted-by-the-provider"


@pytest.fixture(params=["responses", "chat"])
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ask(start_server: StartServer, api: str, answer: Answer, **values: Any) -> tuple[Reply, Any]:
    """One question to a model that fails, and what is stored afterwards."""
    with (
        ScriptedModel(answer) as model,
        start_server(openai_base_url=model.base_url, model="m", model_api=api, **values) as url,
    ):
        client = Client(url)
        reply = client.ask_held(model, NEON)
        return reply, client.items(reply.thread_id)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Fail(400, SECRET, "context_length_exceeded"), "too long for the model. Start a new one"),
        (Fail(400, f"{SECRET}: maximum context length is 8192 tokens"), "too long for the model"),
        (Fail(400, SECRET), "could not take this conversation"),
        (Refuse(SECRET), "declined"),
    ],
    ids=["overflow", "overflow in words", "bad request", "refusal"],
)
def test_what_lies_in_the_conversation_is_an_error_that_a_retry_does_not_mend(
    start_server: StartServer, api: str, answer: Answer, said: str
) -> None:
    reply, items = ask(start_server, api, answer)

    assert reply.error is not None
    assert said in reply.error["message"]
    assert reply.error["allow_retry"] is False
    assert SECRET not in json.dumps(reply.events)
    assert [item["type"] for item in items] == ["user_message"]


@pytest.mark.parametrize(
    ("answer", "said", "values"),
    [
        (Fail(429, SECRET), "The model is busy.", {}),
        (Fail(429, SECRET, "insufficient_quota"), "budget is used up", {}),
        (Fail(500, SECRET), "has a fault", {}),
        (Fail(401, SECRET), "refused this site's credentials", {}),
        (Fail(404, SECRET), "does not exist", {}),
        (Say("Late", hold_after=0), "took too long", {"model_timeout": 0.3}),
    ],
    ids=["429", "quota", "500", "401", "404", "timeout"],
)
def test_what_does_not_lie_in_the_conversation_is_told_beside_quotes(
    start_server: StartServer, api: str, answer: Answer, said: str, values: dict[str, Any]
) -> None:
    reply, items = ask(start_server, api, answer, **values)

    assert reply.error is None
    [notice] = reply.of("notice")
    assert said in notice["message"]
    assert "only quotes the docs" in notice["message"]
    assert "DATABASE_URL" in reply.text
    assert SECRET not in json.dumps(reply.events)
    assert [item["type"] for item in items] == ["user_message", "assistant_message"]


def test_an_answer_that_breaks_off_is_kept_and_may_be_tried_again(
    start_server: StartServer, api: str
) -> None:
    reply, items = ask(start_server, api, Break("Half an answer", hold=True))

    assert reply.error is not None
    assert "broke off" in reply.error["message"]
    assert reply.error["allow_retry"] is True
    assert items[-1]["content"][0]["text"] == "Half an answer"


@pytest.mark.parametrize(
    ("why", "said"), [("length", "as long as the model may write"), ("content_filter", "filtered")]
)
def test_an_answer_that_the_provider_cuts_off_is_an_answer(
    start_server: StartServer, why: Any, said: str
) -> None:
    # Chat Completions has no event for it: what was written is taken for whole.
    reply, items = ask(start_server, "responses", Say("As far as it goes", cut_off=why))

    assert reply.error is None
    assert said in reply.of("notice")[0]["message"]
    assert reply.text == items[-1]["content"][0]["text"] == "As far as it goes"


def test_long_answers_are_not_taken_for_an_outage(start_server: StartServer) -> None:
    with (
        ScriptedModel(Say("As far as it goes", cut_off="length")) as model,
        start_server(openai_base_url=model.base_url, model="m", model_api="responses") as url,
    ):
        replies = [Client(url).ask(NEON) for _ in range(5)]

    assert [reply.text for reply in replies] == ["As far as it goes"] * 5


@pytest.mark.parametrize("answer", [Fail(400), Fail(500), Break("Half")], ids=["400", "500", "cut"])
def test_a_failure_leaves_no_task_behind(
    start_server: StartServer, api: str, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    gc.collect()
    caplog.clear()
    with (
        caplog.at_level(logging.ERROR, "asyncio"),
        ScriptedModel(answer) as model,
        start_server(openai_base_url=model.base_url, model="m", model_api=api) as url,
    ):
        for _ in range(3):
            Client(url).ask(NEON)
        gc.collect()

    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
