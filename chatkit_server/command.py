"""What every command does alike: read the settings, run, and say what went wrong."""

from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import click

from .errors import SettingsError, sentence
from .settings import Settings, read_settings

T = TypeVar("T")

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Failure(click.ClickException):
    """An error that the user can mend: a sentence, and exit status 1."""

    def show(self, file: Any = None) -> None:
        click.echo(f"chatkit-server: {self.message}", err=True)


class Commands(click.Group):
    """Commands that may find no room for what they print."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            # Else the interpreter tries to write the rest at its end, and complains.
            with suppress(OSError):
                sys.stdout.close()
            raise Failure(f"the output can't be written: {error.strerror}") from None


def settings_for(**values: Any) -> Settings:
    try:
        return read_settings({name: value for name, value in values.items() if value is not None})
    except SettingsError as error:
        raise Failure(str(error)) from None


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command; what went wrong outside of us becomes a sentence."""
    try:
        return asyncio.run(work())
    except BrokenPipeError:
        # Whoever reads the output has enough of it; click ends quietly.
        raise
    except UnicodeEncodeError as error:
        # So Python keeps bytes that it could not read.
        if not any("\udc80" <= char <= "\udcff" for char in error.object):
            raise
        raise Failure("an argument is no text in UTF-8") from None
    except Exception as error:
        if (said := sentence(error)) is not None:
            raise Failure(said) from None
        raise


def plain(text: str) -> str:
    """Leave out what a terminal would act upon: names and questions come from anywhere."""
    return "".join(char if char.isprintable() else " " for char in text)
