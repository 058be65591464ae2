"""unit: does the session notice silence and return, bear with busy devices, and stay light to import?"""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.bus import Bus
from drivers.conformance import run
from drivers.events import DeviceBack, DeviceSilent, DriverEvent, Fuelling, Monotonic
from drivers.faults import WIRES
from drivers.modbus import DRIVER
from drivers.modbus.case import ModbusCase
from drivers.modbus.session import ModbusSession
from drivers.modbus.simulator import ModbusSimulator
from tests.unit.drivers.modbus.modbus_table import DURABLE, Table, as_sale, options

MAPS = ("compac-c5000", "ring-buffer")


def presence(stage: Table) -> list[str]:
    return [type(e).__name__ for e in stage.events if isinstance(e, DeviceBack | DeviceSilent)]


@pytest.mark.parametrize("name", MAPS)
def test_silence_and_return(name: str) -> None:
    stage = Table(options(name))
    stage.run(3_000)
    stage.is_cut = True
    cut_at = stage.now
    stage.run(DRIVER.silence_ms + 300)
    assert presence(stage) == ["DeviceBack", "DeviceSilent"]
    silent = next(e for e in stage.events if isinstance(e, DeviceSilent))
    assert DRIVER.silence_ms <= silent.silent_ms <= DRIVER.silence_ms + 300
    asked_before = len(stage.asked)
    stage.run(10_000)
    assert len(stage.asked) - asked_before <= 10
    stage.is_cut = False
    stage.run(2_500)
    assert presence(stage) == ["DeviceBack", "DeviceSilent", "DeviceBack"]
    assert stage.session.counters()["SILENT"] == 1
    assert stage.now > cut_at


def test_a_device_that_never_answered_is_silent_too() -> None:
    stage = Table(options("compac-c5000"))
    stage.is_cut = True
    stage.run(6_000)
    assert presence(stage) == ["DeviceSilent"]


@pytest.mark.parametrize("name", MAPS)
def test_a_busy_device_is_present_and_asked_again(name: str) -> None:
    stage = Table(options(name))
    stage.device.answer_busy(20)
    stage.device.sell(20_000, 15_540, 7_770, stage.now)
    stage.run(12_000)
    assert presence(stage) == ["DeviceBack"]
    assert stage.session.counters()["DEVICE_BUSY"] == 20
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth


@pytest.mark.parametrize("name", MAPS)
def test_late_answers_cost_time_and_no_sale(name: str) -> None:
    stage = Table(options(name))
    for _ in range(5):
        stage.run(1_700)
        stage.device.answer_late(2, 400)
        stage.device.sell(20_000, 15_540, 7_770, stage.now)
    stage.run(5_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth
    assert stage.session.counters()["LATE_ANSWER"] >= 5


def test_the_wire_is_held_only_while_an_answer_may_come() -> None:
    session = ModbusSession("1", options("compac-c5000"))
    assert not session.awaiting()
    assert session.bytes_to_send(Monotonic(0))
    assert session.awaiting()
    session.disconnected(Monotonic(10))
    assert not session.awaiting()


def test_two_dispensers_share_a_wire_and_one_is_late_then_dead() -> None:
    """Every answer reaches whoever asked, and a late one of unit 1 is nobody's sale."""
    chosen = options("compac-c5000", word_order="high_first")
    devices = [ModbusSimulator(unit, chosen) for unit in ("1", "2")]
    bus = Bus([ModbusSession(unit, chosen) for unit in ("1", "2")])
    events: list[DriverEvent] = []
    for now in map(Monotonic, range(30_000)):
        if now % 4_000 == 1_000:
            devices[0].answer_late(1, 450)
            for device in devices:
                device.sell(10_000 + now, 7_770, 7_770, now)
        for device in devices[now >= 20_000 :]:
            if answer := device.bytes_to_send(now):
                bus.receive(answer, now)
        timer = bus.next_timer()
        if timer is not None and timer <= now:
            bus.handle_timer(now)
        while (event := bus.next_event()) is not None:
            events.append(event)
            bus.confirm(event, DURABLE, now)
        if question := bus.bytes_to_send(now):
            for device in devices:
                device.receive(question, now)
    fuellings = [event for event in events if isinstance(event, Fuelling)]
    booked = {unit: [as_sale(event) for event in fuellings if event.address == unit] for unit in "12"}
    assert booked["1"] == devices[0].truth[:5]
    assert booked["2"] == devices[1].truth
    assert [e.address for e in events if isinstance(e, DeviceSilent)] == ["1"]


def test_polls_at_the_pace_that_the_site_set() -> None:
    stage = Table(options("ring-buffer", poll_ms=1_000))
    stage.run(10_000)
    assert 9 <= len(stage.asked) <= 11


@pytest.mark.parametrize("transport", ["tcp", "rtu"])
@pytest.mark.parametrize("address", ["", "x", "-1", "256", "1.5", "²"])
def test_an_address_that_is_no_unit_is_refused(transport: str, address: str) -> None:
    with pytest.raises(ValueError, match="a Modbus unit is a number"):
        ModbusSession(address, options("compac-c5000", transport))


def test_units_0_and_248_exist_only_on_tcp() -> None:
    for address in ("0", "248"):
        ModbusSession(address, options("compac-c5000", "tcp"))
        with pytest.raises(ValueError, match="from 1 to 247"):
            ModbusSession(address, options("compac-c5000", "rtu"))


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(MAPS),
    st.sampled_from(["tcp", "rtu"]),
    st.lists(st.tuples(st.binary(max_size=300), st.integers(0, 400)), max_size=30),
)
def test_no_bytes_at_any_time_raise(name: str, transport: str, heard: list[tuple[bytes, int]]) -> None:
    session = ModbusSession("1", options(name, transport))
    now = Monotonic(0)
    for data, wait_ms in heard:
        session.receive(data, now)
        session.bytes_to_send(now)
        now = Monotonic(now + wait_ms)
        session.handle_timer(now)
        while session.next_event() is not None:
            pass


# On TCP the network answers for every byte, so the wires that lose, flip and insert bytes are left out.
@pytest.mark.parametrize("wire", ["clean", "one_byte", "loses_writes", "repeats", "late"])
@pytest.mark.parametrize("name", MAPS)
def test_conformance_on_tcp(name: str, wire: str) -> None:
    chosen = options(name, "tcp")
    for seed in (1, 2):
        report = run(DRIVER, f"{name}-tcp", ModbusCase(chosen), WIRES[wire], seed)
        assert not report.failures, report.explain()


def test_the_driver_record_does_not_import_pymodbus() -> None:
    program = (
        "import sys; from drivers.modbus import DRIVER;"
        "DRIVER.options.model_validate({'map': 'ring-buffer', 'transport': 'tcp'});"
        "sys.exit('pymodbus' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
