"""The bytes of attachments, in a folder and in S3-compatible storage."""

from __future__ import annotations

import io
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Protocol, cast

import pytest

from chatkit_stores import new_id
from chatkit_stores.blobs import BlobsUnavailableError, FolderBlobs, S3Blobs
from tests.fixtures.s3 import BUCKET, Storage

BYTES = bytes(range(256)) * 30_000


class Blobs(Protocol):
    async def put(self, key: str, content: IO[bytes]) -> None: ...
    async def get(self, key: str) -> bytes | None: ...
    async def delete(self, keys: list[str]) -> None: ...


def s3(storage: Storage, url: str = f"s3://{BUCKET}/chat") -> S3Blobs:
    return S3Blobs(
        url,
        access_key_id="key",
        secret_access_key="secret",
        region="us-east-1",
        endpoint=storage.endpoint,
    )


@pytest.fixture
def folder(tmp_path: Path) -> FolderBlobs:
    blobs = FolderBlobs(tmp_path / "deep/blobs")
    blobs.make_folder()
    return blobs


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest) -> Blobs:
    if request.param == "s3":
        return cast("Blobs", s3(request.getfixturevalue("storage")))
    return cast("Blobs", request.getfixturevalue("folder"))


async def test_bytes_come_back_until_they_are_deleted(blobs: Blobs) -> None:
    one, two = new_id("attachment"), new_id("attachment")
    await blobs.put(one, io.BytesIO(BYTES))
    await blobs.put(two, io.BytesIO(b""))

    assert await blobs.get(one) == BYTES
    assert await blobs.get(two) == b""
    await blobs.put(one, io.BytesIO(b"again"))
    assert await blobs.get(one) == b"again"
    await blobs.delete([one, new_id("attachment")])
    assert await blobs.get(one) is None
    assert await blobs.get(two) == b""
    await blobs.delete([one])


@pytest.mark.parametrize("key", ["../../etc/passwd", "a.png", "atc_1/../x", "", f"atc_{'A' * 32}"])
async def test_only_ids_of_ours_are_keys(blobs: Blobs, key: str) -> None:
    with pytest.raises(ValueError, match="not an id"):
        await blobs.put(key, io.BytesIO(b"x"))
    with pytest.raises(ValueError, match="not an id"):
        await blobs.get(key)
    await blobs.delete([key])


async def test_files_are_their_owners_alone(folder: FolderBlobs, tmp_path: Path) -> None:
    key = new_id("attachment")
    await folder.put(key, io.BytesIO(b"x"))

    assert [path.name for path in (tmp_path / "deep/blobs").iterdir()] == [key]
    assert stat.S_IMODE((tmp_path / "deep/blobs" / key).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "deep/blobs").stat().st_mode) == 0o700


class Breaking(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(28, "No space left on device")


async def test_what_fails_on_the_way_leaves_nothing(folder: FolderBlobs, tmp_path: Path) -> None:
    with pytest.raises(BlobsUnavailableError, match="No space left"):
        await folder.put(new_id("attachment"), Breaking())
    assert list((tmp_path / "deep/blobs").iterdir()) == []


async def test_what_a_killed_process_left_goes_with_the_rest(
    folder: FolderBlobs, tmp_path: Path
) -> None:
    key = new_id("attachment")
    (tmp_path / "deep/blobs" / f"{key}.part").write_bytes(b"half")

    await folder.delete([key])

    assert list((tmp_path / "deep/blobs").iterdir()) == []


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BlobsUnavailableError, match="folder of attachments failed"):
        FolderBlobs(tmp_path / "file/blobs").make_folder()


def test_servers_that_start_at_once_try_one_folder(tmp_path: Path) -> None:
    """In containers each is process 1."""
    with ThreadPoolExecutor(8) as servers:
        for _ in range(50):
            list(servers.map(lambda _: FolderBlobs(tmp_path).make_folder(), range(8)))

    assert not list(tmp_path.iterdir())


async def test_objects_lie_below_the_prefix(storage: Storage) -> None:
    key = new_id("attachment")
    await s3(storage).put(key, io.BytesIO(b"x"))

    assert f"chat/{key}" in storage.objects()


async def test_storage_that_is_away_or_wrong_is_unavailable(storage: Storage) -> None:
    key = new_id("attachment")
    for blobs in (s3(Storage("http://127.0.0.1:1")), s3(storage, "s3://no-such-bucket/chat")):
        with pytest.raises(BlobsUnavailableError) as raised:
            await blobs.put(key, io.BytesIO(b"x"))
        assert "secret" not in str(raised.value)
        assert "\n" not in str(raised.value)
