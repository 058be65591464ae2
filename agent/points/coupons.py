"""Coupons of a sale: which kinds are given after it, and why one that was held was not used up."""

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from agent.points.award import Award, protection_of
from agent.points.inputs import AwardInputs
from agent.points.occasion import is_fill, is_for, is_nth_fill, is_open, lines_of, reached
from agent.points.rules import Bundle
from agent.points.ruleset import Bonus, Issue, Modifier, Ruleset, SaleConditions

WhyNot = Literal[
    "COUPON_BETTER_OFFER",
    "COUPON_TOO_SMALL",
    "COUPON_WINDOW",
    "COUPON_MEMBER",
    "COUPON_PRODUCT",
    "COUPON_NO_RULE",
    "COUPON_NO_POINTS",
    "COUPON_TIME_ESTIMATED",
]
"""COUPON_BETTER_OFFER: it would have added nothing to what else applies, or a cap left no room for it.
Then what was not met of its rule: the quantity, the window, the tier or birthday or count of fills, the
product. COUPON_NO_RULE: these rules know no such coupon. COUPON_NO_POINTS: the sale earned nothing at
all. COUPON_TIME_ESTIMATED: only base rules were applied."""

_NEAREST: Final[tuple[WhyNot, ...]] = (
    "COUPON_BETTER_OFFER",
    "COUPON_TOO_SMALL",
    "COUPON_WINDOW",
    "COUPON_MEMBER",
    "COUPON_PRODUCT",
)
"""Of several rules for one coupon the one that was met furthest is told."""


class Unused(NamedTuple):
    kind: str
    reason: WhyNot


def issued(inputs: AwardInputs, earned: Award, bundle: Bundle) -> Iterator[Issue]:
    """What the bundle gives after this sale: only for fuel, and not where the time is estimated."""
    if earned.reason or not is_fill(inputs) or inputs.time_quality == "estimated":
        return
    for issue in bundle.issue:
        if is_for(issue, inputs) and _is_open(issue, inputs, bundle):
            lines = lines_of(issue, inputs)
            if lines and reached(issue, lines)[2]:
                yield issue


def unused(inputs: AwardInputs, earned: Award, bundle: Bundle) -> Iterator[Unused]:
    """Every kind that was held and is held still, with the reason; from what the award was computed of."""
    protection = protection_of(inputs, bundle)
    rulesets = [bundle.ruleset_in_force, *([bundle.ruleset_named(protection.old)] if protection else [])]
    for kind in inputs.coupons:
        if kind not in earned.coupons_used:
            yield Unused(kind, _why(kind, inputs, earned, rulesets, bundle))


def _why(kind: str, inputs: AwardInputs, earned: Award, rulesets: list[Ruleset], bundle: Bundle) -> WhyNot:
    rules = [rule for ruleset in rulesets for rule in ruleset.favours if rule.coupon == kind]
    if not rules:
        return "COUPON_NO_RULE"
    if earned.reason:
        return "COUPON_NO_POINTS"
    if inputs.time_quality == "estimated":
        return "COUPON_TIME_ESTIMATED"
    reasons = {_missed(rule, inputs, bundle) for rule in rules}
    return next(reason for reason in _NEAREST if reason in reasons)


def _missed(rule: Modifier | Bonus, inputs: AwardInputs, bundle: Bundle) -> WhyNot:
    """The first condition of its rule that the sale does not meet."""
    lines = lines_of(rule, inputs)
    if not lines:
        return "COUPON_PRODUCT"
    if not is_for(rule, inputs) or (isinstance(rule, Bonus) and not is_nth_fill(rule, inputs)):
        return "COUPON_MEMBER"
    if not _is_open(rule, inputs, bundle):
        return "COUPON_WINDOW"
    if isinstance(rule, SaleConditions) and not reached(rule, lines)[2]:
        return "COUPON_TOO_SMALL"
    return "COUPON_BETTER_OFFER"


def _is_open(rule: Modifier | SaleConditions, inputs: AwardInputs, bundle: Bundle) -> bool:
    return rule.window is None or is_open(rule.window, inputs, bundle.business_day_starts_minute)
