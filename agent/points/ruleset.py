"""One ruleset of a bundle, as it is written: base rules, modifiers in groups, caps (points.md 4).

A ruleset that contradicts itself cannot be made: the validators refuse it with a stable code
(DUPLICATE_RULE, UNKNOWN_GROUP, RULE_HOLE) and a sentence that says what to change.
"""

from functools import cached_property
from math import lcm
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from agent.points.conditions import BirthdayDays, Window
from agent.points.values import Name, Natural, Value

ONE_BP: Final = 10_000
"""The factor ×1 in basis points."""

RuleId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Names = Annotated[tuple[Name, ...], Field(min_length=1)]
Combine = Literal["best", "sum_of_extras", "product"]
Scope = Literal["transaction", "member_day", "member_month"]
_Quantity = Annotated[int, Field(ge=1, le=1_000_000_000)]


class BaseRule(Value):
    """`points_minor` for every `quantum` of a line's millilitres (per volume) or fen (per amount).

    The quantity is first floored to `step`, in the same unit as `quantum`.
    """

    id: RuleId
    product: Names
    per: Literal["volume", "amount"]
    points_minor: Annotated[int, Field(ge=0, le=1_000_000_000)]
    quantum: _Quantity
    step: _Quantity


class Modifier(Value):
    """Multiplies a line's points by `bp` / 10000 where every condition that is written holds.

    Never below ×1: "best of the group" would be ambiguous; a product that earns less has its own
    base rule.
    """

    id: RuleId
    group: RuleId
    bp: Annotated[int, Field(ge=ONE_BP, le=1_000_000)]
    product: Names | None = None
    tier: Names | None = None
    birthday: BirthdayDays | None = None
    window: Window | None = None


class Cap(Value):
    """No more than `minor` in one sale, or with what the member has earned in the day or month."""

    id: RuleId
    scope: Scope
    minor: Natural


class Ruleset(Value):
    """Base rules (first match per line), modifiers whose groups multiply, caps in the order written.

    At most 100 modifiers: an award names each that applied, and has to fit into a message.
    """

    id: RuleId
    base: Annotated[tuple[BaseRule, ...], Field(min_length=1)]
    modifier: Annotated[tuple[Modifier, ...], Field(max_length=100)] = ()
    combine: dict[str, Combine] = Field(default_factory=dict)
    cap: tuple[Cap, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        seen: set[str] = set()
        for name in (rule.id for rules in (self.base, self.modifier, self.cap) for rule in rules):
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
    def _modified_products_have_a_base(self) -> Self:
        for modifier in self.modifier:
            for product in modifier.product or ():
                if product not in self.base_of:
                    template = "product {product} meets no base rule and would earn nothing: add it to one"
                    context = {"rule": modifier.id, "product": product}
                    raise PydanticCustomError("RULE_HOLE", template, context)
        return self

    @cached_property
    def base_of(self) -> dict[str, BaseRule]:
        """The one base rule of each product: the first that names it."""
        return {product: rule for rule in reversed(self.base) for product in rule.product}

    @cached_property
    def denominator(self) -> int:
        """One denominator for every value this ruleset can make, so that the evaluator needs only integers.

        Each base value divides it by its quantum, each applied factor by 10000; a group applies one
        factor, or as many as it has modifiers where they multiply each other.
        """
        groups = [modifier.group for modifier in self.modifier]
        factors = sum(groups.count(g) if how == "product" else 1 for g, how in self.combine.items())
        return lcm(*(rule.quantum for rule in self.base)) * int(ONE_BP**factors)
