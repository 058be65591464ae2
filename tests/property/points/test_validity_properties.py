"""Property: does counting day by day give the same last day, for any term and any pauses?"""

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.points.terms import Term
from agent.points.validity import Pause, term_end, with_pauses

MANY = settings(deadline=None, max_examples=400)
DAY = timedelta(days=1)
earned = st.dates(date(2024, 1, 1), date(2033, 12, 31)) | st.sampled_from(
    [date(2026, 8, 31), date(2027, 8, 31), date(2028, 2, 29), date(2026, 1, 30), date(2026, 12, 31)]
)


terms = st.builds(
    Term,
    months=st.integers(1, 40),
    align=st.sampled_from(["none", "month_end"]),
    round_up=st.sampled_from(["none", "quarter", "half_year"]),
)


def is_last_of_month(day: date) -> bool:
    return (day + DAY).day == 1


def walked_end(earned_on: date, term: Term) -> date:
    """Day by day from the day of earning to the end, as a person with a calendar would go.

    `turns`: how many times a month began. The term is over when that many have begun as it has
    months and either the corresponding day comes, or the month is out of days.
    """
    day, turns = earned_on, 0
    while True:
        tomorrow = day + DAY
        reached = turns + (tomorrow.day == 1) == term.months and tomorrow.day == earned_on.day
        if reached or (turns == term.months and is_last_of_month(day)):
            break
        day, turns = tomorrow, turns + (tomorrow.day == 1)
    if term.align == "month_end":
        day = day + DAY if reached else day
        while not is_last_of_month(day):
            day += DAY
    last_months = {"none": range(1, 13), "quarter": (3, 6, 9, 12), "half_year": (6, 12)}[term.round_up]
    while term.round_up != "none" and not (is_last_of_month(day) and day.month in last_months):
        day += DAY
    return day


@given(earned, terms)
@MANY
def test_a_term_is_what_a_walk_through_the_calendar_gives(earned_on: date, term: Term) -> None:
    assert term_end(earned_on, term) == walked_end(earned_on, term)


@given(earned, terms)
@MANY
def test_who_earns_later_never_lapses_sooner(earned_on: date, term: Term) -> None:
    today, tomorrow = term_end(earned_on, term), term_end(earned_on + DAY, term)
    assert today is not None
    assert tomorrow is not None
    assert earned_on <= today <= tomorrow


@st.composite
def pauses(draw: st.DrawFn) -> Pause:
    first = date(2026, 6, 1) + timedelta(days=draw(st.integers(0, 120)))
    return first, first + timedelta(days=draw(st.integers(0, 25)))


@given(st.integers(0, 60), st.integers(0, 60), st.lists(pauses(), max_size=6))
@MANY
def test_a_lot_lives_as_many_days_without_a_pause_as_its_term_has(
    after: int, length: int, known: list[Pause]
) -> None:
    earned_on = date(2026, 6, 10) + timedelta(days=after)
    ends_on = earned_on + timedelta(days=length)
    left, day = length + 1, earned_on - DAY
    while left:
        day += DAY
        left -= not any(first <= day <= last for first, last in known)
    assert with_pauses(earned_on, ends_on, known) == day
