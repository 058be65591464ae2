"""Technotrade PTS controllers over RS-232 or RS-485, UniPump. See NOTES.md."""

from typing import Any

from drivers.conformance import Cases
from drivers.driver import Ask, Driver, Grade, Wiring
from drivers.events import HandOver, Monotonic
from drivers.session import Session, Simulator
from drivers.unipump.options import SILENCE_MS, UnipumpOptions
from drivers.views import View

MASTER_CLOSES_MS = 3_000
"""How long the demo's master leaves a transaction open where we do not close."""


def _open_session(address: str, options: Any) -> Session:
    from drivers.unipump.session import UnipumpSession

    return UnipumpSession(address, options)


def _open_simulator(address: str, options: Any) -> Simulator:
    from drivers.unipump.simulator import UnipumpSimulator

    master_closes_ms = None if options.closes else MASTER_CLOSES_MS
    return UnipumpSimulator(options.point_count, master_closes_ms=master_closes_ms)


def _sell(
    device: Any, nozzle: str, volume_ml: int, amount_fen: int, price_milli: int, now: Monotonic
) -> None:
    device.sell(nozzle or "1/1", volume_ml // 10, amount_fen, price_milli // 10, now)


def _explain(data: bytes, options: Any) -> tuple[View, ...]:
    from drivers.unipump.view import explain

    return explain(data, options)


def _asks(address: str, options: Any) -> tuple[Ask, ...]:
    """None for an address that no controller has."""
    from drivers.unipump import codec

    try:
        codec.check_address(address)
    except ValueError:
        return ()
    points = range(1, options.point_count + 1)
    states = [Ask(f"state of point {point}", codec.encode(point, codec.state_question())) for point in points]
    totals = [
        Ask(f"totals of nozzle {point}/1", codec.encode(point, codec.totals_question("1")), is_totals=True)
        for point in points
    ]
    return (*states, *totals)


def conformance_cases() -> Cases:
    """What `drivers/conformance/` runs for this driver."""
    from drivers.unipump.case import UnipumpCase

    return {
        "closes": UnipumpCase,
        "beside_master": lambda: UnipumpCase(closes=False),
    }


DRIVER = Driver(
    name="unipump",
    title="Technotrade PTS controllers, UniPump (about 50 pump protocols behind one)",
    hand_over=HandOver.BUFFERED,
    grade=Grade.BRONZE,
    evidence="the maker's own library",
    options=UnipumpOptions,
    silence_ms=SILENCE_MS,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=_explain,
    wirings=(Wiring(57_600),),
    asks=_asks,
    sell=_sell,
    flags=frozenset({"AMOUNT_BELOW_MINOR", "NOZZLE_ODD", "TOTALIZER_MISSING", "TRANSACTION_STOPPED"}),
)
