"""The drivers that this agent knows: explicit, lazy, and open to third parties.

A driver is found under its name as "module:attribute" and imported when it is asked for. Another
distribution adds one with an entry point in the group `forecourt.drivers`; it cannot replace ours.
`blueprint` is found as well, so that it can be tried, but it is not listed: no device speaks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from drivers.driver import Driver

if TYPE_CHECKING:
    from drivers.conformance import Cases

ENTRY_POINT_GROUP = "forecourt.drivers"

_OURS = {
    "azt2": "drivers.azt2:DRIVER",
    "cn_tax_port": "drivers.cn_tax_port:DRIVER",
    "companytec": "drivers.companytec:DRIVER",
    "dart": "drivers.dart:DRIVER",
    "escpos_tap": "drivers.escpos_tap:DRIVER",
    "gilbarco": "drivers.gilbarco:DRIVER",
    "hengshan": "drivers.hengshan:DRIVER",
    "ifsf": "drivers.ifsf:DRIVER",
    "modbus": "drivers.modbus:DRIVER",
    "pos_link": "drivers.pos_link:DRIVER",
    "unipump": "drivers.unipump:DRIVER",
    "veeder_root": "drivers.veeder_root:DRIVER",
    "verifone_journal": "drivers.verifone_journal:DRIVER",
    "zhengxing": "drivers.zhengxing:DRIVER",
}
_UNLISTED = {"blueprint": "drivers.blueprint:DRIVER"}


class UnknownDriver(LookupError):
    """No driver of this name. The message lists the names that exist."""


class BrokenDriver(UnknownDriver):
    """Another distribution announces this driver, and it cannot be used. The message says why."""


def names() -> tuple[str, ...]:
    """Every listed driver's name, ours and third parties', sorted."""
    return tuple(sorted({*_OURS, *_theirs()}))


def find(name: str) -> Driver:
    """The driver of this name, imported now. Raises `UnknownDriver`, for others' also `BrokenDriver`."""
    place = _place(name)
    if name in _OURS or name in _UNLISTED:
        driver = _imported(place)
        assert isinstance(driver, Driver), f"{place} is not a Driver"
        assert driver.name == name, f"{place} calls itself {driver.name}, not {name}"
        return driver
    try:
        driver = _imported(place)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise BrokenDriver(f"driver {name!r} ({place}) cannot be imported: {error}") from error
    if not isinstance(driver, Driver) or driver.name != name:
        raise BrokenDriver(f"driver {name!r} ({place}) is no Driver of this name")
    return driver


def all() -> tuple[Driver, ...]:
    """Every listed driver that can be used. Imports all of them: for tests, tables and `device list`."""
    return tuple(driver for name in names() if isinstance(driver := _tried(name), Driver))


def broken() -> tuple[str, ...]:
    """Why third parties' drivers that are announced cannot be used, a sentence each."""
    return tuple(str(why) for name in names() if isinstance(why := _tried(name), BrokenDriver))


def conformance_cases(name: str) -> Cases:
    """The named cases that `drivers/conformance/` runs for this driver."""
    module = import_module(_place(name).split(":", 1)[0])
    cases: Cases = module.conformance_cases()
    return cases


def table(drivers: Sequence[Driver]) -> str:
    """The table of `drivers/README.md`, in Markdown, one row per driver."""
    rows = ["| driver | speaks | hand-over | grade | independent evidence |", "|---|---|---|---|---|"]
    rows += (
        f"| `{driver.name}` | {driver.title} | {driver.role} | {driver.grade.value} | {driver.evidence} |"
        for driver in drivers
    )
    return "\n".join(rows) + "\n"


def _tried(name: str) -> Driver | BrokenDriver:
    try:
        return find(name)
    except BrokenDriver as error:
        return error


def _imported(place: str) -> object:
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def _place(name: str) -> str:
    place = _OURS.get(name) or _UNLISTED.get(name) or _theirs().get(name)
    if place is None:
        raise UnknownDriver(f"no driver {name!r}; known: {', '.join(names())}")
    return place


def _theirs() -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
