"""One ruleset of a bundle, as it is written: base rules, modifiers in groups, bonuses, caps (points.md 4).

A ruleset that contradicts itself cannot be made: the validators refuse it with a stable code
(DUPLICATE_RULE, UNKNOWN_GROUP, RULE_HOLE, ...) and a sentence that says what to change.
"""

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from math import lcm
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from agent.points.conditions import BirthdayDays, Window
from agent.points.terms import Days, Term
from agent.points.values import MOST_MINOR, Name, Natural, Positive, Value

ONE_BP: Final = 10_000
"""The factor ×1 in basis points."""

RuleId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Names = Annotated[tuple[Name, ...], Field(min_length=1)]
Combine = Literal["best", "sum_of_extras", "product"]
Scope = Literal["transaction", "member_day", "member_month"]
Period = Literal["member_day", "member_month"]
_Quantity = Annotated[int, Field(ge=1, le=1_000_000_000)]
_Rate = Annotated[int, Field(ge=0, le=1_000_000_000)]


class Band(Value):
    """From this quantity on (the rule's own unit), this rate."""

    from_quantity: Annotated[_Quantity, Field(alias="from")]
    points_minor: _Rate


class BaseRule(Value):
    """`points_minor` for every `quantum` of a line's millilitres (per volume) or fen (per amount).

    The quantity is first floored to `step`, in the same unit as `quantum`. With bands the rate depends
    on the quantity that the sale's lines under this rule reach together, or (member_month) reach on
    top of what the member has bought this month: `whole` gives all of this sale the rate of the
    highest band reached, `part` gives each part of it the rate of its own band. `points_minor` is
    the rate below the first band.
    """

    id: RuleId
    product: Names
    per: Literal["volume", "amount"]
    points_minor: _Rate
    quantum: _Quantity
    step: _Quantity
    bands: Literal["whole", "part"] | None = None
    counted: Literal["sale", "member_month"] | None = None
    band: Annotated[tuple[Band, ...], Field(max_length=20)] = ()

    @model_validator(mode="after")
    def _bands_are_complete_and_ascend(self) -> Self:
        given = {"bands": bool(self.bands), "counted": bool(self.counted), "band": bool(self.band)}
        if any(given.values()) and not all(given.values()):
            missing = ", ".join(key for key, is_there in given.items() if not is_there)
            template = "bands, counted and band belong together: add {missing}, or remove the others"
            raise PydanticCustomError("MISSING_KEY", template, {"missing": missing})
        starts = [band.from_quantity for band in self.band]
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise PydanticCustomError("BAD_VALUE", "bands must ascend: order them by from, each once")
        return self

    @cached_property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """(where it begins, its rate) of each band, and before them of what lies below the first."""
        return ((0, self.points_minor), *((band.from_quantity, band.points_minor) for band in self.band))

    def level_at(self, quantity: int) -> tuple[int, int]:
        """(where the band begins that `quantity` reaches, its rate)."""
        return next(level for level in reversed(self.levels) if level[0] <= quantity)

    def parts(self, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
        """What lies between two quantities, cut at the bands: (quantity, its rate, where its band begins)."""
        if begin == end:
            band_start, points_minor = self.level_at(begin)
            yield 0, points_minor, band_start
        ends = (*(start for start, _ in self.levels[1:]), end)
        for (start, points_minor), next_start in zip(self.levels, ends, strict=True):
            if (quantity := min(end, next_start) - max(begin, start)) > 0:
                yield quantity, points_minor, start


class Conditions(Value):
    """What is left out is no condition."""

    id: RuleId
    product: Names | None = None
    tier: Names | None = None
    birthday: BirthdayDays | None = None
    window: Window | None = None


class Modifier(Conditions):
    """Multiplies a line's points by `bp` / 10000 where every condition that is written holds.

    Never below ×1: "best of the group" would be ambiguous; a product that earns less has its own
    base rule. `coupon`: only for a member who holds a valid coupon of this kind; it is used up then.
    """

    group: RuleId
    bp: Annotated[int, Field(ge=ONE_BP, le=1_000_000)]
    coupon: Name | None = None


class SaleConditions(Conditions):
    """Of a whole sale: it has a line of a `product`, and only those lines count for `at_least_ml` and
    `at_least_fen`."""

    at_least_ml: _Quantity | None = None
    at_least_fen: _Quantity | None = None

    @model_validator(mode="after")
    def _one_quantity_is_asked_for(self) -> Self:
        if self.at_least_ml is not None and self.at_least_fen is not None:
            raise PydanticCustomError("BAD_VALUE", "at_least_ml and at_least_fen: write one of them")
        return self


class Bonus(SaleConditions):
    """`minor` points once for the whole sale, where every condition that is written holds.

    `period` and `nth`: the sale is one of these fills of the member in the business day or month; a
    sale without fuel is no fill. `coupon`: as in a modifier.
    """

    minor: Annotated[int, Field(ge=1, le=MOST_MINOR)]
    period: Period | None = None
    nth: Annotated[tuple[Positive, ...] | None, Field(min_length=1, max_length=100)] = None
    coupon: Name | None = None

    @model_validator(mode="after")
    def _conditions_are_complete(self) -> Self:
        if (self.period is None) != (self.nth is None):
            missing = "nth" if self.nth is None else "period"
            template = "period and nth belong together: add {missing}, or remove the other"
            raise PydanticCustomError("MISSING_KEY", template, {"missing": missing})
        return self


class Issue(SaleConditions):
    """A coupon of `kind` for a member whose sale with fuel meets every condition that is written.

    It is valid on the day on which it is given and `valid_days` after it, never longer than its serial.
    """

    kind: Name
    valid_days: Days


class Cap(Value):
    """No more than `minor` in one sale, or with what the member has earned in the day or month.

    `cap_overshoot` is HQ's policy for what several stations gave together beyond a member's cap: let
    the member keep it, or adjust. The station only shows it.
    """

    id: RuleId
    scope: Scope
    minor: Natural
    cap_overshoot: Literal["honour", "adjust"] | None = None

    @model_validator(mode="after")
    def _one_sale_cannot_overshoot(self) -> Self:
        if self.scope == "transaction" and self.cap_overshoot is not None:
            template = "cap_overshoot is for caps of a member's day or month: remove it"
            raise PydanticCustomError("BAD_VALUE", template)
        return self

    @property
    def overshoot(self) -> Literal["honour", "adjust"]:
        return self.cap_overshoot or "honour"


class Ruleset(Value):
    """Base rules (first match per line), modifiers whose groups multiply, bonuses, caps in the order written.

    At most 100 modifiers and 100 bonuses: an award names each that applied, and has to fit into a
    message. `expiry`, where written, wins over the bundle's for what this ruleset gives.
    """

    id: RuleId
    base: Annotated[tuple[BaseRule, ...], Field(min_length=1)]
    modifier: Annotated[tuple[Modifier, ...], Field(max_length=100)] = ()
    combine: dict[str, Combine] = Field(default_factory=dict)
    bonus: Annotated[tuple[Bonus, ...], Field(max_length=100)] = ()
    cap: tuple[Cap, ...] = ()
    expiry: Term | None = None

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        seen: set[str] = set()
        for name in self.rule_ids:
            if name in seen:
                template = "rule id {rule} is used twice: an explanation must name one rule, rename one"
                raise PydanticCustomError("DUPLICATE_RULE", template, {"rule": name})
            seen.add(name)
        return self

    @model_validator(mode="after")
    def _groups_are_combined(self) -> Self:
        for modifier in self.modifier:
            if modifier.group not in self.combine:
                template = "group {group} is not in [ruleset.combine]: say best, sum_of_extras or product"
                context = {"rule": modifier.id, "group": modifier.group}
                raise PydanticCustomError("UNKNOWN_GROUP", template, context)
        for group in self.combine.keys() - {modifier.group for modifier in self.modifier}:
            template = "[ruleset.combine] names group {group}, which no modifier has: remove or correct it"
            raise PydanticCustomError("UNKNOWN_GROUP", template, {"group": group})
        return self

    @model_validator(mode="after")
    def _favoured_products_have_a_base(self) -> Self:
        for rule in (*self.modifier, *self.bonus):
            for product in rule.product or ():
                if product not in self.base_of:
                    template = "product {product} meets no base rule and would earn nothing: add it to one"
                    context = {"rule": rule.id, "product": product}
                    raise PydanticCustomError("RULE_HOLE", template, context)
        return self

    @property
    def rule_ids(self) -> tuple[str, ...]:
        """Of base rules, modifiers, bonuses and caps, in this order."""
        rules: tuple[BaseRule | Modifier | Bonus | Cap, ...]
        rules = (*self.base, *self.modifier, *self.bonus, *self.cap)
        return tuple(rule.id for rule in rules)

    @cached_property
    def coupon_of(self) -> dict[str, str]:
        """By the id of a modifier or bonus, the kind of coupon that it asks for."""
        return {rule.id: rule.coupon for rule in self.favours if rule.coupon is not None}

    @property
    def favours(self) -> tuple[Modifier | Bonus, ...]:
        """What is given beyond the base, modifiers first."""
        return (*self.modifier, *self.bonus)

    @cached_property
    def base_of(self) -> dict[str, BaseRule]:
        """The one base rule of each product: the first that names it."""
        return {product: rule for rule in reversed(self.base) for product in rule.product}

    @cached_property
    def groups_of(self) -> dict[str, tuple[tuple[Combine, tuple[Modifier, ...]], ...]]:
        """For each product its modifiers by group; where the best counts, the best first."""
        return {product: tuple(self._groups(product)) for product in self.base_of}

    def _groups(self, product: str) -> Iterator[tuple[Combine, tuple[Modifier, ...]]]:
        groups: dict[str, list[Modifier]] = {}
        for modifier in self.modifier:
            if modifier.product is None or product in modifier.product:
                groups.setdefault(modifier.group, []).append(modifier)
        for group, members in groups.items():
            how = self.combine[group]
            in_order = sorted(members, key=lambda m: -m.bp) if how == "best" else members
            yield how, tuple(in_order)

    @cached_property
    def denominator(self) -> int:
        """One denominator for every value this ruleset can make, so that the evaluator needs only integers.

        Each base value divides it by its quantum, each applied factor by 10000; a group applies one
        factor, or as many as it has modifiers where they multiply each other.
        """
        groups = [modifier.group for modifier in self.modifier]
        factors = sum(groups.count(g) if how == "product" else 1 for g, how in self.combine.items())
        return lcm(*(rule.quantum for rule in self.base)) * int(ONE_BP**factors)
