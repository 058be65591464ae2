"""IFSF dispensers (PetroChina and others), over TCP or the Millennium serial wrapper. See NOTES.md."""

from typing import Any

from drivers.conformance import Cases
from drivers.driver import Ask, Driver, Grade, Wiring
from drivers.events import HandOver, Monotonic
from drivers.ifsf.options import SILENCE_MS, IfsfOptions
from drivers.session import Session, Simulator
from drivers.views import View


def _open_session(address: str, options: Any) -> Session:
    from drivers.ifsf.session import IfsfSession

    return IfsfSession(address, options)


def _open_simulator(address: str, options: Any) -> Simulator:
    from drivers.ifsf.simulator import IfsfSimulator

    return IfsfSimulator(
        int(address),
        controller_node=options.own_node,
        transport=options.transport,
        first_sequences=(1,) * max(options.points),
    )


def _explain(data: bytes, options: Any) -> tuple[View, ...]:
    from drivers.ifsf.view import explain

    return explain(data, options)


def _asks(address: str, options: Any) -> tuple[Ask, ...]:
    """None for an address that no dispenser has."""
    from drivers.ifsf.codec import CONTROLLER
    from drivers.ifsf.questions import Question, state, totals
    from drivers.ifsf.wrapper import framing_of

    framing, us = framing_of(options.transport), bytes((CONTROLLER, options.own_node))
    try:
        device = framing.device_address(address)
    except ValueError:
        return ()

    def said(question: Question) -> bytes:
        return framing.wrap(question.message(device, us, token_no=1))

    point_no = options.points[0]
    return (
        Ask(f"state of fuelling point {point_no}", said(state(point_no))),
        *(
            Ask(f"meters of point {no} nozzle 1", said(totals(no, 1)), is_totals=True)
            for no in options.points
        ),
    )


def _sell(
    device: Any, nozzle: str, volume_ml: int, amount_fen: int, price_milli: int, now: Monotonic
) -> None:
    point_no, nozzle_no = (int(nozzle[0]), int(nozzle[1:])) if len(nozzle) > 1 else (1, 1)
    device.sell(point_no, nozzle_no, volume_ml // 10, amount_fen, price_milli)


def conformance_cases() -> Cases:
    """What `drivers/conformance/` runs for this driver."""
    from drivers.ifsf.case import SERIAL, IfsfCase

    return {"tcp": IfsfCase, "serial": lambda: IfsfCase(SERIAL)}


DRIVER = Driver(
    name="ifsf",
    title="IFSF dispensers (PetroChina and others), TCP or Millennium serial",
    hand_over=HandOver.BUFFERED,
    grade=Grade.BRONZE,
    evidence="others' captures (serial); frames in adapter code (TCP)",
    options=IfsfOptions,
    silence_ms=SILENCE_MS,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=_explain,
    asks=_asks,
    wirings=(Wiring(9_600), Wiring(19_200)),
    addresses=("1", "2", "3", "4"),
    sell=_sell,
    flags=frozenset(
        {
            "AMOUNT_BELOW_MINOR",
            "DEVICE_ERROR",
            "DEVICE_TIME_ODD",
            "NOZZLE_ODD",
            "PRICE_ODD",
            "SEQUENCE_ODD",
            "TOTALIZER_ODD",
        }
    ),
)
