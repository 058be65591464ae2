"""The coupons that HQ signs for one station: who holds which serial, and a pool to give new ones from."""

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from agent.messages.snapshot import MemberId
from agent.points.inputs import DateText
from agent.points.values import Name, Natural, Positive, Value

Serial = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,27}$")]
"""Short enough for a line of a slip."""


class HeldCoupon(Value):
    """A member's coupon, valid from the first to the last of these days."""

    serial: Serial
    member: MemberId
    kind: Name
    valid_from: DateText
    valid_until: DateText

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.valid_until < self.valid_from:
            raise ValueError("it ends before it begins")
        return self


class PoolCoupon(Value):
    """A serial that this station may give; never valid after `valid_until`."""

    serial: Serial
    kind: Name
    valid_until: DateText


class CouponList(Value):
    """Everything that this station may know of coupons: what is unused and not listed is gone.

    A serial that was used or given here stays so, whatever a later list says of it.
    """

    schema_: Literal["coupons/1"] = Field(alias="schema")
    station: str
    programme: str
    version: Positive
    issued_at_ms: Natural
    coupons: tuple[HeldCoupon, ...] = ()
    pool: tuple[PoolCoupon, ...] = ()

    @model_validator(mode="after")
    def _serials_are_listed_once(self) -> Self:
        serials = [coupon.serial for coupon in self.coupons] + [coupon.serial for coupon in self.pool]
        if len(set(serials)) != len(serials):
            raise ValueError("a serial is listed twice")
        return self


def parse_coupons(payload: bytes) -> CouponList | str:
    """The list, or one line saying where it is wrong (without the value)."""
    try:
        return CouponList.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'document'}: {first['msg']}"
