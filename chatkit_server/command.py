"""What every command does alike: read the settings, run, and say what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click

from .errors import SettingsError, sentence
from .settings import Settings, read_settings

T = TypeVar("T")


class Failure(click.ClickException):
    """An error that the user can mend: a sentence, and exit status 1."""

    def show(self, file: Any = None) -> None:
        click.echo(f"chatkit-server: {self.message}", err=True)


def settings_for(**values: Any) -> Settings:
    try:
        return read_settings({name: value for name, value in values.items() if value is not None})
    except SettingsError as error:
        raise Failure(str(error)) from None


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command; what went wrong outside of us becomes a sentence."""
    try:
        return asyncio.run(work())
    except Exception as error:
        if (said := sentence(error)) is not None:
            raise Failure(said) from None
        raise


def plain(text: str) -> str:
    """Leave out what a terminal would act upon: names and questions come from anywhere."""
    return "".join(char if char.isprintable() else " " for char in text)
