"""`forecourt device`: the drivers there are, and a simulated device to try a station with."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json, fail, table
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from drivers.driver import Driver
    from drivers.session import Simulator

app = typer.Typer(no_args_is_help=True, help="Drivers, and simulated devices.")


@app.command("list")
def list_drivers(json_output: JsonOption = False) -> None:
    """Every driver: what it speaks, its hand-over, its grade and what vouches for it."""
    from drivers import catalogue

    drivers = catalogue.all()
    if json_output:
        rows = [
            {
                "name": driver.name,
                "title": driver.title,
                "hand_over": driver.hand_over.value if driver.hand_over else None,
                "grade": driver.grade.value,
                "evidence": driver.evidence,
            }
            for driver in drivers
        ]
        as_json({"ok": True, "drivers": rows})
        return
    table(
        ("driver", "hand-over", "grade", "speaks", "evidence"),
        ((d.name, d.hand_over or "POS", d.grade.value, d.title, d.evidence) for d in drivers),
    )
    typer.echo("\nhand-over: A kept until acknowledged, B last sale stays readable, C counter only")


@app.command()
def simulate(
    protocol: Annotated[str, typer.Argument(help="A driver's name, see `device list`.")],
    port: Annotated[
        Path | None,
        typer.Option(
            help="A serial port to speak on; where nothing is yet, a link to a new pseudo-terminal."
        ),
    ] = None,
    tcp: Annotated[bool, typer.Option("--tcp", help="Listen on a free TCP port of 127.0.0.1.")] = False,
    address: Annotated[str, typer.Option(help="The device's address on the line.")] = "1",
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="As in [line.device.options]; repeat."),
    ] = None,
    nozzle: Annotated[str, typer.Option(help="The nozzle that sells, as the device numbers it.")] = "",
    sell: Annotated[
        list[str] | None,
        typer.Option(metavar="LITRES,AMOUNT,PRICE", help="A sale, such as 30.12,236.44,7.85; repeat."),
    ] = None,
    every: Annotated[int, typer.Option(min=0, help="Seconds between sales; over and over if not 0.")] = 0,
    baud: Annotated[int, typer.Option(help="Speed of a serial port.")] = 9600,
) -> None:
    """Be a device until Ctrl-C. The first line printed is what belongs into `port` of the settings.

    Without --sell the sales (for pos_link: the cashier's actions) are typed, one a line.
    """
    from agent.cli.simulation import SELLS, Simulation, open_stage
    from agent.cli.typed import Mistyped, driver_options, wish
    from agent.clock import SystemClock
    from drivers.ports import PortRefused

    clock = SystemClock()
    try:
        driver, simulator = _simulator(protocol, address, driver_options(option or []))
        plan = [wish(text) for text in sell or []]
    except Mistyped as error:
        fail(Exit.USAGE, error.code, str(error))
    if plan and protocol not in SELLS:
        fail(Exit.USAGE, "NO_SALES", f"{protocol} sells nothing by itself: type what shall happen")
    if tcp and port is not None:
        fail(Exit.USAGE, "TWO_PLACES", "choose --port or --tcp")
    try:
        stage, place = open_stage(simulator, clock.monotonic_ms, port, baud, tcp=tcp)
    except PortRefused as refusal:
        fail(Exit.DEVICE, refusal.code, f"{refusal.device}: {refusal.remedy}")
    except OSError as denied:
        fail(Exit.DEVICE, "PORT_FAILED", f"{port}: {denied.strerror}")
    _say(place)
    Simulation(driver, stage, nozzle, clock, _say).run(plan, every)


def _say(text: str) -> None:
    """Each line at once, also into a pipe."""
    typer.echo(text)
    sys.stdout.flush()


def _simulator(protocol: str, address: str, options: dict[str, Any]) -> "tuple[Driver, Simulator]":
    from pydantic import ValidationError

    from agent.cli.typed import Mistyped
    from drivers import catalogue

    try:
        driver = catalogue.find(protocol)
        return driver, driver.open_simulator(address, driver.options.model_validate(options))
    except catalogue.UnknownDriver as unknown:
        raise Mistyped("UNKNOWN_DRIVER", str(unknown)) from unknown
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "all"
        raise Mistyped("DRIVER_OPTION", f"--option {where}: {first['msg']}; see drivers/README.md") from error
    except ValueError as error:
        raise Mistyped("DRIVER_ADDRESS", f"address {address}: {error}") from error
