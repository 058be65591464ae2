"""`award`: what a sale earns, and why; pure, and the same code at the station and at HQ (points.md 4).

Numbers. Every value is an integer over the ruleset's one denominator, so nothing is rounded before
the single rounding of the whole award. The explanation is kept in whole minor units all the same:
a line's `minor` is by how much it moved the running total *as counted in whole minor units* (the
exact total floored), and the rounding line takes what is then missing. So the lines always sum to
the award exactly (I6), and while every step is a whole number of minor units, as it mostly is,
each line shows its exact share.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Annotated, Literal, NamedTuple, TypeVar

from pydantic import Field

from agent.points.inputs import AwardInputs, Line
from agent.points.occasion import fill_no, holds, is_nth_fill, lines_of, reached
from agent.points.rules import Bundle, Grandfather
from agent.points.ruleset import ONE_BP, BaseRule, Bonus, Combine, Modifier, Ruleset, Scope
from agent.points.units import RoundingMode, round_to_multiple
from agent.points.validity import term_end
from agent.points.values import MOST_MINOR, Natural, Value

Kind = Literal["base", "factor", "bonus", "rounding", "cap", "grandfather", "refused"]
Reason = Literal["", "NO_METERING_EVIDENCE", "TENDER_EXCLUDED", "NO_RULE", "BEYOND_RANGE"]
"""Why nothing was awarded; "" when the rules were applied (their result may still be 0)."""
LapseDay = Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\d)?$")]
"""The last day on which points count, YYYY-MM-DD; "" for ever."""


class ExplanationLine(Value):
    """One step of an award. `minor` is what it added (or took); the rest is what a sentence needs.

    base: rule, product, the counted `volume_ml` or `amount_fen`, `points_minor` per `per_ml` or
    `per_fen`. With bands: the rate is of the band that begins at `from_ml` or `from_fen` (0 below the
    first), reached on top of this month's `month_ml` or `month_fen`; where each part has its own
    rate there is one line for each part, one after the other
    factor: rule, `bp`; it belongs to the base lines of one product before it
    bonus: rule; the member's `fill_no`th fill in `scope` where fills are counted; `volume_ml` or
    `amount_fen` reached `at_least_ml` or `at_least_fen` where the bonus asks for it
    rounding: `to_minor` and `mode`
    cap: rule, `limit_minor`, and `used_minor` that the member had earned in the same day or month
    grandfather: rule is the ruleset whose points were taken; `other_minor` is what the other one gave
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
    from_ml: Natural = 0
    from_fen: Natural = 0
    month_ml: Natural = 0
    month_fen: Natural = 0
    bp: Natural = 0
    fill_no: Natural = 0
    at_least_ml: Natural = 0
    at_least_fen: Natural = 0
    to_minor: Natural = 0
    mode: RoundingMode | None = None
    scope: Scope | None = None
    limit_minor: Natural = 0
    used_minor: Natural = 0
    other_minor: Natural = 0


class Alternative(Value):
    """What the ruleset whose points were not taken gave with the same coupons, and how long that would
    have lived."""

    ruleset: str
    minor: Natural
    lapses_on: LapseDay = ""


class Award(Value):
    """`minor` points by `ruleset`; the explanation's lines sum to it (I6).

    `lapses_on` is their last day by the rules, before any pause; "" for ever, or without points.
    `lapses_by` is the ruleset whose term that is, where a protected cohort was judged by two.
    `coupons_used`: the kinds of the coupons without any one of which it would be less.
    """

    minor: Natural
    reason: Reason = ""
    ruleset: str
    explanation: tuple[ExplanationLine, ...]
    alternatives: tuple[Alternative, ...] = ()
    lapses_on: LapseDay = ""
    lapses_by: str = ""
    coupons_used: tuple[str, ...] = ()


def award(inputs: AwardInputs, bundle: Bundle) -> Award:
    """The points of one sale. Always answers: what cannot earn is an award of 0 with a reason.

    A frozen member earns like any other (I24), so the status is not among the inputs.
    """
    return _sparing_coupons(inputs, bundle) if inputs.coupons else _judged(inputs, bundle)


def _sparing_coupons(inputs: AwardInputs, bundle: Bundle) -> Award:
    """As many points as with all coupons together, and no coupon used up that did not add to them.

    The one that lapses last is tried first: where two do the same, it stays with the member. As fewer
    coupons never give more, what is needed beside others is needed without them too: one round is enough.
    A kind that was not used can still have raised what the rules that were not taken give.
    """
    earned = _judged(inputs, bundle)
    for kind in reversed(inputs.coupons):
        rest = tuple(other for other in inputs.coupons if other != kind)
        without = inputs.model_copy(update={"coupons": rest})
        matters = kind in earned.coupons_used or earned.alternatives
        other = _judged(without, bundle) if matters else earned
        if other.minor == earned.minor:
            inputs, earned = without, other
    return earned


def _judged(inputs: AwardInputs, bundle: Bundle) -> Award:
    """With every coupon that applies."""
    usual = bundle.ruleset_in_force
    if reason := _why_nothing_earns(inputs, bundle):
        line = ExplanationLine(kind="refused", rule=reason)
        return Award(minor=0, reason=reason, ruleset=usual.id, explanation=(line,))
    protection = protection_of(inputs, bundle)
    if protection is not None:
        former = bundle.ruleset_named(protection.old)
        results = _Evaluation(usual, inputs, bundle).result(), _Evaluation(former, inputs, bundle).result()
        return _better(*results, tie_to_former=protection.tie == "old")
    result = _Evaluation(usual, inputs, bundle).result()
    return Award(
        minor=result.minor,
        reason=result.reason,
        ruleset=usual.id,
        explanation=tuple(result.lines),
        lapses_on=result.lapses_on if result.minor else "",
        coupons_used=result.coupons,
    )


def protection_of(inputs: AwardInputs, bundle: Bundle) -> Grandfather | None:
    """Why this sale is judged by the older ruleset too; None if it is not."""
    protection = bundle.grandfather
    if protection is not None and inputs.cohort == protection.cohort and inputs.local.day <= protection.until:
        return protection
    return None


def _why_nothing_earns(inputs: AwardInputs, bundle: Bundle) -> Reason:
    """I28: fuel that no meter vouches for earns nothing; a basket needs no meter."""
    if inputs.evidence == "none" and any(line.volume_ml for line in inputs.lines):
        return "NO_METERING_EVIDENCE"
    if bundle.eligible is not None and inputs.tender in bundle.eligible.tender_excluded:
        return "TENDER_EXCLUDED"
    return ""


_Order = TypeVar("_Order", int, tuple[bool, str])


class _Result(NamedTuple):
    """What one ruleset gives."""

    ruleset: str
    minor: int
    reason: Reason
    lines: list[ExplanationLine]
    lapses_on: str
    coupons: tuple[str, ...]


def _better(usual: _Result, former: _Result, *, tie_to_former: bool) -> Award:
    """The better points and the better term, each by itself, with both results kept (I30)."""
    taken, other = (former, usual) if _wins(former.minor, usual.minor, tie_to_former) else (usual, former)
    lasting = former if _wins(_life(former), _life(usual), tie_to_former) else usual
    choice = ExplanationLine(kind="grandfather", rule=taken.ruleset, other_minor=other.minor)
    return Award(
        minor=taken.minor,
        reason=taken.reason,
        ruleset=taken.ruleset,
        explanation=(*taken.lines, choice),
        alternatives=(Alternative(ruleset=other.ruleset, minor=other.minor, lapses_on=other.lapses_on),),
        lapses_on=lasting.lapses_on if taken.minor else "",
        lapses_by=lasting.ruleset if taken.minor else "",
        coupons_used=taken.coupons,
    )


def _wins(former: _Order, usual: _Order, tie_to_former: bool) -> bool:
    return former > usual or (tie_to_former and former == usual)


def _life(result: _Result) -> tuple[bool, str]:
    """To compare lives by: for ever is longer than up to any day."""
    return not result.lapses_on, result.lapses_on


class _Evaluation:
    """One sale under one ruleset: the exact running total, and the lines that explain it."""

    def __init__(self, ruleset: Ruleset, inputs: AwardInputs, bundle: Bundle) -> None:
        self.ruleset = ruleset
        self.inputs = inputs
        self.bundle = bundle
        self.denominator = ruleset.denominator
        self.exact = 0
        self.lines: list[ExplanationLine] = []
        self.counted_before: dict[str, int] = {}
        self.day_starts_minute = bundle.business_day_starts_minute

    def result(self) -> _Result:
        """Estimated event times earn base rules only (decisions.md 2)."""
        ruleset, base_only = self.ruleset, self.inputs.time_quality == "estimated"
        if base_only and (ruleset.modifier or ruleset.bonus):
            self.lines.append(ExplanationLine(kind="refused", rule="TIME_ESTIMATED"))
        earning = [self._earn(line, base_only) for line in self.inputs.lines]
        if not any(earning):
            return self._result(0, "NO_RULE")
        if not base_only:
            self._add_bonuses()
        rounding = self.bundle.rounding
        minor = round_to_multiple(self.exact, self.denominator, rounding.to_minor, rounding.mode)
        if minor > MOST_MINOR:
            self.lines = [ExplanationLine(kind="refused", rule="BEYOND_RANGE")]
            return self._result(0, "BEYOND_RANGE")
        if remainder := minor - self.exact // self.denominator:
            self.lines.append(
                ExplanationLine(
                    kind="rounding", minor=remainder, to_minor=rounding.to_minor, mode=rounding.mode
                )
            )
        return self._result(self._capped(minor))

    def _result(self, minor: int, reason: Reason = "") -> _Result:
        last_day = term_end(self.inputs.local.day, self.bundle.term_of(self.ruleset))
        lapses_on = last_day.isoformat() if last_day else ""
        coupons = self._coupons() if self.inputs.coupons else ()
        return _Result(self.ruleset.id, minor, reason, self.lines, lapses_on, coupons)

    def _coupons(self) -> tuple[str, ...]:
        """The kinds that the rules which were applied asked for, each once, in the order of the rules."""
        applied = [line.rule for line in self.lines if line.kind in ("factor", "bonus")]
        kinds = self.ruleset.coupon_of
        return tuple(dict.fromkeys(kinds[rule] for rule in applied if rule in kinds))

    def _add(self, value: int) -> int:
        """Add `value` / denominator; by how much that moved the total in whole minor units."""
        before = self.exact // self.denominator
        self.exact += value
        return self.exact // self.denominator - before

    def _earn(self, line: Line, base_only: bool) -> bool:
        """Add a line's base and factors; False if no base rule meets its product."""
        rule = self.ruleset.base_of.get(line.product)
        if rule is None:
            self.lines.append(ExplanationLine(kind="refused", rule="NO_RULE", product=line.product))
            return False
        value = self._base_value(rule, line)
        if not base_only:
            for combine, members in self.ruleset.groups_of[line.product]:
                value = self._multiply(value, combine, members)
        return True

    def _base_value(self, rule: BaseRule, line: Line) -> int:
        """Add a line's points before any factor, at the rate of its rule or of each band it lies in."""
        total, month = 0, self._month_quantity(rule)
        each_minor = self.denominator // rule.quantum
        for quantity, points_minor, band_start in self._parts(rule, _counted(rule, line), month):
            value = quantity * points_minor * each_minor
            total += value
            self.lines.append(
                _base_line(rule, line, self._add(value), quantity, points_minor, band_start, month)
            )
        return total

    def _parts(self, rule: BaseRule, counted: int, month: int) -> Iterable[tuple[int, int, int]]:
        """(quantity, its rate, where the band of that rate begins) of one line."""
        if rule.bands is None:
            return ((counted, rule.points_minor, 0),)
        if rule.bands == "whole":
            band_start, points_minor = rule.level_at(month + self._counted_together[rule.id])
            return ((counted, points_minor, band_start),)
        begin = month + self.counted_before.get(rule.id, 0)
        self.counted_before[rule.id] = begin + counted - month
        return rule.parts(begin, begin + counted)

    def _month_quantity(self, rule: BaseRule) -> int:
        """What the member has bought this month already, if the rule's bands count it."""
        if rule.counted != "member_month":
            return 0
        return self.inputs.usage.month_ml if rule.per == "volume" else self.inputs.usage.month_fen

    @cached_property
    def _counted_together(self) -> dict[str, int]:
        """By base rule, what its lines of this sale count together."""
        together: dict[str, int] = {}
        for line in self.inputs.lines:
            if rule := self.ruleset.base_of.get(line.product):
                together[rule.id] = together.get(rule.id, 0) + _counted(rule, line)
        return together

    def _multiply(self, value: int, combine: Combine, members: Sequence[Modifier]) -> int:
        """Apply one group to a line's value: each applied modifier is a line of the explanation."""
        entering = value
        for modifier in members:
            if holds(modifier, self.inputs, self.day_starts_minute):
                grows = entering if combine == "sum_of_extras" else value
                gain, inexact = divmod(grows * (modifier.bp - ONE_BP), ONE_BP)
                assert not inexact, "the denominator holds one factor too few"
                value += gain
                self.lines.append(
                    ExplanationLine(kind="factor", rule=modifier.id, minor=self._add(gain), bp=modifier.bp)
                )
                if combine == "best":
                    break
        return value

    def _add_bonuses(self) -> None:
        for bonus in self.ruleset.bonus:
            lines = lines_of(bonus, self.inputs)
            is_its_turn = lines and is_nth_fill(bonus, self.inputs)
            if is_its_turn and holds(bonus, self.inputs, self.day_starts_minute):
                self._add_bonus(bonus, lines)

    def _add_bonus(self, bonus: Bonus, lines: Sequence[Line]) -> None:
        """Unless the sale is too small for it."""
        volume_ml, amount_fen, is_enough = reached(bonus, lines)
        if not is_enough:
            return
        self.lines.append(
            ExplanationLine(
                kind="bonus",
                rule=bonus.id,
                minor=self._add(bonus.minor * self.denominator),
                volume_ml=volume_ml,
                amount_fen=amount_fen,
                fill_no=fill_no(bonus, self.inputs),
                at_least_ml=bonus.at_least_ml or 0,
                at_least_fen=bonus.at_least_fen or 0,
                scope=bonus.period,
            )
        )

    def _capped(self, minor: int) -> int:
        """I8: with what was known to be used, no more than each cap; nothing already earned is taken."""
        usage = self.inputs.usage
        used_minor = {
            "transaction": 0,
            "member_day": usage.day_minor,
            "member_month": usage.month_minor,
        }
        for cap in self.ruleset.cap:
            used = used_minor[cap.scope]
            allowed = max(0, cap.minor - used)
            if minor > allowed:
                self.lines.append(
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


def _counted(rule: BaseRule, line: Line) -> int:
    """A line's quantity in the rule's unit, floored to its step."""
    quantity = line.volume_ml if rule.per == "volume" else line.amount_fen
    return quantity - quantity % rule.step


def _base_line(
    rule: BaseRule, line: Line, minor: int, quantity: int, points_minor: int, band_start: int, month: int
) -> ExplanationLine:
    if rule.per == "volume":
        return ExplanationLine(
            kind="base",
            rule=rule.id,
            minor=minor,
            product=line.product,
            volume_ml=quantity,
            points_minor=points_minor,
            per_ml=rule.quantum,
            from_ml=band_start,
            month_ml=month,
        )
    return ExplanationLine(
        kind="base",
        rule=rule.id,
        minor=minor,
        product=line.product,
        amount_fen=quantity,
        points_minor=points_minor,
        per_fen=rule.quantum,
        from_fen=band_start,
        month_fen=month,
    )
