"""The loyalty link to a POS: our own two-way profile, documented byte by byte in NOTES.md."""

from typing import Any

from drivers.conformance import Cases
from drivers.driver import Driver, Grade
from drivers.pos_link.options import PosLinkOptions
from drivers.session import Session, Simulator
from drivers.views import View


def _open_session(address: str, options: Any) -> Session:
    from drivers.pos_link.session import PosLinkSession

    return PosLinkSession(address, options)


def _open_simulator(address: str, options: Any) -> Simulator:
    from drivers.pos_link.simulator import PosSimulator

    return PosSimulator(options)


def _explain(data: bytes, options: Any) -> tuple[View, ...]:
    from drivers.pos_link.view import explain

    return explain(data, options)


def _redact(data: bytes, options: Any) -> bytes:
    from drivers.pos_link.view import redact

    return redact(data, options)


def conformance_cases() -> Cases:
    """What `drivers/conformance/` runs for this driver: one case per encoding and profile version."""
    from drivers.pos_link.case import PosLinkCase

    return {
        "gb18030": lambda: PosLinkCase(PosLinkOptions(register_id="1")),
        "utf-8": lambda: PosLinkCase(PosLinkOptions(register_id="1", encoding="utf-8")),
        "version-1": lambda: PosLinkCase(PosLinkOptions(register_id="1"), version=1),
    }


DRIVER = Driver(
    name="pos_link",
    title="a POS, over our own STX/ETX loyalty profile",
    hand_over=None,
    grade=Grade.BRONZE,
    evidence="none: the profile is ours, no POS speaks it yet",
    options=PosLinkOptions,
    silence_ms=30_000,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=_explain,
    redact=_redact,
)
