"""Dictation: recordings turned into text by an OpenAI-compatible server."""

from __future__ import annotations

import logging

import openai
from chatkit.types import AudioInput
from openai import AsyncOpenAI, Timeout

from .errors import RequestError, invalid, unavailable
from .settings import Settings

logger = logging.getLogger("chatkit_server")

# Such servers know a recording by the end of its name.
_ENDINGS = {
    "audio/webm": "webm",
    "video/webm": "webm",
    "audio/ogg": "ogg",
    "application/ogg": "ogg",
    "audio/mp4": "mp4",
    "video/mp4": "mp4",
    "audio/x-m4a": "m4a",
    "audio/m4a": "m4a",
    "audio/aac": "m4a",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/wav": "wav",
    "audio/wave": "wav",
    "audio/x-wav": "wav",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
}
_LONGEST_PAUSE = 600


class Transcriber:
    """Calls `/v1/audio/transcriptions`."""

    def __init__(self, client: AsyncOpenAI, model: str) -> None:
        self._client = client
        self._model = model

    async def transcribe(self, recording: AudioInput) -> str:
        """The words of a recording.

        Raises:
            RequestError: 400 for one that can't be understood, 429 and 503 with a time to wait.
        """
        kind = recording.media_type.strip().lower()
        ending = _ENDINGS.get(kind)
        if ending is None:
            raise invalid("params.mime_type is not a kind of recording that is known here.")
        if not recording.data:
            raise invalid("The recording is empty.")
        try:
            result = await self._client.audio.transcriptions.create(
                model=self._model,
                file=(f"recording.{ending}", recording.data, kind),
                response_format="json",
            )
        # The client lets JSON that is none through as it is.
        except (openai.OpenAIError, ValueError) as error:
            raise _explain(error) from error
        text = getattr(result, "text", None)
        if not isinstance(text, str):
            logger.warning("the transcription server answered without a text")
            raise unavailable("Dictation does not work right now. Type your question instead.")
        return text.strip()


def make_transcriber(settings: Settings) -> Transcriber | None:
    """The one that the settings describe; None where they name no model for it."""
    if settings.transcription_model is None:
        return None
    return Transcriber(open_client(settings), settings.transcription_model)


def open_client(settings: Settings) -> AsyncOpenAI:
    """The client of the server that the settings name for dictation."""
    key = settings.transcription_api_key
    if key is None and settings.transcription_base_url is None:
        # The model's key is for the model's server, and for no other.
        key = settings.openai_api_key
    return AsyncOpenAI(
        api_key=key.get_secret_value() if key else "none",
        base_url=settings.transcription_base_url or settings.openai_base_url,
        timeout=Timeout(settings.transcription_timeout, connect=5.0),
        # A reader is waiting, and can say it again.
        max_retries=0,
    )


def _explain(error: Exception) -> RequestError:
    # Of the error only its kind: a server may quote in it what was said.
    kind = f"{type(error).__name__} {getattr(error, 'status_code', '')}".strip()
    logger.warning("dictation failed (%s)", kind)
    if isinstance(error, openai.RateLimitError):
        return RequestError(
            429,
            "rate_limited",
            "Too much is being dictated at the moment. Try again soon.",
            retry_after=_pause(error.response.headers.get("retry-after", "")),
        )
    # What such servers answer to a recording that they can't read.
    if isinstance(error, openai.APIStatusError) and error.status_code in (400, 413, 415, 422):
        return invalid("The recording can't be understood. Try it anew.")
    return unavailable("Dictation does not work right now. Type your question instead.")


def _pause(value: str) -> int:
    return min(int(value), _LONGEST_PAUSE) if value.isdecimal() else 10
