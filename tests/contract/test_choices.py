"""What a reader chooses for an answer is checked, and used."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from chatkit_server.breaker import Breaker
from chatkit_server.errors import SettingsError
from chatkit_server.settings import read_settings
from chatkit_server.testing import Call, Fail, Say, ScriptedModel
from tests.fixtures.app import Client, StartServer, message
from tests.fixtures.own_server import dump


def create(**options: Any) -> dict[str, Any]:
    """The parameters of `threads.create` with inference options."""
    return {"input": message("How do I connect to Neon?", inference_options=options)}


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_the_chosen_model_answers_and_answers_the_retry_too(
    start_server: StartServer, api: str
) -> None:
    with (
        ScriptedModel(Say("So [1].")) as model,
        start_server(
            openai_base_url=model.base_url, model="small", models="large, huge", model_api=api
        ) as url,
    ):
        ada = Client(url)
        events = ada.events("threads.create", **create(model="large"))
        thread_id = events[0]["thread"]["id"]
        question = ada.items(thread_id)[0]
        ada.events("threads.retry_after_item", thread_id=thread_id, item_id=question["id"])
        ada.ask("And with a pool?", thread_id)
        ada.events("threads.create", **create(model="small"))

    assert [request.body["model"] for request in model.requests] == [
        "large",
        "large",
        "small",
        "small",
    ]
    assert question["inference_options"] == {"model": "large"}
    if api == "responses":
        # A model that was chosen keeps nothing at the provider either.
        assert all(request.body["store"] is False for request in model.requests)


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_the_chosen_tool_is_called_first_and_only_first(
    start_server: StartServer, api: str
) -> None:
    with (
        ScriptedModel(Call("search_docs", {"query": "neon"}), Say("So.")) as model,
        start_server(openai_base_url=model.base_url, model="m", model_api=api) as url,
    ):
        ada = Client(url)
        events = ada.events("threads.create", **create(tool_choice={"id": "search_docs"}))
        ada.ask("And with a pool?", events[0]["thread"]["id"])

    first, second, third = (request.body.get("tool_choice") for request in model.requests)
    assert "search_docs" in str(first)
    assert second in (None, "auto")
    assert third in (None, "auto")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "gpt-9"}, "must be one of: large, m."),
        ({"model": ""}, "must be one of: large, m."),
        ({"tool_choice": {"id": "rm"}}, "must be one of: search_docs."),
        ({"tool_choice": {"id": "required"}}, "must be one of: search_docs."),
        ({"tool_choice": "search_docs"}, "tool_choice"),
    ],
)
def test_what_is_not_offered_is_refused_before_anything_is_stored(
    start_server: StartServer, database_url: str, options: dict[str, Any], said: str
) -> None:
    with (
        ScriptedModel(Say("So.")) as model,
        start_server(openai_base_url=model.base_url, model="m", models="large") as url,
    ):
        ada = Client(url)
        thread_id = ada.ask("Hello?").thread_id
        before = dump(database_url)
        sent = create(**options)
        answers = [
            ada.post("threads.create", **sent),
            ada.post("threads.add_user_message", thread_id=thread_id, **sent),
        ]
        assert dump(database_url) == before

    for response in answers:
        assert response.status_code == 400
        assert said in response.json()["error"]["message"]
    assert len(model.requests) == 1


def test_without_a_model_there_is_none_to_choose(ada: Client) -> None:
    refused = ada.post("threads.create", **create(model="gpt-5"))

    assert refused.status_code == 400
    assert "no choice" in refused.json()["error"]["message"]
    tool = create(tool_choice={"id": "search_docs"})
    assert ada.events("threads.create", **tool)[-1]["type"] == "thread.item.done"


def test_a_model_that_is_no_longer_offered_leaves_the_retry_to_the_default(
    start_server: StartServer,
) -> None:
    with ScriptedModel(Say("So.")) as model:
        settings = {"openai_base_url": model.base_url, "model": "m"}
        with start_server(**settings, models="large") as url:
            ada = Client(url)
            thread_id = ada.events("threads.create", **create(model="large"))[0]["thread"]["id"]
            question = ada.items(thread_id)[0]["id"]
        with start_server(**settings) as url:
            again = Client(url, ada.secret)
            again.events("threads.retry_after_item", thread_id=thread_id, item_id=question)

    assert [request.body["model"] for request in model.requests] == ["large", "m"]


def test_a_chosen_model_that_is_down_does_not_close_the_others(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is not asked again by the time that a busy machine comes to the next question.
    monkeypatch.setattr("chatkit_server.answer.Breaker", partial(Breaker, pause=600.0))

    def answer(request: Any) -> Say | Fail:
        return Fail(404) if request.body["model"] == "gone" else Say("So.")

    with (
        ScriptedModel(answer) as model,
        start_server(openai_base_url=model.base_url, model="m", models="gone") as url,
    ):
        ada = Client(url)
        for _ in range(4):
            events = ada.events("threads.create", **create(model="gone"))
            assert any(event["type"] == "notice" for event in events)
        reply = ada.ask("How do I connect to Neon?")

    assert reply.text == "So."
    # Nobody asks the one that is gone for the fourth time.
    assert [r.body["model"] for r in model.requests] == ["gone", "gone", "gone", "m"]


def test_models_to_choose_from_need_a_server() -> None:
    with pytest.raises(SettingsError, match="CHATKIT_MODELS needs OPENAI_API_KEY"):
        read_settings({"models": "large"})
