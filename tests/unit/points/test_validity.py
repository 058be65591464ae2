"""Unit: is the last day of a lot the one that the rules, a calendar and a dark station give it?"""

from datetime import date
from typing import Literal

import pytest

from agent.points.terms import Term
from agent.points.validity import Honoured, Pause, Spell, honoured_until, term_end, with_pauses


def term(
    months: int,
    align: Literal["none", "month_end"] = "none",
    round_up: Literal["none", "quarter", "half_year"] = "none",
) -> Term:
    return Term(months=months, align=align, round_up=round_up)


def day(text: str) -> date:
    return date.fromisoformat(text)


@pytest.mark.parametrize(
    ("earned_on", "months", "end"),
    [
        ("2026-07-01", 18, "2027-12-31"),
        ("2026-07-09", 18, "2028-01-08"),
        ("2026-01-01", 1, "2026-01-31"),
        ("2026-01-01", 12, "2026-12-31"),
        ("2026-12-31", 12, "2027-12-30"),
        ("2026-03-01", 12, "2027-02-28"),
        ("2027-03-01", 12, "2028-02-29"),
        ("2026-01-28", 1, "2026-02-27"),
        ("2026-01-29", 1, "2026-02-28"),
        ("2026-01-30", 1, "2026-02-28"),
        ("2026-01-31", 1, "2026-02-28"),
        ("2028-01-29", 1, "2028-02-28"),
        ("2028-01-30", 1, "2028-02-29"),
        ("2026-08-31", 6, "2027-02-28"),
        ("2027-08-31", 6, "2028-02-29"),
        ("2026-03-31", 1, "2026-04-30"),
        ("2026-03-30", 1, "2026-04-29"),
        ("2028-02-29", 12, "2029-02-28"),
        ("2028-02-29", 48, "2032-02-28"),
        ("2096-02-29", 48, "2100-02-28"),
        ("2026-11-30", 1, "2026-12-29"),
        ("2026-12-01", 1, "2026-12-31"),
        ("2199-12-31", 1200, "2299-12-30"),
    ],
)
def test_a_term_ends_the_day_before_the_corresponding_day(earned_on: str, months: int, end: str) -> None:
    assert term_end(day(earned_on), term(months)) == day(end)


@pytest.mark.parametrize(
    ("earned_on", "months", "end"),
    [
        ("2026-07-01", 18, "2028-01-31"),
        ("2026-07-09", 18, "2028-01-31"),
        ("2026-07-31", 18, "2028-01-31"),
        ("2026-08-01", 18, "2028-02-29"),
        ("2026-08-31", 18, "2028-02-29"),
        ("2026-08-31", 6, "2027-02-28"),
        ("2026-12-15", 12, "2027-12-31"),
        ("2026-12-31", 2, "2027-02-28"),
    ],
)
def test_month_end_is_that_of_the_month_of_the_corresponding_day(
    earned_on: str, months: int, end: str
) -> None:
    assert term_end(day(earned_on), term(months, "month_end")) == day(end)


@pytest.mark.parametrize(
    ("earned_on", "rounded", "end"),
    [
        ("2026-07-01", term(18, round_up="quarter"), "2027-12-31"),
        ("2026-07-02", term(18, round_up="quarter"), "2028-03-31"),
        ("2026-07-01", term(18, "month_end", "quarter"), "2028-03-31"),
        ("2026-04-01", term(12, round_up="quarter"), "2027-03-31"),
        ("2026-04-02", term(12, round_up="quarter"), "2027-06-30"),
        ("2026-08-15", term(12, round_up="quarter"), "2027-09-30"),
        ("2026-11-15", term(12, round_up="quarter"), "2027-12-31"),
        ("2026-07-01", term(24, round_up="half_year"), "2028-06-30"),
        ("2026-07-02", term(24, round_up="half_year"), "2028-12-31"),
        ("2026-06-30", term(24, round_up="half_year"), "2028-06-30"),
        ("2026-12-31", term(24, "month_end", "half_year"), "2028-12-31"),
        ("2027-01-01", term(24, "month_end", "half_year"), "2029-06-30"),
    ],
)
def test_rounding_up_goes_to_the_last_day_of_the_quarter_or_half_year(
    earned_on: str, rounded: Term, end: str
) -> None:
    assert term_end(day(earned_on), rounded) == day(end)


def test_without_a_term_nothing_lapses() -> None:
    assert term_end(day("2026-07-01"), None) is None
    assert with_pauses(day("2026-07-01"), None, [(day("2026-08-01"), day("2026-08-14"))]) is None


LIFE = (day("2026-07-01"), day("2026-07-31"))


@pytest.mark.parametrize(
    ("pauses", "end"),
    [
        ([], "2026-07-31"),
        ([("2026-07-10", "2026-07-10")], "2026-08-01"),
        ([("2026-06-01", "2026-06-30")], "2026-07-31"),
        ([("2026-08-01", "2026-08-31")], "2026-07-31"),
        ([("2026-06-20", "2026-07-01")], "2026-08-01"),
        ([("2026-06-20", "2026-07-05")], "2026-08-05"),
        ([("2026-07-31", "2026-07-31")], "2026-08-01"),
        ([("2026-07-31", "2026-08-14")], "2026-08-15"),
        ([("2026-06-01", "2026-12-31")], "2027-01-31"),
        # overlap, one inside the other, the same twice, and given in the wrong order
        ([("2026-07-05", "2026-07-14"), ("2026-07-10", "2026-07-19")], "2026-08-15"),
        ([("2026-07-10", "2026-07-11"), ("2026-07-05", "2026-07-14")], "2026-08-10"),
        ([("2026-07-05", "2026-07-14"), ("2026-07-05", "2026-07-14")], "2026-08-10"),
        ([("2026-07-20", "2026-07-24"), ("2026-07-05", "2026-07-09")], "2026-08-10"),
        # they touch
        ([("2026-07-05", "2026-07-09"), ("2026-07-10", "2026-07-14")], "2026-08-10"),
        # the days that one adds reach the next, which they would not have reached alone
        ([("2026-07-31", "2026-08-04"), ("2026-08-05", "2026-08-09")], "2026-08-10"),
        ([("2026-07-10", "2026-07-11"), ("2026-08-02", "2026-08-03")], "2026-08-04"),
        ([("2026-07-10", "2026-07-11"), ("2026-08-03", "2026-08-04")], "2026-08-02"),
    ],
)
def test_days_of_a_pause_within_the_life_of_a_lot_do_not_count(
    pauses: list[tuple[str, str]], end: str
) -> None:
    known: list[Pause] = [(day(first), day(last)) for first, last in pauses]
    assert with_pauses(*LIFE, known) == day(end)


def test_a_pause_to_the_end_of_the_calendar_is_for_ever() -> None:
    assert with_pauses(*LIFE, [(day("2026-07-31"), date.max)]) is None
    assert with_pauses(*LIFE, [(day("2026-08-01"), date.max)]) == LIFE[1]


LAPSE = day("2026-07-31")


@pytest.mark.parametrize(
    ("spells", "honoured"),
    [
        ([], None),
        ([("2026-07-20", "2026-07-30")], None),
        ([("2026-08-01", "2026-08-09")], None),
        ([("2026-08-01", None)], None),
        ([("2026-07-20", "2026-07-31")], Honoured(day("2026-08-03"))),
        ([("2026-07-31", "2026-07-31")], Honoured(day("2026-08-03"))),
        ([("2026-07-31", "2026-08-09")], Honoured(day("2026-08-12"))),
        ([("2026-07-20", "2026-08-09")], Honoured(day("2026-08-12"))),
        ([("2026-07-31", None)], Honoured(None)),
        ([("2026-07-01", None)], Honoured(None)),
        ([("2026-07-30", "2026-07-31"), ("2026-07-31", "2026-08-09")], Honoured(day("2026-08-12"))),
        ([("2026-07-31", "2026-08-09"), ("2026-07-30", "2026-07-31")], Honoured(day("2026-08-12"))),
        ([("2026-07-30", "2026-07-31"), ("2026-07-31", None)], Honoured(None)),
        ([("2026-07-01", "2026-07-31"), ("2026-08-02", None)], Honoured(day("2026-08-03"))),
    ],
)
def test_a_lot_that_lapsed_in_the_dark_is_honoured_for_the_outage_and_three_days(
    spells: list[tuple[str, str | None]], honoured: Honoured | None
) -> None:
    known: list[Spell] = [(day(began), day(ended) if ended else None) for began, ended in spells]
    assert honoured_until(LAPSE, known, 3) == honoured


def test_without_grace_it_is_honoured_to_the_end_of_the_outage() -> None:
    assert honoured_until(LAPSE, [(LAPSE, day("2026-08-09"))], 0) == Honoured(day("2026-08-09"))
    with pytest.raises(AssertionError):
        honoured_until(LAPSE, [], -1)
