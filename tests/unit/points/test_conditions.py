"""Unit: do windows and birthdays hold on exactly the days and minutes that they name?"""

from datetime import date

import pytest

from agent.points.award import award
from agent.points.conditions import BirthdayDays, Hours, Window
from tests.unit.points.sales import fill, small_bundle

WEDNESDAY, THURSDAY, FRIDAY = date(2026, 7, 8), date(2026, 7, 9), date(2026, 7, 10)
NIGHT = Hours.parse("22:00-06:00")
FOUR = 4 * 60


def clock(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


@pytest.mark.parametrize(
    ("day", "time", "is_open"),
    [
        (THURSDAY, "21:59", False),
        (THURSDAY, "22:00", True),
        (THURSDAY, "23:59", True),
        (FRIDAY, "00:00", True),
        (FRIDAY, "05:59", True),
        (FRIDAY, "06:00", False),
        (THURSDAY, "02:00", False),
        (FRIDAY, "22:00", False),
    ],
)
def test_a_thursday_night_ends_on_friday_morning(day: date, time: str, is_open: bool) -> None:
    """points.md 9 item 14."""
    window = Window.model_validate({"weekdays": (4,), "hours": "22:00-06:00"})
    assert window.is_open(day, clock(time), 0) is is_open


def test_the_last_night_of_a_campaign_runs_to_its_morning() -> None:
    window = Window.model_validate({"from": THURSDAY, "until": THURSDAY, "hours": "22:00-06:00"})
    assert window.is_open(FRIDAY, clock("02:00"), 0)
    assert not window.is_open(THURSDAY, clock("02:00"), 0)


def test_a_night_inside_one_business_day_belongs_to_it() -> None:
    """With days that start at 04:00, Friday 02:00 is still business Thursday."""
    window = Window.model_validate({"weekdays": (4,), "hours": "22:00-06:00"})
    assert window.is_open(THURSDAY, clock("02:00"), FOUR)
    assert window.is_open(FRIDAY, clock("05:00"), FOUR)
    assert not window.is_open(THURSDAY, clock("05:00"), FOUR)


@pytest.mark.parametrize("time", ["00:00", "03:59", "04:00", "23:59"])
def test_the_whole_day_is_the_business_day(time: str) -> None:
    window = Window.model_validate({"weekdays": (4,), "hours": "00:00-24:00"})
    assert window.is_open(THURSDAY, clock(time), FOUR)
    assert not window.is_open(FRIDAY, clock(time), FOUR)


def test_hours_to_midnight_and_from_midnight() -> None:
    assert Hours.parse("18:00-24:00") == Hours.parse("18:00-00:00")
    assert Hours.parse("00:00-06:00").length_minutes == 360


def test_hours_that_begin_with_the_day_belong_to_it() -> None:
    window = Window.model_validate({"weekdays": (4,), "hours": "00:00-06:00"})
    assert window.is_open(THURSDAY, clock("00:00"), 0)
    assert window.is_open(THURSDAY, clock("02:00"), 0)
    assert not window.is_open(FRIDAY, clock("02:00"), 0)


def test_a_window_includes_its_first_and_last_day() -> None:
    window = Window.model_validate({"from": WEDNESDAY, "until": THURSDAY})
    days = [date(2026, 7, 7), WEDNESDAY, THURSDAY, FRIDAY]
    assert [window.is_open(day, 0, 0) for day in days] == [False, True, True, False]


@pytest.mark.parametrize(
    ("birthday", "day", "counts"),
    [
        ((7, 9), date(2026, 7, 5), False),
        ((7, 9), date(2026, 7, 6), True),
        ((7, 9), date(2026, 7, 10), True),
        ((7, 9), date(2026, 7, 11), False),
        ((1, 1), date(2025, 12, 29), True),
        ((12, 31), date(2026, 1, 1), True),
        ((2, 29), date(2027, 2, 28), True),
        ((2, 29), date(2027, 3, 1), True),
        ((2, 29), date(2027, 3, 2), False),
        ((2, 29), date(2028, 3, 1), True),
        ((2, 29), date(2028, 3, 2), False),
    ],
)
def test_three_days_before_to_one_day_after_a_birthday(
    birthday: tuple[int, int], day: date, counts: bool
) -> None:
    assert BirthdayDays(before_days=3, after_days=1).include(day, birthday) is counts


def test_a_night_bonus_reaches_the_award() -> None:
    rules = """
[[ruleset.base]]
id = "litre"
product = ["diesel-0"]
per = "volume"
points_minor = 100
quantum = 1000
step = 10
[[ruleset.modifier]]
id = "night"
group = "campaign"
bp = 20000
window = { weekdays = [4], hours = "22:00-06:00" }
[ruleset.combine]
campaign = "best"
"""
    bundle = small_bundle(rules)
    friday_two = fill("diesel-0", 10_000, day="2026-07-10", minute=clock("02:00"))
    thursday_two = fill("diesel-0", 10_000, day="2026-07-09", minute=clock("02:00"))
    assert award(friday_two, bundle).minor == 2_000
    assert award(thursday_two, bundle).minor == 1_000
