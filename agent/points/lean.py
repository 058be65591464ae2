"""Award inputs as they are sent: without what the fact says already (decisions.md 6: one lean item per verb).

Whoever has the fact has the inputs, bit for bit. Two things follow from it: the one line of a sale
of nothing but its fuel, and the minute of the day, once it is known how far the programme's clock is
ahead of UTC. In a full batch they are a tenth of what a sale weighs.
"""

from typing import Annotated, Self

from pydantic import Field

from agent.points.inputs import (
    AwardInputs,
    Birthday,
    CouponKinds,
    DateText,
    Evidence,
    Line,
    Local,
    TimeQuality,
    Usage,
)
from agent.points.values import Minute, Name, Value

_MINUTES_A_DAY = 1440
_MINUTE_MS = 60_000


class LeanInputs(Value):
    """`AwardInputs` without `lines` where these are the fact's own line, and with `local` taken apart.

    `utc_offset_minutes`: by how much the programme's clock was ahead of UTC, 0 to 1439; where it is behind, a
    day more. The minute of the day is that of the fact's event time with it.
    """

    evidence: Evidence
    time_quality: TimeQuality
    business_date: DateText
    utc_offset_minutes: Minute
    lines: Annotated[tuple[Line, ...], Field(max_length=200)] = ()
    tender: Name
    tier: Name
    cohort: Annotated[str, Field(max_length=64)] = ""
    birthday: Birthday | None = None
    coupons: CouponKinds = ()
    usage: Usage = Usage()

    @classmethod
    def of(cls, inputs: AwardInputs, fuel: Line | None, event_ms: int) -> Self:
        """`fuel`: the fact's own line, None for a basket; `event_ms`: its event time, UTC."""
        local = inputs.local
        return cls(
            evidence=inputs.evidence,
            time_quality=inputs.time_quality,
            business_date=local.business_date,
            utc_offset_minutes=(local.minute_of_day - event_ms // _MINUTE_MS) % _MINUTES_A_DAY,
            lines=() if inputs.lines == (fuel,) else inputs.lines,
            tender=inputs.tender,
            tier=inputs.tier,
            cohort=inputs.cohort,
            birthday=inputs.birthday,
            coupons=inputs.coupons,
            usage=inputs.usage,
        )

    def whole(self, fuel: Line | None, event_ms: int) -> AwardInputs | None:
        """What `of` was given; None if the lines are left out and the fact has none."""
        lines = self.lines or ((fuel,) if fuel else ())
        if not lines:
            return None
        minute = (event_ms // _MINUTE_MS + self.utc_offset_minutes) % _MINUTES_A_DAY
        return AwardInputs(
            lines=lines,
            tender=self.tender,
            tier=self.tier,
            cohort=self.cohort,
            birthday=self.birthday,
            usage=self.usage,
            evidence=self.evidence,
            time_quality=self.time_quality,
            local=Local.on(self.business_date, minute),
            coupons=self.coupons,
        )


def fuel_line(product: str, volume_ml: int, amount_fen: int) -> Line | None:
    """A fact's own line; None where no product is known, for a line must name one."""
    return Line(product=product, volume_ml=volume_ml, amount_fen=amount_fen) if product else None
