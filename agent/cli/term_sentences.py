"""The rest of a bundle as sentences: how long points last, what they buy, risk, reminders, rollout."""

from collections.abc import Iterator
from typing import Final

from agent.cli.rule_words import all_of, count, percent, points, yuan
from agent.points.rules import Bundle
from agent.points.terms import (
    Activation,
    Compensation,
    Expiry,
    Grant,
    Redemption,
    Risk,
    Rollout,
    Term,
)

Keyed = tuple[tuple[str, ...], str]
_ROUNDED_UP: Final = {"quarter": "quarter", "half_year": "half-year"}


def terms(bundle: Bundle) -> Iterator[Keyed]:
    """(key, sentence) of every table that the bundle has beside its rulesets."""
    scale = bundle.points_scale
    if bundle.expiry is not None:
        yield from _expiry(bundle.expiry)
    if bundle.activation is not None:
        yield ("activation",), _activation(bundle.activation)
    if bundle.reminder is not None:
        days = all_of([str(day) for day in bundle.reminder.days])
        yield ("reminder",), f"Members are told {days} days before points lapse."
    if bundle.redemption is not None:
        yield from _redemption(bundle.redemption, scale)
    if bundle.risk is not None:
        yield from _risk(bundle.risk, scale)
    if bundle.compensation is not None:
        yield ("compensation",), _compensation(bundle.compensation, scale)
    if bundle.grant is not None:
        yield ("grant",), _grant(bundle.grant)
    if bundle.rollout is not None:
        yield from _rollout(bundle.rollout)


def term_sentence(term: Term) -> str:
    """To which day points last: `validity.term_end` in words."""
    months = count(term.months, "month")
    longer = _ROUNDED_UP.get(term.round_up)
    if term.align == "none":
        rounded = f", and on to the end of the {longer} in which that is" if longer else ""
        return f"Points last {months}, the day they were earned on is the first{rounded}."
    if longer is None:
        return f"Points last to the end of the month that is {months} after the one they were earned in."
    return (
        f"Points last to the end of the {longer} that holds the month {months} after the one they were "
        "earned in."
    )


def _expiry(expiry: Expiry) -> Iterator[Keyed]:
    yield ("expiry",), term_sentence(expiry)
    yield ("expiry", "order"), "What lapses soonest is spent first, of that the oldest."
    refunded = count(expiry.refund_grace_days, "day")
    yield ("expiry", "refund"), f"Points that a refund gives back after their last day last {refunded} more."
    dark = count(expiry.outage_grace_days, "day")
    yield (
        ("expiry", "outage"),
        f"Points that lapse while a station is offline count there until {dark} after it is back.",
    )
    for pause in expiry.pause:
        regions = all_of(pause.region)
        yield (
            ("expiry", "pause", regions, str(pause.from_date)),
            f"From {pause.from_date} to {pause.until} no points grow older in region {regions}.",
        )


def _activation(activation: Activation) -> str:
    if not activation.after_s:
        return "Points may be spent at once."
    hours, rest_s = divmod(activation.after_s, 3600)
    after = count(hours, "hour") if not rest_s else count(activation.after_s, "second")
    return f"Points may be spent {after} after they were earned."


def _redemption(redemption: Redemption, scale: int) -> Iterator[Keyed]:
    for ratio in redemption.ratio:
        yield (
            ("redemption", "ratio", str(ratio.version)),
            (
                f"From {ratio.from_date} on {points(ratio.points_minor, scale)} are worth {yuan(ratio.fen)} "
                f"(ratio {ratio.version})."
            ),
        )
    if (protected := redemption.protection) is not None:
        yield (
            ("redemption", "protection"),
            (
                f"Points earned before {protected.lots_before} keep ratio {protected.ratio_version} until "
                f"{protected.until}, wherever that is the better one."
            ),
        )
    limits = redemption.limits
    yield (
        ("redemption", "limits"),
        (
            f"Points are redeemed from {points(limits.min_minor, scale)} on, in steps of "
            f"{points(limits.step_minor, scale)}, at most {count(limits.per_member_week_items, 'item')} "
            "per member and week."
        ),
    )


def _risk(risk: Risk, scale: int) -> Iterator[Keyed]:
    for tier, limits in risk.tiers.items():
        yield (
            ("risk", tier),
            (
                f"Offline a member of tier {tier} is trusted with {points(limits.standin_minor, scale)} at "
                f"most, {count(limits.standin_count, 'time')}, and may come to owe "
                f"{points(limits.debt_limit_minor, scale)}; above "
                f"{points(limits.step_up_above_minor, scale)} a second proof is asked for."
            ),
        )
    station = risk.station
    yield (
        ("risk", "station"),
        (
            f"Offline a station trusts all members together with {points(station.standin_pool_minor, scale)} "
            f"at most and for {count(station.max_offline_hours, 'hour')}, only where they usually fuel; at "
            f"night every limit is {percent(station.night_factor_bp)} of that. Faster than "
            f"{station.implied_speed_kmh} km/h from station to station is suspicious. Codes may be "
            f"{count(station.offline_code_skew_s, 'second')} off."
        ),
    )


def _compensation(compensation: Compensation, scale: int) -> str:
    return (
        f"Who could not redeem through our fault gets {percent(compensation.rate_bp)} of it in points, "
        f"{points(compensation.cap_minor, scale)} at most, {count(compensation.per_member_day, 'time')} "
        "per member and business day."
    )


def _grant(grant: Grant) -> str:
    others = f"{percent(grant.other_bp)} at each of {grant.affinity_stations - 1} others"
    return (
        f"Of a balance {percent(grant.home_bp)} may be spent offline where the member fuels most and "
        f"{others}, for {count(grant.valid_hours, 'hour')}."
    )


def _rollout(rollout: Rollout) -> Iterator[Keyed]:
    shadow = count(rollout.shadow_sales, "sale")
    yield (
        ("rollout",),
        (
            f"Rollout {rollout.id}: at first {rollout.percent} % of the stations, each after {shadow} judged "
            "beside the rules in force."
        ),
    )
    yield (
        ("rollout", "guard"),
        (
            f"The former rules come back when of {count(rollout.least_sales, 'sale')} or more over "
            f"{percent(rollout.declined_bp)} earn nothing, at over "
            f"{count(rollout.mismatched, 'award')} that cannot be computed again, or at over "
            f"{count(rollout.crashes, 'crash', 'crashes')}."
        ),
    )
