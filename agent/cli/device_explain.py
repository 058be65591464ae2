"""`forecourt device explain`: what any bytes mean."""

import os
import sys
from string import hexdigits
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.device_choice import AnyDriverOption, Chosen, SetOption, choose
from agent.cli.exits import Exit
from agent.cli.render import as_json, fail
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from drivers.views import View

_PARTED_BY = str.maketrans(dict.fromkeys(":,-_;[](){}'\"", " "))
"""What stands between bytes in logs and programs; each word is then whole bytes, or a digit is missing."""


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

    typed = sys.stdin.buffer.read().decode("ascii", "replace") if data == ["-"] else " ".join(data)
    raw = _bytes_of(typed, json_output=json_output)
    chosen, views = _best(raw, driver, option, json_output=json_output)
    is_noise = (_explained(views) if driver else _weight(views)) == 0
    is_well = not is_noise and not any(view.check is Check.WRONG for view in views)
    if json_output:
        from agent.cli.device_show import plain_view

        told = [plain_view(view) for view in views]
        who = None if is_noise and not driver else chosen.driver.name
        as_json({"ok": is_well, "driver": who, "views": told})
    elif is_noise and not driver:
        typer.echo("no driver explains it: noise (wrong speed, no ground), or another protocol. Some drivers")
        typer.echo("want --option, and bytes alone, without a check value, mean something only with --driver")
    else:
        _print(chosen, views, is_noise=is_noise, asked_all=not driver)
    if not is_well:
        raise typer.Exit(Exit.REFUSED)


def _bytes_of(text: str, *, json_output: bool) -> bytes:
    words = text.replace("\\x", " ").translate(_PARTED_BY).split()
    data = b""
    for word in words:
        digits = word.removeprefix("0x").removeprefix("0X")
        try:
            data += bytes.fromhex(digits)
        except ValueError:
            fail(Exit.USAGE, "BAD_HEX", _what_is_wrong(word, digits), json_output=json_output)
    if not data:
        fail(Exit.USAGE, "BAD_HEX", "there are no bytes", json_output=json_output)
    return data


def _what_is_wrong(word: str, digits: str) -> str:
    if os.path.isfile(word):
        return (
            f"{word} is a file: `forecourt device explain - < {word}` if it holds hex, `replay` a recording"
        )
    if len(digits) % 2 and set(digits) <= set(hexdigits):
        return f"{word}: an odd number of digits, one is missing or too much"
    return f"{word[:40]}: write bytes as pairs of hex digits, such as 52 2A 0D"


def _best(
    data: bytes, name: str, pairs: list[str] | None, *, json_output: bool
) -> "tuple[Chosen, tuple[View, ...]]":
    if name:
        chosen = choose(name, pairs, json_output=json_output)
        return chosen, chosen.driver.explain(data, chosen.options)
    from agent.cli.device_places import usable

    if pairs:
        fail(Exit.USAGE, "NO_DRIVER", "--option needs --driver", json_output=json_output)
    tried = [(each, each.driver.explain(data, each.options)) for each in usable()]
    return max(tried, key=lambda pair: _weight(pair[1]))


_RIGHT_BYTE = 1_000
"""A byte of a frame whose check value holds weighs as much as so many of other frames."""


def _weight(views: "tuple[View, ...]") -> int:
    """What speaks for a driver. A frame of one byte without check value may be any byte: it says nothing."""
    from drivers.views import NOISE, Check

    frames = [view for view in views if view.title != NOISE]
    right = sum(len(view.data) for view in frames if view.check is Check.OK)
    return _RIGHT_BYTE * right + sum(len(view.data) - 1 for view in frames)


def _explained(views: "tuple[View, ...]") -> int:
    from drivers.views import NOISE

    return sum(len(view.data) for view in views if view.title != NOISE)


def _print(chosen: Chosen, views: "tuple[View, ...]", *, is_noise: bool, asked_all: bool) -> None:
    from agent.cli.device_show import view_lines

    if asked_all:
        typer.echo(f"explained best by {chosen.driver.name} ({chosen.driver.title})")
    for view in views:
        for line in view_lines(view):
            typer.echo(line)
    if is_noise:
        who = chosen.driver.name
        typer.echo(
            f"no byte belongs to a frame of {who}: another protocol, or noise (wrong speed, no ground)"
        )
