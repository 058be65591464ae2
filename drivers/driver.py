"""What a driver says about itself: one `Driver` record per protocol, listed in `catalogue.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from drivers.events import HandOver, Monotonic
from drivers.ports import Parity
from drivers.session import Session, Simulator
from drivers.views import View


class Grade(StrEnum):
    """How far a driver has come. None is gold yet: no driver has spent a month on a real forecourt."""

    BRONZE = "bronze"
    """Passes conformance, has notes with the source of every fact."""
    SILVER = "silver"
    """Captures from a real device are replayed in CI."""
    GOLD = "gold"
    """A month on a real forecourt with totals reconciled."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """How a serial port is set for this protocol; `forecourt device scan` tries them in this order."""

    baud: int = 9_600
    bytesize: int = 8
    parity: Parity = "none"
    stopbits: int = 1


@dataclass(frozen=True, slots=True)
class Ask:
    """A question that changes nothing, neither at the pump nor in what the device keeps for others."""

    title: str
    data: bytes
    is_totals: bool = False


Sell = Callable[[Any, str, int, int, int, Monotonic], object]
"""(simulator, nozzle or "" for its first, volume_ml, amount_fen, unit_price_milli, now): a whole fuelling."""


def _never(options: Any) -> bool:
    return False


def _nothing(address: str, options: Any) -> tuple[Ask, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Driver:
    """One protocol.

    `options` validates the table `[line.device.options]` of station.toml.
    `open_session(address, options)` makes our side, `open_simulator(address, options)` the device's.
    `hand_over` is None for what sells nothing: a POS link, or with `is_gauge` a tank gauge. `silence_ms` is
    the time within which a dead device is noticed. `flags` are all the codes with which it may mark an odd
    fuelling; what each means stands in agent/README.md.

    For people at the cabinet: `explain(data, options)` gives the views of any bytes, and never raises;
    `wirings`, `tcp_ports` and `addresses` are where a device is looked for, the likeliest first;
    `asks(address, options)` are the read-only questions for that, none for who may only listen.
    `listens(options)` is true where the session never says anything: its port is opened so that it cannot.
    `redact(data, options)` replaces what could name a person or a card in whole frames, keeping lengths
    and check values right; None where frames carry no such thing. `sell` makes the simulator sell.
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
    explain: Callable[[bytes, Any], tuple[View, ...]]
    wirings: tuple[Wiring, ...] = (Wiring(),)
    tcp_ports: tuple[int, ...] = ()
    addresses: tuple[str, ...] = ("1",)
    asks: Callable[[str, Any], tuple[Ask, ...]] = _nothing
    listens: Callable[[Any], bool] = _never
    redact: Callable[[bytes, Any], bytes] | None = None
    sell: Sell | None = None
    is_gauge: bool = False
    flags: frozenset[str] = frozenset()

    @property
    def is_pos(self) -> bool:
        """True for a POS link: it asks and is answered, and may be quiet for a long time."""
        return self.hand_over is None and not self.is_gauge

    @property
    def role(self) -> str:
        """The hand-over's letter, or what the device is instead of a pump."""
        if self.hand_over is not None:
            return self.hand_over.value
        return "tank gauge" if self.is_gauge else "POS link"
