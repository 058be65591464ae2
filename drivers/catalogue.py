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
    "companytec": "drivers.companytec:DRIVER",
    "modbus": "drivers.modbus:DRIVER",
    "pos_link": "drivers.pos_link:DRIVER",
}
_UNLISTED = {"blueprint": "drivers.blueprint:DRIVER"}


class UnknownDriver(LookupError):
    """No driver of this name. The message lists the names that exist."""


def names() -> tuple[str, ...]:
    """Every listed driver's name, ours and third parties', sorted."""
    return tuple(sorted({*_OURS, *_theirs()}))


def find(name: str) -> Driver:
    """The driver of this name, imported now. Raises `UnknownDriver`."""
    module, attribute = _place(name).split(":", 1)
    driver = getattr(import_module(module), attribute)
    assert isinstance(driver, Driver), f"{module}:{attribute} is not a Driver"
    assert driver.name == name, f"{module}:{attribute} calls itself {driver.name}, not {name}"
    return driver


def all() -> tuple[Driver, ...]:
    """Every listed driver. Imports all of them: for tests, tables and `forecourt device list`."""
    return tuple(find(name) for name in names())


def conformance_cases(name: str) -> Cases:
    """The named cases that `drivers/conformance.py` runs for this driver."""
    module = import_module(_place(name).split(":", 1)[0])
    cases: Cases = module.conformance_cases()
    return cases


def table(drivers: Sequence[Driver]) -> str:
    """The table of `drivers/README.md`, in Markdown, one row per driver."""
    rows = ["| driver | speaks | hand-over | grade | independent evidence |", "|---|---|---|---|---|"]
    for driver in drivers:
        hand_over = driver.hand_over.value if driver.hand_over else "POS link"
        rows.append(
            f"| `{driver.name}` | {driver.title} | {hand_over} | {driver.grade.value} | {driver.evidence} |"
        )
    return "\n".join(rows) + "\n"


def _place(name: str) -> str:
    place = _OURS.get(name) or _UNLISTED.get(name) or _theirs().get(name)
    if place is None:
        raise UnknownDriver(f"no driver {name!r}; known: {', '.join(names())}")
    return place


def _theirs() -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
