"""`--help` tells the newcomer what there is, in whole sentences."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from chatkit_server.cli import main


def commands(command: click.Command, *names: str) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(names), command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, *names, name)


@pytest.mark.parametrize(("name", "command"), list(commands(main, "chatkit-server")))
def test_each_command_and_option_says_what_it_does(name: str, command: click.Command) -> None:
    with click.Context(command, info_name=name, terminal_width=80) as context:
        listed = command.get_help(context).partition("Commands:")[2]

    assert "..." not in listed
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help] == []
