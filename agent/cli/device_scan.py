"""`forecourt device scan`: who speaks on this port, how sure that is, and what belongs into the settings."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.device_choice import (
    AnyDriverOption,
    PortArgument,
    SetOption,
    as_listener,
    by_id,
    character_of,
    choose,
    is_pty,
    is_tcp,
    told,
)
from agent.cli.exits import Exit
from agent.cli.render import as_json, fail
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from agent.cli.device_search import Candidate, Found

_SHOWN_CANDIDATES = 3
_SECOND_MS = 1_000


def scan(
    port: PortArgument,
    driver: AnyDriverOption = "",
    address: Annotated[str, typer.Option(help="Ask only at this address.")] = "",
    option: SetOption = None,
    listen: Annotated[
        int, typer.Option(min=1, max=600, help="Seconds to listen before anything is said.")
    ] = 2,
    json_output: JsonOption = False,
) -> None:
    """Find out who speaks on a port. If anything is heard nothing is ever said: somebody is master there.

    Only a line that is quiet is asked, with questions that change nothing. socket://HOST without a port tries
    the ports that drivers know. Exit code 3 if nobody is found.
    """
    found = _search(port, driver, address, option, listen, json_output=json_output)
    skipped = [] if driver else _not_tried()
    if json_output:
        as_json({"ok": bool(found.candidates), **_plain(found), "not_tried": skipped})
    else:
        _print(found)
        if skipped and not found.candidates:
            typer.echo(f"not tried, because they want --option (and --driver): {', '.join(skipped)}")
    if not found.candidates:
        raise typer.Exit(Exit.DEVICE)


def _search(
    port: str, driver: str, address: str, pairs: list[str] | None, listen_s: int, *, json_output: bool
) -> "Found":
    from agent.cli.device_search import Search, places, usable
    from agent.cli.progress import progress
    from agent.clock import SystemClock
    from drivers.ports import PortGone, PortRefused

    if pairs and not driver:
        fail(Exit.USAGE, "NO_DRIVER", "--option needs --driver", json_output=json_output)
    if "://" in port and not is_tcp(port):
        text = "a scan looks at a device file or socket://HOST"
        fail(
            Exit.USAGE,
            "NO_TCP_PORT",
            f"{port}: {text}; `forecourt device watch` hears others",
            json_output=json_output,
        )
    tenants = [choose(driver, pairs, json_output=json_output)] if driver else usable()
    ways = places(port, tenants)
    if not ways:
        text = "no driver knows a TCP port for this; write socket://HOST:PORT"
        fail(Exit.USAGE, "NO_TCP_PORT", text, json_output=json_output)
    try:
        with progress() as step:
            return Search(ways, address, SystemClock().monotonic_ms, listen_s * _SECOND_MS, step).run()
    except PortRefused as refusal:
        fail(Exit.DEVICE, refusal.code, told(refusal), json_output=json_output)
    except PortGone as gone:
        text = f"{port}: {gone}; check cable and converter"
        fail(Exit.DEVICE, "PORT_GONE", text, json_output=json_output)


def _not_tried() -> list[str]:
    """Drivers that must be told something before they understand a byte, such as a register map."""
    from agent.cli.device_search import usable
    from drivers import catalogue

    return sorted(set(catalogue.names()) - {each.driver.name for each in usable()})


def settings_of(best: "Candidate", others: "tuple[Candidate, ...]" = ()) -> str:
    """What to paste into station.toml, with the others that answered in the same way; the names are to be
    chosen. Who was only heard is to be listened to, if its driver can."""
    place, chosen = best.place, best.chosen
    lines = ["[[line]]", 'name = "line-1"', f'driver = "{chosen.driver.name}"']
    if is_tcp(place.device):
        lines.append(f'port = "{place.device}"')
    else:
        wiring = place.wiring
        lines += [
            f'port = "{by_id(place.device)}"',
            f"baud = {wiring.baud}",
            f"bytesize = {wiring.bytesize}",
            f'parity = "{wiring.parity}"',
            f"stopbits = {wiring.stopbits}",
        ]
        lines += ["pty = true"] if is_pty(place.device) else []
    lines += ["echo = true"] if best.has_echo else []
    neighbours = [each for each in others if each.chosen is chosen and each.place is place]
    for number, each in enumerate(neighbours or [best], 1):
        lines += ["  [[line.device]]", f'  key = "device-{number}"', _address(each), *_options(_typed(each))]
    return "\n".join(lines)


def _typed(candidate: "Candidate") -> dict[str, Any]:
    """The options as they were typed; for who was only heard those with which its driver only listens."""
    quiet = as_listener(candidate.chosen)
    return candidate.chosen.typed if candidate.question or quiet is None else quiet.typed


def _address(candidate: "Candidate") -> str:
    if candidate.address:
        return f'  address = "{candidate.address}"'
    return f'  address = "{candidate.chosen.address}"  # a guess: `device watch` shows who is spoken to'


def _options(typed: dict[str, Any]) -> list[str]:
    """Numbers, texts, true and false: JSON writes them as TOML does."""
    values = ", ".join(f"{name} = {json.dumps(value)}" for name, value in typed.items())
    return [f"  options = {{ {values} }}"] if typed else []


def _print(found: "Found") -> None:
    if found.overheard:
        typer.echo("somebody speaks here already: listened only, nothing was said")
    for candidate in found.candidates[:_SHOWN_CANDIDATES]:
        typer.echo(_sentence(candidate))
    if found.candidates:
        best = found.candidates[0]
        typer.echo("\nsettings to begin with:\n")
        if found.overheard and as_listener(best.chosen) is None:
            typer.echo(
                "# this driver cannot only listen, and a second master breaks the line: take the place"
            )
            typer.echo("# of the one that is there, or ask that one")
        typer.echo(settings_of(best, found.candidates))
        return
    for line in _of_nobody(found):
        typer.echo(line)


def _sentence(candidate: "Candidate") -> str:
    driver, share = candidate.chosen.driver, 100 * candidate.explained_bytes // max(1, candidate.heard_bytes)
    how = f'answered "{candidate.question}" at address {candidate.address}' if candidate.question else "heard"
    errors = f", {candidate.line_errors} errors of the wire" if candidate.line_errors else ""
    who = f"{candidate.sureness.name:<6}  {driver.name} ({driver.title}) at {candidate.place.shown}"
    frames = f"{candidate.right_frames} frames right and {candidate.wrong_frames} wrong by their check value"
    return (
        f"{who}\n        {how}: {frames}, {share} % of {candidate.heard_bytes} bytes explained{errors}"
        + _advice(candidate)
    )


def _advice(candidate: "Candidate") -> str:
    from agent.cli.device_search import Sureness

    if candidate.sureness is Sureness.SURE:
        return ""
    name = candidate.chosen.driver.name
    more = f"`device watch --driver {name} --ask`" if candidate.question else f"--driver {name} --listen 60"
    return f"\n        too little to be sure: {more} shows more"


def _of_nobody(found: "Found") -> list[str]:
    from agent.cli.device_probes import pattern

    if found.overheard:
        code, evidence, remedy = pattern(found.overheard)
        return [
            f"{code}: {len(found.overheard)} bytes that no driver explains at any speed: {evidence}",
            f"-> {remedy}",
        ]
    asked = (
        f"{found.asked_count} questions"
        if found.asked_count
        else "no question, because no driver here has one,"
    )
    lines = [f"NOBODY_ANSWERED: nothing was heard, {asked} without an answer"]
    if found.strange:
        lines.append(f"one answer that no driver explains: {found.strange[:64].hex(' ')}")
    return [
        *lines,
        "-> check power, address and cable (RX and TX crossed? ground?): `forecourt device doctor`",
    ]


def _plain(found: "Found") -> dict[str, Any]:
    return {
        "overheard_bytes": len(found.overheard),
        "asked_count": found.asked_count,
        "strange": found.strange.hex(),
        "candidates": [_plain_candidate(each) for each in found.candidates],
    }


def _plain_candidate(each: "Candidate") -> dict[str, Any]:
    place = each.place
    return {
        "driver": each.chosen.driver.name,
        "sureness": each.sureness.name.lower(),
        "port": place.device if is_tcp(place.device) else by_id(place.device),
        "baud": None if is_tcp(place.device) else place.wiring.baud,
        "character": None if is_tcp(place.device) else character_of(place.wiring),
        "address": each.address,
        "question": each.question,
        "right_frames": each.right_frames,
        "wrong_frames": each.wrong_frames,
        "explained_bytes": each.explained_bytes,
        "heard_bytes": each.heard_bytes,
        "line_errors": each.line_errors,
        "echo": each.has_echo,
        "settings": settings_of(each),
    }
