"""What the environment says, and who may use the server by it."""

from __future__ import annotations

import asyncio
import difflib
import logging
import os
import re
from urllib.parse import urlsplit

from dotenv import dotenv_values

from chatkit_server.keyset import KeySet
from chatkit_server.settings import Settings
from chatkit_server.tracing import is_asked_for, load_variables, make_exporter
from chatkit_server.variables import file_variables, variable

from .check import Check

_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_WITHIN = 5.0


def check_settings() -> list[Check]:
    """Variables that look like ours and are none, secrets from files, and quotes around values."""
    fields = Settings.model_fields
    files = file_variables(fields)
    known = {*(variable(name, field) for name, field in fields.items()), *files}
    given = {**dotenv_values(".env"), **os.environ}
    strange = sorted(
        name
        for name in given.keys() - known
        if name.startswith("CHATKIT_") or name.removesuffix("_FILE") in known
    )
    quoted = sorted(
        name
        for name in given.keys() & known
        # Which stand around a name in a payload that has a dot in it.
        if not name.startswith("CHATKIT_COLLECTION_")
        and re.fullmatch(r"(['\"]).*\1", given[name] or "", re.DOTALL)
    )
    checks = []
    if quoted:
        checks.append(
            Check(
                "settings",
                "warning",
                f"Quotes have become part of the values of: {', '.join(quoted)}.",
                "Leave them out: Docker and Kubernetes read files of variables to the letter.",
            )
        )
    if strange:
        meant = []
        for name in strange:
            near = difflib.get_close_matches(name, known, 1, 0.8)
            meant.append(f"{name} (did you mean {near[0]}?)" if near else name)
        checks.append(
            Check(
                "settings",
                "warning",
                f"The settings are valid, and nothing reads: {', '.join(meant)}.",
                "Correct the names, or remove them; .env.example lists all that there are.",
            )
        )
    read = ", ".join(plain for name, plain in files.items() if given.get(name))
    message = f"The settings are valid{f'; from files: {read}' if read else ''}."
    return checks or [Check("settings", "ok", message)]


def check_origins(settings: Settings) -> list[Check]:
    if not settings.anonymous and not settings.jwt_on:
        return [
            Check(
                "origins",
                "error",
                "Nobody may ask: CHATKIT_ALLOW_ANONYMOUS is off, and no JWT key is set.",
                "Set CHATKIT_JWT_SECRET or CHATKIT_JWT_JWKS_URL, or CHATKIT_ALLOW_ANONYMOUS=1.",
            )
        ]
    origins = settings.allowed_origins
    plain = [o for o in origins if o.startswith("http://") and urlsplit(o).hostname not in _LOCAL]
    if plain:
        return [
            Check(
                "origins",
                "warning",
                f"Pages without TLS may call the server: {', '.join(plain)}.",
                "Whoever is on the way can read a visitor's secret there: serve them by https.",
            )
        ]
    site = _origin(settings.site_url)
    if site and site not in (*origins, _origin(settings.public_url)):
        return [
            Check(
                "origins",
                "warning",
                f"The site of CHATKIT_SITE_URL, {site}, may not call the server from its pages.",
                f"Add it to CHATKIT_ALLOWED_ORIGINS, unless a proxy serves both at {site}.",
            )
        ]
    others = f"pages of {', '.join(origins)}" if origins else "no page of another origin"
    who = "anonymous visitors" if settings.anonymous else "only readers with a token"
    return [
        Check("origins", "ok", f"Pages of its own origin and {others} may call it, {who} may ask.")
    ]


def _origin(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def check_tokens(settings: Settings) -> list[Check]:
    if settings.jwt_jwks_url is None:
        return []
    keys = await KeySet(settings.jwt_jwks_url).count()
    # Not its path or query, which may hold a key.
    host = urlsplit(settings.jwt_jwks_url).hostname
    if keys:
        return [Check("tokens", "ok", f"{host} has {keys} keys that tokens can be verified by.")]
    return [
        Check(
            "tokens",
            "error",
            f"No key for tokens could be fetched from {host}.",
            "Check CHATKIT_JWT_JWKS_URL, and that this machine may reach it. Until then no token "
            "is accepted.",
        )
    ]


async def check_traces() -> list[Check]:
    """Send no spans, which a collector answers all the same."""
    load_variables()
    if not is_asked_for():
        return []
    # It says of each try that it failed.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    try:
        from opentelemetry.sdk.trace.export import SpanExportResult

        exporter = make_exporter()
    except (ImportError, LookupError, ValueError) as error:
        return [
            Check(
                "traces",
                "warning",
                f"OTEL_* variables ask for traces, which can't be made ({error}).",
                "pip install 'chatkit-server[otel]', or set OTEL_SDK_DISABLED=true.",
            )
        ]
    sending = asyncio.create_task(asyncio.to_thread(exporter.export, []))
    await asyncio.wait([sending], timeout=_WITHIN)
    # Ends its tries.
    exporter.shutdown()
    # Some raise what went wrong.
    outcome: list[object] = await asyncio.gather(sending, return_exceptions=True)
    if outcome == [SpanExportResult.SUCCESS]:
        return [Check("traces", "ok", "OTEL_* variables ask for traces, and they are taken.")]
    return [
        Check(
            "traces",
            "warning",
            "OTEL_* variables ask for traces, and the collector does not take them.",
            "Check OTEL_EXPORTER_OTLP_ENDPOINT, like http://collector:4318, and its headers; or "
            "set OTEL_SDK_DISABLED=true.",
        )
    ]
