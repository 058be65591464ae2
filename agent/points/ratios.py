"""What points buy: the ratio of a day, and the better one that a protected lot keeps (points.md 4)."""

from collections.abc import Mapping
from datetime import date

from agent.points.terms import Ratio, Redemption


def ratio_at(redemption: Redemption, on: date) -> Ratio | None:
    """The ratio for redemptions on this day: the one that began last; None before the first."""
    begun = [ratio for ratio in redemption.ratio if ratio.from_date <= on]
    return max(begun, key=lambda ratio: (ratio.from_date, ratio.version), default=None)


def best(
    lot_ratio_version: int, earned_on: date, on: date, redemption: Redemption, former: Mapping[int, Ratio]
) -> Ratio | None:
    """The ratio at which a lot may be redeemed on this day; None where the rules name none.

    Until its protection ends (that day included) a lot that was earned before `lots_before` has the
    best of three: the current ratio, the one that the protection names, and the one it was earned
    at (`lot_ratio_version`, 0 where the rules named none). A tie goes to the current one. Versions
    that the bundle no longer has are looked up in `former`, the ratios of older bundles by version;
    what is not there either cannot be kept.
    """
    current = ratio_at(redemption, on)
    protection = redemption.protection
    if protection is None or on > protection.until or earned_on >= protection.lots_before:
        return current
    known = {**former, **{ratio.version: ratio for ratio in redemption.ratio}}
    kept = [known.get(protection.ratio_version), known.get(lot_ratio_version)]
    taken = current
    for ratio in kept:
        if ratio is not None and (taken is None or _buys_more(ratio, taken)):
            taken = ratio
    return taken


def _buys_more(one: Ratio, other: Ratio) -> bool:
    return one.fen * other.points_minor > other.fen * one.points_minor
