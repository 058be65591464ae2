"""Gilbarco pumps on Two-Wire (also Gilbarco China), over current loop or RS-485. See NOTES.md."""

from typing import Any

from drivers.conformance import Cases
from drivers.driver import Ask, Driver, Grade, Wiring
from drivers.events import HandOver, Monotonic
from drivers.gilbarco.options import SILENCE_MS, GilbarcoOptions
from drivers.session import Session, Simulator
from drivers.views import View


def _open_session(address: str, options: Any) -> Session:
    if options.mode == "master":
        from drivers.gilbarco.session import GilbarcoMaster

        return GilbarcoMaster(address, options)
    from drivers.gilbarco.tap import GilbarcoTap

    return GilbarcoTap(address, options)


def _open_simulator(address: str, options: Any) -> Simulator:
    if options.mode == "listen":
        from drivers.gilbarco.controller import TappedWire

        return TappedWire(options.pumps)
    from drivers.gilbarco.simulator import GilbarcoSimulator

    return GilbarcoSimulator(options.pumps)


def _listens(options: Any) -> bool:
    return bool(options.mode == "listen")


def _explain(data: bytes, options: Any) -> tuple[View, ...]:
    from drivers.gilbarco.view import explain

    return explain(data, options)


def _asks(address: str, options: Any) -> tuple[Ask, ...]:
    if _listens(options):
        return ()
    from drivers.gilbarco.codec import Command, question

    asks = [(f"state of pump {pump}", Command.STATE, pump) for pump in options.pumps]
    asks += [(f"last sale of pump {pump}", Command.SALE, pump) for pump in options.pumps]
    asks += [(f"totals of pump {pump}", Command.TOTALS, pump) for pump in options.pumps]
    return tuple(
        Ask(title, question(command, pump), is_totals=command is Command.TOTALS)
        for title, command, pump in asks
    )


def _sell(
    device: Any, nozzle: str, volume_ml: int, amount_fen: int, price_milli: int, now: Monotonic
) -> None:
    device.sell(nozzle or device.first_nozzle, volume_ml, amount_fen, price_milli, now)


def conformance_cases() -> Cases:
    """What `drivers/conformance/` runs for this driver."""
    from drivers.gilbarco.case import ListenCase, MasterCase

    return {"master": MasterCase, "listen": ListenCase}


DRIVER = Driver(
    name="gilbarco",
    title="Gilbarco pumps, Two-Wire (also Gilbarco China)",
    hand_over=HandOver.LAST_SALE,
    grade=Grade.BRONZE,
    evidence="three logged frames of two open projects",
    options=GilbarcoOptions,
    silence_ms=SILENCE_MS,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=_explain,
    wirings=(Wiring(5_787, parity="even"), Wiring(5_760, parity="even")),
    asks=_asks,
    listens=_listens,
    sell=_sell,
    flags=frozenset({"AMOUNT_BELOW_MINOR", "TOTALIZER_UNHEARD", "TOTAL_DIFFERS"}),
)
