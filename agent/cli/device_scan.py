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
    told_gone,
)
from agent.cli.exits import Exit
from agent.cli.render import as_json, fail
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from agent.cli.device_candidates import Candidate, Found
    from agent.cli.device_places import Place
    from drivers.ports import PortRefused

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
    """Find out who speaks on a port. If anything is heard nothing is said any more: somebody is master there.

    Only a line that is quiet is asked, with questions that change nothing; `--driver` where you know who is
    there. socket://HOST without a port tries the ports that drivers know. Exit code 3 if nobody is found, or
    nobody more likely than a guess.
    """
    found = _search(port, driver, address, option, listen, json_output=json_output)
    skipped, unasked = ([], []) if driver else (_not_tried(), _not_asked())
    if json_output:
        as_json({"ok": found.best is not None, **_plain(found), "not_tried": skipped, "not_asked": unasked})
    else:
        _print(found)
        if found.best is None:
            _print_left_out(skipped, unasked)
    if found.best is None:
        raise typer.Exit(Exit.DEVICE)


def _search(
    port: str, driver: str, address: str, pairs: list[str] | None, listen_s: int, *, json_output: bool
) -> "Found":
    from agent.cli.device_places import places, usable
    from agent.cli.device_search import Search
    from agent.cli.progress import progress
    from agent.clock import SystemClock
    from drivers.ports import PortGone, PortRefused, only_hears

    if pairs and not driver:
        fail(Exit.USAGE, "NO_DRIVER", "--option needs --driver", json_output=json_output)
    if not is_tcp(port) and ("://" in port or only_hears(port)):
        text = (
            f"{port}: a scan looks at a device file or socket://HOST; `forecourt device watch` hears others"
        )
        fail(Exit.USAGE, "NO_TCP_PORT", text, json_output=json_output)
    tenants = [choose(driver, pairs, address, json_output=json_output)] if driver else usable()
    ways = places(port, tenants)
    if not ways:
        text = "no driver knows a TCP port for this; write socket://HOST:PORT"
        fail(Exit.USAGE, "NO_TCP_PORT", text, json_output=json_output)
    try:
        with progress() as step:
            return Search(ways, address, SystemClock().monotonic_ms, listen_s * _SECOND_MS, step).run()
    except PortRefused as refusal:
        fail(Exit.DEVICE, refusal.code, _of_all(refusal, ways), json_output=json_output)
    except PortGone as gone:
        fail(Exit.DEVICE, "PORT_GONE", told_gone(port, gone), json_output=json_output)


def _of_all(refusal: "PortRefused", ways: "list[Place]") -> str:
    """The first refusal, for all of the ports that were tried."""
    if len(ways) == 1 or not is_tcp(ways[0].device):
        return told(refusal)
    ports = ", ".join(place.device.rpartition(":")[2] for place in ways)
    return f"{told(refusal)} (none of the ports {ports})"


def _not_tried() -> list[str]:
    """Drivers that must be told something before they understand a byte, such as a register map."""
    from agent.cli.device_places import usable
    from drivers import catalogue

    return sorted(set(catalogue.names()) - {each.driver.name for each in usable()})


def _not_asked() -> list[str]:
    """Drivers that only listen unless a site says that nobody else is master."""
    from agent.cli.device_places import usable

    return [
        each.driver.name for each in usable() if each.listens and "mode" in each.driver.options.model_fields
    ]


def _print_left_out(skipped: list[str], unasked: list[str]) -> None:
    if skipped:
        typer.echo(f"not tried, because they want --option (and --driver): {', '.join(skipped)}")
    if unasked:
        typer.echo(f"listened for, and not asked, because a second master stops pumps: {', '.join(unasked)};")
        typer.echo("where you know that no controller is: --driver NAME --option mode=master")


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
    neighbours = [each for each in others if _stands_beside(each, best)]
    for number, each in enumerate(neighbours or [best], 1):
        lines += ["  [[line.device]]", f'  key = "device-{number}"', _address(each), *_options(_typed(each))]
    return "\n".join(lines)


def _stands_beside(other: "Candidate", best: "Candidate") -> bool:
    """A device of the same line. Less sure is what was said unasked while it was another's turn."""
    is_same_line = other.chosen is best.chosen and other.place is best.place
    return is_same_line and other.sureness is best.sureness and bool(other.question) == bool(best.question)


def _typed(candidate: "Candidate") -> dict[str, Any]:
    """The options as they were typed; for who was only heard those with which its driver only listens."""
    quiet = as_listener(candidate.chosen)
    return candidate.chosen.typed if candidate.question or quiet is None else quiet.typed


def _address(candidate: "Candidate") -> str:
    if candidate.address:
        return f'  address = "{candidate.address}"'
    return f'  address = "{candidate.chosen.address}"  # a guess: `device watch` shows who is spoken to'


def _options(typed: dict[str, Any]) -> list[str]:
    from config.describe import SECRET_OPTIONS

    values = ", ".join(
        f"{name} = {_toml(value)}" for name, value in typed.items() if name not in SECRET_OPTIONS
    )
    hidden = sorted(SECRET_OPTIONS & typed.keys())
    lines = [f"  options = {{ {values} }}"] if values else []
    return lines + [f"  # and {name} among the options, which is not shown" for name in hidden]


def _toml(value: Any) -> str:
    """Numbers, texts, true and false: JSON writes them as TOML does."""
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        pairs = ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items())
        return f"{{ {pairs} }}"
    return json.dumps(value, ensure_ascii=False)


def _print(found: "Found") -> None:
    if found.overheard:
        before = f"after {_count(found.asked_count, 'question')}: then " if found.asked_count else "already: "
        typer.echo(f"somebody speaks here {before}listened only, nothing was said")
    for candidate in found.candidates[:_SHOWN_CANDIDATES]:
        typer.echo(_sentence(candidate))
    if found.best is None:
        for line in _of_nobody(found):
            typer.echo(line)
        return
    typer.echo("\nsettings to begin with:\n")
    if found.overheard and not found.best.question and as_listener(found.best.chosen) is None:
        typer.echo("# this driver cannot only listen, and a second master breaks the line: take the place")
        typer.echo("# of the one that is there, or ask that one. If nobody is: some devices speak unasked")
    typer.echo(settings_of(found.best, found.candidates))


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


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
    from agent.cli.device_candidates import Sureness

    if candidate.sureness is Sureness.SURE:
        return ""
    name = candidate.chosen.driver.name
    more = f"`device watch --driver {name} --ask`" if candidate.question else f"--driver {name} --listen 60"
    return f"\n        too little to be sure: {more} shows more"


def _of_nobody(found: "Found") -> list[str]:
    from agent.cli.device_probes import pattern

    if found.overheard:
        code, evidence, remedy = pattern(found.overheard)
        who = "no driver explains for certain" if found.candidates else "no driver explains"
        return [f"{code}: {len(found.overheard)} bytes that {who} at any speed: {evidence}", f"-> {remedy}"]
    if found.candidates:
        return ["-> a guess is nothing to set up a line by: ask again with --driver, or watch"]
    asked = (
        _count(found.asked_count, "question") if found.asked_count else "no question, because nobody has one,"
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
        "frames": each.frames,
        "right_frames": each.right_frames,
        "wrong_frames": each.wrong_frames,
        "explained_bytes": each.explained_bytes,
        "heard_bytes": each.heard_bytes,
        "line_errors": each.line_errors,
        "echo": each.has_echo,
        "settings": settings_of(each) if each.sureness else "",
    }
