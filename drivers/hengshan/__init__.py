"""Hengshan self-service dispensers, the "FA" protocol on a current loop. See NOTES.md."""

from typing import Any

from drivers.conformance import Cases
from drivers.driver import Ask, Driver, Grade, Wiring
from drivers.events import HandOver, Monotonic
from drivers.hengshan.options import SILENCE_MS, HengshanOptions
from drivers.session import Session, Simulator
from drivers.views import View


def _open_session(address: str, options: Any) -> Session:
    if options.mode == "master":
        from drivers.hengshan.session import HengshanMaster

        return HengshanMaster(address, options)
    from drivers.hengshan.tap import HengshanTap

    return HengshanTap(address, options)


def _open_simulator(address: str, options: Any) -> Simulator:
    """For a listener the whole loop: a controller and this fuelling point."""
    from drivers.hengshan.codec import address_of
    from drivers.hengshan.controller import TappedLoop
    from drivers.hengshan.dispenser import Dispenser
    from drivers.hengshan.simulator import HengshanSimulator

    number = address_of(address)
    if options.mode == "master":
        return HengshanSimulator(address=number)
    point = HengshanSimulator(Dispenser(needs_master=True, stores_zero=False), address=number)
    return TappedLoop({number: point})


def _sell(
    device: Any, nozzle: str, volume_ml: int, amount_fen: int, price_milli: int, now: Monotonic
) -> None:
    points = getattr(device, "points", None)
    point = device if points is None else next(iter(points.values()))
    point.sell(volume_ml // 10, amount_fen, price_milli // 10, now)


def _explain(data: bytes, options: Any) -> tuple[View, ...]:
    from drivers.hengshan.view import explain

    return explain(data, options)


def _asks(address: str, options: Any) -> tuple[Ask, ...]:
    """None for who listens. The state is not among them: its question would set the dispenser's clock."""
    from drivers.hengshan import codec

    if options.mode == "listen":
        return ()
    device = codec.address_of(address)
    return (
        Ask("total and newest sale", codec.encode(codec.Frame(device, 0, codec.TOTALS)), is_totals=True),
        Ask("device information", codec.encode(codec.Frame(device, 1, codec.DEVICE_INFORMATION))),
    )


def _listens(options: Any) -> bool:
    return bool(options.mode == "listen")


def conformance_cases() -> Cases:
    """What `drivers/conformance/` runs for this driver."""
    from drivers.hengshan.case import ListenCase, MasterCase

    return {"master": MasterCase, "listen": ListenCase}


DRIVER = Driver(
    name="hengshan",
    title="Hengshan self-service dispensers, FA protocol",
    hand_over=HandOver.BUFFERED,
    grade=Grade.BRONZE,
    evidence="one open controller",
    options=HengshanOptions,
    silence_ms=SILENCE_MS,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=_explain,
    wirings=(Wiring(),),
    addresses=("1", "2", "3", "4"),
    asks=_asks,
    listens=_listens,
    sell=_sell,
    flags=frozenset({"AMOUNT_BELOW_MINOR", "NUMBER_DIFFERS", "TOTALIZER_MISSING"}),
)
