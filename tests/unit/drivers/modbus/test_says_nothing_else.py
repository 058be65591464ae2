"""unit: can a session say anything but reads, and the ring's acknowledgement? (drivers/README.md)

Everything that it says in whole conformance runs, on every wire, is decoded by hand.
"""

import struct

import pytest

from drivers.checksums import crc16_modbus
from drivers.conformance import Case, run
from drivers.events import Monotonic
from drivers.faults import WIRES
from drivers.modbus import DRIVER
from drivers.modbus.case import cases
from drivers.modbus.session import ModbusSession
from drivers.modbus.simulator import ModbusSimulator

READ, ACKNOWLEDGE = 3, (6, 1)
"""Function 6 to register 1: where the ring's map keeps what was acknowledged."""


def everything_said(case: Case) -> list[bytes]:
    """What sessions of this case are going to say."""
    said: list[bytes] = []
    open_session = case.open_session

    def overheard() -> ModbusSession:
        session = open_session()
        assert isinstance(session, ModbusSession)
        say = session.bytes_to_send

        def bytes_to_send(now: Monotonic) -> bytes:
            data = say(now)
            said.extend([data] if data else [])
            return data

        session.bytes_to_send = bytes_to_send  # type: ignore[method-assign]
        return session

    case.open_session = overheard  # type: ignore[method-assign]
    return said


@pytest.mark.parametrize("name", cases())
@pytest.mark.parametrize("wire", WIRES)
def test_only_reads_and_the_acknowledgement_are_said(name: str, wire: str) -> None:
    case = cases()[name]()
    said = everything_said(case)
    run(DRIVER, name, case, WIRES[wire], 5)
    assert len(said) > 10
    writes = set()
    for frame in said:
        assert crc16_modbus(frame[:-2]) == int.from_bytes(frame[-2:], "little")
        unit, function, address, _ = struct.unpack(">BBHH", frame[:-2])
        assert unit == 7
        if function != READ:
            writes.add((function, address))
    assert writes == ({ACKNOWLEDGE} if name == "ring-buffer" else set())


@pytest.mark.parametrize("name", ["compac-c5000", "ring-buffer", "pneumercator-tms", "cas-2700", "blank"])
@pytest.mark.parametrize("transport", ["rtu", "tcp"])
def test_what_a_scan_asks_only_reads(name: str, transport: str) -> None:
    chosen = DRIVER.options.model_validate({"map": name, "transport": transport})
    asks = DRIVER.asks("7", chosen)
    assert len(asks) >= 2
    for ask in asks:
        pdu = ask.data[1:-2] if transport == "rtu" else ask.data[7:]
        assert (pdu[0], len(pdu)) == (READ, 5)
    assert struct.unpack(">H", (asks[0].data[1:-2] if transport == "rtu" else asks[0].data[7:])[3:]) == (1,)
    assert DRIVER.asks("no unit", chosen) == ()


def test_the_totals_of_a_dispenser_are_among_what_a_scan_asks() -> None:
    chosen = DRIVER.options.model_validate({"map": "compac-c5000", "transport": "rtu"})
    (totals,) = [ask for ask in DRIVER.asks("1", chosen) if ask.is_totals]
    assert totals.data[:6] == bytes((1, 3, 0, 101, 0, 11))


@pytest.mark.parametrize("name", ["compac-c5000", "ring-buffer", "pulse-counter", "pneumercator-tms"])
def test_a_simulated_device_of_any_kind_sells(name: str) -> None:
    given = {"pulses_per_litre_milli": 100_000} if name == "pulse-counter" else {}
    chosen = DRIVER.options.model_validate({"map": name, "transport": "rtu", **given})
    device = DRIVER.open_simulator("1", chosen)
    assert isinstance(device, ModbusSimulator)
    assert DRIVER.sell is not None
    DRIVER.sell(device, "", 30_120, 23_405, 7_770, Monotonic(0))
    device.handle_timer(Monotonic(60_000))
    (sale,) = device.truth
    assert (sale.volume_ml, sale.amount_fen, sale.unit_price_milli) == (30_120, 23_405, 7_770)
