"""Unit: are rounding, the tolerance of a device and a misplaced decimal point what they say?"""

import pytest

from agent.points.units import (
    RoundingMode,
    amount_fits,
    expected_amount_fen,
    round_ratio,
    round_to_multiple,
    wrong_scale,
)


@pytest.mark.parametrize(
    ("numerator", "floor", "half_up", "half_even"),
    [
        (-7, -4, -3, -4),
        (-5, -3, -2, -2),
        (-3, -2, -1, -2),
        (-1, -1, 0, 0),
        (0, 0, 0, 0),
        (1, 0, 1, 0),
        (3, 1, 2, 2),
        (4, 2, 2, 2),
        (5, 2, 3, 2),
    ],
)
def test_halves(numerator: int, floor: int, half_up: int, half_even: int) -> None:
    modes: tuple[RoundingMode, ...] = ("floor", "half_up", "half_even")
    assert [round_ratio(numerator, 2, mode) for mode in modes] == [floor, half_up, half_even]


def test_beside_a_half_all_agree_with_the_nearest() -> None:
    modes: tuple[RoundingMode, ...] = ("half_up", "half_even")
    assert [round_ratio(4999, 10_000, mode) for mode in modes] == [0, 0]
    assert [round_ratio(5001, 10_000, mode) for mode in modes] == [1, 1]


def test_multiples() -> None:
    assert round_to_multiple(11_998_800, 1000, 100, "floor") == 11_900
    assert round_to_multiple(11_998_800, 1000, 100, "half_up") == 12_000


def fits(amount_fen: int, volume_ml: int = 50_000, price_milli: int = 7_850) -> bool:
    return amount_fits(volume_ml, price_milli, amount_fen, volume_step_ml=10, amount_step_fen=1)


def test_amount_within_one_step_of_volume_and_amount_fits() -> None:
    assert expected_amount_fen(50_000, 7_850) == 39_250
    assert [fits(39_250 + off) for off in (-9, -8, 0, 8, 9)] == [False, True, True, True, False]


def test_an_exact_tolerance_counts_as_fitting() -> None:
    """7.00 yuan/L: 10 ml cost 7 fen, with one fen of the amount exactly 8."""
    assert fits(35_008, price_milli=7_000)
    assert not fits(35_009, price_milli=7_000)


def scale(amount_fen: int, volume_ml: int = 50_000, price_milli: int = 7_850) -> int:
    return wrong_scale(volume_ml, price_milli, amount_fen, volume_step_ml=10, amount_step_fen=1)


@pytest.mark.parametrize(
    ("amount_fen", "factor"),
    [
        (39_250, 0),
        (39_258, 0),
        (392_500, 10),
        (3_925_080, 100),
        (39_250_000, 1000),
        (3_925, -10),
        (392, -100),
        (39, -1000),
        (50_000, 0),
        (0, 0),
    ],
)
def test_misplaced_point(amount_fen: int, factor: int) -> None:
    assert scale(amount_fen) == factor


def test_a_volume_ten_times_too_small_looks_like_an_amount_too_large() -> None:
    assert scale(39_250, volume_ml=5_000) == 10
    assert scale(39_250, volume_ml=500_000) == -10


def test_a_drop_of_fuel_says_nothing_about_scale() -> None:
    assert scale(80, volume_ml=10) == 0
