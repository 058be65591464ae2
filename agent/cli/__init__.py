"""The command `forecourt`: a command is imported when it is called, so that help and status are quick."""

from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

COMMANDS = MappingProxyType(
    {
        "run": "agent.cli.run:run",
        "status": "agent.cli.status:status",
        "doctor": "agent.cli.doctor:doctor",
        "config": "agent.cli.configuration:app",
        "keys": "agent.cli.keys:app",
        "enroll": "agent.cli.enroll:enroll",
        "load": "agent.cli.load:load",
        "device": "agent.cli.device:app",
        "sale": "agent.cli.sale:app",
        "member": "agent.cli.member:app",
        "case": "agent.cli.case:app",
        "rules": "agent.cli.rules:app",
        "outbox": "agent.cli.outbox:app",
        "down": "agent.cli.down:app",
        "store": "agent.cli.store:app",
        "hq": "agent.cli.hq:app",
        "demo": "agent.cli.demo:demo",
    }
)
"""Name → where the function or the group is, in the order of the help."""


class LazyGroup(TyperGroup):
    """Finds its commands in `COMMANDS`."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        found = getattr(import_module(module), attribute)
        command = typer.main.get_group(found) if isinstance(found, typer.Typer) else _alone(cmd_name, found)
        command.name = cmd_name
        return command


def _alone(name: str, function: Any) -> Any:
    app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
    app.command(name)(function)
    return typer.main.get_command(app)


main = typer.Typer(
    name="forecourt",
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # a crash must not print secrets
    help="The loyalty edge agent of a fuel station: points at the pump, also when the network is away.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"forecourt-agent {version('forecourt-agent')}")
        raise typer.Exit


@main.callback()
def _every_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    return None
