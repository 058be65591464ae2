"""Unit: does a lot buy as much as the ratio of the day, or the better one that its protection keeps?"""

from datetime import date

import pytest

from agent.points.ratios import best, ratio_at
from agent.points.terms import Limits, Protection, Ratio, Redemption

LIMITS = Limits(min_minor=0, step_minor=1, per_member_week_items=0)
CHANGE = date(2026, 7, 1)
PROTECTED_UNTIL = date(2027, 12, 31)


def ratio(version: int, points_minor: int, fen: int, from_date: date = CHANGE) -> Ratio:
    return Ratio.model_validate(
        {"version": version, "points_minor": points_minor, "fen": fen, "from": from_date}
    )


FIRST = ratio(1, 100_000, 1_500, date(2024, 1, 1))
FORMER = ratio(2, 80_000, 1_000, date(2025, 1, 1))
NOW = ratio(3, 100_000, 1_000)


def redemption(*ratios: Ratio, protected: int | None = None) -> Redemption:
    if protected is None:
        return Redemption(ratio=ratios, limits=LIMITS)
    protection = Protection(lots_before=CHANGE, ratio_version=protected, until=PROTECTED_UNTIL)
    return Redemption(ratio=ratios, protection=protection, limits=LIMITS)


@pytest.mark.parametrize(
    ("on", "version"),
    [
        ("2023-12-31", None),
        ("2024-01-01", 1),
        ("2024-12-31", 1),
        ("2025-01-01", 2),
        ("2026-06-30", 2),
        ("2026-07-01", 3),
        ("2030-01-01", 3),
    ],
)
def test_the_ratio_of_a_day_is_the_one_that_began_last(on: str, version: int | None) -> None:
    found = ratio_at(redemption(NOW, FIRST, FORMER), date.fromisoformat(on))
    assert (found and found.version) == version


def test_of_two_that_begin_on_one_day_the_higher_version_counts() -> None:
    corrected = ratio(4, 90_000, 1_000)
    assert ratio_at(redemption(corrected, NOW), CHANGE) == corrected
    assert ratio_at(redemption(NOW, corrected), CHANGE) == corrected


@pytest.mark.parametrize(
    ("earned_on", "on", "version"),
    [
        ("2026-06-30", "2026-07-01", 2),
        ("2026-06-30", "2027-12-31", 2),
        ("2026-06-30", "2028-01-01", 3),
        ("2026-07-01", "2026-07-01", 3),
        ("2026-06-30", "2026-06-30", 2),
    ],
)
def test_a_lot_from_before_keeps_the_better_ratio_until_the_protection_ends(
    earned_on: str, on: str, version: int
) -> None:
    found = best(
        2, date.fromisoformat(earned_on), date.fromisoformat(on), redemption(NOW, FORMER, protected=2), {}
    )
    assert found is not None
    assert found.version == version


EARNED = date(2024, 6, 1)


def test_a_current_ratio_that_is_better_wins_over_the_protected_one() -> None:
    generous = ratio(3, 70_000, 1_000)
    assert best(2, EARNED, CHANGE, redemption(FORMER, generous, protected=2), {}) == generous


def test_a_tie_goes_to_the_current_ratio() -> None:
    same = ratio(3, 160_000, 2_000)
    assert best(2, EARNED, CHANGE, redemption(FORMER, same, protected=2), {}) == same


def test_a_protected_ratio_of_an_older_bundle_is_found_there() -> None:
    assert best(2, EARNED, CHANGE, redemption(NOW, protected=2), {2: FORMER}) == FORMER
    assert best(2, EARNED, CHANGE, redemption(NOW, protected=2), {}) == NOW


def test_the_bundle_in_force_has_the_last_word_on_a_version() -> None:
    corrected = ratio(2, 90_000, 1_000, date(2025, 1, 1))
    assert best(2, EARNED, CHANGE, redemption(NOW, corrected, protected=2), {2: FORMER}) == corrected


def test_a_protected_lot_keeps_the_ratio_it_was_earned_at_if_that_is_better() -> None:
    assert best(1, EARNED, CHANGE, redemption(NOW, FORMER, protected=2), {1: FIRST}) == FIRST
    assert best(0, EARNED, CHANGE, redemption(NOW, FORMER, protected=2), {1: FIRST}) == FORMER
    assert best(1, CHANGE, CHANGE, redemption(NOW, FORMER, protected=2), {1: FIRST}) == NOW


def test_without_protection_the_day_decides() -> None:
    assert best(2, EARNED, CHANGE, redemption(NOW, FORMER), {}) == NOW


def test_before_the_first_ratio_only_a_protected_one_can_be_had() -> None:
    before = date(2026, 6, 30)
    assert best(0, EARNED, before, redemption(NOW), {}) is None
    assert best(2, EARNED, before, redemption(NOW, protected=2), {2: FORMER}) == FORMER
