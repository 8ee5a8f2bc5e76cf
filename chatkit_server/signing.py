"""Addresses that are good for one user, one attachment and some time."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Literal

import jwt

from .errors import RequestError, SettingsError
from .settings import Settings

Purpose = Literal["upload", "preview"]

_SHORTEST = 32
_UPLOAD = 3600
_PREVIEW = 12 * 3600


class Signer:
    """Makes and reads the tokens in such addresses."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def sign(self, purpose: Purpose, attachment_id: str, user_id: str) -> str:
        now = time.time()
        # A preview's address stays the same for an hour, so that browsers need not load it anew.
        expires = now + _UPLOAD if purpose == "upload" else now // 3600 * 3600 + _PREVIEW
        claims = {
            "aud": f"chatkit-{purpose}",
            "sub": user_id,
            "att": attachment_id,
            "exp": int(expires),
        }
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def read(self, purpose: Purpose, attachment_id: str, token: str) -> str:
        """The user for whom a token was made.

        Raises:
            RequestError: 401 for one that is not ours, has expired or is for something else.
        """
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                audience=f"chatkit-{purpose}",
                options={"require": ["exp", "sub", "att"]},
            )
        except jwt.PyJWTError:
            claims = {}
        if claims.get("att") != attachment_id:
            raise RequestError(
                401, "unauthorized", "This address is not valid or has expired. Load the chat anew."
            )
        return str(claims["sub"])


def read_secret(settings: Settings) -> str:
    """`CHATKIT_SECRET`, or one that is made where there is none.

    With a database of its own it lies in the data folder. With one that several servers share, it
    lies beside the files, which they share as well.

    Raises:
        SettingsError: the file can't be read or written.
    """
    if settings.secret is not None:
        return settings.secret.get_secret_value()
    shared = settings.files_dir if settings.database_url is not None else None
    path = (shared or settings.data_dir) / "secret"
    try:
        found = _read_or_make(path)
    except OSError as error:
        raise SettingsError(
            f"{str(path)!r} can't be used: {error.strerror}; set CHATKIT_SECRET instead"
        ) from None
    # A machine that lost its power may leave an empty file, by which anybody could sign.
    if len(found) < _SHORTEST:
        raise SettingsError(
            f"{str(path)!r} holds no secret of {_SHORTEST} characters or more: remove the file, so "
            "that another one is made, or set CHATKIT_SECRET"
        )
    return found


def _read_or_make(path: Path) -> str:
    if not path.exists():
        # Linked into place: of several processes that start at once, one is first, and no other
        # reads half of it.
        draft = path.with_name(f"secret.{secrets.token_hex(8)}")
        opened = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(opened, "w") as file:
            file.write(secrets.token_hex(32))
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
