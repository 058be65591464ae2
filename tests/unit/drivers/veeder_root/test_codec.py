"""Unit: are the published TLS frames read as documented, and numbers exactly?"""

import json
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.events import DeviceTime
from drivers.veeder_root import codec, printed, reading, reports
from drivers.veeder_root.ieee import LARGEST, Odd, number
from drivers.veeder_root.simulator import float_digits

FILE = Path(__file__).parents[3] / "vectors" / "vectors.json"
VECTORS = {
    vector["id"]: vector
    for vector in json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
    if vector["protocol"] == "veeder-root-tls"
}
CAPTURED_INVENTORY = "i2010115022617420110000074446B6674446B66745C82935438D6F710000000041468A6C00000000&&EEF2"
"""devices.md 11: tank 1, 794.85 of 7200, on 2015-02-26 at 17:42."""
PRINTED = """\

I20100
05/30/2018 19:15

A STATION



IN-TANK INVENTORY

TANK PRODUCT             VOLUME TC VOLUME   ULLAGE   HEIGHT    WATER     TEMP
  1  SUPER                 2428      2540     4465    39.88     6.62    53.74
  2  UNLEAD 95             7457      7543     7874    65.59     8.10    -8.17

"""
"""Laid out as several public programs print it; see NOTES.md, "Printed form"."""


def _body(vector: dict[str, Any]) -> str:
    (body,) = codec.Reader().feed(bytes.fromhex(vector["hex"]))
    return body


def test_every_vector_decodes() -> None:
    assert set(VECTORS) == {"tls-i101", "tls-i201-req"}
    reply = codec.parse(_body(VECTORS["tls-i101"]))
    assert isinstance(reply, codec.Reply)
    alarms = reports.parse_system(reply.text)
    assert alarms == (reports.SystemAlarm("02", "04", "02"),)
    assert VECTORS["tls-i101"]["decoded"] == {
        "function": reply.function,
        "tank": reply.tank,
        "time": reply.time,
        "alarms": [alarm.category + alarm.alarm + alarm.number for alarm in alarms],
    }


def test_what_we_ask_is_what_is_published() -> None:
    wanted = VECTORS["tls-i201-req"]["decoded"]
    assert (
        codec.ask(wanted["function"], f"{wanted['tank']:02d}").hex(" ").upper()
        == VECTORS["tls-i201-req"]["hex"]
    )
    assert codec.ask("i101", security_code="s3cr3t") == b"\x01s3cr3ti10100\x03"


def test_the_captured_inventory() -> None:
    reply = codec.parse(CAPTURED_INVENTORY)
    assert isinstance(reply, codec.Reply)
    (tank,) = reports.parse_inventory(reply.text) or ()
    read = reading.tank_read(tank, "1", "metric", reply.time)
    assert not isinstance(read, Odd)
    assert (read.tank, read.product, read.raw_volume) == ("1", "1", "4446B667")
    assert (read.volume_ml, read.tc_volume_ml, read.ullage_ml) == (794_850, 794_850, 6_405_151)
    assert (read.height_um, read.water_um, read.temperature_mc) == (282_871, 0, 12_409)
    assert read.device_time == DeviceTime(2015, 2, 26, 17, 42)
    assert (read.is_delivering, read.flags) == (False, ())


def test_the_answer_to_an_unknown_function() -> None:
    assert codec.parse("9999FF1B") == codec.NotUnderstood()
    assert codec.parse("9999FF1A") is None


@pytest.mark.parametrize("at", range(len(CAPTURED_INVENTORY)))
def test_one_wrong_character_anywhere_is_noticed(at: int) -> None:
    other = "0" if CAPTURED_INVENTORY[at] != "0" else "1"
    damaged = CAPTURED_INVENTORY[:at] + other + CAPTURED_INVENTORY[at + 1 :]
    assert not isinstance(codec.parse(damaged), codec.Reply)


@pytest.mark.parametrize(
    ("digits", "value"),
    [
        ("3F800000", Fraction(1)),
        ("461C4000", Fraction(10_000)),
        ("C2C7FAE1", Fraction(-13_105_889, 131_072)),
        ("00000000", Fraction(0)),
        ("80000000", Fraction(0)),
        ("00000001", Fraction(1, 1 << 149)),
        ("7F800000", Odd.NOT_A_NUMBER),
        ("FF800000", Odd.NOT_A_NUMBER),
        ("7FC00000", Odd.NOT_A_NUMBER),
        ("7F7FFFFF", Odd.ABSURD_NUMBER),
        ("4B189681", Odd.ABSURD_NUMBER),
        ("4B189680", Fraction(LARGEST)),
    ],
)
def test_floats_are_exact_or_refused(digits: str, value: Fraction | Odd) -> None:
    assert number(digits) == value


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=200)
@example(0x7F800001)
def test_any_eight_digits_are_as_the_machine_reads_them(bits: int) -> None:
    (value,) = struct.unpack(">f", bits.to_bytes(4, "big"))
    read = number(f"{bits:08X}")
    if value != value or value in (float("inf"), float("-inf")):
        assert read is Odd.NOT_A_NUMBER
    elif abs(value) > LARGEST:
        assert read is Odd.ABSURD_NUMBER
    else:
        assert read == Fraction(value)


@given(st.integers(-100_000, 8_000_000).map(lambda eighths: eighths * 125))
@settings(deadline=None, max_examples=100)
def test_the_simulators_floats_come_back(thousandths: int) -> None:
    value = number(float_digits(thousandths))
    assert value == Fraction(thousandths, 1_000)


def test_american_units() -> None:
    tank = reports.Tank("01", "1", "0000", tuple(map(float_digits, (1_000, 2_000, 0, 10_000, 500, 212_000))))
    read = reading.tank_read(tank, "1", "us")
    assert not isinstance(read, Odd)
    assert (read.volume_ml, read.tc_volume_ml) == (3_785, 7_571)
    assert (read.height_um, read.water_um, read.temperature_mc) == (254_000, 12_700, 100_000)


def test_status_and_oddities() -> None:
    values = ("461C4000", "7FC00000", "3F800000", "3F800000")
    read = reading.tank_read(reports.Tank("07", "A", "0007", values), "1", "metric", "1513011742", ("LEAK",))
    assert not isinstance(read, Odd)
    assert (read.volume_ml, read.tc_volume_ml, read.water_um, read.temperature_mc) == (
        10_000_000,
        None,
        None,
        None,
    )
    assert read.flags == ("HEIGHT_INVALID", "LEAK_TEST", "VALUE_ODD")
    assert read.is_delivering
    assert read.device_time is None, "a month 13 is no date"
    assert reading.device_time("2302291742") is None, "nor is 29 February 2023"
    assert reading.device_time("2402291742") == DeviceTime(2024, 2, 29, 17, 42)
    assert read.alarms == ("LEAK",)


@pytest.mark.parametrize(("volume", "why"), [("7FC00000", Odd.NOT_A_NUMBER), ("C61C4000", Odd.ABSURD_NUMBER)])
def test_a_volume_that_is_none_is_refused(volume: str, why: Odd) -> None:
    assert reading.tank_read(reports.Tank("01", "1", "0000", (volume,)), "1", "metric") is why


def test_a_delivery() -> None:
    values = (5_000_000, 5_000_000, 0, 12_500, 20_000_000, 19_990_000, 0, 11_000, 500_000, 1_250_000)
    text = "02B01" + "2604010930" + "2604010955" + "0A" + "".join(map(float_digits, values)) + "03C00"
    (block,) = reports.parse_deliveries(text) or ()
    delivery = reading.tank_delivery(block, "1", "metric")
    assert (delivery.tank, delivery.product) == ("2", "B")
    assert delivery.began_at == DeviceTime(2026, 4, 1, 9, 30)
    assert delivery.over_at == DeviceTime(2026, 4, 1, 9, 55)
    assert (delivery.start_volume_ml, delivery.end_volume_ml) == (5_000_000, 20_000_000)
    assert (delivery.start_height_um, delivery.end_height_um) == (500_000, 1_250_000)
    assert delivery.raw == "/".join(("2604010930", "2604010955", *map(float_digits, values)))
    assert reading.tank_delivery(reports.Delivery("01", "1", "", "", ("7FC00000",)), "1", "us").flags == (
        "VALUE_ODD",
    )


def test_alarms_of_tanks() -> None:
    assert reports.parse_alarms("0100020203110327") is None, "one alarm is missing"
    blocks = reports.parse_alarms("0100" + "02020311" + "030127")
    assert blocks == (
        reports.TankAlarms("01", ()),
        reports.TankAlarms("02", ("03", "11")),
        reports.TankAlarms("03", ("27",)),
    )
    assert [reading.alarm_name(digits) for digits in ("03", "11", "99")] == [
        "HIGH_WATER",
        "DELIVERY_NEEDED",
        "TANK_ALARM_99",
    ]


@pytest.mark.parametrize(
    "text", ["01", "0110000", "011000001", "01100000200000000", "001000001" + "0" * 8, "0110000FF"]
)
def test_another_layout_is_refused(text: str) -> None:
    assert reports.parse_inventory(text) is None


def test_a_console_without_tanks_says_nothing_in_both_forms() -> None:
    assert reports.parse_inventory("") == reports.parse_deliveries("") == reports.parse_alarms("") == ()
    empty = codec.parse("\r\nI20100\r\nJAN 24, 2026  3:18 PM\r\n\r\n")
    assert isinstance(empty, codec.Printed)
    assert printed.parse_inventory(empty.lines) == ()


def test_the_printed_inventory() -> None:
    frame = codec.parse(PRINTED.replace("\n", "\r\n"))
    assert isinstance(frame, codec.Printed)
    assert (frame.function, frame.tank) == ("I201", "00")
    rows = printed.parse_inventory(frame.lines)
    assert rows == (
        printed.PrintedTank("1", "SUPER", ("2428", "2540", "4465", "39.88", "6.62", "53.74")),
        printed.PrintedTank("2", "UNLEAD 95", ("7457", "7543", "7874", "65.59", "8.10", "-8.17")),
    )
    read = reading.tank_read(rows[0], "1", "us")
    assert not isinstance(read, Odd)
    assert (read.volume_ml, read.height_um, read.temperature_mc) == (9_190_980, 1_012_952, 12_078)
    assert (read.product, read.raw_volume, read.device_time) == ("SUPER", "2428", None)


def test_a_character_lost_from_a_row_or_the_labels_refuses_the_table() -> None:
    lines = PRINTED.splitlines()
    for at in (10, 11):
        for gone in range(len(lines[at])):
            damaged = [*lines[:at], lines[at][:gone] + lines[at][gone + 1 :], *lines[at + 1 :]]
            assert printed.parse_inventory(damaged) is None, damaged[at]
