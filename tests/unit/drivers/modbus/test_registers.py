"""unit: do registers become the numbers that their type, word order and decimals say?"""

import math
import struct
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.registers import (
    NumberType,
    Reading,
    WordOrder,
    natural,
    read_number,
    step,
    words_of,
)
from drivers.scales import scaled

HIGH, LOW = WordOrder.HIGH_FIRST, WordOrder.LOW_FIRST


@pytest.mark.parametrize(
    ("words", "kind", "order", "digits"),
    [
        ((0x9CBD,), NumberType.U16, HIGH, "40125"),
        ((0x0000, 0x9CBD), NumberType.U32, HIGH, "40125"),
        ((0x9CBD, 0x0000), NumberType.U32, LOW, "40125"),
        # libraries.md: the wrong word order makes 40,125 into 2,629,632,000.
        ((0x0000, 0x9CBD), NumberType.U32, LOW, "2629632000"),
        ((0x0001, 0x2345), NumberType.BCD8, HIGH, "12345"),
        ((0x0012, 0x3456, 0x7890), NumberType.BCD12, HIGH, "1234567890"),
        ((0x7890, 0x3456, 0x0012), NumberType.BCD12, LOW, "1234567890"),
    ],
)
def test_reads_a_number(words: tuple[int, ...], kind: NumberType, order: WordOrder, digits: str) -> None:
    assert read_number(words, kind, order) == Reading(digits, int(digits))


@pytest.mark.parametrize(
    ("words", "kind", "count"),
    [
        ((0xFF9C,), NumberType.S16, -100),
        ((0x7FFF,), NumberType.S16, 32_767),
        ((0xFFFF, 0xFFFE), NumberType.S32, -2),
        ((0x8000, 0x0000), NumberType.S32, -(2**31)),
    ],
)
def test_twos_complement(words: tuple[int, ...], kind: NumberType, count: int) -> None:
    assert read_number(words, kind, HIGH) == Reading(str(count), count)
    assert natural(read_number(words, kind, HIGH)).count == (count if count >= 0 else None)


@pytest.mark.parametrize(
    ("words", "decimals", "count"),
    [
        ((0x3F80, 0x0000), 0, 1),
        ((0x461C, 0x4000), 2, 1_000_000),
        ((0x4446, 0xB667), 2, 79_485),  # devices.md 11: 794.85, one unit in the last place up
        ((0x4146, 0x8A6C), 2, 1_241),
        ((0xC146, 0x8A6C), 2, -1_241),
        ((0x3F00, 0x0000), 0, 1),
        ((0x8000, 0x0000), 3, 0),
        ((0x0000, 0x0001), 3, 0),
        ((0x7F80, 0x0000), 0, None),
        ((0xFFC0, 0x0000), 0, None),
    ],
)
def test_a_float_becomes_a_whole_count(words: tuple[int, ...], decimals: int, count: int | None) -> None:
    reading = read_number(words, NumberType.F32, HIGH, decimals)
    assert reading == Reading(f"{words[0]:04X}{words[1]:04X}", count)
    assert read_number(words[::-1], NumberType.F32, LOW, decimals) == reading


@settings(deadline=None, max_examples=200)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(0, 3))
def test_a_float_is_rounded_half_up(value: float, decimals: int) -> None:
    bits = struct.unpack(">I", struct.pack(">f", value))[0]
    exact = Fraction(value) * 10**decimals
    words = (bits >> 16, bits & 0xFFFF)
    assert read_number(words, NumberType.F32, HIGH, decimals).count == math.floor(exact + Fraction(1, 2))


def test_hexadecimal_digits_are_no_decimal_number() -> None:
    assert read_number((0x0012, 0x3A56, 0x7890), NumberType.BCD12, HIGH) == Reading("00123A567890", None)


@pytest.mark.parametrize(
    ("count", "decimals", "unit_decimals", "units"),
    [
        (40_125, 3, 3, 40_125),
        (4_012, 2, 3, 40_120),
        (30_004, 3, 2, 3_000),
        (30_005, 3, 2, 3_001),
        (7, 0, 2, 700),
    ],
)
def test_scales_and_rounds_half_up(count: int, decimals: int, unit_decimals: int, units: int) -> None:
    assert scaled(count, decimals, unit_decimals) == units


def test_a_step_is_never_below_one_unit() -> None:
    assert [step(decimals, 2) for decimals in range(4)] == [100, 10, 1, 1]


@settings(deadline=None)
@given(st.sampled_from([NumberType.U16, NumberType.U32]), st.sampled_from(WordOrder), st.data())
def test_words_written_read_back(kind: NumberType, order: WordOrder, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, kind.modulus - 1))
    assert read_number(words_of(count, kind, order), kind, order).count == count
