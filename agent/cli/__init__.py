"""The command `forecourt`. Heavy imports happen inside the commands, so that help and status are quick."""

import typer

from agent.cli import hq, keys
from agent.cli.demo import demo
from agent.cli.load import load
from agent.cli.run import run

main = typer.Typer(
    name="forecourt",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # a crash must not print secrets
    help="The loyalty edge agent of a fuel station: points at the pump, also when the network is away.",
)
main.command()(run)
main.command()(load)
main.command()(demo)
main.add_typer(keys.app, name="keys")
main.add_typer(hq.app, name="hq")
