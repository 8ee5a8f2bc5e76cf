"""What a reader is told when an answer fails."""

from __future__ import annotations

import re
from typing import NamedTuple

import openai
from agents.exceptions import (
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    ModelBehaviorError,
    ModelRefusalError,
    ModelTimeoutError,
    OutputGuardrailTripwireTriggered,
)
from chatkit.errors import BaseStreamError, CustomStreamError

from .breaker import BreakerOpenError


class _Failure(NamedTuple):
    sentence: str
    advice: str
    """What to do; not said where an answer is given all the same."""
    allow_retry: bool


_BROKEN_OFF = _Failure("The model broke off its answer.", "Try again.", True)
_TOO_LONG = _Failure("This chat has become too long for the model.", "Start a new one.", False)
_NO_BUDGET = _Failure(
    "The model's budget is used up.", "The site's owner has to look after it.", False
)

# In this order: a class stands before those that it inherits from.
_FAILURES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], _Failure], ...] = (
    (openai.RateLimitError, _Failure("The model is busy.", "Try again in a moment.", True)),
    (
        (openai.APITimeoutError, ModelTimeoutError),
        _Failure("The model took too long to answer.", "Try again.", True),
    ),
    (
        (openai.APIConnectionError, BreakerOpenError),
        _Failure("The model can't be reached right now.", "Try again soon.", True),
    ),
    (
        (openai.AuthenticationError, openai.PermissionDeniedError),
        _Failure(
            "The model refused this site's credentials.",
            "The site's owner has to check them.",
            False,
        ),
    ),
    (
        openai.NotFoundError,
        _Failure("This site's model does not exist.", "The owner has to check it.", False),
    ),
    (
        openai.BadRequestError,
        _Failure("The model could not take this conversation.", "A new chat may help.", False),
    ),
    (openai.InternalServerError, _Failure("The model has a fault.", "Try again soon.", True)),
    (openai.APIError, _Failure("The model failed to answer.", "Try again.", True)),
    (ModelRefusalError, _Failure("The model declined to answer this.", "", False)),
    (
        (InputGuardrailTripwireTriggered, OutputGuardrailTripwireTriggered),
        _Failure("This site's rules don't allow an answer to this.", "", False),
    ),
    (
        MaxTurnsExceeded,
        _Failure("The answer took too many steps.", "Try a narrower question.", False),
    ),
    (ModelBehaviorError, _BROKEN_OFF),
)
# Only OpenAI has a code for it; others say it in words.
_SAYS_TOO_LONG = re.compile(r"context.{0,20}(length|window|size)|(too many|maximum).{0,20}tokens")


def is_outage(error: Exception) -> bool:
    """Whether the model failed for a reason that has nothing to do with this conversation."""
    outage = openai.APIError | ModelTimeoutError | ModelBehaviorError | BreakerOpenError
    return (
        isinstance(error, outage)
        and not isinstance(error, openai.BadRequestError)
        and cut_off(error) is None
    )


def cut_off(error: Exception) -> str | None:
    """Why the provider ended an answer that is valid as far as it goes; None for other errors."""
    # The Agents SDK puts the provider's reason into the message and nowhere else.
    if not isinstance(error, ModelBehaviorError) or "`response.incomplete`" not in str(error):
        return None
    if "content_filter" in str(error):
        return "The model's provider filtered the rest of this answer."
    return "This answer is as long as the model may write, and ends here."


def reason(error: Exception) -> str:
    """One sentence about an outage, for an answer that is given all the same."""
    failure = _find(error)
    return failure.sentence if failure else "The model failed to answer."


def explain(error: Exception, *, shown: bool = False) -> BaseStreamError | None:
    """The failure as the protocol sends it; None for what is a fault of ours.

    Args:
        error: What ended the answer.
        shown: Whether the reader has got some of it.
    """
    if isinstance(error, BaseStreamError):
        return error
    failure = _BROKEN_OFF if shown and is_outage(error) else _find(error)
    if failure is None:
        return None
    return CustomStreamError(
        f"{failure.sentence} {failure.advice}".strip(), allow_retry=failure.allow_retry
    )


def _find(error: Exception) -> _Failure | None:
    code = getattr(error, "code", None)
    if code == "insufficient_quota":
        return _NO_BUDGET
    if isinstance(error, openai.BadRequestError) and (
        code == "context_length_exceeded" or _SAYS_TOO_LONG.search(str(error).lower())
    ):
        return _TOO_LONG
    return next((failure for kinds, failure in _FAILURES if isinstance(error, kinds)), None)
