"""No key, password or token, and nothing that a reader wrote, is in a log, an error or an answer.

The real command at log level debug, once with everything up and once with everything down.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest

from chatkit_server.settings import Settings
from chatkit_server.testing import Break, Call, Fail, ModelRequest, Say, ScriptedModel
from chatkit_server.variables import variable
from tests.fixtures.app import Client, message
from tests.fixtures.command import COMMAND, free_port, run
from tests.fixtures.files import upload_directly
from tests.fixtures.redis import RedisServer
from tests.fixtures.traces import Collector

MARK = "hunter2"
# One for each secret setting; those that are addresses get their password in the test.
KEYS = {
    "QDRANT_API_KEY": f"qdrant-{MARK}-key",
    "OPENAI_API_KEY": f"sk-{MARK}-openai",
    "CHATKIT_JWT_SECRET": f"{MARK}-jwt-secret-of-more-than-thirty-two",
    "CHATKIT_SECRET": f"{MARK}-signing-secret-of-more-than-thirty-two",
    "AWS_SECRET_ACCESS_KEY": f"aws-{MARK}-key",
    "CHATKIT_TRANSCRIPTION_API_KEY": f"sk-{MARK}-dictation",
    "CHATKIT_RERANK_API_KEY": f"sk-{MARK}-reranker",
}
ADDRESSES = {"DATABASE_URL", "DATABASE_URL_UNPOOLED", "REDIS_URL"}
ISSUER = "https://id.acme.example"
VISITOR = f"visitor-{MARK}-{'x' * 40}"
TYPED = f"typed-{MARK}-by-the-reader"
TOOL = f'''
def lookup(word: str) -> str:
    """Look a word up."""
    raise RuntimeError("tool {MARK} failed for " + word)
'''


def test_every_secret_setting_is_looked_for() -> None:
    secret = {
        variable(name, field)
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }

    assert secret == KEYS.keys() | ADDRESSES


def with_password(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = parts.username or "user"
    return parts._replace(netloc=f"{user}:{MARK}@{host}").geturl()


def bearer(**changes: Any) -> str:
    claims = {"iss": ISSUER, "sub": f"sub-{MARK}", "exp": int(time.time()) + 300, **changes}
    return jwt.encode(claims, KEYS["CHATKIT_JWT_SECRET"], "HS256")


@contextmanager
def serve(folder: Path, variables: dict[str, str]) -> Iterator[tuple[str, Path]]:
    """The command, until the block ends; its address, and the file with all that it says."""
    port = free_port()
    said = folder / "said.log"
    with said.open("w") as out:
        server = subprocess.Popen(
            [*COMMAND, "serve", "--port", str(port)],
            cwd=folder,
            env={**os.environ, **variables},
            stdout=out,
            stderr=out,
        )
    try:
        give_up = time.monotonic() + 240
        while "Ready: " not in said.read_text():
            assert server.poll() is None, said.read_text()
            assert time.monotonic() < give_up, said.read_text()
        yield f"http://127.0.0.1:{port}", said
    finally:
        server.terminate()
        server.wait(60)


def drive(url: str, issued: list[str]) -> list[httpx.Response]:
    """Good requests and bad ones; `issued` gets the tokens that were sent."""
    visitor = Client(url, VISITOR)
    question = {"input": message(f"How do I connect to Neon? {TYPED}")}
    ask = {"type": "threads.create", "params": question}
    issued += [bearer(), bearer(exp=1), bearer(iss=MARK), bearer(aud=MARK), f"{MARK}.{MARK}.{MARK}"]
    answers = [visitor.send(ask) for _ in range(6)]
    answers += [visitor.send({**ask, "metadata": {"page": {"url": TYPED, "title": TYPED}}})]
    answers += [
        httpx.post(
            f"{url}/chatkit",
            json={"type": "threads.list", "params": {}},
            headers={"Authorization": f"Bearer {token}"},
        )
        for token in issued
    ]
    answers += [
        visitor.post("threads.list"),
        visitor.post("threads.get_by_id", thread_id=TYPED),
        visitor.post(TYPED),
        visitor.post("threads.update", thread_id=TYPED, title={TYPED: TYPED}),
        visitor.post("threads.custom_action", thread_id=TYPED, action={"type": TYPED}),
        visitor.post("input.transcribe", audio_base64=TYPED, mime_type=TYPED),
        Client(url, f"weak {MARK}").post("threads.list"),
        httpx.post(
            f"{url}/chatkit",
            content=f'{{"{TYPED}',
            headers={"Content-Type": "text/x", "X-Session-Id": VISITOR},
        ),
        httpx.post(
            f"{url}/chatkit",
            content=f'{{"{TYPED}',
            headers={"Content-Type": "application/json", "X-Session-Id": VISITOR},
        ),
        httpx.get(f"{url}/readyz"),
        httpx.get(f"{url}/chatkit/attachments/x?signature={MARK}"),
        httpx.get(f"{url}/healthz?token={MARK}"),
        visitor.post("input.transcribe", audio_base64="aGk=", mime_type="audio/webm"),
        httpx.put(f"{url}/chatkit/attachments/x?token={MARK}", content=TYPED),
        upload_directly(visitor, TYPED.encode(), TYPED),
        upload_directly(visitor, b"\0", TYPED),
    ]
    announced = visitor.post("attachments.create", name=TYPED, size=1, mime_type=TYPED)
    if announced.status_code == 200:
        where = announced.json()["upload_descriptor"]["url"]
        issued.append(where.partition("?token=")[2])
        answers += [httpx.put(where, content=TYPED), httpx.get(where)]
    return answers


def without_own_words(answers: list[httpx.Response]) -> str:
    """What was answered, without the items in which a reader gets their own text back."""
    kept = []
    for answer in answers:
        kept += [f"{name}: {value}" for name, value in answer.headers.items()]
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            for line in answer.text.splitlines():
                event = json.loads(line.removeprefix("data: ")) if "data: " in line else {}
                item = event.get("item", {})
                if item.get("type") != "user_message" and event.get("type") != "thread.updated":
                    kept.append(line)
        elif answer.status_code != 200:
            kept.append(answer.text)
    return "\n".join(kept)


def find(texts: dict[str, str], issued: list[str]) -> list[str]:
    """Lines with something that must not be there."""
    looked_for = (MARK, *issued, *(token.split(".")[1] for token in issued))
    return [
        f"{place}: {line[:400]}"
        for place, text in texts.items()
        for line in text.splitlines()
        if any(secret in line for secret in looked_for)
    ]


def doctor(folder: Path, variables: dict[str, str]) -> str:
    done = run(folder, "doctor", **variables)
    assert done.returncode == 1, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret_tools.py").write_text(TOOL)
    return tmp_path


def test_nothing_leaks_while_everything_works(
    folder: Path,
    database_url: str,
    docs_data: Path,
    redis_server: RedisServer,
    collector: Collector,
) -> None:
    def answer(request: ModelRequest) -> Any:
        script = [
            Say("Set it [1]."),
            Call("lookup", {"word": TYPED}),
            Say("It failed."),
            # What providers answer quotes keys and conversations.
            Fail(401, f"Incorrect API key provided: {KEYS['OPENAI_API_KEY']}"),
            Fail(400, f"Invalid message: {TYPED}"),
            Fail(500, f"{MARK} {TYPED}"),
            Break("It beg"),
        ]
        return script[min(len(model.requests) - 1, len(script) - 1)]

    issued: list[str] = []
    with ScriptedModel(answer) as model:
        variables = {
            **KEYS,
            "CHATKIT_ATTACHMENTS": "s3://bucket/chat",
            "AWS_ENDPOINT_URL": f"http://user:{MARK}@127.0.0.1:{free_port()}",
            "AWS_ACCESS_KEY_ID": "key",
            "CHATKIT_TRANSCRIPTION_MODEL": "scripted",
            "CHATKIT_TRANSCRIPTION_BASE_URL": model.base_url,
            "DATABASE_URL": with_password(database_url),
            "DATABASE_URL_UNPOOLED": with_password(database_url),
            "REDIS_URL": redis_server.url,
            "OPENAI_BASE_URL": model.base_url,
            "CHATKIT_MODEL": "scripted",
            "CHATKIT_DATA_DIR": str(docs_data),
            "CHATKIT_JWT_ISSUER": ISSUER,
            "CHATKIT_ALLOW_ANONYMOUS": "1",
            "CHATKIT_TOOLS": "secret_tools:lookup",
            "CHATKIT_LOG_LEVEL": "debug",
            "CHATKIT_METRICS_PORT": str(free_port()),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        }
        with serve(folder, variables) as (url, said):
            answers = drive(url, issued)
            metrics = httpx.get(f"http://127.0.0.1:{variables['CHATKIT_METRICS_PORT']}").text
        checked = doctor(folder, variables)
    log = said.read_text()
    texts = {
        "log": log,
        "answers": without_own_words(answers),
        "metrics": metrics,
        "traces": collector.raw.decode(errors="replace"),
        "doctor": checked,
    }

    assert {answer.status_code for answer in answers} >= {200, 400, 401, 404, 415, 501}
    assert len(model.requests) >= 6
    assert "outcome" in log
    assert '"level": "debug"' in log
    assert "chatkit_turns_total" in metrics
    assert {span.name for span in collector.spans} >= {"request", "turn", "model", "store"}
    assert "error    answers" in checked
    assert find(texts, issued) == []


def test_nothing_leaks_while_everything_is_down(folder: Path, docs_data: Path) -> None:
    nowhere = f"//user:{MARK}@127.0.0.1:{free_port()}"
    variables = {
        **KEYS,
        "CHATKIT_ATTACHMENTS": str(folder / "files"),
        "CHATKIT_TRANSCRIPTION_MODEL": "scripted",
        "CHATKIT_TRANSCRIPTION_BASE_URL": f"http://127.0.0.1:{free_port()}/v1",
        "DATABASE_URL": f"postgresql:{nowhere}/x",
        "DATABASE_URL_UNPOOLED": f"postgresql:{nowhere}/x?application_name=y",
        "REDIS_URL": f"redis:{nowhere}/0",
        "QDRANT_URL": f"http:{nowhere}",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}/v1",
        "CHATKIT_MODEL": "scripted",
        "CHATKIT_DATA_DIR": str(docs_data),
        "CHATKIT_JWT_ISSUER": ISSUER,
        "CHATKIT_ALLOW_ANONYMOUS": "1",
        "CHATKIT_LOG_LEVEL": "debug",
    }
    issued: list[str] = []
    with serve(folder, variables) as (url, said):
        answers = drive(url, issued)
    texts = {"log": said.read_text(), "answers": without_own_words(answers)}
    for command in (["migrate"], ["search", "x"], ["index", "."]):
        done = run(folder, *command, **variables)
        assert done.returncode != 0
        texts[command[0]] = done.stdout + done.stderr
    texts["doctor"] = doctor(folder, variables)

    assert 503 in {answer.status_code for answer in answers}
    assert find(texts, issued) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QDRANT_URL", f"ftp://user:{MARK}@host"),
        ("OPENAI_BASE_URL", f"user:{MARK}@host"),
        ("OPENAI_BASE_URL", f"https://user:{MARK}@host/v1"),
        ("CHATKIT_TRANSCRIPTION_BASE_URL", f"https://{MARK}@host/v1"),
        ("CHATKIT_JWT_JWKS_URL", f"user:{MARK}@host"),
        ("DATABASE_URL", f"mysql://user:{MARK}@host"),
        ("REDIS_URL", f"user:{MARK}@host"),
        ("CHATKIT_JWT_SECRET", MARK),
    ],
)
def test_a_wrong_setting_does_not_show_its_password(folder: Path, name: str, value: str) -> None:
    done = run(folder, "serve", **{name: value})

    assert done.returncode == 1
    assert name in done.stderr
    assert MARK not in done.stdout + done.stderr
