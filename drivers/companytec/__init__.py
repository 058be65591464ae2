"""Companytec CBC and Horustech concentrators in CBC mode, over RS-232 or TCP. See NOTES.md."""

from typing import Any

from drivers.companytec.options import CompanytecOptions
from drivers.conformance import Cases
from drivers.driver import Driver, Grade
from drivers.events import HandOver
from drivers.session import Session, Simulator
from drivers.views import noise


def _open_session(address: str, options: Any) -> Session:
    from drivers.companytec.session import CompanytecSession

    return CompanytecSession(address, options)


def _open_simulator(address: str, options: Any) -> Simulator:
    from drivers.companytec.simulator import CompanytecSimulator

    return CompanytecSimulator()


def conformance_cases() -> Cases:
    """What `drivers/conformance.py` runs for this driver."""
    from drivers.companytec.case import CompanytecCase

    return {
        "tag": CompanytecCase,
        "attendant_and_client": lambda: CompanytecCase("attendant_and_client"),
    }


DRIVER = Driver(
    name="companytec",
    title="Companytec CBC, Horustech in CBC mode (concentrator)",
    hand_over=HandOver.BUFFERED,
    grade=Grade.BRONZE,
    evidence="maker's document (DT435)",
    options=CompanytecOptions,
    silence_ms=5_000,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=lambda data, options: (noise(data),),
)
