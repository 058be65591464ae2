"""Unit: are check values right, and are bad wires bounded and deterministic?"""

import random

from drivers.checksums import crc16_arc, crc16_kermit, crc16_modbus, sum_mod_256, xor_lrc
from drivers.events import Monotonic
from drivers.faults import CLEAN, IN_TRANSIT_LIMIT_BYTES, Faults, Wire


def test_check_values_of_published_frames() -> None:
    assert sum_mod_256(b"&T99P") == 0x3C
    assert sum_mod_256(b"TP9907000683") == 0xAE
    assert xor_lrc(b"\x30\x31\x03") == 0x02
    assert crc16_modbus(b"123456789") == 0x4B37
    assert crc16_arc(bytes.fromhex("5030010100")) == 0x5C9F
    assert crc16_kermit(bytes.fromhex("000306 0106")) == 0x8FFA


def test_a_wire_keeps_order_and_pace() -> None:
    wire = Wire(Faults("paced", pace_ms=2), random.Random(1))
    wire.carry(b"abc", Monotonic(10))
    wire.carry(b"d", Monotonic(10))
    assert [wire.take(Monotonic(at)) for at in (11, 12, 14, 18)] == [[], [b"a"], [b"b"], [b"c", b"d"]]
    assert wire.next_due() is None


def test_late_writes_do_not_overtake() -> None:
    wire = Wire(Faults("late", late_write_bp=5_000, late_ms=500), random.Random(2))
    for number in range(100):
        wire.carry(bytes([number]), Monotonic(number))
    assert b"".join(wire.take(Monotonic(10_000))) == bytes(range(100))


def test_a_wire_is_bounded() -> None:
    wire = Wire(CLEAN, random.Random(1))
    for _ in range(40):
        wire.carry(bytes(4_096), Monotonic(0))
    assert sum(map(len, wire.take(Monotonic(1)))) == IN_TRANSIT_LIMIT_BYTES


def test_a_cut_wire_carries_nothing() -> None:
    wire = Wire(CLEAN, random.Random(1))
    wire.is_cut = True
    wire.carry(b"x", Monotonic(0))
    assert wire.take(Monotonic(9)) == []
