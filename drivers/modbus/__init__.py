"""Modbus dispensers over TCP and RTU: device facts are register maps in `maps/`, see NOTES.md.

The record below is cheap to import: pymodbus comes in only when a session is opened.
`Driver.hand_over` says LAST_SALE because that is the weaker promise; it depends on the map, and every
`Fuelling` carries its own (a ring map reports BUFFERED, a counter COUNTER).
"""

from typing import Any

from drivers.conformance import Cases
from drivers.driver import Ask, Driver, Grade, Wiring
from drivers.events import HandOver, Monotonic
from drivers.modbus.options import ModbusOptions
from drivers.session import Session, Simulator
from drivers.views import View

FLOWS_MS = 1_500
"""Long enough that a poll sees fuel flow."""


def _open_session(address: str, options: ModbusOptions) -> Session:
    from drivers.modbus.session import ModbusSession

    return ModbusSession(address, options)


def _open_simulator(address: str, options: ModbusOptions) -> Simulator:
    from drivers.modbus.simulator import ModbusSimulator

    return ModbusSimulator(address, options)


def _explain(data: bytes, options: ModbusOptions | None) -> tuple[View, ...]:
    from drivers.modbus.view import explain

    return explain(data, options)


def _asks(address: str, options: ModbusOptions) -> tuple[Ask, ...]:
    from drivers.modbus.scan import asks

    return asks(address, options)


def _sell(
    device: Any, nozzle: str, volume_ml: int, amount_fen: int, price_milli: int, now: Monotonic
) -> None:
    device.sell(volume_ml, amount_fen, price_milli, now, FLOWS_MS)


def conformance_cases() -> Cases:
    """The devices on which `drivers/conformance/` tries this driver."""
    from drivers.modbus.case import cases

    return cases()


DRIVER = Driver(
    name="modbus",
    title="Modbus TCP and RTU dispensers by register map",
    hand_over=HandOver.LAST_SALE,
    grade=Grade.BRONZE,
    evidence="a maker's register list (Compac C5000); slaves by libmodbus, pyModbusTCP and pymodbus",
    options=ModbusOptions,
    silence_ms=5_000,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=_explain,
    wirings=(
        Wiring(9_600),
        Wiring(19_200),
        Wiring(19_200, parity="even"),
        Wiring(9_600, parity="even"),
        Wiring(115_200),
    ),
    tcp_ports=(502,),
    addresses=tuple(map(str, range(1, 17))),
    asks=_asks,
    sell=_sell,
    flags=frozenset(
        {
            "AMOUNT_TOTAL_DIFFERS",
            "BEGAN_UNSEEN",
            "END_UNSEEN",
            "PRICE_UNKNOWN",
            "PRICE_UNREADABLE",
            "RECORDS_LOST",
            "RECORD_STATUS",
            "TOTAL_DIFFERS",
            "TOTAL_UNREADABLE",
        }
    ),
)
