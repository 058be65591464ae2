"""Numbers in 16-bit registers: their types, two word orders, decimals that the map or the site states."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class WordOrder(StrEnum):
    HIGH_FIRST = "high_first"
    """The register at the lowest address holds the most significant 16 bits."""
    LOW_FIRST = "low_first"


class NumberType(StrEnum):
    """`u` unsigned, `s` two's complement, `f32` IEEE 754 single precision; `bcd8` and `bcd12` hold 8 and 12
    decimal digits, one in four bits."""

    U16 = "u16"
    U32 = "u32"
    S16 = "s16"
    S32 = "s32"
    F32 = "f32"
    BCD8 = "bcd8"
    BCD12 = "bcd12"

    @property
    def words(self) -> int:
        """How many registers it takes."""
        return {"u16": 1, "s16": 1, "bcd12": 3}.get(self.value, 2)

    @property
    def modulus(self) -> int:
        """How many different counts it holds; a totalizer of this type wraps to 0 there."""
        return {"bcd8": 10**8, "bcd12": 10**12}.get(self.value, 1 << 16 * self.words)

    @property
    def is_decimal(self) -> bool:
        return self in (NumberType.BCD8, NumberType.BCD12)

    @property
    def is_signed(self) -> bool:
        return self in (NumberType.S16, NumberType.S32)

    @property
    def counts(self) -> bool:
        """Made for counters: whole, never negative, and known where it wraps."""
        return not self.is_signed and self is not NumberType.F32


@dataclass(frozen=True, slots=True)
class Reading:
    """One number as the device gave it.

    `digits` is the register value as a decimal string, unscaled; an `f32` gives the hexadecimal text of its
    bits instead. Registers that hold no decimal digits although their type is BCD, and floats that are no
    number, give their hexadecimal text and `count` None.
    """

    digits: str
    count: int | None


def read_number(words: Sequence[int], kind: NumberType, order: WordOrder, decimals: int = 0) -> Reading:
    """Join `kind.words` registers (0..65535 each) to one number.

    A float becomes a count with `decimals` implied decimals here, the others have theirs already.
    """
    assert len(words) == kind.words
    ordered = words if order is WordOrder.HIGH_FIRST else list(reversed(words))
    text = "".join(f"{word:04X}" for word in ordered)
    if kind.is_decimal:
        return Reading(str(int(text)), int(text)) if text.isdecimal() else Reading(text, None)
    bits = int(text, 16)
    if kind is NumberType.F32:
        return Reading(text, _float_count(bits, decimals))
    count = bits - kind.modulus if kind.is_signed and 2 * bits >= kind.modulus else bits
    return Reading(str(count), count)


def natural(reading: Reading) -> Reading:
    """A quantity that was sold: below zero it is no number."""
    return reading if reading.count is None or reading.count >= 0 else Reading(reading.digits, None)


def _float_count(bits: int, decimals: int) -> int | None:
    """Single-precision bits times 10^decimals, rounded half up, by integers; None for infinity and NaN."""
    exponent, fraction = bits >> 23 & 0xFF, bits & 0x7F_FFFF
    if exponent == 0xFF:
        return None
    magnitude = fraction | 0x80_0000 if exponent else fraction
    scaled_up = (-magnitude if bits >> 31 else magnitude) * step(0, decimals)
    shift = max(exponent, 1) - 150
    return scaled_up << shift if shift >= 0 else (scaled_up + (1 << -shift - 1)) >> -shift


def words_of(count: int, kind: NumberType, order: WordOrder) -> tuple[int, ...]:
    """The registers of a binary number (`u16` or `u32`), as `read_number` reads them."""
    assert not kind.is_decimal
    words = [count >> 16 * place & 0xFFFF for place in range(kind.words)]
    return tuple(words if order is WordOrder.LOW_FIRST else reversed(words))


def step(decimals: int, unit_decimals: int) -> int:
    """The smallest step of a number with `decimals` implied decimals, in whole units, at least 1."""
    return int(10 ** max(0, unit_decimals - decimals))
