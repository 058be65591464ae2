"""What a driver shows the kit: devices and POSes that can be made to do something, and what is true then.

A driver's `conformance_cases()` returns named factories of these.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias, TypeGuard

from drivers.conformance.truths import Delivered, Sold, Stood
from drivers.events import Answer, HandOver, Monotonic, PosRequest
from drivers.session import Session, Simulator


class PumpCase(Protocol):
    """A dispenser or concentrator that the kit can make sell."""

    @property
    def hand_over(self) -> HandOver:
        """What the device does with a finished sale (one driver may serve devices of several kinds)."""

    @property
    def simulator(self) -> Simulator:
        """The device's side."""

    def open_session(self) -> Session:
        """Our side, fresh, as after a start of the agent."""

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        """One fuelling from lift to hang-up. Hand-over B is asked only when the last one is safe."""

    def sold(self) -> Sequence[Sold]:
        """Every fuelling with volume so far, oldest first."""

    def released(self) -> Sequence[Sold]:
        """The sales that the device will not offer again because it was told we have them (A only)."""


class OddPumpCase(PumpCase, Protocol):
    """A class A device that can also hand over records that are odd, and valid all the same."""

    def sell_odd(self, rng: random.Random, now: Monotonic) -> None:
        """One more record with something that no record should have: zero volume, money that does not fit,
        a wrap, an unknown grade or nozzle, a date that does not exist."""

    def backlog(self) -> int:
        """Records that the device still keeps for us. A pump may refuse to start while there are any."""


class CounterCase(Protocol):
    """A meter behind a counter that the kit can make run. It knows neither sale nor money."""

    @property
    def hand_over(self) -> Literal[HandOver.COUNTER]:
        """What tells a counter from a pump."""

    @property
    def rest_ms(self) -> int:
        """How long after the last fuelling began the next one may begin: the longest fuelling, and the rest
        without which two fuellings are one to a counter."""

    @property
    def simulator(self) -> Simulator:
        """The device's side."""

    def open_session(self) -> Session:
        """Our side, fresh, as after a start of the agent."""

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        """One fuelling from the first pulse to the last."""

    def sold(self) -> Sequence[Sold]:
        """Every fuelling so far, oldest first, in what its pulses are worth."""


class TapCase(Protocol):
    """A wire on which a controller and its dispensers talk, and we listen to both.

    `simulator` is the whole wire: what it sends is what passes by, and what it is sent is lost.
    """

    @property
    def listens(self) -> Literal[True]:
        """What tells a tap from a pump."""

    @property
    def hand_over(self) -> HandOver:
        """What the device does with a finished sale towards its controller."""

    @property
    def simulator(self) -> Simulator:
        """Controller and dispensers."""

    def open_session(self) -> Session:
        """Our side, fresh, as after a start of the agent."""

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        """One fuelling from lift to hang-up, with what the controller asks about it afterwards."""

    def sold(self) -> Sequence[Sold]:
        """Every fuelling with volume so far, oldest first."""


class FeedCase(Protocol):
    """A POS that tells of its sales once, to whoever listens: a journal, a receipt printer's line."""

    @property
    def feeds(self) -> Literal[True]:
        """What tells a feed from a POS that asks."""

    @property
    def hand_over(self) -> None:
        """None: it sells nothing that a meter counts."""

    @property
    def simulator(self) -> Simulator:
        """The POS's side."""

    def open_session(self) -> Session:
        """Our side, fresh, as after a start of the agent."""

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        """One more sale is rung up; its telling may take a while."""

    def telling(self) -> bool:
        """True while a sale has not been told to its end."""

    def told(self) -> Sequence[PosRequest]:
        """What was told to its end, in order, as it must be reported."""

    def vouched(self, request: PosRequest) -> object:
        """The part of a report that the feed says twice, so that a damaged one does not pass."""


class PosCase(Protocol):
    """A POS that the kit can make ask."""

    @property
    def hand_over(self) -> None:
        """None: this is what tells a POS from a pump."""

    @property
    def simulator(self) -> Simulator:
        """The POS's side."""

    def open_session(self) -> Session:
        """Our side, fresh, as after a start of the agent."""

    def ask(self, rng: random.Random, now: Monotonic) -> None:
        """The POS makes one more request, different from all before."""

    def asked(self) -> Sequence[PosRequest]:
        """The requests that the POS still stands by, in order; a power cut may remove unsent ones."""

    def answers(self) -> Sequence[Answer | None]:
        """For each of `asked()` the answer as the POS understood it, None while it waits."""


class GaugeCase(Protocol):
    """A tank gauge whose tanks the kit can draw from and fill."""

    @property
    def gauges(self) -> Literal[True]:
        """What tells a gauge from a POS."""

    @property
    def hand_over(self) -> None:
        """None: it sells nothing."""

    @property
    def simulator(self) -> Simulator:
        """The gauge's side."""

    def open_session(self) -> Session:
        """Our side, fresh, as after a start of the agent."""

    def change(self, rng: random.Random, now: Monotonic) -> None:
        """Fuel is drawn from a tank, or a whole delivery is filled into it."""

    def stood(self) -> Sequence[Stood]:
        """How every tank stood so far: at the beginning and after each change."""

    def stands(self) -> Sequence[Stood]:
        """How every tank stands now."""

    def delivered(self) -> Sequence[Delivered]:
        """Every delivery so far, oldest first; none if the gauge tells of none."""


Case: TypeAlias = PumpCase | CounterCase | TapCase | PosCase | GaugeCase | FeedCase
Cases: TypeAlias = Mapping[str, Callable[[], Case]]


def is_pump(case: Case) -> TypeGuard[PumpCase]:
    """True for what can be asked for a sale: it keeps them, or shows the last one."""
    return case.hand_over in (HandOver.BUFFERED, HandOver.LAST_SALE) and not is_tap(case)


def is_counter(case: Case) -> TypeGuard[CounterCase]:
    return case.hand_over is HandOver.COUNTER and not is_tap(case)


def is_odd(case: Case) -> TypeGuard[OddPumpCase]:
    """True for a device of class A that can hand over odd records."""
    return case.hand_over is HandOver.BUFFERED and hasattr(case, "sell_odd")


def is_tap(case: Case) -> TypeGuard[TapCase]:
    return getattr(case, "listens", False)


def is_gauge(case: Case) -> TypeGuard[GaugeCase]:
    return getattr(case, "gauges", False)


def is_feed(case: Case) -> TypeGuard[FeedCase]:
    return getattr(case, "feeds", False)


def is_pos(case: Case) -> TypeGuard[PosCase]:
    return case.hand_over is None and not is_gauge(case) and not is_feed(case)
