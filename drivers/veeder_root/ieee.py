"""IEEE-754 single precision as eight hex digits, read as exact fractions: the door through which numbers
come in. What is no number, or no measure of any tank, is refused as a value."""

from enum import StrEnum
from fractions import Fraction

LARGEST = 10_000_000
"""Litres, gallons, millimetres, inches or degrees: no tank at a station has more."""


class Odd(StrEnum):
    """Why digits are no measure; or that there are none."""

    NOT_A_NUMBER = "NOT_A_NUMBER"
    ABSURD_NUMBER = "ABSURD_NUMBER"
    NO_VOLUME = "NO_VOLUME"


def number(digits: str) -> Fraction | Odd:
    """What eight hex digits, the sign first, say exactly: "3F800000" is 1, "461C4000" is 10000
    (devices.md 11, [cap])."""
    bits = int(digits, 16)
    exponent, fraction = bits >> 23 & 0xFF, bits & 0x7F_FFFF
    if exponent == 0xFF:
        return Odd.NOT_A_NUMBER
    mantissa = fraction | 1 << 23 if exponent else fraction
    shift = max(exponent, 1) - 150
    value = Fraction(mantissa << shift) if shift >= 0 else Fraction(mantissa, 1 << -shift)
    return in_bounds(-value if bits >> 31 else value)


def in_bounds(value: Fraction) -> Fraction | Odd:
    return value if abs(value) <= LARGEST else Odd.ABSURD_NUMBER
