"""Companytec concentrators, CBC and Horustech protocol, over RS-232 or TCP. See NOTES.md."""

from typing import Any

from drivers.companytec.options import SILENCE_MS, CompanytecOptions
from drivers.conformance import Cases
from drivers.driver import Ask, Driver, Grade, Wiring
from drivers.events import HandOver, Monotonic
from drivers.session import Session, Simulator
from drivers.views import View


def _open_session(address: str, options: Any) -> Session:
    from drivers.companytec.session import CompanytecSession

    return CompanytecSession(address, options)


def _open_simulator(address: str, options: Any) -> Simulator:
    from drivers.companytec.horustech_simulator import HorustechSimulator
    from drivers.companytec.simulator import CompanytecSimulator

    return CompanytecSimulator() if options.protocol == "cbc" else HorustechSimulator()


def _sell(
    device: Any, nozzle: str, volume_ml: int, amount_fen: int, price_milli: int, now: Monotonic
) -> None:
    device.sell(nozzle or "04", volume_ml, amount_fen, price_milli)


def _explain(data: bytes, options: Any) -> tuple[View, ...]:
    from drivers.companytec.view import explain

    return explain(data, options)


def _redact(data: bytes, options: Any) -> bytes:
    from drivers.companytec.redaction import redact

    return redact(data)


def _asks(address: str, options: Any) -> tuple[Ask, ...]:
    from drivers.companytec.asks import asks

    return asks(options)


def conformance_cases() -> Cases:
    """What `drivers/conformance/` runs for this driver."""
    from drivers.companytec.case import CompanytecCase, HorustechCase

    return {
        "tag": CompanytecCase,
        "dual": lambda: CompanytecCase("dual"),
        "auto": lambda: CompanytecCase("auto"),
        "horustech": HorustechCase,
    }


DRIVER = Driver(
    name="companytec",
    title="Companytec CBC and Horustech (concentrator)",
    hand_over=HandOver.BUFFERED,
    grade=Grade.BRONZE,
    evidence="maker's documents (DT435, DT214)",
    options=CompanytecOptions,
    silence_ms=SILENCE_MS,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=_explain,
    wirings=(Wiring(9_600),),
    tcp_ports=(857, 2_001),
    asks=_asks,
    redact=_redact,
    sell=_sell,
    flags=frozenset(
        {"AMOUNT_BELOW_MINOR", "DEVICE_TIME_ODD", "MEMORY_STATUS", "RECORD_NUMBER_ODD", "TOTALIZER_ODD"}
    ),
)
