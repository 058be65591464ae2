"""A last-sale display with a totalizer, from a distribution of its own: what its entry point leads to.

Importing this is cheap: session, codec and simulator are imported when they are opened.
"""

from typing import Any

from tallyline.options import TallylineOptions

from drivers.conformance import Cases
from drivers.driver import Ask, Driver, Grade, Wiring
from drivers.events import HandOver, Monotonic
from drivers.session import Session, Simulator
from drivers.views import View


def _open_session(address: str, options: Any) -> Session:
    from tallyline.session import TallylineSession

    return TallylineSession(address, options)


def _open_simulator(address: str, options: Any) -> Simulator:
    from tallyline.codec import address_of
    from tallyline.simulator import TallylineSimulator

    return TallylineSimulator(address_of(address))


def _sell(
    device: Any, nozzle: str, volume_ml: int, amount_fen: int, price_milli: int, now: Monotonic
) -> None:
    device.sell(int(nozzle or "1"), volume_ml // 10, amount_fen, price_milli // 10)


def _explain(data: bytes, options: Any) -> tuple[View, ...]:
    from tallyline.view import explain

    return explain(data, options)


def _asks(address: str, options: Any) -> tuple[Ask, ...]:
    from tallyline import codec

    try:
        own = codec.address_of(address)
    except ValueError:
        return ()
    return (
        Ask("what does the display show?", codec.encode(codec.Frame(own, codec.ASK_DISPLAY))),
        Ask("how far is the totalizer?", codec.encode(codec.Frame(own, codec.ASK_TOTALIZER)), is_totals=True),
    )


def conformance_cases() -> Cases:
    """What the conformance kit runs for this driver; it looks in the module that holds `DRIVER`."""
    from tallyline.case import TallylineCase

    return {"plain": TallylineCase}


DRIVER = Driver(
    name="tallyline",
    title="a last-sale display with totalizer (invented)",
    hand_over=HandOver.LAST_SALE,
    grade=Grade.BRONZE,
    evidence="none, invented here",
    options=TallylineOptions,
    silence_ms=4_000,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=_explain,
    wirings=(Wiring(4_800, parity="even"),),
    addresses=tuple(map(str, range(1, 32))),
    asks=_asks,
    sell=_sell,
)
