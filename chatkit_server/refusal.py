"""Answers a request that went wrong, in the protocol's own form."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from chatkit.store import NotFoundError
from starlette.responses import JSONResponse, Response

from .errors import RequestError, not_configured, not_found, unavailable
from .headers import close

logger = logging.getLogger("chatkit_server")


async def in_protocol(answer: Awaitable[Response]) -> Response:
    """The answer, or what went wrong in the protocol's own form; closed to whom it isn't for."""
    response = await _in_protocol(answer)
    # Here and not by the app alone, since the router may be in somebody else's.
    close(response.headers)
    return response


async def _in_protocol(answer: Awaitable[Response]) -> Response:
    try:
        return await answer
    except RequestError as error:
        return error_response(error)
    except NotFoundError:
        return error_response(not_found("There is no such thread or item, or it isn't yours."))
    except NotImplementedError:
        return error_response(not_configured("This server does not offer that."))
    except ConnectionError as error:
        logger.warning("a part is down: %s", error)
        return error_response(unavailable("The chat's database can't be reached. Try again."))
    except Exception:
        # Handled here and not by the framework, whose answer would carry no CORS headers.
        logger.exception("request failed")
        return error_response(RequestError(500, "internal", "Something went wrong here."))


def error_response(error: RequestError) -> JSONResponse:
    """The protocol's form of a refusal."""
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.hang_up:
        headers["Connection"] = "close"
    return JSONResponse(
        {"error": {"code": error.code, "message": error.message}},
        status_code=error.status,
        headers=headers,
    )
