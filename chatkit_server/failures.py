"""What a reader is told when an answer fails."""

from __future__ import annotations

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

# In this order: a class stands before those that it inherits from.
_SENTENCES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, bool], ...] = (
    (openai.RateLimitError, "The model is busy. Try again in a moment.", True),
    (
        (openai.APITimeoutError, ModelTimeoutError),
        "The model took too long to answer. Try again.",
        True,
    ),
    (
        (openai.APIConnectionError, BreakerOpenError),
        "The model can't be reached right now. Try again soon.",
        True,
    ),
    (
        (openai.AuthenticationError, openai.PermissionDeniedError),
        "The model refused this site's credentials. The site's owner has to check them.",
        False,
    ),
    (openai.NotFoundError, "This site's model does not exist. The owner has to check it.", False),
    (
        openai.BadRequestError,
        "The model could not take this conversation. A new chat may help.",
        False,
    ),
    (openai.APIError, "The model failed to answer. Try again.", True),
    (ModelRefusalError, "The model declined to answer this.", False),
    (
        (InputGuardrailTripwireTriggered, OutputGuardrailTripwireTriggered),
        "This site's rules don't allow an answer to this.",
        False,
    ),
    (MaxTurnsExceeded, "The answer took too many steps. Try a narrower question.", False),
    (ModelBehaviorError, "The model broke off its answer. Try again.", True),
)


def is_outage(error: Exception) -> bool:
    """Whether the model failed for a reason that has nothing to do with this conversation."""
    outage = openai.APIError | ModelTimeoutError | ModelBehaviorError | BreakerOpenError
    return isinstance(error, outage) and not isinstance(error, openai.BadRequestError)


def explain(error: Exception, *, shown: bool = False) -> BaseStreamError | None:
    """The failure as the protocol sends it; None for what is a fault of ours.

    Args:
        error: What ended the answer.
        shown: Whether the reader has got some of it.
    """
    if isinstance(error, BaseStreamError):
        return error
    if shown and is_outage(error):
        return CustomStreamError("The model broke off its answer. Try again.", allow_retry=True)
    for kinds, sentence, allow_retry in _SENTENCES:
        if isinstance(error, kinds):
            return CustomStreamError(sentence, allow_retry=allow_retry)
    return None
