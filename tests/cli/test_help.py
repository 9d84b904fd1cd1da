"""What `--help` says of every command."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from openbell.cli.app import openbell


def every(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """The help of a command and of those below it, each with its name."""
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from every(below, click.Context(below, parent=context, info_name=name))


PAGES = dict(every(openbell, click.Context(openbell, info_name="openbell")))


@pytest.mark.parametrize("name", PAGES)
def test_help_is_laid_out(name: str) -> None:
    """PF-48: no mark of the layout is printed, which would mean that lines that should stand alone run together."""
    page = PAGES[name]
    assert "\\b" not in page
    assert "\b" not in page
