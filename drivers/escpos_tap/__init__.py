"""A tap on a receipt printer's line: sales are read from the ESC/POS receipts that the POS prints."""

from typing import Any

from drivers.conformance import Cases
from drivers.driver import Driver, Grade, Wiring
from drivers.escpos_tap.options import EscposTapOptions
from drivers.events import Monotonic
from drivers.feed import SILENT_AFTER_MS
from drivers.session import Session, Simulator
from drivers.views import View


def _open_session(address: str, options: Any) -> Session:
    from drivers.escpos_tap.session import EscposTapSession

    return EscposTapSession(address, options)


def _open_simulator(address: str, options: Any) -> Simulator:
    from drivers.escpos_tap.simulator import PrintingPos

    return PrintingPos(options)


def _explain(data: bytes, options: Any) -> tuple[View, ...]:
    from drivers.escpos_tap.view import explain

    return explain(data, options)


def _redact(data: bytes, options: Any) -> bytes:
    from drivers.escpos_tap.view import redact

    return redact(data, options)


def _sell(
    device: Any, nozzle: str, volume_ml: int, amount_fen: int, price_milli: int, now: Monotonic
) -> None:
    """A receipt for fuel of pump `nozzle`."""
    device.print_sale((), now, pump=nozzle or "1", fuel_fen=amount_fen)


def _listens(options: Any) -> bool:
    return bool(options.form == "pass_through")


def conformance_cases() -> Cases:
    """What `drivers/conformance/` runs for this driver."""
    from drivers.escpos_tap.case import EscposTapCase
    from drivers.escpos_tap.simulator import PATTERNS

    printer = EscposTapOptions(register_id="1", patterns=PATTERNS)
    through = EscposTapOptions(register_id="1", patterns=PATTERNS, encoding="utf-8", form="pass_through")
    return {
        "second-printer": lambda: EscposTapCase(printer),
        "pass-through": lambda: EscposTapCase(through),
    }


DRIVER = Driver(
    name="escpos_tap",
    title="receipts that a POS prints (ESC/POS), heard on the printer's line",
    hand_over=None,
    grade=Grade.BRONZE,
    evidence="the command set is public; no receipt of a real site was read yet",
    options=EscposTapOptions,
    silence_ms=SILENT_AFTER_MS,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=_explain,
    wirings=(Wiring(9_600), Wiring(19_200), Wiring(38_400), Wiring(115_200)),
    listens=_listens,
    redact=_redact,
    sell=_sell,
)
