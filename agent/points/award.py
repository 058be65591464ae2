"""`award`: what a sale earns, and why; pure, and the same code at the station and at HQ (points.md 4).

Numbers. Every value is an integer over the ruleset's one denominator, so nothing is rounded before
the single rounding of the whole award. The explanation is kept in whole minor units all the same:
a line's `minor` is by how much it moved the running total *as counted in whole minor units* (the
exact total floored), and the rounding line takes what is then missing. So the lines always sum to
the award exactly (I6), and while every step is a whole number of minor units, as it mostly is,
each line shows its exact share.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from agent.points.inputs import AwardInputs, Line
from agent.points.rules import Bundle
from agent.points.ruleset import ONE_BP, Cap, Combine, Modifier, Ruleset, Scope
from agent.points.units import RoundingMode, round_to_multiple
from agent.points.values import MOST_MINOR, Natural, Value

Kind = Literal["base", "factor", "rounding", "cap", "grandfather", "refused"]
Reason = Literal["", "NO_METERING_EVIDENCE", "TENDER_EXCLUDED", "NO_RULE", "BEYOND_RANGE"]
"""Why nothing was awarded; "" when the rules were applied (their result may still be 0)."""


class ExplanationLine(Value):
    """One step of an award. `minor` is what it added (or took); the rest is what a sentence needs.

    base: rule, product, the counted `volume_ml` or `amount_fen`, `points_minor` per `per_ml` or `per_fen`
    factor: rule, `bp`; it belongs to the base line before it
    rounding: `to_minor` and `mode`
    cap: rule, `limit_minor`, and `used_minor` that the member had earned in the same day or month
    grandfather: rule is the ruleset that was taken; `other_minor` is what the other one gave
    refused: rule is a reason code: NO_RULE for one line's product, TIME_ESTIMATED where only base
    rules were applied, else the reason why the whole sale earned nothing
    """

    kind: Kind
    rule: str = ""
    minor: int = 0
    product: str = ""
    volume_ml: Natural = 0
    amount_fen: Natural = 0
    points_minor: Natural = 0
    per_ml: Natural = 0
    per_fen: Natural = 0
    bp: Natural = 0
    to_minor: Natural = 0
    mode: RoundingMode | None = None
    scope: Scope | None = None
    limit_minor: Natural = 0
    used_minor: Natural = 0
    other_minor: Natural = 0


class Alternative(Value):
    """What the ruleset that was not taken gave."""

    ruleset: str
    minor: Natural


class Award(Value):
    """`minor` points by `ruleset`; the explanation's lines sum to it (I6)."""

    minor: Natural
    reason: Reason = ""
    ruleset: str
    explanation: tuple[ExplanationLine, ...]
    alternatives: tuple[Alternative, ...] = ()


def award(inputs: AwardInputs, bundle: Bundle) -> Award:
    """The points of one sale. Always answers: what cannot earn is an award of 0 with a reason.

    A frozen member earns like any other (I24), so the status is not among the inputs.
    """
    if reason := _why_nothing_earns(inputs, bundle):
        return _nothing(reason, bundle.ruleset_in_force)
    usual = _by_ruleset(bundle.ruleset_in_force, inputs, bundle)
    protection = bundle.grandfather
    if protection is None or inputs.cohort != protection.cohort or inputs.local.day > protection.until:
        return usual
    former = _by_ruleset(bundle.ruleset_named(protection.old), inputs, bundle)
    return _better(usual, former, tie_to_former=protection.tie == "old")


def _why_nothing_earns(inputs: AwardInputs, bundle: Bundle) -> Reason:
    """I28: fuel that no meter vouches for earns nothing; a basket needs no meter."""
    if inputs.evidence == "none" and any(line.volume_ml for line in inputs.lines):
        return "NO_METERING_EVIDENCE"
    if bundle.eligible is not None and inputs.tender in bundle.eligible.tender_excluded:
        return "TENDER_EXCLUDED"
    return ""


def _nothing(reason: Reason, ruleset: Ruleset) -> Award:
    line = ExplanationLine(kind="refused", rule=reason)
    return Award(minor=0, reason=reason, ruleset=ruleset.id, explanation=(line,))


def _better(usual: Award, former: Award, *, tie_to_former: bool) -> Award:
    """The better of both, with both results kept (I30)."""
    former_wins = former.minor > usual.minor or (tie_to_former and former.minor == usual.minor)
    taken, other = (former, usual) if former_wins else (usual, former)
    choice = ExplanationLine(kind="grandfather", rule=taken.ruleset, other_minor=other.minor)
    return Award(
        minor=taken.minor,
        reason=taken.reason,
        ruleset=taken.ruleset,
        explanation=(*taken.explanation, choice),
        alternatives=(Alternative(ruleset=other.ruleset, minor=other.minor),),
    )


class _Tally:
    """The exact running total of one evaluation, and the lines that explain it."""

    def __init__(self, denominator: int) -> None:
        self.denominator = denominator
        self.exact = 0
        self.lines: list[ExplanationLine] = []

    def add(self, value: int) -> int:
        """Add `value` / denominator; by how much that moved the total in whole minor units."""
        before = self.exact // self.denominator
        self.exact += value
        return self.exact // self.denominator - before


def _by_ruleset(ruleset: Ruleset, inputs: AwardInputs, bundle: Bundle) -> Award:
    tally = _Tally(ruleset.denominator)
    modifiers = _modifiers_in_force(ruleset, inputs, bundle, tally)
    earning = [_earn(line, ruleset, modifiers, tally) for line in inputs.lines]
    if not any(earning):
        return Award(minor=0, reason="NO_RULE", ruleset=ruleset.id, explanation=tuple(tally.lines))
    rounding = bundle.rounding
    minor = round_to_multiple(tally.exact, tally.denominator, rounding.to_minor, rounding.mode)
    if minor > MOST_MINOR:
        return _nothing("BEYOND_RANGE", ruleset)
    if remainder := minor - tally.exact // tally.denominator:
        tally.lines.append(
            ExplanationLine(kind="rounding", minor=remainder, to_minor=rounding.to_minor, mode=rounding.mode)
        )
    minor = _capped(minor, ruleset.cap, inputs, tally)
    return Award(minor=minor, ruleset=ruleset.id, explanation=tuple(tally.lines))


def _modifiers_in_force(
    ruleset: Ruleset, inputs: AwardInputs, bundle: Bundle, tally: _Tally
) -> list[tuple[Combine, list[Modifier]]]:
    """The modifiers whose conditions hold, but for the product, by group in the order of the bundle.

    An event time that is only estimated earns base rules only (decisions.md 2).
    """
    if not ruleset.modifier:
        return []
    if inputs.time_quality == "estimated":
        tally.lines.append(ExplanationLine(kind="refused", rule="TIME_ESTIMATED"))
        return []
    groups: dict[str, list[Modifier]] = {}
    for modifier in ruleset.modifier:
        if _holds(modifier, inputs, bundle.business_day_starts_minute):
            groups.setdefault(modifier.group, []).append(modifier)
    return [(ruleset.combine[group], members) for group, members in groups.items()]


def _holds(modifier: Modifier, inputs: AwardInputs, day_starts_minute: int) -> bool:
    if modifier.tier is not None and inputs.tier not in modifier.tier:
        return False
    local = inputs.local
    if modifier.birthday is not None and (
        inputs.birthday is None or not modifier.birthday.include(local.day, inputs.birthday)
    ):
        return False
    return modifier.window is None or modifier.window.is_open(
        local.day, local.minute_of_day, day_starts_minute
    )


def _earn(
    line: Line, ruleset: Ruleset, groups: Iterable[tuple[Combine, Sequence[Modifier]]], tally: _Tally
) -> bool:
    """Add a line's base and factors to the tally; False if no base rule meets its product."""
    rule = ruleset.base_of.get(line.product)
    if rule is None:
        tally.lines.append(ExplanationLine(kind="refused", rule="NO_RULE", product=line.product))
        return False
    by_volume = rule.per == "volume"
    quantity = line.volume_ml if by_volume else line.amount_fen
    counted = quantity - quantity % rule.step
    value = counted * rule.points_minor * (tally.denominator // rule.quantum)
    tally.lines.append(
        ExplanationLine(
            kind="base",
            rule=rule.id,
            minor=tally.add(value),
            product=line.product,
            volume_ml=counted if by_volume else 0,
            amount_fen=0 if by_volume else counted,
            points_minor=rule.points_minor,
            per_ml=rule.quantum if by_volume else 0,
            per_fen=0 if by_volume else rule.quantum,
        )
    )
    for combine, members in groups:
        matching = [m for m in members if m.product is None or line.product in m.product]
        if matching:
            value = _multiply(value, combine, matching, tally)
    return True


def _multiply(value: int, combine: Combine, matching: Sequence[Modifier], tally: _Tally) -> int:
    """Apply one group to a line's value: each applied modifier is a line of the explanation."""
    applied = [max(matching, key=lambda m: m.bp)] if combine == "best" else matching
    entering = value
    for modifier in applied:
        grows = entering if combine == "sum_of_extras" else value
        gain, inexact = divmod(grows * (modifier.bp - ONE_BP), ONE_BP)
        assert not inexact, "the denominator holds one factor too few"
        value += gain
        tally.lines.append(
            ExplanationLine(kind="factor", rule=modifier.id, minor=tally.add(gain), bp=modifier.bp)
        )
    return value


def _capped(minor: int, caps: Iterable[Cap], inputs: AwardInputs, tally: _Tally) -> int:
    """I8: with what was known to be used, no more than each cap; nothing already earned is taken."""
    used_minor = {
        "transaction": 0,
        "member_day": inputs.usage.day_minor,
        "member_month": inputs.usage.month_minor,
    }
    for cap in caps:
        used = used_minor[cap.scope]
        allowed = max(0, cap.minor - used)
        if minor > allowed:
            tally.lines.append(
                ExplanationLine(
                    kind="cap",
                    rule=cap.id,
                    minor=allowed - minor,
                    scope=cap.scope,
                    limit_minor=cap.minor,
                    used_minor=used,
                )
            )
            minor = allowed
    return minor
