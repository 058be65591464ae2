"""Numbers in 16-bit registers: four types, two word orders, decimals that the map or the site states."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class WordOrder(StrEnum):
    HIGH_FIRST = "high_first"
    """The register at the lowest address holds the most significant 16 bits."""
    LOW_FIRST = "low_first"


class NumberType(StrEnum):
    """`bcd8` and `bcd12` hold 8 and 12 decimal digits, one in four bits."""

    U16 = "u16"
    U32 = "u32"
    BCD8 = "bcd8"
    BCD12 = "bcd12"

    @property
    def words(self) -> int:
        """How many registers it takes."""
        return {"u16": 1, "u32": 2, "bcd8": 2, "bcd12": 3}[self.value]

    @property
    def modulus(self) -> int:
        """How many different counts it holds; a totalizer of this type wraps to 0 there."""
        return {"u16": 1 << 16, "u32": 1 << 32, "bcd8": 10**8, "bcd12": 10**12}[self.value]

    @property
    def is_decimal(self) -> bool:
        return self in (NumberType.BCD8, NumberType.BCD12)


@dataclass(frozen=True, slots=True)
class Reading:
    """One number as the device gave it.

    `digits` is the register value as a decimal string, unscaled; registers that hold no decimal
    digits although their type is BCD give their hexadecimal text and `count` None.
    """

    digits: str
    count: int | None


def read_number(words: Sequence[int], kind: NumberType, order: WordOrder) -> Reading:
    """Join `kind.words` registers (0..65535 each) to one number."""
    assert len(words) == kind.words
    ordered = words if order is WordOrder.HIGH_FIRST else list(reversed(words))
    if not kind.is_decimal:
        count = 0
        for word in ordered:
            count = count << 16 | word
        return Reading(str(count), count)
    text = "".join(f"{word:04X}" for word in ordered)
    return Reading(str(int(text)), int(text)) if text.isdecimal() else Reading(text, None)


def words_of(count: int, kind: NumberType, order: WordOrder) -> tuple[int, ...]:
    """The registers of a binary number (`u16` or `u32`), as `read_number` reads them."""
    assert not kind.is_decimal
    words = [count >> 16 * place & 0xFFFF for place in range(kind.words)]
    return tuple(words if order is WordOrder.LOW_FIRST else reversed(words))


def scaled(count: int, decimals: int, unit_decimals: int) -> int:
    """`count` with `decimals` implied decimals, in units that have `unit_decimals` of them.

    Decimals that the unit cannot hold are rounded half up: a last amount in thousandths
    (Compac C5000) becomes whole fen.
    """
    if decimals <= unit_decimals:
        return count * step(decimals, unit_decimals)
    divisor = step(unit_decimals, decimals)
    return (count + divisor // 2) // divisor


def step(decimals: int, unit_decimals: int) -> int:
    """The smallest step of a number with `decimals` implied decimals, in whole units, at least 1."""
    return int(10 ** max(0, unit_decimals - decimals))
