"""Why two sales earned differently: what differs between them, and how much each difference moves.

Starting from sale A, one aspect at a time is replaced by that of sale B, in a fixed order, and the
award is computed again after each. So the effects add up to the difference of the two awards exactly,
whatever the rules do; where two aspects act together, the one that stands first in `ASPECTS` is
credited with what it does alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from agent.points.award import Award, award
from agent.points.inputs import AwardInputs, Line
from agent.points.rules import Bundle

Aspect = Literal[
    "rules",
    "quantity",
    "product",
    "basket",
    "tier",
    "birthday",
    "time",
    "cohort",
    "coupons",
    "tender",
    "usage",
    "evidence",
    "time_quality",
]
"""rules: the version of the bundle. quantity: litres (a price acts through them) and money of the lines
that both have. product: the grade of those lines. basket: lines that only one sale has. birthday: the
day that may be used. time: day and hour. coupons: the kinds that were held. usage: what was earned
before, so caps and counted fills."""
ASPECTS: Final[tuple[Aspect, ...]] = get_args(Aspect)


@dataclass(frozen=True, slots=True)
class Side:
    """One of two sales: what its award was computed from."""

    inputs: AwardInputs
    bundle: Bundle


@dataclass(frozen=True, slots=True)
class Effect:
    """By how many minor units B's value of this aspect moves the award; 0 where it differs in vain."""

    aspect: Aspect
    minor: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both awards, and every aspect that differs, the largest effect first.

    The effects sum to `difference_minor`. Equal effects stand in the order of `ASPECTS`.
    """

    a: Award
    b: Award
    effects: tuple[Effect, ...]

    @property
    def difference_minor(self) -> int:
        """What B earned more than A."""
        return self.b.minor - self.a.minor


def compare(a: Side, b: Side) -> Comparison:
    """What makes B's award another than A's; no effects where nothing differs.

    That the same lines stand in another order is no difference, unless the rules make it one.
    """
    first = reached = award(a.inputs, a.bundle)
    effects: list[Effect] = []
    for aspect, side in _steps(a, b):
        before, reached = reached.minor, award(side.inputs, side.bundle)
        minor = reached.minor - before
        if minor or not (aspect == "basket" and len(a.inputs.lines) == len(b.inputs.lines)):
            effects.append(Effect(aspect, minor))
    effects.sort(key=lambda effect: -abs(effect.minor))
    return Comparison(first, reached, tuple(effects))


def _steps(a: Side, b: Side) -> Iterator[tuple[Aspect, Side]]:
    """From A to B: each aspect that differs, and the sale once it is B's. The last one is B."""
    side = a
    if _identity(a.bundle) != _identity(b.bundle):
        side = Side(a.inputs, b.bundle)
        yield "rules", side
    for aspect, replaced in _REPLACEMENTS.items():
        inputs = replaced(side.inputs, a.inputs, b.inputs)
        if inputs != side.inputs:
            side = Side(inputs, b.bundle)
            yield aspect, side
    assert side.inputs == b.inputs


def _identity(bundle: Bundle) -> tuple[str, int, str]:
    return bundle.bundle, bundle.version, bundle.sha256


Pair = tuple[Line, Line]
Replacement = Callable[[AwardInputs, AwardInputs, AwardInputs], AwardInputs]
"""The inputs reached so far, A's and B's, to the inputs with one more aspect as B has it."""


def _paired(a: Sequence[Line], b: Sequence[Line]) -> tuple[list[Pair], list[Line]]:
    """Equal lines belong together, then lines of one product, then the rest in order; and A's left over."""
    alone = list(a)
    twin_of: dict[int, Line] = {}
    for alike in (Line.__eq__, lambda one, other: one.product == other.product, lambda one, other: True):
        for number, line in enumerate(b):
            twin = next((other for other in alone if alike(line, other)), None)
            if number not in twin_of and twin is not None:
                alone.remove(twin)
                twin_of[number] = twin
    return [(twin_of[number], line) for number, line in enumerate(b) if number in twin_of], alone


def _with_quantities(reached: AwardInputs, a: AwardInputs, b: AwardInputs) -> AwardInputs:
    pairs, alone = _paired(a.lines, b.lines)
    if all(_quantity(of_a) == _quantity(of_b) for of_a, of_b in pairs):
        return reached
    lines = [of_b.model_copy(update={"product": of_a.product}) for of_a, of_b in pairs]
    return _with(reached, lines=(*lines, *alone))


def _quantity(line: Line) -> tuple[int, int]:
    return line.volume_ml, line.amount_fen


def _with_products(reached: AwardInputs, a: AwardInputs, b: AwardInputs) -> AwardInputs:
    pairs, alone = _paired(a.lines, b.lines)
    if all(of_a.product == of_b.product for of_a, of_b in pairs):
        return reached
    return _with(reached, lines=(*(of_b for _, of_b in pairs), *alone))


def _whole(*names: str) -> Replacement:
    def replaced(reached: AwardInputs, a: AwardInputs, b: AwardInputs) -> AwardInputs:
        return _with(reached, **{name: getattr(b, name) for name in names})

    return replaced


def _with(inputs: AwardInputs, **changes: Any) -> AwardInputs:
    return inputs.model_copy(update=changes)


_REPLACEMENTS: Final[dict[Aspect, Replacement]] = {
    "quantity": _with_quantities,
    "product": _with_products,
    "basket": _whole("lines"),
    "tier": _whole("tier"),
    "birthday": _whole("birthday"),
    "time": _whole("local"),
    "cohort": _whole("cohort"),
    "coupons": _whole("coupons"),
    "tender": _whole("tender"),
    "usage": _whole("usage"),
    "evidence": _whole("evidence"),
    "time_quality": _whole("time_quality"),
}
