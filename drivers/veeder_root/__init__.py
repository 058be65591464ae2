"""Veeder-Root TLS tank gauges and their clones, over RS-232 or TCP: they sell nothing. See NOTES.md."""

from typing import Any

from drivers.conformance import Cases
from drivers.driver import Ask, Driver, Grade, Wiring
from drivers.session import Session, Simulator
from drivers.veeder_root.options import VeederRootOptions
from drivers.views import View


def _open_session(address: str, options: Any) -> Session:
    from drivers.veeder_root.session import VeederRootSession

    return VeederRootSession(address, options)


def _open_simulator(address: str, options: Any) -> Simulator:
    from drivers.veeder_root.simulator import VeederRootSimulator

    return VeederRootSimulator(security_code=options.code())


def _explain(data: bytes, options: Any) -> tuple[View, ...]:
    from drivers.veeder_root.view import explain

    return explain(data, options)


def _redact(data: bytes, options: Any) -> bytes:
    from drivers.veeder_root.view import redact

    return redact(data, options)


def _asks(address: str, options: Any) -> tuple[Ask, ...]:
    from drivers.veeder_root import codec

    questions = (
        ("active alarms of the console", codec.SYSTEM),
        ("how the tanks stand", codec.INVENTORY),
        ("how the tanks stand, printed", codec.PRINTED_INVENTORY),
        ("the last delivery of each tank", codec.LAST_DELIVERY),
        ("alarms of the tanks", codec.ALARMS),
    )
    return tuple(
        Ask(title, codec.ask(function, security_code=options.code()), function == codec.INVENTORY)
        for title, function in questions
    )


def conformance_cases() -> Cases:
    """What `drivers/conformance/` runs for this driver: a console as it is today, and one that prints."""
    from drivers.veeder_root.case import VeederRootCase

    return {"computer": VeederRootCase, "printed": lambda: VeederRootCase(prints_only=True)}


DRIVER = Driver(
    name="veeder_root",
    title="Veeder-Root TLS-300, TLS-350, TLS-450 and clones",
    hand_over=None,
    grade=Grade.BRONZE,
    evidence="two captured replies; layouts by several open programs",
    options=VeederRootOptions,
    silence_ms=30_000,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=_explain,
    wirings=(Wiring(9_600), Wiring(2_400, 7, "even"), Wiring(1_200, 7, "odd")),
    tcp_ports=(10_001,),
    asks=_asks,
    redact=_redact,
    is_gauge=True,
)
