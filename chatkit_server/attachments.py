"""Files that go with a message: announced, uploaded, sent, seen by their owner, removed."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, Any, Literal, Protocol
from urllib.parse import quote, urlsplit

from chatkit.store import AttachmentStore, NotFoundError
from chatkit.types import (
    Attachment,
    AttachmentCreateParams,
    AttachmentUploadDescriptor,
    FileAttachment,
    ImageAttachment,
    Page,
    ThreadItem,
    UserMessageItem,
)
from pydantic import AnyUrl, ValidationError

from .context import RequestContext
from .errors import RequestError, invalid, not_found, unavailable
from .filetypes import TYPES, FileType, file_type, image_type, plain_name
from .signing import Signer

logger = logging.getLogger("chatkit_server")

_MAX_UNSENT = 20
# Longer than the storage may take to write; after it, another upload may try.
_WRITING = 180.0
_KEPT_UNSENT = timedelta(hours=24)
_SWEEP_EVERY = 3600.0
_SWEEP_AGAIN = 60.0
_BATCH = 500
# In the database; replaced by a signed address for whoever reads it.
_UNSIGNED = "attachment:"


class StoredAttachment(Protocol):
    @property
    def attachment(self) -> Attachment: ...
    @property
    def uploaded(self) -> bool: ...


class AttachmentRows(Protocol):
    """What is asked of the store; one round trip each."""

    async def save_attachment(self, attachment: Attachment, context: Any) -> None: ...
    async def load_attachments(
        self, attachment_ids: Sequence[str], *, context: Any
    ) -> Sequence[StoredAttachment]: ...
    async def count_unsent_attachments(self, *, context: Any) -> int: ...
    async def begin_upload(
        self, upload_id: str, attachment_id: str, *, lease: float, context: Any
    ) -> Literal["begun", "busy", "uploaded"]: ...
    async def finish_upload(
        self, upload_id: str, attachment: Attachment, *, size: int, context: Any
    ) -> bool: ...
    async def abandon_upload(self, upload_id: str, attachment_id: str, *, context: Any) -> None: ...
    async def condemn_attachment(self, attachment_id: str, *, context: Any) -> bool: ...
    async def condemn_attachments(self, *, older_than: timedelta) -> bool: ...
    async def condemned_attachments(
        self, *, limit: int, context: Any | None = None
    ) -> list[str]: ...
    async def forget_attachments(self, attachment_ids: Sequence[str]) -> None: ...


class Blobs(Protocol):
    """Where the bytes lie; raises ConnectionError while that can't be reached."""

    async def put(self, key: str, content: IO[bytes]) -> None: ...
    async def get(self, key: str) -> bytes | None: ...
    async def delete(self, keys: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Download:
    name: str
    type: FileType
    content: bytes


class Attachments(AttachmentStore[RequestContext]):
    """Attachments of the protocol.

    Args:
        rows: Keeps what is known of them.
        blobs: Keeps the bytes.
        signer: Signs the addresses to which they are uploaded and from which they are shown.
        new_id: Makes an id.
        types: Which files may be attached.
        max_bytes: How large one may be.
        public_url: Where browsers reach the server, if not as its own requests say.
        taken: Is told of each file that was taken: its type and bytes.
    """

    def __init__(
        self,
        rows: AttachmentRows,
        blobs: Blobs,
        signer: Signer,
        new_id: Callable[[], str],
        *,
        types: Sequence[FileType] = TYPES,
        max_bytes: int = 10_000_000,
        public_url: str | None = None,
        taken: Callable[[str, int], None] = lambda kind, size: None,
    ) -> None:
        self._taken = taken
        self._rows = rows
        self._blobs = blobs
        self._new_id = new_id
        self._types = types
        self._public_url = public_url
        self.signer = signer
        self.max_bytes = max_bytes

    # Before it is sent

    def generate_attachment_id(self, mime_type: str, context: RequestContext) -> str:
        return self._new_id()

    async def create_attachment(
        self,
        input: AttachmentCreateParams,  # noqa: A002
        context: RequestContext,
    ) -> Attachment:
        """Announce a file, and say where to upload it; the SDK saves what is returned.

        What the client says of it is only good for refusing it early.
        """
        self.check_size(input.size)
        if input.mime_type.startswith(("image/", "audio/", "video/")) and (
            input.mime_type not in self._types and input.mime_type != "image/svg+xml"
        ):
            raise self._wrong_type()
        if await self._rows.count_unsent_attachments(context=context) >= _MAX_UNSENT:
            raise RequestError(
                409,
                "too_many",
                f"{_MAX_UNSENT} files wait to be sent. Send or remove some of them first.",
            )
        claimed = input.mime_type if input.mime_type in TYPES else "text/plain"
        attachment_id = self.generate_attachment_id(claimed, context)
        token = self.signer.sign("upload", attachment_id, context.user_id)
        descriptor = AttachmentUploadDescriptor(
            url=self._address(attachment_id, token, context), method="PUT"
        )
        announced = _attachment(attachment_id, plain_name(input.name), claimed)
        return self.signed(announced.model_copy(update={"upload_descriptor": descriptor}), context)

    async def pending_upload(self, attachment_id: str, context: RequestContext) -> Attachment:
        """The attachment that an upload is for, before anything of it is read."""
        found = await self._rows.load_attachments([attachment_id], context=context)
        if not found:
            raise _unknown()
        if found[0].uploaded:
            raise _uploaded()
        return found[0].attachment

    async def announce(self, name: str | None, context: RequestContext) -> Attachment:
        """For a file that comes without having been announced."""
        attachment = await self.create_attachment(
            AttachmentCreateParams(name=name or "", size=1, mime_type="text/plain"), context
        )
        await self._rows.save_attachment(attachment, context)
        return attachment

    async def check(self, content: IO[bytes], size: int) -> FileType:
        """What a file that has arrived is; an error where it may not be attached."""
        self.check_size(size)
        found = await asyncio.to_thread(file_type, content)
        if found is None or found not in self._types:
            raise self._wrong_type()
        return found

    async def keep(
        self,
        pending: Attachment,
        kind: FileType,
        content: IO[bytes],
        size: int,
        context: RequestContext,
    ) -> Attachment:
        """Store the bytes of an attachment; what it is called was said, what it is was seen."""
        attachment = _attachment(pending.id, pending.name, kind)
        upload_id = f"upl_{secrets.token_hex(16)}"
        begun = await self._begin(upload_id, pending.id, context)
        if begun == "busy":
            raise RequestError(409, "busy", "This file is being uploaded already.", retry_after=5)
        if begun == "uploaded":
            raise _uploaded()
        try:
            content.seek(0)
            await self._put(pending.id, content)
            finished = await self._rows.finish_upload(
                upload_id, attachment, size=size, context=context
            )
        except Exception:
            # Not where this task is cancelled: a thread may write on then.
            await self._abandon(upload_id, pending.id, context)
            raise
        if not finished:
            # Deleted meanwhile.
            await self._blobs.delete([pending.id])
            raise _unknown()
        self._taken(kind, size)
        return self.signed(attachment, context)

    async def _begin(
        self, upload_id: str, attachment_id: str, context: RequestContext
    ) -> Literal["begun", "busy", "uploaded"]:
        try:
            return await self._rows.begin_upload(
                upload_id, attachment_id, lease=_WRITING, context=context
            )
        except NotFoundError:
            raise _unknown() from None

    async def _put(self, attachment_id: str, content: IO[bytes]) -> None:
        try:
            await self._blobs.put(attachment_id, content)
        except ConnectionError as error:
            logger.warning("an attachment could not be stored: %s", error)
            raise unavailable("Files can't be stored right now. Try again soon.") from error

    async def _abandon(self, upload_id: str, attachment_id: str, context: RequestContext) -> None:
        try:
            await self._rows.abandon_upload(upload_id, attachment_id, context=context)
        except ConnectionError as error:
            logger.warning("an upload could not be given up: %s", error)

    def check_size(self, size: int) -> None:
        """Refuse a file that is empty or too large."""
        if size < 1:
            raise invalid("The file is empty.")
        if size > self.max_bytes:
            raise too_large(self.max_bytes)

    def _wrong_type(self) -> RequestError:
        allowed = ", ".join(
            "text in UTF-8" if kind == "text/plain" else kind.removeprefix("image/").upper()
            for kind in self._types
        )
        return RequestError(
            415, "unsupported_media_type", f"Such a file can't be attached. What can: {allowed}."
        )

    # Sent

    async def for_message(
        self, attachment_ids: Sequence[str], thread_id: str, context: RequestContext
    ) -> list[Attachment]:
        """The attachments of a message that is about to be stored.

        Raises:
            RequestError: one is not there, not uploaded yet, or was sent in another thread.
        """
        wanted = list(dict.fromkeys(attachment_ids))
        found = {
            stored.attachment.id: stored
            for stored in await self._rows.load_attachments(wanted, context=context)
        }
        attachments = []
        for attachment_id in wanted:
            stored = found.get(attachment_id)
            if stored is None:
                raise _unknown()
            if not stored.uploaded:
                raise RequestError(
                    409, "not_uploaded", "A file has not arrived yet. Wait for it, or remove it."
                )
            if stored.attachment.thread_id not in (None, thread_id):
                raise RequestError(
                    409, "already_sent", "A file was sent in another chat. Attach it anew."
                )
            attachments.append(stored.attachment.model_copy(update={"thread_id": thread_id}))
        return attachments

    def signed(self, attachment: Attachment, context: RequestContext) -> Attachment:
        """As its owner may see it: with an address from which a browser gets the image."""
        if not isinstance(attachment, ImageAttachment):
            return attachment
        token = self.signer.sign("preview", attachment.id, context.user_id)
        address = self._address(attachment.id, token, context)
        return attachment.model_copy(update={"preview_url": address})

    def shown(self, item: ThreadItem, context: RequestContext) -> ThreadItem:
        """An item as its owner may see it."""
        if not isinstance(item, UserMessageItem) or not item.attachments:
            return item
        signed = [self.signed(attachment, context) for attachment in item.attachments]
        return item.model_copy(update={"attachments": signed})

    def _address(self, attachment_id: str, token: str, context: RequestContext) -> AnyUrl:
        endpoint = context.endpoint
        if self._public_url is not None:
            endpoint = self._public_url + urlsplit(endpoint).path
        try:
            return AnyUrl(f"{endpoint}/attachments/{quote(attachment_id)}?token={token}")
        except ValidationError:
            raise invalid("The Host header is not the name of a host.") from None

    async def download(self, attachment_id: str, context: RequestContext) -> Download:
        """The bytes for their owner; 404 for everybody else."""
        found = await self._rows.load_attachments([attachment_id], context=context)
        if not found or not found[0].uploaded:
            raise _unknown()
        content = await self.content(attachment_id)
        if content is None:
            raise _unknown()
        # Once more by content, so that nothing but the bytes decides how a browser takes them.
        return Download(found[0].attachment.name, image_type(content) or "text/plain", content)

    async def content(self, attachment_id: str) -> bytes | None:
        """The bytes, of whomever; None where there are none.

        Raises:
            RequestError: 503 while they can't be had.
        """
        try:
            return await self._blobs.get(attachment_id)
        except ConnectionError as error:
            logger.warning("an attachment could not be read: %s", error)
            raise unavailable("Files can't be read right now. Try again soon.") from error

    # Removed

    async def delete_attachment(self, attachment_id: str, context: RequestContext) -> None:
        """Mark it first, so that an upload that ends meanwhile takes its bytes away itself."""
        if not await self._rows.condemn_attachment(attachment_id, context=context):
            raise _unknown()
        try:
            await self._blobs.delete([attachment_id])
            await self._rows.forget_attachments([attachment_id])
        except ConnectionError as error:
            logger.warning("an attachment is left to the sweep: %s", error)

    async def clear(self, context: RequestContext) -> None:
        """Remove the bytes of the user's deleted threads; what fails is left to the sweep."""
        try:
            await self._remove(context)
        except ConnectionError as error:
            logger.warning("attachments of a deleted thread are left to the sweep: %s", error)

    async def sweep(self) -> int:
        """Remove what was never sent or has lost its thread, of everybody; how many."""
        if not await self._rows.condemn_attachments(older_than=_KEPT_UNSENT):
            return 0
        return await self._remove(None)

    async def keep_swept(self) -> None:
        """Sweep now and each hour, until cancelled."""
        while True:
            pause = _SWEEP_EVERY
            try:
                removed = await self.sweep()
            except ConnectionError as error:
                logger.warning("attachments could not be swept, trying on: %s", error)
                pause = _SWEEP_AGAIN
            except Exception:
                logger.exception("attachments could not be swept")
            else:
                if removed:
                    logger.info("removed %d attachments that nobody needs", removed)
            await asyncio.sleep(pause)

    async def _remove(self, context: RequestContext | None) -> int:
        return await remove_condemned(self._rows, self._blobs, context)


async def remove_condemned(
    rows: AttachmentRows, blobs: Blobs, context: RequestContext | None = None
) -> int:
    """Remove the bytes of what is marked, then the marks: the user's, or everybody's; how many."""
    removed = 0
    while ids := await rows.condemned_attachments(limit=_BATCH, context=context):
        await blobs.delete(ids)
        await rows.forget_attachments(ids)
        removed += len(ids)
    return removed


class SignedItems:
    """The store as the protocol's readers see it: with addresses that work for them."""

    def __init__(self, store: Any, attachments: Attachments) -> None:
        self._store = store
        self._attachments = attachments

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: RequestContext
    ) -> Page[ThreadItem]:
        page: Page[ThreadItem] = await self._store.load_thread_items(
            thread_id, after, limit, order, context
        )
        page.data = [self._attachments.shown(item, context) for item in page.data]
        return page

    async def delete_attachment(self, attachment_id: str, context: RequestContext) -> None:
        """Nothing: the SDK asks for it behind `Attachments`, where the row went with its bytes."""


def too_large(limit: int, *, hang_up: bool = False) -> RequestError:
    return RequestError(
        413,
        "too_large",
        f"The file is larger than the {limit:,} bytes that are allowed.",
        hang_up=hang_up,
    )


def _attachment(attachment_id: str, name: str, mime_type: str) -> Attachment:
    if mime_type.startswith("image/"):
        return ImageAttachment(
            id=attachment_id,
            name=name,
            mime_type=mime_type,
            preview_url=AnyUrl(_UNSIGNED + attachment_id),
        )
    return FileAttachment(id=attachment_id, name=name, mime_type=mime_type)


def _unknown() -> RequestError:
    return not_found("There is no such file, or it isn't yours.")


def _uploaded() -> RequestError:
    return RequestError(409, "already_uploaded", "This file was uploaded already.")
