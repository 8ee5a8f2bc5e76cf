"""Dictation: recordings go to a transcription server, and every failure has its sentence."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from chatkit_server.errors import SettingsError
from chatkit_server.settings import read_settings
from chatkit_server.testing import Fail, ScriptedModel, ScriptedTranscriber
from tests.fixtures.app import Client, StartServer

RECORDING = bytes(range(256)) * 8


@contextmanager
def listening(
    start_server: StartServer, *script: str | Fail | Response, **settings: Any
) -> Iterator[tuple[Client, ScriptedTranscriber]]:
    with (
        ScriptedTranscriber(*script) as transcriber,
        start_server(
            transcription_model="whisper", transcription_base_url=transcriber.base_url, **settings
        ) as url,
    ):
        yield Client(url), transcriber


def dictate(
    client: Client, data: bytes = RECORDING, mime: str = "audio/webm;codecs=opus"
) -> httpx.Response:
    return client.post(
        "input.transcribe", audio_base64=base64.b64encode(data).decode(), mime_type=mime
    )


def refusal(response: httpx.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert error["message"].endswith(".")
    return response.status_code, error["code"]


def test_a_recording_becomes_text(start_server: StartServer) -> None:
    with listening(
        start_server, " How do I connect? ", "", transcription_api_key="sk-dictation"
    ) as (ada, transcriber):
        first = dictate(ada)
        silence = dictate(ada)

    assert first.json() == {"text": "How do I connect?"}
    assert silence.json() == {"text": ""}
    recording = transcriber.recordings[0]
    assert (recording.model, recording.data) == ("whisper", RECORDING)
    assert (recording.name, recording.type) == ("recording.webm", "audio/webm")
    assert recording.headers["authorization"] == "Bearer sk-dictation"


@pytest.mark.parametrize(
    ("mime", "name"),
    [
        ("audio/ogg;codecs=opus", "recording.ogg"),
        ("Audio/MP4", "recording.mp4"),
        ("audio/x-m4a", "recording.m4a"),
        ("audio/mpeg", "recording.mp3"),
        (" audio/wav ; rate=16000", "recording.wav"),
    ],
)
def test_a_recording_is_named_after_its_type(
    start_server: StartServer, mime: str, name: str
) -> None:
    with listening(start_server, "Yes.") as (ada, transcriber):
        assert dictate(ada, mime=mime).json() == {"text": "Yes."}

    assert transcriber.recordings[0].name == name


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Fail(400, "could not decode"), (400, "invalid_request")),
        (Fail(415), (400, "invalid_request")),
        (Fail(422), (400, "invalid_request")),
        (Fail(401), (503, "unavailable")),
        (Fail(404), (503, "unavailable")),
        (Fail(429), (429, "rate_limited")),
        (Fail(500), (503, "unavailable")),
        (Fail(503), (503, "unavailable")),
        (PlainTextResponse("<html>"), (503, "unavailable")),
        (JSONResponse({"no": "text"}), (503, "unavailable")),
        (JSONResponse(["text"]), (503, "unavailable")),
        (Response(b"{", media_type="application/json"), (503, "unavailable")),
    ],
)
def test_what_the_server_answers_instead_has_its_status(
    start_server: StartServer, answer: Fail | Response, expected: tuple[int, str]
) -> None:
    with listening(start_server, answer) as (ada, transcriber):
        response = dictate(ada)

    assert refusal(response) == expected
    assert len(transcriber.recordings) == 1
    if expected[0] != 400:
        assert int(response.headers["retry-after"]) > 0
    assert "scripted" not in response.text


def test_the_time_to_wait_is_passed_on(start_server: StartServer) -> None:
    busy = JSONResponse({"error": {"message": "slow"}}, 429, headers={"Retry-After": "37"})
    with listening(start_server, busy) as (ada, _):
        assert dictate(ada).headers["retry-after"] == "37"


def test_a_server_that_is_away_or_silent_is_503(start_server: StartServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        for base_url in ("http://127.0.0.1:1/v1", f"http://{host}:{port}/v1"):
            with start_server(
                transcription_model="m",
                transcription_base_url=base_url,
                transcription_timeout=0.5,
            ) as url:
                assert refusal(dictate(Client(url))) == (503, "unavailable")


def test_bad_recordings_are_refused_before_anybody_is_asked(start_server: StartServer) -> None:
    with listening(start_server, "Yes.") as (ada, transcriber):
        for params in (
            {"audio_base64": "", "mime_type": "audio/webm"},
            {"audio_base64": "?", "mime_type": "audio/webm"},
            {"audio_base64": "aGk", "mime_type": "audio/webm"},
            {"audio_base64": "ü", "mime_type": "audio/webm"},
            {"audio_base64": "aGk=", "mime_type": "text/html"},
            {"audio_base64": "aGk=", "mime_type": ""},
            {"audio_base64": "aGk=", "mime_type": "audio/webm\r\nX: y"},
        ):
            response = ada.post("input.transcribe", **params)
            assert refusal(response) == (400, "invalid_request"), params

    assert transcriber.recordings == []


def test_only_recordings_may_be_larger_than_other_requests(start_server: StartServer) -> None:
    with listening(start_server, "Yes.", max_audio_bytes=600_000) as (ada, transcriber):
        assert dictate(ada, b"x" * 600_000).status_code == 200
        assert refusal(dictate(ada, b"x" * 600_001)) == (413, "too_large")
        assert refusal(dictate(ada, b"x" * 3_000_000)) == (413, "too_large")
        audio = base64.b64encode(b"y" * 500_000).decode()
        params = {"audio_base64": audio, "mime_type": "audio/webm"}
        # The type may come last.
        assert ada.send({"params": params, "type": "input.transcribe"}).json() == {"text": "Yes."}
        for body in (
            {"type": "threads.list", "params": {}, "metadata": {"x": "y" * 300_000}},
            {"type": "threads.list", "params": {}, "metadata": {"input.transcribe": "y" * 300_000}},
            {"type": "threads.list", "params": {}, "metadata": params},
        ):
            assert refusal(ada.send(body)) == (413, "too_large")

        def chunks() -> Iterator[bytes]:
            yield b'{"type": "input.transcribe", "params": {"audio_base64": "'
            while True:
                yield b"x" * 50_000

        endless = httpx.post(
            f"{ada.url}/chatkit",
            content=bounded(chunks(), 40_000_000),
            headers={"Content-Type": "application/json", "X-Session-Id": ada.secret},
            timeout=30,
        )
        assert refusal(endless) == (413, "too_large")

    assert [len(recording.data) for recording in transcriber.recordings] == [600_000, 500_000]


def bounded(chunks: Iterator[bytes], most: int) -> Iterator[bytes]:
    sent = 0
    for chunk in chunks:
        sent += len(chunk)
        if sent > most:
            return
        yield chunk


def test_without_a_model_for_it_there_is_none(ada: Client) -> None:
    assert refusal(dictate(ada)) == (501, "not_configured")
    # And nothing may be larger than usual.
    assert refusal(dictate(ada, b"x" * 400_000)) == (413, "too_large")


def test_the_models_server_and_key_are_used_where_no_others_are_named(
    start_server: StartServer,
) -> None:
    with (
        ScriptedTranscriber("Yes.") as transcriber,
        start_server(
            openai_base_url=transcriber.base_url,
            openai_api_key="sk-model",
            model="m",
            transcription_model="whisper",
        ) as url,
    ):
        assert dictate(Client(url)).json() == {"text": "Yes."}

    assert transcriber.recordings[0].headers["authorization"] == "Bearer sk-model"


def test_the_models_key_is_shown_to_no_other_server(start_server: StartServer) -> None:
    with (
        ScriptedModel() as model,
        listening(
            start_server,
            "Yes.",
            openai_base_url=model.base_url,
            openai_api_key="sk-model",
            model="m",
        ) as (ada, transcriber),
    ):
        dictate(ada)

    assert "sk-model" not in json.dumps(transcriber.recordings[0].headers)


def test_dictation_without_a_server_stops_the_start() -> None:
    with pytest.raises(SettingsError, match="CHATKIT_TRANSCRIPTION_BASE_URL"):
        read_settings({"transcription_model": "whisper"})
