"""What differs between two sales, in words a cashier can say: "same amount, other points"."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from agent.language import message
from agent.points.comparison import Aspect, Comparison, Effect, Side, compare
from agent.points.explanation import Translator, decimal_text, litres_text, points_text, product_text
from agent.points.inputs import AwardInputs, Line, Usage
from agent.points.units import round_ratio

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Told:
    """One difference: by how many points it moves the award ("+12", "0"), and what it is."""

    aspect: Aspect
    minor: int
    change: str
    told: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Both awards in words, their difference, and what it is made of, the largest effect first."""

    a_minor: int
    b_minor: int
    difference_minor: int
    a: str
    b: str
    difference: str
    effects: tuple[Told, ...]


def compared(a: Side, b: Side, texts: Translator, points_scale: int) -> Compared:
    """The effects sum to the difference exactly."""
    found = compare(a, b)

    def signed(minor: int) -> str:
        return f"{'+' if minor > 0 else ''}{points_text(minor, points_scale)}"

    def told(effect: Effect) -> Told:
        words = _told(effect.aspect, a, b, texts, points_scale)
        return Told(effect.aspect, effect.minor, signed(effect.minor), words)

    points = texts.gettext("{points} points")
    return Compared(
        a_minor=found.a.minor,
        b_minor=found.b.minor,
        difference_minor=found.difference_minor,
        a=points.format(points=points_text(found.a.minor, points_scale)),
        b=points.format(points=points_text(found.b.minor, points_scale)),
        difference=_difference(found, texts, signed(found.difference_minor)),
        effects=tuple(map(told, found.effects)),
    )


def _difference(found: Comparison, texts: Translator, signed: str) -> str:
    if not found.effects:
        return texts.gettext("nothing differs")
    if not any(effect.minor for effect in found.effects):
        return texts.gettext("what differs does not change the points")
    return texts.gettext("B against A: {points} points, made of").format(points=signed)


def _told(aspect: Aspect, a: Side, b: Side, texts: Translator, points_scale: int) -> str:
    """Both values, A's first."""
    if aspect == "rules":
        told = texts.gettext("other rules: version {a}, then version {b}")
        return told.format(a=a.bundle.version, b=b.bundle.version)
    if aspect == "quantity":
        return _quantity(a.inputs.lines, b.inputs.lines, texts)
    if aspect == "usage":
        told = texts.gettext("earned and bought before: {a}; then {b}")
        return told.format(
            a=_usage(a.inputs.usage, texts, points_scale), b=_usage(b.inputs.usage, texts, points_scale)
        )
    told, value = _PLAIN[aspect]
    return texts.gettext(told).format(a=value(a.inputs, texts), b=value(b.inputs, texts))


def _quantity(a: Sequence[Line], b: Sequence[Line], texts: Translator) -> str:
    """The same money buys other litres where the price differs: the question customers ask (S-072)."""
    (a_ml, a_fen), (b_ml, b_fen) = _sums(a), _sums(b)
    if a_fen == b_fen and a_ml and b_ml and a_ml != b_ml:
        told = texts.gettext(
            "the same amount at another price: {a_price} yuan a litre is {a} L, {b_price} yuan is {b} L"
        )
        return told.format(
            a=litres_text(a_ml), b=litres_text(b_ml), a_price=_price(a_ml, a_fen), b_price=_price(b_ml, b_fen)
        )
    told = texts.gettext("other quantities: {a} L and {a_yuan} yuan, then {b} L and {b_yuan} yuan")
    return told.format(
        a=litres_text(a_ml),
        b=litres_text(b_ml),
        a_yuan=decimal_text(_paid(a), 100),
        b_yuan=decimal_text(_paid(b), 100),
    )


def _sums(lines: Sequence[Line]) -> tuple[int, int]:
    """Millilitres and fen of the fuel."""
    fuel = [line for line in lines if line.volume_ml]
    return sum(line.volume_ml for line in fuel), sum(line.amount_fen for line in fuel)


def _paid(lines: Sequence[Line]) -> int:
    return sum(line.amount_fen for line in lines)


def _price(volume_ml: int, amount_fen: int) -> str:
    """Of a litre, to the fen: what was really paid for it."""
    return decimal_text(round_ratio(amount_fen * 1000, volume_ml, "half_up"), 100)


def _usage(usage: Usage, texts: Translator, points_scale: int) -> str:
    told = texts.gettext(
        "{today} points today and {month} this month, {fills} fills and {litres} L this month"
    )
    return told.format(
        today=points_text(usage.day_minor, points_scale),
        month=points_text(usage.month_minor, points_scale),
        fills=usage.month_fills,
        litres=litres_text(usage.month_ml),
    )


def _products(inputs: AwardInputs, texts: Translator) -> str:
    return texts.pgettext("between things", ", ").join(
        product_text(line.product, texts) for line in inputs.lines
    )


def _tier(inputs: AwardInputs, texts: Translator) -> str:
    return texts.pgettext("tier", inputs.tier)


def _birthday(inputs: AwardInputs, texts: Translator) -> str:
    if inputs.birthday is None:
        return texts.gettext("not known")
    month, day = inputs.birthday
    return f"{month:02d}-{day:02d}"


def _time(inputs: AwardInputs, texts: Translator) -> str:
    local = inputs.local
    weekday = texts.pgettext("weekday", _WEEKDAYS[local.weekday - 1])
    return f"{weekday} {local.business_date} {local.minute_of_day // 60:02d}:{local.minute_of_day % 60:02d}"


def _cohort(inputs: AwardInputs, texts: Translator) -> str:
    return inputs.cohort or texts.gettext("none")


def _coupons(inputs: AwardInputs, texts: Translator) -> str:
    return texts.pgettext("between things", ", ").join(inputs.coupons) or texts.gettext("none")


_PLAIN: Final[dict[Aspect, tuple[str, Callable[[AwardInputs, Translator], str]]]] = {
    "product": (message("another grade: {a}, then {b}"), _products),
    "basket": (message("other goods: {a}, then {b}"), _products),
    "tier": (message("another tier: {a}, then {b}"), _tier),
    "birthday": (message("another birthday: {a}, then {b}"), _birthday),
    "time": (message("another day or hour: {a}, then {b}"), _time),
    "cohort": (message("another protected group: {a}, then {b}"), _cohort),
    "coupons": (message("other coupons: {a}, then {b}"), _coupons),
    "tender": (message("another way of paying: {a}, then {b}"), lambda inputs, _: inputs.tender),
    "evidence": (message("another proof of the meter: {a}, then {b}"), lambda inputs, _: inputs.evidence),
    "time_quality": (
        message("the time is known otherwise: {a}, then {b}"),
        lambda inputs, _: inputs.time_quality,
    ),
}
