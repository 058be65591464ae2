"""What an award is computed from, recorded with it, so that anybody can compute it again.

decisions.md 4: everything the evaluator may look at is in here or in the bundle. HQ runs the same
code on the same inputs, so nothing needs a clock, a time-zone database or a member record.

`model_dump_json(exclude_defaults=True)` is the lean form that is stored and sent; it reads back to
an equal value. Evidence and time quality have no default on purpose: forgetting one must not earn.
"""

from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_serializer, model_validator

from agent.points.values import Minute, Name, Natural, Value

Evidence = Literal["metered", "recorded", "none"]
"""metered: the totalizer moved by the volume. recorded: a buffered record (hand-over A) carries it."""
TimeQuality = Literal["seen", "device", "estimated"]
"""How sure the event time is, decided once by the handler (decisions.md 2)."""

_LEAP_YEAR = 2024


def _real_date(text: str) -> str:
    date.fromisoformat(text)
    return text


def _real_birthday(month_day: tuple[int, int]) -> tuple[int, int]:
    date(_LEAP_YEAR, *month_day)
    return month_day


def _each_once(kinds: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(kinds)) != len(kinds):
        raise ValueError("a kind is named twice")
    return kinds


DateText = Annotated[str, StringConstraints(pattern=r"^2[01]\d\d-\d\d-\d\d$"), AfterValidator(_real_date)]
CouponKinds = Annotated[tuple[Name, ...], Field(max_length=20), AfterValidator(_each_once)]
Birthday = Annotated[tuple[int, int], AfterValidator(_real_birthday)]
"""(month, day); 29 February is a birthday."""


class Line(Value):
    """One line of the sale. `volume_ml` > 0 means fuel; `amount_fen` is what was paid for this line
    after discounts and without the part paid in points."""

    product: Name
    volume_ml: Natural = 0
    amount_fen: Natural = 0


class Usage(Value):
    """What this station knew the member to have earned and bought already, today and this month.

    `_minor`: points. `_fills`: sales with fuel that were awarded. `month_ml` and `month_fen`: the fuel
    and the money of this month's awarded sales. In JSON, which every sale sends, it is a list of six
    numbers without the zeros at its end: month's ml and fen, today's points and fills, and the points and
    fills of the month before today. On most days a member comes once, and little of that changes.
    """

    day_minor: Natural = 0
    month_minor: Natural = 0
    day_fills: Natural = 0
    month_fills: Natural = 0
    month_ml: Natural = 0
    month_fen: Natural = 0

    @model_validator(mode="before")
    @classmethod
    def _from_numbers(cls, given: Any) -> Any:
        if not isinstance(given, list):
            return given
        numbers = given + [0] * (len(cls.model_fields) - len(given))
        if len(given) > len(cls.model_fields) or any(type(number) is not int for number in numbers):
            raise ValueError(f"at most {len(cls.model_fields)} integers")
        month_ml, month_fen, day_minor, day_fills, before_minor, before_fills = numbers
        return {
            "day_minor": day_minor,
            "month_minor": day_minor + before_minor,
            "day_fills": day_fills,
            "month_fills": day_fills + before_fills,
            "month_ml": month_ml,
            "month_fen": month_fen,
        }

    @model_serializer(mode="plain", when_used="json")
    def _as_numbers(self) -> list[int]:
        before = self.month_minor - self.day_minor, self.month_fills - self.day_fills
        numbers = [self.month_ml, self.month_fen, self.day_minor, self.day_fills, *before]
        while numbers and numbers[-1] == 0:
            numbers.pop()
        return numbers


class Local(Value):
    """When the fuelling ended, in the programme's zone.

    `business_date` may differ from the calendar's: before the programme's day starts it is still
    yesterday. `weekday` is the business date's (1 Monday to 7 Sunday), `minute_of_day` the wall
    clock's (0 to 1439).
    """

    business_date: DateText
    weekday: Annotated[int, Field(ge=1, le=7)]
    minute_of_day: Minute

    @classmethod
    def at(cls, civil: datetime, business_day_starts_minute: int) -> Self:
        """From a civil time that the caller has already put into the programme's zone."""
        minute = civil.hour * 60 + civil.minute
        day = civil.date() - timedelta(days=minute < business_day_starts_minute)
        return cls.on(day.isoformat(), minute)

    @classmethod
    def on(cls, business_date: str, minute_of_day: int) -> Self:
        weekday = date.fromisoformat(business_date).isoweekday()
        return cls(business_date=business_date, weekday=weekday, minute_of_day=minute_of_day)

    @model_validator(mode="after")
    def _weekday_is_of_the_date(self) -> Self:
        if self.weekday != self.day.isoweekday():
            raise ValueError(f"{self.business_date} is weekday {self.day.isoweekday()}, not {self.weekday}")
        return self

    @cached_property
    def day(self) -> date:
        """The business date."""
        return date.fromisoformat(self.business_date)


class AwardInputs(Value):
    """Everything `award` looks at besides the bundle.

    `tier` and `cohort` are the member's at event time ("" for no cohort). `birthday` is (month, day),
    given only if the member consented to its use. `coupons`: the kinds of which the member held an
    unused coupon that was valid on the business date, the soonest to lapse first.
    """

    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=200)]
    tender: Name
    tier: Name
    cohort: Annotated[str, Field(max_length=64)] = ""
    birthday: Birthday | None = None
    usage: Usage = Usage()
    evidence: Evidence
    time_quality: TimeQuality
    local: Local
    coupons: CouponKinds = ()
