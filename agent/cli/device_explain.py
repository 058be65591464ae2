"""`forecourt device explain`: what any bytes mean."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.device_choice import AnyDriverOption, Chosen, SetOption, choose
from agent.cli.exits import Exit
from agent.cli.render import as_json, fail
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from drivers.views import View

_LOOSE = str.maketrans("", "", " \t\r\n:,-_")


def explain(
    data: Annotated[
        list[str], typer.Argument(metavar="HEX", help='Bytes as hex, also spaced; "-": from stdin.')
    ],
    driver: AnyDriverOption = "",
    option: SetOption = None,
    json_output: JsonOption = False,
) -> None:
    """Take bytes apart: each field with its digits and what they mean, noise said to be noise.

    Without --driver every driver is asked, and the one that explains most is shown. Exit code 1 if no byte
    belongs to a frame, or a check value is wrong.
    """
    from drivers.views import Check

    raw = _bytes_of(sys.stdin.read() if data == ["-"] else " ".join(data), json_output=json_output)
    chosen, views = _best(raw, driver, option, json_output=json_output)
    is_noise = _explained(views) == 0
    is_well = not is_noise and not any(view.check is Check.WRONG for view in views)
    if json_output:
        from agent.cli.device_show import plain_view

        told = [plain_view(view) for view in views]
        as_json({"ok": is_well, "driver": chosen.driver.name, "views": told})
    else:
        _print(chosen, views, is_noise=is_noise, asked_all=not driver)
    if not is_well:
        raise typer.Exit(Exit.REFUSED)


def _bytes_of(text: str, *, json_output: bool) -> bytes:
    parts = [part.removeprefix("0x").removeprefix("0X") for part in text.replace(",", " ").split()]
    try:
        data = bytes.fromhex("".join(parts).translate(_LOOSE))
    except ValueError:
        fail(
            Exit.USAGE,
            "BAD_HEX",
            "write bytes as pairs of hex digits, such as 52 2A 0D",
            json_output=json_output,
        )
    if not data:
        fail(Exit.USAGE, "BAD_HEX", "there are no bytes", json_output=json_output)
    return data


def _best(
    data: bytes, name: str, pairs: list[str] | None, *, json_output: bool
) -> "tuple[Chosen, tuple[View, ...]]":
    if name:
        chosen = choose(name, pairs, json_output=json_output)
        return chosen, chosen.driver.explain(data, chosen.options)
    from agent.cli.device_search import usable

    if pairs:
        fail(Exit.USAGE, "NO_DRIVER", "--option needs --driver", json_output=json_output)
    tried = [(each, each.driver.explain(data, each.options)) for each in usable()]
    return max(tried, key=lambda pair: _weight(pair[1]))


def _weight(views: "tuple[View, ...]") -> tuple[int, int]:
    """Bytes in frames whose check value holds, then bytes in frames."""
    from drivers.views import Check

    return sum(len(view.data) for view in views if view.check is Check.OK), _explained(views)


def _explained(views: "tuple[View, ...]") -> int:
    from drivers.views import NOISE

    return sum(len(view.data) for view in views if view.title != NOISE)


def _print(chosen: Chosen, views: "tuple[View, ...]", *, is_noise: bool, asked_all: bool) -> None:
    from agent.cli.device_show import view_lines

    if asked_all and not is_noise:
        typer.echo(f"explained best by {chosen.driver.name} ({chosen.driver.title})")
    for view in views:
        for line in view_lines(view):
            typer.echo(line)
    if is_noise:
        who = "any driver" if asked_all else chosen.driver.name
        typer.echo(
            f"no byte belongs to a frame of {who}: another protocol, or noise (wrong speed, no ground)"
        )
