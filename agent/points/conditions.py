"""When a modifier applies: windows of days and hours, and days around a birthday.

All days are business days. Hours are the wall clock's and may cross midnight ("22:00-06:00"); such
a window belongs to the business day in which it began, so at 02:00 on Friday a Thursday-night
window is still open and a Friday-night one is not.
"""

from calendar import isleap
from datetime import date, timedelta
from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from agent.points.values import Value

DAY_MINUTES: Final = 1440
_ONE_DAY: Final = timedelta(days=1)


def minute_of(text: object) -> int:
    """ "HH:MM" as a minute: "00:00" is 0, "24:00" (the end of a day) is 1440."""
    match str(text).split(":"):
        case [hour, minute] if len(hour) == len(minute) == 2 and (hour + minute).isdecimal():
            total = int(hour) * 60 + int(minute)
            if int(minute) < 60 and total <= DAY_MINUTES:
                return total
    raise PydanticCustomError("BAD_VALUE", "{text} is not a time: write HH:MM", {"text": repr(text)})


class Hours(Value):
    """Hours of the wall clock: `length_minutes` (1 to 1440) from `start_minute` on."""

    start_minute: int
    length_minutes: int

    @classmethod
    def parse(cls, text: object) -> Self:
        """ "HH:MM-HH:MM", the end not included; the whole day is "00:00-24:00"."""
        start, dash, end = str(text).partition("-")
        start_minute, end_minute = (minute_of(start), minute_of(end)) if dash else (0, 0)
        if start_minute in (end_minute, DAY_MINUTES):
            template = "{text} is no window: write 22:00-06:00, and 00:00-24:00 for the whole day"
            raise PydanticCustomError("BAD_VALUE", template, {"text": repr(text)})
        length = end_minute - start_minute
        return cls(start_minute=start_minute, length_minutes=length if length > 0 else length + DAY_MINUTES)

    def day_begun(self, day: date, minute: int, day_starts_minute: int) -> date | None:
        """The business day to which the window open at `minute` of business day `day` belongs, or None."""
        if self.length_minutes == DAY_MINUTES:
            return day
        elapsed = (minute - self.start_minute) % DAY_MINUTES
        if elapsed >= self.length_minutes:
            return None
        since_day_began = (minute - day_starts_minute) % DAY_MINUTES
        return day if elapsed <= since_day_began else day - _ONE_DAY


Weekday = Annotated[int, Field(ge=1, le=7)]


class Window(Value):
    """Days (`from` and `until` included), weekdays (1 Monday) and hours; what is left out is no limit."""

    from_date: Annotated[date | None, Field(alias="from")] = None
    until: date | None = None
    weekdays: Annotated[tuple[Weekday, ...] | None, Field(min_length=1)] = None
    hours: Annotated[Hours | None, BeforeValidator(Hours.parse)] = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.from_date and self.until and self.until < self.from_date:
            raise PydanticCustomError("BAD_VALUE", "window ends before it begins: correct from or until")
        return self

    def is_open(self, business_day: date, minute: int, day_starts_minute: int) -> bool:
        day: date | None = business_day
        if self.hours is not None:
            day = self.hours.day_begun(business_day, minute, day_starts_minute)
        return (
            day is not None
            and (self.from_date is None or self.from_date <= day)
            and (self.until is None or day <= self.until)
            and (self.weekdays is None or day.isoweekday() in self.weekdays)
        )


class BirthdayDays(Value):
    """Days around a birthday, itself included: `before_days` earlier to `after_days` later (0 to 31)."""

    before_days: Annotated[int, Field(ge=0, le=31)]
    after_days: Annotated[int, Field(ge=0, le=31)]

    def include(self, business_day: date, birthday: tuple[int, int]) -> bool:
        """Also across the turn of the year, where last or next year's birthday is the near one."""
        return any(
            -self.after_days <= (_celebrated(birthday, year) - business_day).days <= self.before_days
            for year in _years_around(business_day)
        )


def _years_around(day: date) -> tuple[int, ...]:
    """The years whose birthdays can be within 31 days."""
    year = day.year
    return {1: (year, year - 1), 12: (year, year + 1)}.get(day.month, (year,))


def _celebrated(birthday: tuple[int, int], year: int) -> date:
    """29 February is celebrated on the 28th in a year that has no 29th."""
    month, day = birthday
    if (month, day) == (2, 29) and not isleap(year):
        day = 28
    return date(year, month, day)
