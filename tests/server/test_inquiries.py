"""What a turn looks for, whether the docs had it, and what is kept of it where they had not."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from chatkit_server.agent import open_models
from chatkit_server.breaker import Breaker
from chatkit_server.meter import Meter
from chatkit_server.rewriting import Rewriter
from chatkit_server.settings import read_settings
from chatkit_server.testing import Answer, Call, Fail, ModelRequest, Say, ScriptedModel
from chatkit_stores import PostgresStore
from chatkit_tools import parse_passages
from tests.fixtures.app import Client, Reply, StartServer, message
from tests.fixtures.postgres import rows
from tests.server.test_followup import asked

NEON = "How do I connect to Neon?"
MISSING = "Which loaf has autoscaling and Helm charts?"
SMALL = "small-and-fast"


def unanswered(database_url: str) -> list[dict[str, Any]]:
    """What is kept, oldest first."""

    async def load() -> list[dict[str, Any]]:
        async with PostgresStore.open(database_url) as store:
            found = await store.load_unanswered()
        return [{"kind": one.kind, **one.data} for one in reversed(found)]

    return asyncio.run(load())


def log_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(r.getMessage()) for r in caplog.records if r.name == "chatkit_server.turn"]


@pytest.fixture
def ask(start_server: StartServer) -> Callable[..., tuple[list[Reply], ScriptedModel]]:
    """Asks questions in one thread, of a server with a scripted model."""

    def ask(
        questions: list[str], *script: Answer | Callable[[ModelRequest], Answer], **values: Any
    ) -> tuple[list[Reply], ScriptedModel]:
        with (
            ScriptedModel(*script) as model,
            start_server(openai_base_url=model.base_url, model="large", **values) as url,
        ):
            client = Client(url)
            replies: list[Reply] = []
            for question in questions:
                replies.append(client.ask(question, replies[0].thread_id if replies else None))
        return replies, model

    return ask


Ask = Callable[..., tuple[list[Reply], ScriptedModel]]


def text_of(request: ModelRequest) -> str:
    """The last message with its parts, as the model reads it."""
    content = request.input[-1]["content"]
    parts = [content] if isinstance(content, str) else [part["text"] for part in content]
    return "\n".join(parts)


# What the docs don't say


def test_a_question_that_the_docs_do_not_answer_is_told_as_such_and_kept(
    start_server: StartServer, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatkit_server.turn")
    page = {"url": "https://x.example/docs/bread", "title": "Bread", "locale": "en", "more": "no"}
    with (
        ScriptedModel(Say("The docs don't say [1].")) as model,
        start_server(openai_base_url=model.base_url, model="large") as url,
    ):
        Client(url).send(
            {
                "type": "threads.create",
                "params": {"input": message(MISSING)},
                "metadata": {"page": page},
            }
        )

    told = text_of(model.requests[0])
    assert parse_passages(told).covered is False
    assert "judges that the docs don't answer" in told
    assert "`covered`" in model.requests[0].instructions
    [kept] = unanswered(database_url)
    assert kept["kind"] == "not_covered"
    assert (kept["question"], kept["query"], kept["wording"]) == (MISSING, MISSING, "asked")
    assert kept["nearest"][0]["url"].startswith("/docs/bread")
    assert kept["nearest"][0]["title"] == "Baking bread"
    assert 0 <= kept["confidence"] < 1
    assert kept["cited"] is True
    assert kept["place"] == {name: page[name] for name in ("url", "title", "locale")}
    [line] = log_of(caplog)
    assert (line["query"], line["covered"]) == ("asked", False)
    assert line["confidence"] == kept["confidence"]


def test_what_the_docs_answer_is_not_kept(ask: Ask, database_url: str) -> None:
    (reply,), model = ask([NEON], Say("Set it [1]."))

    assert reply.error is None
    assert parse_passages(text_of(model.requests[0])).covered is True
    assert "judges" not in text_of(model.requests[0])
    assert unanswered(database_url) == []


def test_a_second_search_may_find_that_the_docs_do_answer(ask: Ask, database_url: str) -> None:
    query = "bake the loaf at degrees in the oven"

    _, model = ask([MISSING], Call("search_docs", {"query": query}), Say("At 230 degrees [1]."))

    assert parse_passages(model.requests[1].tool_outputs[0]).covered is True
    assert unanswered(database_url) == []


def test_a_second_search_that_finds_nothing_is_kept_too(ask: Ask, database_url: str) -> None:
    query = "Kubernetes autoscaling"

    ask([MISSING], Call("search_docs", {"query": query}), Say("They don't say."))

    [kept] = unanswered(database_url)
    assert (kept["searches"], kept["cited"]) == ([query], False)


def test_an_answer_that_cites_nothing_is_kept(ask: Ask, database_url: str) -> None:
    ask([NEON], Say("Just connect."))

    [kept] = unanswered(database_url)
    assert (kept["kind"], kept["question"], kept["cited"]) == ("not_cited", NEON, False)


def test_an_answer_that_was_cut_off_says_nothing_of_the_docs(ask: Ask, database_url: str) -> None:
    ask([NEON], Say("Just", cut_off="length"), model_api="responses")

    assert unanswered(database_url) == []


def test_while_the_search_is_down_nothing_is_known_to_be_missing(
    ask: Ask, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatkit_server.turn")

    ask([MISSING], Say("I can't look."), qdrant_url="http://127.0.0.1:9")

    assert unanswered(database_url) == []
    assert log_of(caplog)[0]["covered"] is None


def test_without_a_model_the_reader_is_told_and_shown_the_nearest(
    ada: Client, database_url: str
) -> None:
    missing = ada.ask(MISSING)
    found = ada.ask(NEON)

    assert missing.text.startswith("The docs don't seem to cover this. The nearest pages are:")
    assert missing.urls[0].startswith("/docs/bread")
    assert found.text.startswith("This is what the docs say")
    [kept] = unanswered(database_url)
    assert (kept["kind"], kept["cited"]) == ("not_covered", True)


@pytest.mark.parametrize("courtesy", ["Hi!", "Thanks a lot", "who are you?", "Danke!"])
def test_a_courtesy_is_answered_and_not_looked_up(
    ask: Ask, database_url: str, caplog: pytest.LogCaptureFixture, courtesy: str
) -> None:
    caplog.set_level(logging.INFO, "chatkit_server.turn")
    (reply, _), model = ask([courtesy, NEON], Say("Hello!"), Say("Set it [1]."))

    assert reply.text == "Hello!"
    assert text_of(model.requests[0]) == courtesy
    assert "<passages>" in text_of(model.requests[1])
    assert unanswered(database_url) == []
    assert ["covered" in line for line in log_of(caplog)] == [False, True]


def test_without_a_model_a_courtesy_gets_one_back(ada: Client, database_url: str) -> None:
    hello = ada.ask("hello")
    thanks = ada.ask("thanks!", hello.thread_id)

    assert hello.text.startswith("Hello! Ask a question")
    assert thanks.text == "You're welcome!"
    assert unanswered(database_url) == []


def test_a_retry_that_finds_an_answer_takes_the_gap_back(
    start_server: StartServer, database_url: str
) -> None:
    with (
        ScriptedModel(Say("I don't know."), Say("Set it [1].")) as model,
        start_server(openai_base_url=model.base_url, model="large") as url,
    ):
        client = Client(url)
        reply = client.ask(NEON)
        before = unanswered(database_url)
        asked = client.items(reply.thread_id)[0]["id"]
        client.events("threads.retry_after_item", thread_id=reply.thread_id, item_id=asked)

    assert [kept["kind"] for kept in before] == ["not_cited"]
    assert unanswered(database_url) == []


def test_a_gap_goes_with_the_thread_of_its_reader(ada: Client, database_url: str) -> None:
    thread_id = ada.ask(MISSING).thread_id
    assert len(unanswered(database_url)) == 1

    assert ada.post("threads.delete", thread_id=thread_id).status_code == 200

    assert unanswered(database_url) == []
    assert asyncio.run(rows(database_url, "select * from chatkit.unanswered")) == []


# Questions that lean on the conversation


def test_a_question_that_leans_is_completed_and_the_model_is_told(ask: Ask) -> None:
    _, model = ask([NEON, "and with pooled connections?"], Say("Set it [1]."))

    told = text_of(model.requests[1])
    assert f"Searched for '{NEON} and with pooled connections?'" in told
    assert "call search_docs" in told
    assert "Searched for" not in text_of(model.requests[0])


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rewriting may take as long as a busy machine needs for it."""
    monkeypatch.setattr("chatkit_server.rewriting.WITHIN", 60.0)


def rewriting(rewritten: Answer) -> Callable[[ModelRequest], Answer]:
    """A large model that answers, and a small one that rewrites."""

    def answer(request: ModelRequest) -> Answer:
        return rewritten if request.body["model"] == SMALL else Say("So [1].")

    return answer


def small(model: ScriptedModel) -> list[ModelRequest]:
    return [request for request in model.requests if request.body["model"] == SMALL]


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("api", ["responses", "chat"])
def test_a_model_rewrites_what_leans_and_nothing_else(
    ask: Ask, api: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chatkit_server.turn")
    query = "pooled connections for replicas with Neon"

    _, model = ask(
        [NEON, "and what if I have many of them?", "At what temperature do I bake the loaf?"],
        rewriting(Say(f'"{query}"\n')),
        rewrite_model=SMALL,
        model_api=api,
    )

    [request] = small(model)
    assert not request.body.get("stream")
    # The newer models of OpenAI refuse it on Chat Completions.
    assert "max_tokens" not in request.body
    assert NEON in request.text
    assert "and what if I have many of them?" in request.text
    assert "<passages>" not in request.text
    assert not request.tools
    told = text_of(model.requests[2])
    assert f"Searched for '{query}'" in told
    assert parse_passages(told)[0]["section"] == "Pooled connections"
    assert [line["query"] for line in log_of(caplog)] == ["asked", "rewritten", "asked"]
    assert [line["input_tokens"] for line in log_of(caplog)] == [100, 200, 100]
    assert query not in caplog.text


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize(
    "rewritten",
    [Fail(500), Fail(429), Fail(400), Say(""), Say("word " * 200), Say("<think>hm</think>  ")],
    ids=["500", "429", "400", "empty", "long", "thoughts"],
)
def test_without_a_usable_rewriting_the_rule_does_it(ask: Ask, rewritten: Answer) -> None:
    (_, reply), model = ask(
        [NEON, "and with pooled connections?"], rewriting(rewritten), rewrite_model=SMALL
    )

    assert reply.error is None
    assert small(model)
    assert f"Searched for '{NEON} and with pooled" in text_of(model.requests[-1])


async def test_a_rewriting_model_that_hangs_costs_a_moment_and_then_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatkit_server.rewriting.WITHIN", 1.0)
    # It is not asked again before the ninth, however long they take.
    monkeypatch.setattr("chatkit_server.rewriting.Breaker", partial(Breaker, pause=3600.0))
    items = asked(NEON, "and with pooled connections?")
    meter = Meter()
    with ScriptedModel(Say("late", hold_after=0)) as model:
        settings = read_settings(
            {"openai_base_url": model.base_url, "model": "large", "rewrite_model": SMALL}
        )
        async with open_models(settings) as models:
            assert models.rewriting is not None
            rewriter = Rewriter(models.rewriting, "the docs")
            found = [await rewriter.rewrite(items, meter) for _ in range(9)]
        model.release()

    assert found == [None] * 9
    # After three that failed, some perhaps before they had come as far as the model.
    assert rewriter.is_open
    assert len(model.requests) <= 3
    # They were read all the same.
    assert meter.total > 0


@pytest.mark.usefixtures("patience")
def test_a_rewriting_that_is_stopped_ends_the_turn(start_server: StartServer) -> None:
    def answer(request: ModelRequest) -> Answer:
        return Say("late", hold_after=0) if request.body["model"] == SMALL else Say("So [1].")

    with (
        ScriptedModel(answer) as model,
        start_server(openai_base_url=model.base_url, model="large", rewrite_model=SMALL) as url,
    ):
        client = Client(url)
        thread_id = client.ask(NEON).thread_id
        sent = message("and with pooled connections?")
        with client.stream("threads.add_user_message", thread_id=thread_id, input=sent) as events:
            next(events)
            model.wait_for(lambda m: len(m.requests) == 2)
            stopped = client.send({"thread_id": thread_id}, path="/chatkit/stop")
            ended = [event["type"] for event in events]

    assert stopped.status_code == 200
    assert "error" not in ended
    assert len(model.requests) == 2


def test_where_answers_only_quote_nothing_is_rewritten(ask: Ask, database_url: str) -> None:
    async def switch() -> None:
        async with PostgresStore.open(database_url) as store:
            await store.set_answering("quotes")

    asyncio.run(switch())

    (_, reply), model = ask(
        [NEON, "and with pooled connections?"], rewriting(Say("x")), rewrite_model=SMALL
    )

    assert model.requests == []
    assert "pooler" in reply.text


@pytest.mark.usefixtures("patience")
def test_what_a_rewriting_costs_counts_against_the_allowance(ask: Ask, database_url: str) -> None:
    ask(
        [NEON, "and with pooled connections?"],
        rewriting(Say("pooled connections")),
        rewrite_model=SMALL,
        daily_tokens=10_000,
    )

    [[used]] = asyncio.run(
        rows(database_url, "select tokens from chatkit.usage where user_id = ''")
    )
    assert used == 3 * 120
