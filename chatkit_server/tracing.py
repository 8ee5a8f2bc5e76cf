"""Spans for OpenTelemetry, where the `OTEL_*` variables ask for them; nothing at all otherwise.

A span has ids, counts and names of models, and nothing that a reader or the model wrote.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from dotenv import dotenv_values

from . import __version__

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

logger = logging.getLogger("chatkit_server")

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
# For what is still to be sent at the end; a host does not wait for long.
_CLOSING = 3.0
_tracer: Tracer | None = None
_Value = str | int | float | bool


def load_variables() -> None:
    """Put the variables of `.env` into the environment, where OpenTelemetry's packages look."""
    for name, value in dotenv_values(".env").items():
        if name.startswith("OTEL_") and value:
            os.environ.setdefault(name, value)


def is_asked_for() -> bool:
    """Whether the variables of OpenTelemetry say where traces go."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "").strip()
    return exporter != "none" and bool(exporter or any(map(os.environ.get, _ENDPOINTS)))


@contextmanager
def open_tracing() -> Iterator[None]:
    """Export spans until the block ends, if the environment asks for that.

    Its variables are not ours, and may be set for everything on a machine: where they can't be
    followed, the log says so and the server runs without traces.
    """
    global _tracer
    load_variables()
    if _tracer is not None or not is_asked_for():
        yield
        return
    try:
        from opentelemetry.sdk.resources import SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        os.environ.setdefault("OTEL_SERVICE_NAME", "chatkit-server")
        provider = TracerProvider(
            resource=Resource.create({SERVICE_VERSION: __version__}), shutdown_on_exit=False
        )
        provider.add_span_processor(BatchSpanProcessor(make_exporter()))
    except (ImportError, LookupError, ValueError) as error:
        logger.warning(
            "OTEL_* variables ask for traces, which can't be made (%s); "
            "pip install 'chatkit-server[otel]'",
            error,
        )
        yield
        return
    _tracer = provider.get_tracer("chatkit_server", __version__)
    try:
        yield
    finally:
        _tracer = None
        # By itself it waits half a minute for a collector that does not answer.
        closing = threading.Thread(target=provider.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSING)


def make_exporter() -> Any:
    """What sends spans to where the variables say.

    Raises:
        ImportError, LookupError, ValueError: it can't be made.
    """
    name = os.environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    if name == "otlp":
        protocol = os.environ.get(
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        )
        name = "otlp_proto_grpc" if protocol.strip() == "grpc" else "otlp_proto_http"
    for found in entry_points(group="opentelemetry_traces_exporter", name=name):
        return found.load()()
    raise LookupError(f"no exporter {name!r} is installed")


@contextmanager
def span(
    name: str, attributes: Mapping[str, _Value], *, parent: Mapping[str, str] | None = None
) -> Iterator[Any]:
    """A span around the block, for those within it to be children of; None without tracing.

    Args:
        name: Of what is done.
        attributes: Nothing that a user wrote.
        parent: Headers that may name the span of the caller.
    """
    if _tracer is None:
        yield None
        return
    from opentelemetry.propagate import extract
    from opentelemetry.trace import SpanKind

    with _tracer.start_as_current_span(
        name,
        context=extract(parent) if parent is not None else None,
        kind=SpanKind.SERVER if parent is not None else SpanKind.INTERNAL,
        attributes=attributes,
        # The text of an exception may quote what somebody wrote.
        record_exception=False,
        set_status_on_exception=False,
    ) as started:
        try:
            yield started
        except Exception as error:
            _mark(started, type(error).__name__)
            raise


def begin(name: str, attributes: Mapping[str, _Value]) -> Span | None:
    """A span that `end` ends, for what begins and ends in different places."""
    return None if _tracer is None else _tracer.start_span(name, attributes=attributes)


def end(span: Span | None, *, failed: bool = False) -> None:
    if span is not None:
        if failed:
            _mark(span, "")
        span.end()


def note(span: Span | None, **attributes: _Value | None) -> None:
    """Say more about a span, as far as it is known."""
    if span is not None:
        span.set_attributes({name: v for name, v in attributes.items() if v is not None})


def _mark(span: Span, kind: str) -> None:
    from opentelemetry.trace import StatusCode

    span.set_status(StatusCode.ERROR, kind or None)
