"""The database and the storage of files: opened as the settings say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from .errors import SettingsError
from .observer import Observer, observed
from .settings import Settings

if TYPE_CHECKING:
    from chatkit_stores import Answering, PostgresStore
    from chatkit_stores.answering import Mode
    from chatkit_stores.blobs import FolderBlobs, S3Blobs
    from chatkit_stores.unanswered import UnansweredQuestion


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[tuple[str, str]]:
    """Two DSNs, for the pool and for migrations; of the embedded Postgres where none is set."""
    if settings.database_url is not None:
        pooled = settings.database_url.get_secret_value()
        unpooled = settings.database_url_unpooled
        yield pooled, unpooled.get_secret_value() if unpooled else pooled
        return
    settings.check_embedded("database")
    from chatkit_stores.embedded import embedded_postgres

    async with embedded_postgres(settings.data_dir / "postgres") as dsn:
        yield dsn, dsn


@asynccontextmanager
async def connect_store(
    dsn: str, settings: Settings, observer: Observer | None = None
) -> AsyncIterator[PostgresStore]:
    """The store of a database that is open already."""
    from chatkit_stores import PostgresStore

    told = observer or Observer()
    async with PostgresStore.open(
        dsn,
        max_size=settings.pool_size,
        watch=lambda statements: observed(told, "store", statements=statements),
    ) as store:
        yield store


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[PostgresStore]:
    """The store alone, for commands."""
    settings.make_data_dir()
    async with open_database(settings) as (dsn, _), connect_store(dsn, settings) as store:
        yield store


def open_blobs(settings: Settings) -> FolderBlobs | S3Blobs:
    """Where the bytes of attachments lie; the settings must name a place.

    Raises:
        SettingsError: the place can't be used.
    """
    from chatkit_stores.blobs import BlobsUnavailableError, FolderBlobs, S3Blobs

    assert settings.attachments is not None  # noqa: S101
    folder = settings.files_dir
    if folder is None:
        secret = settings.aws_secret_access_key
        try:
            return S3Blobs(
                settings.attachments,
                access_key_id=settings.aws_access_key_id,
                secret_access_key=secret.get_secret_value() if secret else None,
                region=settings.aws_region,
                endpoint=settings.aws_endpoint_url,
            )
        except ModuleNotFoundError:
            raise SettingsError(
                f"CHATKIT_ATTACHMENTS is {settings.attachments!r}, which needs one more package: "
                "pip install 'chatkit-server[s3]'"
            ) from None
        except ValueError as error:
            raise SettingsError(
                f"CHATKIT_ATTACHMENTS is {settings.attachments!r}: {error}; write it like "
                "s3://bucket/prefix"
            ) from None
    blobs = FolderBlobs(folder)
    try:
        blobs.make_folder()
    except BlobsUnavailableError as error:
        raise SettingsError(
            f"CHATKIT_ATTACHMENTS is {settings.attachments!r}: {error}; "
            "name a folder that you may write to"
        ) from None
    return blobs


async def migrate_database(settings: Settings) -> list[str]:
    """Apply the migrations that are missing; their names."""
    from chatkit_stores import migrate

    settings.make_data_dir()
    async with open_database(settings) as (_, dsn):
        return await migrate(dsn)


async def load_unanswered(settings: Settings, days: int) -> list[UnansweredQuestion]:
    """What readers have asked in the last days and the docs did not answer, newest first."""
    async with open_store(settings) as store:
        return await store.load_unanswered(days=days)


async def switch_answering(settings: Settings, mode: Mode | None, message: str | None) -> Answering:
    """How answering is switched in the database, after a change where there is a mode."""
    async with open_store(settings) as store:
        if mode is not None:
            await store.set_answering(mode, message)
        return await store.load_answering()
