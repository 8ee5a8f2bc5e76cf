"""How the log is written: an object of JSON a line for machines, plain lines for people."""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

_IDS = ("request_id", "turn_id", "thread_id")
LogFormat = Literal["auto", "json", "text"]

# Of others, only what goes wrong; they log each request, some with its content.
_QUIET = (
    "httpx", "httpcore", "httpx2", "httpcore2",
    "openai", "openai.agents", "chatkit", "psycopg.pool",
)  # fmt: skip


def is_json(form: LogFormat) -> bool:
    """Whether the log is for machines: asked for, or nobody sits at a terminal."""
    return form == "json" or (form == "auto" and not sys.stderr.isatty())


def logging_config(level: str, form: LogFormat) -> dict[str, Any]:
    """What `logging.config.dictConfig` takes; it also goes to processes of their own."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {"()": f"{__name__}.{'json_lines' if is_json(form) else 'TextLines'}"},
        },
        "filters": {"without_query": {"()": f"{__name__}.WithoutQuery"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        "loggers": {
            **{name: {"level": "WARNING"} for name in _QUIET},
            "uvicorn.access": {"filters": ["without_query"]},
        },
    }


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What a record says in fields beside its sentence: `extra={"fields": ...}`."""
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, dict) else {}


def json_lines() -> logging.Formatter:
    """An object a line: time, level, logger, event, ids of the request and its turn, fields."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.contextvars.merge_contextvars],
        processors=[
            structlog.processors.format_exc_info,
            _arrange,
            # Pure ASCII: halves of surrogate pairs would stop the line otherwise.
            structlog.processors.JSONRenderer(),
        ],
    )


_utc = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")


def _arrange(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event.pop("_record")
    event.pop("_from_structlog")
    head = {
        "time": _utc(logger, name, {})["time"],
        "level": record.levelname.lower(),
        "logger": record.name,
    }
    # An id may be in both; the record's own is the right one.
    return {**head, **event, **fields_of(record)}


class TextLines(logging.Formatter):
    """A line each, with the ids of the request and its turn at the end."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        line = super().formatMessage(record)
        ids = structlog.contextvars.get_contextvars()
        # A line of fields names its ids itself.
        if not ids or fields_of(record):
            return line
        return f"{line} [{' '.join(f'{name}={ids[name]}' for name in _IDS if name in ids)}]"


class WithoutQuery(logging.Filter):
    """Takes the query out of uvicorn's line for a request: a signed address is a key."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) == 5:
            address, method, path, *rest = record.args
            record.args = (address, method, str(path).partition("?")[0], *rest)
        return True
