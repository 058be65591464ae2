"""unit: do registers become the numbers that their type, word order and decimals say?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.registers import NumberType, Reading, WordOrder, read_number, scaled, step, words_of

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
