"""A rule bundle in plain English, one sentence per rule: what a manager can check against the poster.

Every rule has a key that stays the same when its numbers change, so that two bundles can be compared
sentence by sentence (`rule_changes.py`). Two rules that differ have different sentences.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agent.cli.rule_words import (
    any_of,
    clock,
    count,
    litres,
    ordinal,
    points,
    trimmed,
    who_and_when,
    yuan,
)
from agent.cli.term_sentences import term_sentence, terms
from agent.points.rules import Bundle
from agent.points.ruleset import ONE_BP, BaseRule, Bonus, Cap, Issue, Modifier, Ruleset, SaleConditions

_COMBINED: Final = {
    "best": "only the best of them counts",
    "sum_of_extras": "their extras are added",
    "product": "they multiply each other",
}
_ROUNDED: Final = {"floor": "down", "half_up": "half up", "half_even": "half to even"}
_SCOPES: Final = {
    "transaction": "One sale gives",
    "member_day": "One member gets in a business day",
    "member_month": "One member gets in a month",
}
_OVERSHOOTS: Final = {
    "honour": "what several stations together gave beyond it the member keeps",
    "adjust": "what several stations together gave beyond it headquarters takes back",
}
_PERIODS: Final = {"member_day": "day", "member_month": "month"}


@dataclass(frozen=True, slots=True)
class Told:
    """One rule: where it stands (such as "rules in force, base, fuel-litre"), and what it says."""

    key: tuple[str, ...]
    sentence: str


def bundle_sentences(bundle: Bundle) -> list[str]:
    """Everything the bundle says, in the order of the file."""
    return [told.sentence for told in told_rules(bundle)]


def told_rules(bundle: Bundle) -> Iterator[Told]:
    """The same with keys; the points scale is not told, because it never changes."""
    scale = bundle.points_scale
    yield Told(("programme",), f"Rules of programme {bundle.program}.")
    yield Told(("effective",), f"In force from {bundle.effective_from.isoformat()}.")
    starts = clock(bundle.business_day_starts_minute)
    yield Told(("business day",), f"Business days of {bundle.timezone} begin at {starts}.")
    yield Told(("tiers",), f"Tiers, the lowest first: {', '.join(bundle.tiers.order)}.")
    if bundle.eligible is not None:
        excluded = any_of(bundle.eligible.tender_excluded)
        yield Told(("eligible",), f"A sale paid with {excluded} earns nothing.")
    yield Told(("name",), f"These are rules {bundle.ruleset_in_force.id}.")
    yield from _ruleset(bundle.ruleset_in_force, scale, "rules in force")
    unit = bundle.rounding.to_minor
    whole = "whole points" if unit == scale else f"a multiple of {points(unit, scale)}"
    rounded = f"The whole award is rounded once, {_ROUNDED[bundle.rounding.mode]} to {whole}."
    yield Told(("rounding",), rounded)
    if (protected := bundle.grandfather) is not None:
        tie = "the older rules" if protected.tie == "old" else "these rules"
        sentence = (
            f"Until {protected.until} members of {protected.cohort} get the better of these rules and "
            f"of rules {protected.old}, in points and in how long they last; {tie} where both are equal."
        )
        yield Told(("protection",), sentence)
        former = bundle.ruleset_named(protected.old)
        for told in _ruleset(former, scale, "former rules"):
            yield Told(told.key, f"Former rules: {told.sentence}")
    yield from (Told(("issue", issue.id), _issue(issue)) for issue in bundle.issue)
    yield from (Told(key, sentence) for key, sentence in terms(bundle))
    for feature in bundle.feature:
        yield Told(("feature", feature.name), f"Members of {any_of(feature.tier)} try {feature.name} first.")


def _ruleset(ruleset: Ruleset, scale: int, place: str) -> Iterator[Told]:
    for base in ruleset.base:
        yield Told((place, "base", base.id), _base(base, scale))
    for modifier in ruleset.modifier:
        yield Told((place, "modifier", modifier.id), _modifier(modifier))
    for group, how in ruleset.combine.items():
        names = [modifier.id for modifier in ruleset.modifier if modifier.group == group]
        if len(names) > 1:
            sentence = f"Where several of {', '.join(names)} apply, {_COMBINED[how]}."
            yield Told((place, "group", group), sentence)
    for bonus in ruleset.bonus:
        yield Told((place, "bonus", bonus.id), _bonus(bonus, scale))
    for cap in ruleset.cap:
        yield Told((place, "cap", cap.id), _cap(cap, scale))
    if ruleset.expiry is not None:
        yield Told(
            (place, "expiry"), f"What they give has a term of its own. {term_sentence(ruleset.expiry)}"
        )


def _base(rule: BaseRule, scale: int) -> str:
    if rule.per == "volume":
        each = "litre" if rule.quantum == 1000 else litres(rule.quantum)
        step = f"{rule.step} ml"
    else:
        each, step = f"{yuan(rule.quantum)} paid", yuan(rule.step)
    return (
        f"{', '.join(rule.product)}: {points(rule.points_minor, scale)} for every {each}, "
        f"counted in steps of {step}{_bands(rule, scale)} ({rule.id})."
    )


def _bands(rule: BaseRule, scale: int) -> str:
    if not rule.band:
        return ""
    quantity = litres if rule.per == "volume" else yuan
    measured = "by the sale" if rule.counted == "sale" else "by the member's month"
    if rule.bands == "whole":
        rates = [f"at {points(b.points_minor, scale)} from {quantity(b.from_quantity)} on" for b in rule.band]
        return f"; all of the sale {', '.join(rates)}, measured {measured}"
    rates = [f"above {quantity(b.from_quantity)} at {points(b.points_minor, scale)}" for b in rule.band]
    return f"; the part {', '.join(rates)}, measured {measured}"


def _modifier(modifier: Modifier) -> str:
    products = [f"for {any_of(modifier.product)}"] if modifier.product else []
    conditions = ", ".join([*products, *who_and_when(modifier)]) or "always"
    return (
        f"Points times {trimmed(modifier.bp, ONE_BP)} {conditions} ({modifier.id}, group {modifier.group})."
    )


def _bonus(bonus: Bonus, scale: int) -> str:
    conditions = who_and_when(bonus)
    if bonus.nth is not None and bonus.period is not None:
        fills = any_of([ordinal(number) for number in bonus.nth])
        conditions.append(f"on the member's {fills} fill of the {_PERIODS[bonus.period]}")
    told = ", ".join([*conditions, *_how_much(bonus)]) or "always"
    return f"{points(bonus.minor, scale)} more for the whole sale, {told} ({bonus.id})."


def _how_much(rule: SaleConditions) -> list[str]:
    products = f" of {any_of(rule.product)}" if rule.product else ""
    if rule.at_least_ml is not None:
        return [f"if it has at least {litres(rule.at_least_ml)}{products}"]
    if rule.at_least_fen is not None:
        return [f"if it has at least {yuan(rule.at_least_fen)}{products}"]
    return [f"if it has any {any_of(rule.product)}"] if rule.product else []


def _issue(issue: Issue) -> str:
    conditions = "".join(f", {told}" for told in [*who_and_when(issue), *_how_much(issue)])
    lasting = count(issue.valid_days, "day")
    return f"A coupon {issue.kind} after a fill{conditions}, valid that day and {lasting} more ({issue.id})."


def _cap(cap: Cap, scale: int) -> str:
    overshoot = "" if cap.scope == "transaction" else f"; {_OVERSHOOTS[cap.overshoot]}"
    return f"{_SCOPES[cap.scope]} at most {points(cap.minor, scale)}{overshoot} ({cap.id})."


def examples_sentence(bundle: Bundle) -> str:
    """How many sales with known points come with the bundle."""
    if not bundle.vector:
        return "No worked example comes with these rules."
    examples = count(len(bundle.vector), "worked example comes", "worked examples come")
    return f"{examples} with these rules: {', '.join(vector.id for vector in bundle.vector)}."
