"""What a driver says about itself: one `Driver` record per protocol, listed in `catalogue.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from drivers.events import HandOver
from drivers.session import Session, Simulator


class Grade(StrEnum):
    """How far a driver has come. None is gold yet: no driver has spent a month on a real forecourt."""

    BRONZE = "bronze"
    """Passes conformance, has notes with the source of every fact."""
    SILVER = "silver"
    """Captures from a real device are replayed in CI."""
    GOLD = "gold"
    """A month on a real forecourt with totals reconciled."""


@dataclass(frozen=True, slots=True)
class Driver:
    """One protocol.

    `options` validates the table `[line.device.options]` of station.toml.
    `open_session(address, options)` makes our side, `open_simulator(address, options)` the device's.
    `hand_over` is None for a POS link. `silence_ms` is the time within which a dead device is noticed.
    """

    name: str
    title: str
    hand_over: HandOver | None
    grade: Grade
    evidence: str
    options: type[BaseModel]
    silence_ms: int
    open_session: Callable[[str, Any], Session]
    open_simulator: Callable[[str, Any], Simulator]
