"""Where things are kept: folders, the storage of attachments, Redis."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from chatkit_server.errors import SettingsError, sentence
from chatkit_server.settings import Settings
from chatkit_server.storage import open_blobs

from .check import Check, say

_LITTLE, _ALMOST_NONE = 1_000_000_000, 100_000_000
_WITHIN = 5.0


def check_folders(settings: Settings) -> list[Check]:
    checks = [check for name, folder in _folders(settings) for check in _check_folder(name, folder)]
    site = settings.site_dir
    if site is not None and not (site / "index.html").is_file():
        message = f"CHATKIT_SITE_DIR, {site}, has no index.html: there is nothing at `/`."
        advice = "Name the folder of the built site, such as Docusaurus' `build`."
        checks.append(Check("folders", "warning", message, advice))
    return checks


def _folders(settings: Settings) -> Iterator[tuple[str, Path]]:
    if settings.database_url is None or settings.qdrant_url is None:
        yield "CHATKIT_DATA_DIR", settings.data_dir
    if settings.journal_dir is not None:
        yield "CHATKIT_JOURNAL_DIR", settings.journal_dir


def _check_folder(name: str, folder: Path) -> Iterator[Check]:
    try:
        # Also to look may be forbidden.
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        yield Check(
            "folders",
            "error",
            f"{name}, {folder}, can't be written to: {error.strerror}.",
            f"Let the user that the server runs as (uid {os.getuid()}) write to it, or name "
            "another folder.",
        )
        return
    free = shutil.disk_usage(there).free
    room = f"{free / 1e9:.1f} GB are free"
    if free < _LITTLE:
        yield Check(
            "folders",
            "error" if free < _ALMOST_NONE else "warning",
            f"{name}, {folder}, is on a disk that is almost full: {room}.",
            "Make room: what can't be written is lost.",
        )
        return
    made = "can be written to" if folder.exists() else "can be made"
    yield Check("folders", "ok", f"{name}, {folder}, {made}; {room}.", details={"free": free})


async def check_attachments(settings: Settings) -> list[Check]:
    """Store a small file, read it, and remove it."""
    if settings.attachments is None:
        return []
    key, content = f"atc_{secrets.token_hex(16)}", secrets.token_bytes(32)
    try:
        blobs = open_blobs(settings)
        await blobs.put(key, io.BytesIO(content))
        try:
            same = await blobs.get(key) == content
        finally:
            await blobs.delete([key])
    except (SettingsError, ConnectionError) as error:
        return [
            Check(
                "attachments",
                "error",
                say(sentence(error) or str(error)),
                "Check CHATKIT_ATTACHMENTS and the AWS_* settings: writing, reading and deleting "
                "must be allowed.",
            )
        ]
    if not same:
        message = f"What is stored in {settings.attachments} does not come back as it was."
        return [Check("attachments", "error", message, "Name another place.")]
    return [
        Check(
            "attachments",
            "ok",
            f"A file can be stored in {settings.attachments}, read and removed again.",
        )
    ]


async def check_redis(settings: Settings) -> list[Check]:
    if settings.redis_url is None:
        return []
    try:
        from redis.asyncio import Redis
        from redis.exceptions import RedisError
    except ImportError:
        return [
            Check(
                "redis",
                "error",
                "REDIS_URL is set, and there is no client for it.",
                "pip install 'chatkit-server[redis]', or unset REDIS_URL.",
            )
        ]
    try:
        async with Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_timeout=_WITHIN,
            socket_connect_timeout=_WITHIN,
        ) as redis:
            await redis.ping()
    except (RedisError, OSError, ValueError) as error:
        # Of the error only its kind: some quote the address with its password.
        return [
            Check(
                "redis",
                "error",
                f"Redis does not answer ({type(error).__name__}): each process counts by itself.",
                "Check REDIS_URL, like redis://:password@host:6379/0, and that Redis lets this "
                "machine in.",
            )
        ]
    return [Check("redis", "ok", "Redis answers.")]
