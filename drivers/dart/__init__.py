"""DART pumps (Wayne, Dresser, Mepsan and Mekser MKR5, S4), over RS-485 or current loop. See NOTES.md."""

from typing import Any

from drivers.conformance import Cases
from drivers.dart.options import SILENCE_MS, DartOptions
from drivers.driver import Ask, Driver, Grade, Wiring
from drivers.events import HandOver, Monotonic
from drivers.session import Session, Simulator
from drivers.views import View


def _open_session(address: str, options: Any) -> Session:
    if options.mode == "master":
        from drivers.dart.session import DartMaster

        return DartMaster(address, options)
    from drivers.dart.tap import DartTap

    return DartTap(address, options)


def _open_simulator(address: str, options: Any) -> Simulator:
    from drivers.dart.codec import address_of

    device = address_of(address)
    if options.mode == "listen":
        from drivers.dart.controller import TappedWire

        return TappedWire((device,))
    from drivers.dart.simulator import DartSimulator

    return DartSimulator(device)


def _listens(options: Any) -> bool:
    return bool(options.mode == "listen")


def _explain(data: bytes, options: Any) -> tuple[View, ...]:
    from drivers.dart.view import explain

    return explain(data, options)


def _redact(data: bytes, options: Any) -> bytes:
    from drivers.dart.view import redact

    return redact(data, options)


def _asks(address: str, options: Any) -> tuple[Ask, ...]:
    """A totals question is only acknowledged, its answer comes with a later poll: it is not one of these."""
    if _listens(options):
        return ()
    from drivers.dart import codec, words

    device = codec.address_of(address)
    poll = codec.Frame(device, codec.Control.POLL)
    state = codec.Frame(device, codec.Control.DATA, 0, words.ASK_STATE)
    return (Ask("poll", codec.encode(poll)), Ask("state", codec.encode(state)))


def _sell(
    device: Any, nozzle: str, volume_ml: int, amount_fen: int, price_milli: int, now: Monotonic
) -> None:
    device.sell(int(nozzle or "1"), volume_ml // 10, amount_fen, price_milli // 10, now)


def conformance_cases() -> Cases:
    """What `drivers/conformance/` runs for this driver."""
    from drivers.dart.case import ListenCase, MasterCase

    return {"master": MasterCase, "listen": ListenCase}


DRIVER = Driver(
    name="dart",
    title="DART pumps: Wayne/Dresser, Mepsan/Mekser MKR5, S4",
    hand_over=HandOver.LAST_SALE,
    grade=Grade.BRONZE,
    evidence="14 captured frames of one open project",
    options=DartOptions,
    silence_ms=SILENCE_MS,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=_explain,
    wirings=(Wiring(9_600, 8, "odd", 1), Wiring(19_200, 8, "odd", 1)),
    addresses=("50", "51", "52", "53"),
    asks=_asks,
    listens=_listens,
    redact=_redact,
    sell=_sell,
    flags=frozenset({"TOTALIZER_UNHEARD", "TOTAL_DIFFERS"}),
)
