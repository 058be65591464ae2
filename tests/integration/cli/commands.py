"""Every command of `forecourt`, found in the program itself."""

from collections.abc import Iterator
from typing import Any

import typer

from agent.cli import main


def leaves() -> dict[str, Any]:
    """ "sale list" → its command, for every command that does something."""
    group = typer.main.get_command(main)
    context = typer.Context(group)
    return dict(_leaves(group, context, ""))


def _leaves(command: Any, context: typer.Context, path: str) -> Iterator[tuple[str, Any]]:
    names = command.list_commands(context) if hasattr(command, "list_commands") else []
    if not names:
        yield path.strip(), command
    for name in names:
        yield from _leaves(command.get_command(context, name), context, f"{path} {name}")


def options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}
