"""Modbus dispensers over TCP and RTU: device facts are register maps in `maps/`, see NOTES.md.

The record below is cheap to import: pymodbus comes in only when a session is opened.
`Driver.hand_over` says LAST_SALE because that is the weaker promise; it depends on the map, and every
`Fuelling` carries its own (a ring map reports BUFFERED).
"""

from drivers.conformance import Cases
from drivers.driver import Driver, Grade
from drivers.events import HandOver
from drivers.modbus.options import ModbusOptions
from drivers.session import Session, Simulator
from drivers.views import noise


def _open_session(address: str, options: ModbusOptions) -> Session:
    from drivers.modbus.session import ModbusSession

    return ModbusSession(address, options)


def _open_simulator(address: str, options: ModbusOptions) -> Simulator:
    from drivers.modbus.simulator import ModbusSimulator

    return ModbusSimulator(address, options)


def conformance_cases() -> Cases:
    """The dispensers on which `drivers/conformance.py` tries this driver."""
    from drivers.modbus.case import cases

    return cases()


DRIVER = Driver(
    name="modbus",
    title="Modbus TCP and RTU dispensers by register map",
    hand_over=HandOver.LAST_SALE,
    grade=Grade.BRONZE,
    evidence="a maker's register list (Compac C5000); pymodbus's own server as an independent device",
    options=ModbusOptions,
    silence_ms=5_000,
    open_session=_open_session,
    open_simulator=_open_simulator,
    explain=lambda data, options: (noise(data),),
)
