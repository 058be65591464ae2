"""The rest of a bundle: expiry, redemption, risk, ..., rollout, and its golden vectors (points.md 4).

Parsed and checked with the award part, so that a station never activates half a bundle. Every
table is optional; every unknown key is refused. `_bp` is basis points, `_minor` minor units of points.
"""

import re
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, NaiveDatetime, model_validator
from pydantic_core import PydanticCustomError

from agent.points.inputs import Birthday, CouponKinds, Line, Usage
from agent.points.values import Name, Natural, Positive, Value

Share = Annotated[int, Field(ge=0, le=10_000)]
Days = Annotated[int, Field(ge=0, le=3660)]
Month = Annotated[int, Field(ge=1, le=1200)]
Names = Annotated[tuple[Name, ...], Field(min_length=1)]

_EARLIEST: Final = datetime.fromisoformat("2001-01-01")
_LATEST: Final = datetime.fromisoformat("2200-01-01")
_DURATION: Final = re.compile(r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,4})M)?(?:(\d{1,6})S)?)?")


def _seconds(text: object) -> int:
    """An ISO 8601 duration of days to seconds: "PT0S", "PT48H"."""
    match = _DURATION.fullmatch(str(text))
    if match is None or not any(match.groups()):
        template = "{text} is not a duration: write it like PT0S, PT48H or P2D"
        raise PydanticCustomError("BAD_VALUE", template, {"text": repr(text)})
    days, hours, minutes, seconds = (int(number or 0) for number in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


class _Period(Value):
    """Days from `from` to `until`, both included."""

    from_date: Annotated[date, Field(alias="from")]
    until: date

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.until < self.from_date:
            raise PydanticCustomError("BAD_VALUE", "it ends before it begins: correct from or until")
        return self


class ExpiryPause(_Period):
    """In these regions (administrative codes) no lot grows older."""

    region: Names


class Term(Value):
    """How long points live: `validity.term_end` says to which day."""

    months: Month
    align: Literal["none", "month_end"]
    round_up: Literal["none", "quarter", "half_year"]


class Expiry(Term):
    """When points lapse. Within `spend_order` the older lot goes first.

    A lot to which a refund gives points back after its day lives `refund_grace_days` more; one that
    lapsed while its station was dark counts until the road is back plus `outage_grace_days`.
    """

    spend_order: Literal["soonest_expiry"]
    refund_grace_days: Days
    outage_grace_days: Days = 3
    pause: tuple[ExpiryPause, ...] = ()


class Ratio(Value):
    """`points_minor` buy `fen`, for redemptions from day `from` on."""

    version: Positive
    points_minor: Positive
    fen: Positive
    from_date: Annotated[date, Field(alias="from")]


class Protection(Value):
    """Lots earned before a day keep an older ratio (possibly of an older bundle) until `until`."""

    lots_before: date
    ratio_version: Positive
    until: date


class Limits(Value):
    min_minor: Natural
    step_minor: Positive
    per_member_week_items: Natural


class Redemption(Value):
    ratio: Annotated[tuple[Ratio, ...], Field(min_length=1)]
    protection: Protection | None = None
    limits: Limits


class TierRisk(Value):
    """What a member of this tier may do at a dark station (points.md 6)."""

    standin_minor: Natural
    standin_count: Natural
    debt_limit_minor: Natural
    step_up_above_minor: Natural


class StationRisk(Value):
    """What a dark station may do for all its members together. `night_factor_bp` scales every limit."""

    standin_pool_minor: Natural
    max_offline_hours: Natural
    night_factor_bp: Share
    implied_speed_kmh: Positive
    standin_scope: Literal["affinity"]
    offline_code_skew_s: Natural


class Risk(Value):
    """`[risk.station]`, and one table per tier: every other key of `[risk]` is a tier's name."""

    station: StationRisk
    tiers: dict[str, TierRisk]

    @model_validator(mode="before")
    @classmethod
    def _tiers_are_the_other_keys(cls, table: Any) -> Any:
        if not isinstance(table, dict):
            return table
        station = {key: value for key, value in table.items() if key == "station"}
        return station | {"tiers": {key: value for key, value in table.items() if key != "station"}}


class Compensation(Value):
    rate_bp: Share
    cap_minor: Natural
    per_member_day: Natural


class Reminder(Value):
    """Days before expiry at which a member is reminded."""

    days: Annotated[tuple[Days, ...], Field(min_length=1)]


class Activation(Value):
    """How long after the award points stay pending; 0 is at once."""

    after_s: Annotated[int, BeforeValidator(_seconds), Field(alias="after")]


class Grant(Value):
    """How a member's balance is shared out to the stations where the member usually fuels."""

    home_bp: Share
    other_bp: Share
    affinity_stations: Annotated[int, Field(ge=1, le=100)]
    valid_hours: Positive

    @model_validator(mode="after")
    def _shares_fit_the_balance(self) -> Self:
        if self.home_bp + self.other_bp * (self.affinity_stations - 1) > 10_000:
            template = "the shares of all stations exceed 10000 bp of the balance: lower one"
            raise PydanticCustomError("BAD_VALUE", template)
        return self


class Rollout(Value):
    """Which stations take a bundle when, and what makes a station put the former one back.

    `percent` of the stations take it at first. It is active at a station only after `shadow_sales`
    sales were judged beside the active bundle. Once `least_sales` were judged for real, more than
    `declined_bp` of them that earned nothing put the former bundle back; so do, at any time, more
    than `mismatched` awards that could not be recomputed, or more than `crashes` crashes.
    """

    id: Name
    percent: Annotated[int, Field(ge=0, le=100)]
    shadow_sales: Natural
    least_sales: Natural
    declined_bp: Share
    mismatched: Natural
    crashes: Natural


class VectorRefund(Value):
    """A refund of `ml` of the sale's fuel takes back `minor`."""

    ml: Positive
    minor: Natural


def _month_and_day(text: object) -> object:
    """ "02-29" as (2, 29)."""
    match = re.fullmatch(r"(\d\d)-(\d\d)", str(text))
    if match is None:
        raise PydanticCustomError("BAD_VALUE", "{text} is no birthday: write MM-DD", {"text": repr(text)})
    return int(match[1]), int(match[2])


class Vector(Value):
    """A sale whose points are known: a bundle that gives anything else is not activated (I21).

    `at` is civil time in the programme's zone. `minor` is expected, as are `ruleset` and `lapses_on`
    where they are written. `refund`: what refunds of the sale take back, in turn.
    """

    id: Name
    line: Annotated[tuple[Line, ...], Field(min_length=1, max_length=200)]
    tender: Name = "cash"
    tier: Name
    cohort: Annotated[str, Field(max_length=64)] = ""
    birthday: Annotated[Birthday | None, BeforeValidator(_month_and_day)] = None
    at: Annotated[NaiveDatetime, Field(ge=_EARLIEST, lt=_LATEST)]
    used: Usage = Usage()
    coupons: CouponKinds = ()
    minor: Natural
    ruleset: Name | None = None
    lapses_on: date | None = None
    refund: tuple[VectorRefund, ...] = ()

    @model_validator(mode="after")
    def _no_more_is_refunded_than_sold(self) -> Self:
        if sum(refund.ml for refund in self.refund) > sum(line.volume_ml for line in self.line):
            template = "the refunds are more litres than the sale: correct refund or line"
            raise PydanticCustomError("BAD_VALUE", template)
        return self
