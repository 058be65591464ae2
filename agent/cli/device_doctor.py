"""`forecourt device doctor`: what is wrong with one port."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.device_choice import (
    AddressOption,
    AnyDriverOption,
    BaudOption,
    CharacterOption,
    PortArgument,
    SetOption,
    choose,
    spec_of,
    wiring_of,
)
from agent.cli.exits import Exit
from agent.cli.render import as_json, fail
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from agent.health.findings import Finding

AskOption = Annotated[
    bool, typer.Option("--ask", help="Ask the device once, with a question that changes nothing.")
]
ListenOption = Annotated[int, typer.Option("--listen", min=1, max=600, help="Seconds to listen.")]
_SECOND_MS = 1_000


def doctor(
    port: PortArgument,
    driver: AnyDriverOption = "",
    address: AddressOption = "",
    option: SetOption = None,
    ask: AskOption = False,
    listen: ListenOption = 3,
    baud: BaudOption = 0,
    character: CharacterOption = "",
    json_output: JsonOption = False,
) -> None:
    """Look at a port from the plug to the protocol: each fault with what to do about it.

    Nothing is said, unless --ask and the line is quiet. Exit code 3 if something is wrong.
    """
    from agent.cli.device_probes import examine
    from agent.clock import SystemClock
    from agent.health.findings import Level
    from drivers.driver import Wiring

    if ask and not driver:
        fail(Exit.USAGE, "NO_DRIVER", "--ask needs --driver: whose question?", json_output=json_output)
    chosen = choose(driver, option, address, json_output=json_output) if driver else None
    likeliest = chosen.driver.wirings[0] if chosen else Wiring()
    wiring = wiring_of(likeliest, baud, character, json_output=json_output)
    spec = spec_of(port, wiring, listen_only=not ask, json_output=json_output)
    clock, findings = SystemClock().monotonic_ms, []
    for finding in examine(spec, chosen, clock, listen_ms=listen * _SECOND_MS, may_ask=ask):
        findings.append(finding)
        if not json_output:
            _print(finding)
    wrong = any(finding.level is Level.FAIL for finding in findings)
    if json_output:
        told = [
            {
                "name": f.name,
                "level": f.level.value,
                "code": f.code,
                "evidence": f.evidence,
                "remedy": f.remedy,
            }
            for f in findings
        ]
        as_json({"ok": not wrong, "findings": told})
    if wrong:
        raise typer.Exit(Exit.DEVICE)


def _print(finding: "Finding") -> None:
    """At once: listening takes its time."""
    from agent.health.findings import Level

    mark = {Level.OK: "ok  ", Level.WARN: "warn", Level.FAIL: "FAIL"}[finding.level]
    code = f"{finding.code}: " if finding.code else ""
    typer.echo(f"{mark}  {finding.name:<10}  {code}{finding.evidence}")
    if finding.remedy:
        typer.echo(f"{'':<16}  -> {finding.remedy}")
