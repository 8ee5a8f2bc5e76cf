"""Where the bytes of attachments lie: in a folder, or in S3-compatible storage.

Both keep bytes under the attachment's id, which is ours: no name that a client gave becomes a
path. `OSError` and the storage's own errors become `BlobsUnavailableError`.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from chatkit_stores.errors import StoreError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_KEY: Final = re.compile(r"atc_[0-9a-f]{32}")


class BlobsUnavailableError(StoreError, ConnectionError):
    """The place where attachments lie cannot be used at the moment."""


class FolderBlobs:
    """Files that their owner alone may read, each written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make_folder(self) -> None:
        """Make the folder; `BlobsUnavailableError` where it can't be made or written to."""
        with _folder_errors():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder):
                pass

    async def put(self, key: str, content: IO[bytes]) -> None:
        await asyncio.to_thread(self._put, self._path(key), content)

    def _put(self, path: Path, content: IO[bytes]) -> None:
        with _folder_errors():
            # One upload at a time holds an attachment, so that the name is its alone.
            part = _part(path)
            try:
                opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(opened, "wb") as file:
                    shutil.copyfileobj(content, file)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise

    async def get(self, key: str) -> bytes | None:
        """The bytes; None where there are none."""
        path = self._path(key)
        with _folder_errors(), suppress(FileNotFoundError):
            return await asyncio.to_thread(path.read_bytes)
        return None

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove them; what is not there is fine."""
        with _folder_errors():
            await asyncio.to_thread(self._delete, [self._path(key) for key in _ours(keys)])

    def _delete(self, paths: list[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
            # What a killed process left of it.
            _part(path).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / _checked(key)


class S3Blobs:
    """Objects below a prefix of a bucket; needs the package `obstore`."""

    def __init__(
        self,
        url: str,
        *,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        region: str | None = None,
        endpoint: str | None = None,
    ) -> None:
        """
        Args:
            url: `s3://bucket/prefix`.
            access_key_id: With the other three from the environment, or from the machine's role,
                where it is not given.
            endpoint: Of a storage that is not Amazon's.
        """
        from obstore.store import from_url

        given: Mapping[str, Any] = {
            "access_key_id": access_key_id,
            "secret_access_key": secret_access_key,
            "region": region,
            "endpoint": endpoint,
        }
        options: Any = {"connect_timeout": "5s", "timeout": "30s"}
        if endpoint is not None and endpoint.startswith("http://"):
            options["allow_http"] = True
        self._store: ObjectStore = from_url(
            url,
            client_options=options,
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
            **{name: value for name, value in given.items() if value is not None},
        )

    async def put(self, key: str, content: IO[bytes]) -> None:
        from obstore import put_async

        with _storage_errors():
            await put_async(self._store, _checked(key), content)

    async def get(self, key: str) -> bytes | None:
        """The bytes; None where there are none."""
        from obstore import get_async

        with _storage_errors(), suppress(FileNotFoundError):
            found = await get_async(self._store, _checked(key))
            return bytes(await found.bytes_async())
        return None

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove them; what is not there is fine."""
        from obstore import delete_async

        with _storage_errors(), suppress(FileNotFoundError):
            await delete_async(self._store, _ours(keys))


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is not an id of an attachment")
    return key


def _ours(keys: Sequence[str]) -> list[str]:
    return [key for key in keys if _KEY.fullmatch(key)]


@contextmanager
def _folder_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BlobsUnavailableError(
            f"the folder of attachments failed: {error.strerror or type(error).__name__}"
        ) from error


@contextmanager
def _storage_errors() -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:
        # Its first line, since the others quote the request; and no password of an address.
        found = re.sub(r"//[^/@\s]*@", "//", str(error).partition("\n")[0])
        raise BlobsUnavailableError(f"the storage of attachments failed: {found}") from error
