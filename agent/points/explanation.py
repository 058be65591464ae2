"""An award's explanation as sentences, from its stored lines alone, in the language of a translator.

Before rounding, points are shown with all their decimals, so that a customer can follow the sum;
afterwards whole points are shown whole. Texts are English; whoever calls brings the translation.
"""

import re
from collections.abc import Iterator
from typing import Final, Protocol

from agent.points.award import Award, ExplanationLine
from agent.points.ruleset import ONE_BP


class Translator(Protocol):
    """What `gettext.NullTranslations` has: gives a text in its language, with the right number."""

    def gettext(self, message: str, /) -> str: ...

    def ngettext(self, singular: str, plural: str, n: int, /) -> str: ...

    def pgettext(self, context: str, message: str, /) -> str: ...


def word(context: str, text: str) -> str:
    """Marks a word in a table for `make texts`, to be translated by `pgettext` when it is said."""
    return text


_TIERS: Final = (
    word("tier", "basic"),
    word("tier", "silver"),
    word("tier", "gold"),
    word("tier", "platinum"),
    word("tier", "diamond"),
)
_WEEKDAYS: Final = (
    word("weekday", "Monday"),
    word("weekday", "Tuesday"),
    word("weekday", "Wednesday"),
    word("weekday", "Thursday"),
    word("weekday", "Friday"),
    word("weekday", "Saturday"),
    word("weekday", "Sunday"),
)
_GOODS: Final = (word("product", "shop goods"), word("product", "top-up"))
_CALLED: Final = {"shop": _GOODS[0], "topup": _GOODS[1]}
_FUEL: Final = re.compile(r"(petrol|diesel)-(-?\d+)")
_WEEKLY: Final = re.compile(rf"({'|'.join(_WEEKDAYS)})(-(petrol|diesel|fuel|shop))?", re.IGNORECASE)


def sentences(award: Award, texts: Translator, points_scale: int) -> list[str]:
    """One sentence per line of the explanation, the total, and how long the points are valid.

    `points_scale`: minor units per point.
    """
    told = [sentence(line, texts, points_scale, product) for line, product in with_products(award)]
    total = texts.ngettext("total: {total} point", "total: {total} points", number(award.minor, points_scale))
    term = _term(award, texts)
    return [*told, total.format(total=points_text(award.minor, points_scale)), *([term] if term else [])]


def with_products(award: Award) -> Iterator[tuple[ExplanationLine, str]]:
    """Each line with the product that it is about: a factor belongs to the base line before it."""
    product = ""
    for line in award.explanation:
        product = line.product or (product if line.kind == "factor" else "")
        yield line, product


def sentence(line: ExplanationLine, texts: Translator, points_scale: int, product: str) -> str:
    """Such as "50.00 L petrol 95 at 2.00 points per litre = 100.00"."""
    match line.kind:
        case "base":
            return _base(line, texts, points_scale)
        case "factor":
            return _factor(line, texts, points_scale, product)
        case "bonus":
            return _bonus(line, texts, points_scale)
        case "rounding":
            return _rounding(line, texts, points_scale)
        case "cap":
            return _cap(line, texts, points_scale)
        case "grandfather":
            told = texts.gettext("rules {rule} are the better ones for you, the others give {other}")
            return told.format(rule=line.rule, other=points_text(line.other_minor, points_scale))
        case "refused":
            return _refused(line, texts)


def _base(line: ExplanationLine, texts: Translator, points_scale: int) -> str:
    if line.per_ml:
        told = texts.gettext("{quantity} L {product} at {each} points per {per}{band} = {total}")
        quantity = litres_text(line.volume_ml)
        litres = texts.pgettext("per", "{number} L").format(number=litres_text(line.per_ml))
        per = texts.pgettext("per", "litre") if line.per_ml == 1000 else litres
    else:
        told = texts.gettext("{quantity} yuan {product} at {each} points per {per}{band} = {total}")
        quantity = decimal_text(line.amount_fen, 100)
        yuan = texts.pgettext("per", "{number} yuan").format(number=decimal_text(line.per_fen, 100))
        per = texts.pgettext("per", "yuan") if line.per_fen == 100 else yuan
    return told.format(
        quantity=quantity,
        product=product_text(line.product, texts),
        each=decimal_text(line.points_minor, points_scale),
        per=per,
        band=_band(line, texts),
        total=decimal_text(line.minor, points_scale),
    )


def _band(line: ExplanationLine, texts: Translator) -> str:
    """From where the rate holds, and how much of a month's quantity came before."""
    if not (line.from_ml or line.from_fen):
        return ""
    if line.from_ml:
        monthly = texts.gettext(" (the rate from {edge} L a month, {before} L came before)")
        told = monthly if line.month_ml else texts.gettext(" (the rate from {edge} L)")
        return told.format(edge=litres_text(line.from_ml), before=litres_text(line.month_ml))
    monthly = texts.gettext(" (the rate from {edge} yuan a month, {before} yuan came before)")
    told = monthly if line.month_fen else texts.gettext(" (the rate from {edge} yuan)")
    return told.format(edge=decimal_text(line.from_fen, 100), before=decimal_text(line.month_fen, 100))


def _factor(line: ExplanationLine, texts: Translator, points_scale: int, product: str) -> str:
    occasion = occasion_text(line.rule, product, texts)
    if occasion:
        told = texts.gettext("x{factor} {occasion} ({rule}): {change}")
    else:
        told = texts.gettext("x{factor} by rule {rule}: {change}")
    return told.format(
        factor=factor_text(line.bp),
        occasion=occasion,
        rule=line.rule,
        change=f"{'+' if line.minor >= 0 else ''}{decimal_text(line.minor, points_scale)}",
    )


def _bonus(line: ExplanationLine, texts: Translator, points_scale: int) -> str:
    conditions = []
    if line.fill_no:
        daily = line.scope == "member_day"
        nth = texts.gettext("fill {nth} of the day") if daily else texts.gettext("fill {nth} of the month")
        conditions.append(nth.format(nth=line.fill_no))
    if line.at_least_ml:
        conditions.append(
            texts.gettext("at least {quantity} L").format(quantity=litres_text(line.at_least_ml))
        )
    if line.at_least_fen:
        least = decimal_text(line.at_least_fen, 100)
        conditions.append(texts.gettext("at least {quantity} yuan").format(quantity=least))
    if conditions:
        told = texts.gettext("bonus {rule} ({conditions}): {change}")
    else:
        told = texts.gettext("bonus {rule}: {change}")
    return told.format(
        rule=line.rule,
        conditions=texts.pgettext("between things", ", ").join(conditions),
        change=f"+{points_text(line.minor, points_scale)}",
    )


def _rounding(line: ExplanationLine, texts: Translator, points_scale: int) -> str:
    match line.mode:
        case "floor":
            told = texts.gettext("rounded down to a multiple of {unit}: {change}")
        case "half_up":
            told = texts.gettext("rounded half up to a multiple of {unit}: {change}")
        case _:
            told = texts.gettext("rounded half to even to a multiple of {unit}: {change}")
    unit, change = points_text(line.to_minor, points_scale), points_text(line.minor, points_scale)
    return told.format(unit=unit, change=change)


def _cap(line: ExplanationLine, texts: Translator, points_scale: int) -> str:
    match line.scope:
        case "transaction":
            told = texts.gettext("cap {rule}: {change} (one sale gives at most {limit})")
        case "member_day":
            told = texts.gettext("cap {rule}: {change} ({used} of {limit} earned today)")
        case _:
            told = texts.gettext("cap {rule}: {change} ({used} of {limit} earned this month)")
    return told.format(
        rule=line.rule,
        change=points_text(line.minor, points_scale),
        used=points_text(line.used_minor, points_scale),
        limit=points_text(line.limit_minor, points_scale),
    )


def _refused(line: ExplanationLine, texts: Translator) -> str:
    match line.rule:
        case "NO_METERING_EVIDENCE":
            return texts.gettext("no points: no meter reading confirms this fuelling")
        case "TENDER_EXCLUDED":
            return texts.gettext("no points for this way of paying")
        case "BEYOND_RANGE":
            return texts.gettext("no points: the quantities are beyond any real sale")
        case "TIME_ESTIMATED":
            return texts.gettext("base points only: the time of this fuelling is an estimate")
        case _:
            assert line.rule == "NO_RULE", line.rule
            return texts.gettext("no points for {product}").format(product=product_text(line.product, texts))


def _term(award: Award, texts: Translator) -> str:
    """How long the points are valid, and by which rules where a protected cohort has two of them.

    The other rules' term is known only where it is not theirs that was taken.
    """
    if not award.minor or not (award.lapses_on or award.lapses_by):
        return ""
    other = award.alternatives[0].lapses_on if award.lapses_by == award.ruleset else award.lapses_on
    if not award.lapses_on:
        told = texts.gettext("valid without end by rules {rule}; by the others until {other}")
        if not other:
            return ""
    elif not award.lapses_by or (other == award.lapses_on and award.lapses_by == award.ruleset):
        told = texts.gettext("valid until {day}")
    elif award.lapses_by == award.ruleset:
        told = texts.gettext("valid until {day} by rules {rule}, which last longer; the others until {other}")
    else:
        told = texts.gettext("valid until {day} by rules {rule}")
    return told.format(day=award.lapses_on, rule=award.lapses_by, other=other)


def product_text(product: str, texts: Translator) -> str:
    """A product as people call it: "petrol-95" is petrol 95; a word that is not known stays as it is."""
    if fuel := _FUEL.fullmatch(product):
        petrol = fuel[1] == "petrol"
        told = texts.gettext("petrol {grade}") if petrol else texts.gettext("diesel {grade}")
        return told.format(grade=fuel[2])
    return texts.pgettext("product", _CALLED[product]) if product in _CALLED else product


def occasion_text(rule: str, product: str, texts: Translator) -> str:
    """What a factor is for, where its rule's id says so in known words; else "".

    Known are `tier-` with a tier, `grade-` with the end of the product's name, `birthday`, and a
    weekday, alone or with petrol, diesel, fuel or shop: "thursday-petrol".
    """
    kind, _, which = rule.partition("-")
    if kind == "tier" and which in _TIERS:
        return texts.gettext("as a {tier} member").format(tier=texts.pgettext("tier", which))
    if kind == "grade" and which and product.endswith(f"-{which}"):
        return texts.gettext("for {product}").format(product=product_text(product, texts))
    if rule == "birthday":
        return texts.gettext("for your birthday")
    if weekly := _WEEKLY.fullmatch(rule):
        day = texts.pgettext("weekday", weekly[1].capitalize())
        return texts.gettext("because it is {weekday}").format(weekday=day)
    return ""


def points_text(minor: int, points_scale: int) -> str:
    """Points as people read them: of scale 100, 14400 is "144", 9998 is "99.98" and -33200 is "-332"."""
    return decimal_text(minor, points_scale) if minor % points_scale else str(minor // points_scale)


def number(minor: int, points_scale: int) -> int:
    """What decides between singular and plural: 1 for exactly one point, else 2."""
    return 1 if minor == points_scale else 2


def decimal_text(number: int, scale: int) -> str:
    """`number` / `scale` (a power of ten) with all its decimals: 9998 of scale 100 is "99.98"."""
    whole, rest = divmod(abs(number), scale)
    decimals = f".{rest:0{len(str(scale)) - 1}d}" if scale > 1 else ""
    return f"{'-' if number < 0 else ''}{whole}{decimals}"


def litres_text(volume_ml: int) -> str:
    """As a dispenser shows it: two decimals, three only where the millilitre counts."""
    return decimal_text(volume_ml, 1000) if volume_ml % 10 else decimal_text(volume_ml // 10, 100)


def factor_text(bp: int) -> str:
    return decimal_text(bp, ONE_BP).rstrip("0").rstrip(".")
