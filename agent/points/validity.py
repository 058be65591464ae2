"""The last day on which points are worth something: terms, pauses, and days when the road was dark.

Days are business days of the programme, and every span includes its first and its last day. Nothing
here changes a lot: `lots.lapse` does, after the day that this page names is over.
"""

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from agent.points.terms import Term

_MONTHS_OF: Final = {"quarter": 3, "half_year": 6}
_DAY: Final = timedelta(days=1)


def term_end(earned_on: date, term: Term | None) -> date | None:
    """The last day by the rules, before pauses; None where the rules set no term.

    The day of earning counts, so 18 months from 2026-07-01 end on 2027-12-31; a month that has no
    corresponding day ends the term on its last one (6 months from 31 August: 28 or 29 February).
    `month_end`: the last day of the month in which the corresponding day falls. `round_up`: then
    the last day of that quarter or half year.
    """
    if term is None:
        return None
    year, month = _months_later(earned_on, term.months)
    last_day = monthrange(year, month)[1]
    if term.align == "month_end" or earned_on.day > last_day:
        end = date(year, month, last_day)
    else:
        end = date(year, month, earned_on.day) - _DAY
    return end if term.round_up == "none" else _end_of_part(end, _MONTHS_OF[term.round_up])


def _months_later(day: date, months: int) -> tuple[int, int]:
    """Year and month of the corresponding day."""
    years, month = divmod(day.month - 1 + months, 12)
    return day.year + years, month + 1


def _end_of_part(day: date, months: int) -> date:
    """The last day of the part of the year, `months` long, in which `day` lies."""
    month = day.month + -day.month % months
    return date(day.year, month, monthrange(day.year, month)[1])


Pause = tuple[date, date]
"""First and last day on which no lot of the region grows older."""


def with_pauses(earned_on: date, ends_on: date | None, pauses: Iterable[Pause]) -> date | None:
    """The last day when days on which a pause runs do not count, from `earned_on` to the end.

    The days that a pause adds may reach another pause; overlapping pauses count once. None: it
    never lapses, because it never did, or because a pause runs to the end of the calendar.
    """
    if ends_on is None:
        return None
    uncounted_from = earned_on
    for first, last in sorted(pauses):
        if first > ends_on:
            break
        paused_days = (last - max(first, uncounted_from)).days + 1
        if paused_days > 0:
            if (date.max - ends_on).days < paused_days:
                return None
            ends_on += timedelta(days=paused_days)
            uncounted_from = last + _DAY
    return ends_on


Spell = tuple[date, date | None]
"""First and last day without headquarters; None while it still goes on."""


@dataclass(frozen=True, slots=True)
class Honoured:
    """The last day on which a lot that lapsed in the dark still counts; None while it is still dark."""

    until: date | None


def honoured_until(lapses_on: date, spells: Iterable[Spell], grace_days: int) -> Honoured | None:
    """How long a lot still counts that lapsed while the station was dark; None if it was not.

    A spell counts if `lapses_on` is one of its days. `grace_days` (>= 0) run from its last day.
    """
    assert grace_days >= 0
    ends = [end for began, end in spells if began <= lapses_on and (end is None or lapses_on <= end)]
    if not ends:
        return None
    known = [end for end in ends if end is not None]
    return Honoured(max(known) + timedelta(days=grace_days) if len(known) == len(ends) else None)
