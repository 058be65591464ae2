"""`forecourt demo`: a station, its headquarters, and what can happen between them, in one minute."""

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json, fail, pairs
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from agent.cli.demo.reconcile import Reconciliation


def demo(
    seconds: Annotated[int, typer.Option(min=8, help="How long customers come.")] = 30,
    sales: Annotated[int, typer.Option(min=8, help="How many visits they make.")] = 48,
    seed: Annotated[int, typer.Option(help="Decides who comes when.")] = 1,
    broker: Annotated[
        Literal["auto", "mosquitto", "iotcore"],
        typer.Option(help="auto: mosquitto if installed, else iotcore."),
    ] = "auto",
    keep: Annotated[Path | None, typer.Option(help="Keep databases and logs in this folder.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Sell fuel, cut the link, kill the agent and headquarters, and count: nothing lost, nothing twice."""
    with tempfile.TemporaryDirectory(prefix="forecourt-demo-") as folder:
        result = _play(keep or Path(folder), seconds, sales, seed, broker)
    if not json_output:
        _print(result)
    else:
        as_json(result.as_dict())
    if not result.holds:
        raise typer.Exit(Exit.REFUSED)


def _play(directory: Path, seconds: int, sales: int, seed: int, broker: str) -> "Reconciliation":
    try:
        from agent.cli.demo.play import Play, Size
        from agent.cli.demo.stage import StageError
        from sync.broker import BrokerError
    except ModuleNotFoundError as error:
        fail(Exit.HQ, "EXTRA_MISSING", f"{error.name} is not installed: pip install 'forecourt-agent[demo]'")
    from agent.cli.demo.view import LiveView, PlainView

    play = Play(directory, Size(seconds, seed, sales), broker)
    view = LiveView(play.figures) if sys.stderr.isatty() else PlainView()
    try:
        return play.run(view)
    except (StageError, BrokerError) as error:
        fail(Exit.REFUSED, "DEMO_FAILED", str(error))
    finally:
        view.close()
        play.close()


def _print(result: "Reconciliation") -> None:
    waits = ", ".join(f"{name} {value}" for name, value in result.latency_ms.items())
    pairs(
        {name: value for name, value in result.as_dict().items() if name != "problems"}
        | {"latency_ms": waits}
    )
    for problem in result.problems:
        typer.echo(f"does not hold: {problem}")
    typer.echo("everything holds: nothing lost, nothing twice" if result.holds else "it does NOT hold")
