"""Exact arithmetic on integers: rounding a rational, and whether volume, price and amount agree.

Units (points.md 1): volume in millilitres, unit price in thousandths of the currency unit per
litre (7.85 yuan/L = 7850), money in fen. So `volume_ml * price_milli / 10000` is fen.
"""

from typing import Final, Literal

RoundingMode = Literal["floor", "half_up", "half_even"]

_FEN: Final = 10_000
"""volume_ml * price_milli counts ten-thousandths of a fen."""


def round_ratio(numerator: int, denominator: int, mode: RoundingMode) -> int:
    """The integer nearest to `numerator / denominator` (denominator > 0) by `mode`.

    floor: towards minus infinity (-0.5 becomes -1). half_up: to the nearest, a tie towards plus
    infinity (2.5 becomes 3, -2.5 becomes -2). half_even: to the nearest, a tie to the even
    neighbour (2.5 becomes 2, -2.5 becomes -2, 3.5 becomes 4).
    """
    assert denominator > 0
    if mode == "floor":
        return numerator // denominator
    if mode == "half_up":
        return (2 * numerator + denominator) // (2 * denominator)
    whole, rest = divmod(numerator, denominator)
    above_half = 2 * rest > denominator
    tie_at_odd = 2 * rest == denominator and whole % 2 == 1
    return whole + (above_half or tie_at_odd)


def round_to_multiple(numerator: int, denominator: int, unit: int, mode: RoundingMode) -> int:
    """The multiple of `unit` (> 0) nearest to `numerator / denominator` by `mode`, see `round_ratio`."""
    return round_ratio(numerator, denominator * unit, mode) * unit


def expected_amount_fen(volume_ml: int, price_milli: int) -> int:
    """What this volume costs at this price, rounded half up to a whole fen."""
    return round_ratio(volume_ml * price_milli, _FEN, "half_up")


def amount_fits(
    volume_ml: int, price_milli: int, amount_fen: int, *, volume_step_ml: int, amount_step_fen: int
) -> bool:
    """Whether the amount agrees with volume × price within the device's own tolerance.

    The tolerance is what one step of the volume costs plus one step of the amount (decisions.md 2):
    a device that was preset by amount, or that truncates, is not an odd device.
    """
    difference_fen = amount_fen - expected_amount_fen(volume_ml, price_milli)
    return abs(difference_fen) * _FEN <= _tolerance(price_milli, volume_step_ml, amount_step_fen)


def wrong_scale(
    volume_ml: int, price_milli: int, amount_fen: int, *, volume_step_ml: int, amount_step_fen: int
) -> int:
    """By which power of ten the record is wrong: 10, 100, 1000, or negative; 0 if by none.

    Positive: the amount is that many times too large (or the volume or price too small).
    Negative: the amount is too small (or the volume or price too large). One record cannot say
    which digit is misplaced. 0 when the amount fits, when it is odd in another way, and when the
    fill is so small that its tolerance (times two) hides the scale.
    """
    expected = volume_ml * price_milli
    amount = amount_fen * _FEN
    tolerance = _tolerance(price_milli, volume_step_ml, amount_step_fen)
    if expected <= 2 * tolerance or abs(amount - expected) <= tolerance:
        return 0
    for factor in (10, 100, 1000):
        if abs(amount - factor * expected) <= factor * tolerance:
            return factor
        if abs(amount * factor - expected) <= factor * tolerance < expected:
            return -factor
    return 0


def _tolerance(price_milli: int, volume_step_ml: int, amount_step_fen: int) -> int:
    """In ten-thousandths of a fen, so that it stays an integer."""
    return price_milli * volume_step_ml + amount_step_fen * _FEN
