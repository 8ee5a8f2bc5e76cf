"""What goes wrong outside of us, and how it is said."""

from __future__ import annotations


class SettingsError(Exception):
    """The environment can't be used; the message names the setting, its value and the fix."""


class RequestError(Exception):
    """A refusal in the protocol's own form: `{"error": {"code", "message"}}` with a status.

    The message is for the reader of the docs: it says what was wrong and what to do, and never
    repeats what was sent. `hang_up` closes the connection, where the rest is not worth reading.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after: int | None = None,
        hang_up: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.hang_up = hang_up


def sentence(error: BaseException) -> str | None:
    """What to tell whoever runs the server, where an error is theirs to mend; None otherwise."""
    # The side packages' errors say what to do; only `parts` may import them, so by name.
    theirs = type(error).__module__.startswith(("chatkit_stores", "chatkit_tools"))
    if theirs or isinstance(error, SettingsError | ConnectionError | RequestError):
        return str(error)
    return None


def invalid(message: str) -> RequestError:
    """400: the request itself is wrong."""
    return RequestError(400, "invalid_request", message)


def not_found(message: str) -> RequestError:
    """404: unknown, or somebody else's."""
    return RequestError(404, "not_found", message)


def not_configured(message: str) -> RequestError:
    """501: the protocol has it, this server does not."""
    return RequestError(501, "not_configured", message)


def too_many_readers() -> RequestError:
    """429: more connections read one answer than anybody has tabs."""
    return RequestError(
        429, "too_many_readers", "This answer is open in too many tabs.", retry_after=5
    )


def unavailable(message: str, *, retry_after: int = 5) -> RequestError:
    """503: a part that the request needs is down."""
    return RequestError(503, "unavailable", message, retry_after=retry_after)
