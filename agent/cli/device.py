"""`forecourt device`: the drivers there are, a simulated device, and tools for the cabinet."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.device_choice import AddressOption, BaudOption, CharacterOption, SetOption, choose, wiring_of
from agent.cli.device_doctor import doctor
from agent.cli.device_explain import explain
from agent.cli.device_record import record
from agent.cli.device_replay import replay
from agent.cli.device_scan import scan
from agent.cli.device_totals import totals
from agent.cli.device_watch import watch
from agent.cli.exits import Exit
from agent.cli.render import as_json, fail, table
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from drivers.driver import Driver
    from drivers.session import Simulator

app = typer.Typer(no_args_is_help=True, help="Drivers, devices on their wires, and simulated ones.")


@app.command("list")
def list_drivers(json_output: JsonOption = False) -> None:
    """Every driver: what it speaks, its hand-over, its grade and what vouches for it."""
    from agent.cli.device_show import is_narrow
    from drivers import catalogue

    drivers = catalogue.all()
    if json_output:
        rows = [
            {
                "name": driver.name,
                "title": driver.title,
                "role": driver.role,
                "hand_over": driver.hand_over.value if driver.hand_over else None,
                "grade": driver.grade.value,
                "evidence": driver.evidence,
            }
            for driver in drivers
        ]
        as_json({"ok": True, "drivers": rows, "broken": list(catalogue.broken())})
        return
    if is_narrow():
        for d in drivers:
            typer.echo(f"{d.name}  {d.role}  {d.grade.value}\n  {d.title}\n  evidence: {d.evidence}")
    else:
        table(
            ("driver", "hand-over", "grade", "speaks", "evidence"),
            ((d.name, d.role, d.grade.value, d.title, d.evidence) for d in drivers),
        )
    typer.echo("\nhand-over: A kept until acknowledged, B last sale stays readable, C counter only")
    for why in catalogue.broken():
        typer.echo(f"not usable: {why}")


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
    address: AddressOption = "",
    option: SetOption = None,
    nozzle: Annotated[str, typer.Option(help="The nozzle that sells, as the device numbers it.")] = "",
    sell: Annotated[
        list[str] | None,
        typer.Option(metavar="LITRES,AMOUNT,PRICE", help="A sale, such as 30.12,236.44,7.85; repeat."),
    ] = None,
    every: Annotated[int, typer.Option(min=0, help="Seconds between sales; over and over if not 0.")] = 0,
    baud: BaudOption = 0,
    character: CharacterOption = "",
) -> None:
    """Be a device until Ctrl-C. The first line printed is what belongs into `port` of the settings.

    Without --sell the sales (for pos_link: the cashier's actions) are typed, one a line.
    """
    from agent.cli.simulation import Simulation, open_stage
    from agent.cli.typed import Mistyped, wish
    from agent.clock import SystemClock
    from drivers.ports import PortRefused

    clock = SystemClock()
    chosen = choose(protocol, option, address)
    driver, wiring = chosen.driver, wiring_of(chosen.driver.wirings[0], baud, character)
    try:
        plan = [wish(text) for text in sell or []]
        simulator = _simulator(driver, chosen.address, chosen.options)
    except Mistyped as error:
        fail(Exit.USAGE, error.code, str(error))
    if plan and driver.sell is None:
        fail(Exit.USAGE, "NO_SALES", f"{protocol} sells nothing by itself: type what shall happen")
    if tcp and port is not None:
        fail(Exit.USAGE, "TWO_PLACES", "choose --port or --tcp")
    try:
        stage, place = open_stage(simulator, clock.monotonic_ms, port, wiring, tcp=tcp)
    except PortRefused as refusal:
        fail(Exit.DEVICE, refusal.code, f"{refusal.device}: {refusal.remedy}")
    except OSError as denied:
        fail(Exit.DEVICE, "PORT_FAILED", f"{port}: {denied.strerror}")
    _say(place)
    Simulation(driver, stage, nozzle, clock, _say).run(plan, every)


for _command in (scan, watch, totals, record, replay, doctor, explain):
    app.command()(_command)


def _say(text: str) -> None:
    """Each line at once, also into a pipe."""
    typer.echo(text)
    sys.stdout.flush()


def _simulator(driver: "Driver", address: str, options: Any) -> "Simulator":
    from agent.cli.typed import Mistyped

    try:
        return driver.open_simulator(address, options)
    except ValueError as error:
        raise Mistyped("DRIVER_ADDRESS", f"address {address}: {error}") from error
