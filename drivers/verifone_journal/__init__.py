"""Verifone journal feed (Ruby, Topaz, Sapphire, Commander): heard on a serial port or by UDP multicast."""

from typing import Any

from drivers.conformance import Cases
from drivers.driver import Driver, Grade, Wiring
from drivers.events import Monotonic
from drivers.feed import SILENT_AFTER_MS
from drivers.session import Session, Simulator
from drivers.verifone_journal.options import VerifoneJournalOptions
from drivers.views import View


def _open_session(address: str, options: Any) -> Session:
    from drivers.verifone_journal.session import VerifoneJournalSession

    return VerifoneJournalSession(address, options)


def _open_simulator(address: str, options: Any) -> Simulator:
    from drivers.verifone_journal.simulator import VerifoneRegister

    return VerifoneRegister(options)


def _explain(data: bytes, options: Any) -> tuple[View, ...]:
    from drivers.verifone_journal.view import explain

    return explain(data, options)


def _redact(data: bytes, options: Any) -> bytes:
    from drivers.verifone_journal.view import redact

    return redact(data, options)


def _sell(
    device: Any, nozzle: str, volume_ml: int, amount_fen: int, price_milli: int, now: Monotonic
) -> None:
    """A ticket for fuel of pump `nozzle`."""
    from drivers.verifone_journal.simulator import Line

    pump_no = int(nozzle or 1)
    device.ring([Line(f"FUEL CA #{pump_no:02d}", 1, amount_fen, pump_no)], now)


def conformance_cases() -> Cases:
    """What `drivers/conformance/` runs for this driver: network lines, serial records, the older text."""
    from drivers.verifone_journal.case import VerifoneJournalCase

    plain, ruby = VerifoneJournalOptions(), VerifoneJournalOptions(dialect="ruby")
    return {
        "network": lambda: VerifoneJournalCase(plain, registers=("101", "102")),
        "serial": lambda: VerifoneJournalCase(plain, with_prefix=True),
        "ruby": lambda: VerifoneJournalCase(ruby, registers=("1",)),
    }


DRIVER = Driver(
    name="verifone_journal",
    title="Verifone journal feed, heard only (Ruby, Topaz, Sapphire, Commander)",
    hand_over=None,
    grade=Grade.BRONZE,
    evidence="published captures of one Sapphire station; another public parser's tests for Ruby",
    options=VerifoneJournalOptions,
    silence_ms=SILENT_AFTER_MS,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=_explain,
    wirings=(Wiring(9_600), Wiring(19_200)),
    listens=lambda options: True,
    redact=_redact,
    sell=_sell,
)
