"""What became of the coupons that a member held at a sale: used up, or why not, from what is stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.cli.sale_trail import Trail
from agent.language import message

if TYPE_CHECKING:
    from agent.points.explanation import Translator
    from agent.store.reading import Connection

_WHY_NOT: Final = {
    "COUPON_BETTER_OFFER": message("coupon {kind} was kept: it would have added nothing to this sale"),
    "COUPON_TOO_SMALL": message("coupon {kind} was kept: this sale is too small for it"),
    "COUPON_WINDOW": message("coupon {kind} was kept: its offer did not run at that time"),
    "COUPON_MEMBER": message("coupon {kind} was kept: its offer is for other members or another fill"),
    "COUPON_PRODUCT": message("coupon {kind} was kept: its offer is for other products"),
    "COUPON_NO_RULE": message("coupon {kind} was kept: the rules of that time do not take it"),
    "COUPON_NO_POINTS": message("coupon {kind} was kept: this sale earned nothing"),
    "COUPON_TIME_ESTIMATED": message("coupon {kind} was kept: the time of this fuelling is an estimate"),
}
_OUT_OF_DATE: Final = message("coupon {kind} ({serial}) is valid from {first} to {last}")
_USED: Final = message("coupon {kind} ({serial}) was used up")
_GIVEN: Final = message("coupon {kind} ({serial}) was given, valid until {last}")


@dataclass(frozen=True, slots=True)
class CouponTold:
    """`reason`: why it was not used up, "" if it was or was given after the sale. `serial`, `first` and
    `last`: "" where only the kind is known."""

    kind: str
    reason: str = ""
    serial: str = ""
    first: str = ""
    last: str = ""
    given: bool = False


def coupons_of(connection: "Connection", trail: Trail) -> tuple[CouponTold, ...]:
    """Used, held in vain, held and not valid on that day (as it is held today), and given after it."""
    from agent.points.award import Award
    from agent.points.coupons import unused
    from agent.points.inputs import AwardInputs
    from agent.store.bundles import Bundles
    from agent.store.coupons import Coupons

    if (kept := trail.award) is None:
        return ()
    inputs, coupons = AwardInputs.model_validate_json(kept.inputs), Coupons(connection)
    told = [CouponTold(c.kind, serial=c.serial) for c in coupons.used_by(kept.fact_id)]
    if inputs.coupons:
        earned = Award.model_validate_json(kept.result)
        left = unused(inputs, earned, Bundles(connection).parsed(kept.version))
        told += [CouponTold(kind, reason) for kind, reason in left]
    given = coupons.issued_after(kept.fact_id)
    for c in coupons.outside(kept.member, inputs.local.business_date):
        if c not in given:
            told.append(CouponTold(c.kind, "COUPON_WINDOW", c.serial, c.valid_from, c.valid_until))
    told += [CouponTold(c.kind, "", c.serial, c.valid_from, c.valid_until, given=True) for c in given]
    return tuple(told)


def coupon_sentences(coupons: tuple[CouponTold, ...], texts: "Translator") -> Iterator[str]:
    for coupon in coupons:
        if coupon.given:
            told = _GIVEN
        elif not coupon.reason:
            told = _USED
        else:
            told = _OUT_OF_DATE if coupon.first else _WHY_NOT[coupon.reason]
        yield texts.gettext(told).format(
            kind=coupon.kind, serial=coupon.serial, first=coupon.first, last=coupon.last
        )
