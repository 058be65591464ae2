"""Would this bundle do harm? What a station asks of a well-formed bundle before it takes it.

`objection` refuses; `warnings` only tells people who write bundles what looks like a mistake.

That more litres never give fewer points (I7) needs one check only: every step of an award but one
keeps an order of quantities. Flooring, factors of at least x1, bonuses from a quantity on, rounding,
caps, and the better of two rulesets do; a rate for the whole sale that falls at a band does not.
(Quantities beyond any real sale are refused by `award` itself.)
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

from agent.points.award import award
from agent.points.conditions import BirthdayDays, Window
from agent.points.refusal import BundleRefused, place
from agent.points.rules import Bundle, Grandfather
from agent.points.ruleset import ONE_BP, Modifier, Ruleset
from agent.points.terms import Term
from agent.points.vectors import inputs_of, replay

_ALIGNED = ("none", "month_end")
_ROUNDED_UP = ("none", "quarter", "half_year")


def objection(
    bundle: Bundle, text: str, *, products_sold: Iterable[str] = (), predecessor: Bundle | None = None
) -> BundleRefused | None:
    """The first reason not to take this bundle, with rule and line in `where`.

    `text` is the bundle's own, `products_sold` what this station sells, `predecessor` the bundle that
    this one would follow. NOT_MONOTONE, RULE_HOLE, COHORT_DROPPED, VECTOR_MISMATCH.
    """
    objections = chain(
        _falling_rates(bundle, text),
        _holes(bundle, text, products_sold),
        _dropped_cohorts(bundle, text, predecessor),
    )
    return next(objections, None) or replay(bundle, text)


def _falling_rates(bundle: Bundle, text: str) -> Iterator[BundleRefused]:
    for ruleset in bundle.ruleset:
        for rule in ruleset.base:
            levels = rule.levels if rule.bands == "whole" else ()
            for (_, before), (band_start, after) in pairwise(levels):
                if after < before:
                    where = f"ruleset {ruleset.id!r}, base {rule.id!r}, band from {band_start}"
                    remedy = (
                        "the rate falls here, so a larger sale would earn less: "
                        f'write bands = "part", or a rate of at least {before}'
                    )
                    yield BundleRefused("NOT_MONOTONE", place(where, text, [ruleset.id, rule.id]), remedy)


def _holes(bundle: Bundle, text: str, products_sold: Iterable[str]) -> Iterator[BundleRefused]:
    usual = bundle.ruleset_in_force
    for product in sorted(set(products_sold) - bundle.products):
        remedy = f"this station sells {product}, which would earn nothing: add it to a base rule"
        yield BundleRefused("RULE_HOLE", place(f"ruleset {usual.id!r}", text, [usual.id]), remedy)
    if bundle.grandfather is None:
        return
    former = bundle.ruleset_named(bundle.grandfather.old)
    for product, rule in former.base_of.items():
        if product not in bundle.products:
            where = place(f"ruleset {former.id!r}, base {rule.id!r}", text, [former.id, rule.id])
            remedy = f"{product} earns by these old rules but not by {usual.id}: add it to a base rule there"
            yield BundleRefused("RULE_HOLE", where, remedy)


def _dropped_cohorts(bundle: Bundle, text: str, predecessor: Bundle | None) -> Iterator[BundleRefused]:
    """What was promised to a cohort is kept to its last day: the same rules, and no shorter a term."""
    if predecessor is None or predecessor.grandfather is None:
        return
    promised, kept = predecessor.grandfather, bundle.grandfather
    if bundle.effective_from.date() > promised.until:
        return
    if broken := _broken_promise(bundle, kept, predecessor, promised):
        where = place("grandfather", text, ["grandfather"])
        remedy = (
            f"cohort {promised.cohort} is promised ruleset {promised.old} of bundle {predecessor.bundle} "
            f"until {promised.until}: {broken}"
        )
        yield BundleRefused("COHORT_DROPPED", where, remedy)


def _broken_promise(
    bundle: Bundle, kept: Grandfather | None, predecessor: Bundle, promised: Grandfather
) -> str:
    if kept is None or kept.cohort != promised.cohort:
        return "protect that cohort in [grandfather]"
    if kept.until < promised.until:
        return "until must not be earlier"
    before, after = predecessor.ruleset_named(promised.old), bundle.ruleset_named(kept.old)
    if after.model_copy(update={"expiry": before.expiry}) != before:
        return f"the old ruleset must be that one, unchanged; {kept.old} is not"
    if not _lasts(bundle.term_of(after), predecessor.term_of(before)):
        return "its points must not lapse sooner: give the ruleset its former term in [ruleset.expiry]"
    return ""


def _lasts(term: Term | None, promised: Term | None) -> bool:
    """Whether points of any day live at least as long as promised."""
    if term is None or promised is None:
        return term is None
    return (
        term.months >= promised.months
        and _ALIGNED.index(term.align) >= _ALIGNED.index(promised.align)
        and _ROUNDED_UP.index(term.round_up) >= _ROUNDED_UP.index(promised.round_up)
    )


@dataclass(frozen=True, slots=True)
class Warning:
    """What looks like a mistake: a stable code, the place, why.

    Codes: NO_VECTORS, UNTRIED_RULE (no vector's explanation names it), NO_CAP, RULE_NEVER_REACHED (all its
    products are taken by earlier base rules), NEVER_BEST, NO_EFFECT (a factor of x1), WINDOW_OVER,
    PROTECTION_OVER.
    """

    code: str
    where: str
    text: str


def warnings(bundle: Bundle, text: str = "") -> tuple[Warning, ...]:
    """Everything that a writer of rules should look at again. `text`: the bundle's own, for the lines."""

    def warning(code: str, why: str, *path: str) -> Warning:
        kinds = ("ruleset", "rule")
        where = ", ".join(f"{kind} {name!r}" for kind, name in zip(kinds, path, strict=False))
        return Warning(code, place(where or "bundle", text, path), why)

    return tuple(
        warning(code, why, *path)
        for code, why, path in chain(
            _of_the_bundle(bundle),
            *(_of_a_ruleset(ruleset, bundle) for ruleset in bundle.ruleset),
            _untried(bundle),
        )
    )


_Found = tuple[str, str, tuple[str, ...]]
"""Code, why, and (ruleset, rule) as far as it is about one."""


def _of_the_bundle(bundle: Bundle) -> Iterator[_Found]:
    if not bundle.vector:
        yield "NO_VECTORS", "no [[vector]] says what a sale should earn: add some from the poster", ()
    protection = bundle.grandfather
    if protection is not None and protection.until < bundle.effective_from.date():
        why = f"[grandfather] ends on {protection.until}, before these rules begin: remove it"
        yield "PROTECTION_OVER", why, ()


def _of_a_ruleset(ruleset: Ruleset, bundle: Bundle) -> Iterator[_Found]:
    if not ruleset.cap:
        yield "NO_CAP", "nothing limits what one sale or one member may earn", (ruleset.id,)
    for rule in ruleset.base:
        if rule not in ruleset.base_of.values():
            why = "earlier base rules take all its products: move it up or remove it"
            yield "RULE_NEVER_REACHED", why, (ruleset.id, rule.id)
    for conditional in (*ruleset.modifier, *ruleset.bonus):
        until = conditional.window.until if conditional.window is not None else None
        if until is not None and until < bundle.effective_from.date():
            why = f"its window ended on {until}, before these rules begin"
            yield "WINDOW_OVER", why, (ruleset.id, conditional.id)
    for modifier in ruleset.modifier:
        if modifier.bp == ONE_BP:
            yield "NO_EFFECT", "a factor of x1 changes nothing", (ruleset.id, modifier.id)
        if winner := _always_better(modifier, ruleset):
            why = f"{winner.id} of the same group always applies too and is at least as good"
            yield "NEVER_BEST", why, (ruleset.id, modifier.id)


def _always_better(modifier: Modifier, ruleset: Ruleset) -> Modifier | None:
    """A modifier that wins the "best" group whenever this one applies: a tie goes to the first."""
    if ruleset.combine[modifier.group] != "best":
        return None
    position = ruleset.modifier.index(modifier)
    for rank, other in enumerate(ruleset.modifier):
        beats = other.bp > modifier.bp or (other.bp == modifier.bp and rank < position)
        if other.group == modifier.group and beats and _applies_wherever(other, modifier):
            return other
    return None


def _applies_wherever(wide: Modifier, narrow: Modifier) -> bool:
    return (
        _names_all(wide.product, narrow.product)
        and _names_all(wide.tier, narrow.tier)
        and _days_cover(wide.birthday, narrow.birthday)
        and _window_covers(wide.window, narrow.window)
        and wide.coupon in (None, narrow.coupon)
    )


def _names_all(wide: tuple[str, ...] | None, narrow: tuple[str, ...] | None) -> bool:
    return wide is None or (narrow is not None and set(narrow) <= set(wide))


def _days_cover(wide: BirthdayDays | None, narrow: BirthdayDays | None) -> bool:
    if wide is None or narrow is None:
        return wide is None
    return narrow.before_days <= wide.before_days and narrow.after_days <= wide.after_days


def _window_covers(wide: Window | None, narrow: Window | None) -> bool:
    """Days are compared where the hours are the same, for hours after midnight belong to the day before."""
    if wide is None or narrow is None:
        return wide is None
    begins = wide.from_date is None or (narrow.from_date is not None and wide.from_date <= narrow.from_date)
    ends = wide.until is None or (narrow.until is not None and narrow.until <= wide.until)
    weekdays = wide.weekdays is None or set(narrow.weekdays or range(1, 8)) <= set(wide.weekdays)
    return wide.hours == narrow.hours and begins and ends and weekdays


def _untried(bundle: Bundle) -> Iterator[_Found]:
    """Rules that no vector's explanation names, where there are vectors at all."""
    if not bundle.vector:
        return
    tried = {line.rule for v in bundle.vector for line in award(inputs_of(v, bundle), bundle).explanation}
    ruleset = bundle.ruleset_in_force
    for name in ruleset.rule_ids:
        if name not in tried:
            yield "UNTRIED_RULE", "no vector shows what it does: add one", (ruleset.id, name)
