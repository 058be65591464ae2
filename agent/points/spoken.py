"""An award in one sentence that a cashier can say, from its stored lines alone.

"You get 144 points: 100 for 50 litres, times 1.2 for petrol 95, times 1.2 as a gold member."
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.points.award import Award, ExplanationLine
from agent.points.explanation import (
    Translator,
    decimal_text,
    factor_text,
    number,
    occasion_text,
    points_text,
    product_text,
)
from agent.points.ruleset import ONE_BP


def spoken(award: Award, texts: Translator, points_scale: int) -> str:
    """The points and how they came about; for no points, kindly why. `points_scale`: minor units a point."""
    if not award.minor:
        why = _why_nothing(award, texts, points_scale)
        return texts.gettext("I am sorry, no points this time: {why}.").format(why=why)
    portions = _portions(award)
    points, count = points_text(award.minor, points_scale), number(award.minor, points_scale)
    if len(portions) == 1 and all(line.kind == "base" for line in award.explanation):
        told = texts.ngettext(
            "You get {points} point for {goods}.", "You get {points} points for {goods}.", count
        )
        return told.format(points=points, goods=_goods(portions[0], texts, named=False))
    told = texts.ngettext("You get {points} point: {story}.", "You get {points} points: {story}.", count)
    clauses = _clauses(award, portions, texts, points_scale)
    return told.format(points=points, story=texts.pgettext("between clauses", "; ").join(clauses))


@dataclass(slots=True)
class _Portion:
    """One kind of goods in the sale: its base points, of all bands together, and what multiplied them."""

    rule: str
    product: str
    by_volume: bool
    volume_ml: int = 0
    amount_fen: int = 0
    minor: int = 0
    factors: list[ExplanationLine] = field(default_factory=list)

    def names_product(self, texts: Translator) -> bool:
        """True if a factor is spoken as one for this product."""
        product = product_text(self.product, texts)
        return any(product in occasion_text(line.rule, self.product, texts) for line in self.factors)


def _portions(award: Award) -> list[_Portion]:
    portions: list[_Portion] = []
    for line in award.explanation:
        if line.kind == "base":
            last = portions[-1] if portions else None
            if last is None or last.factors or (last.rule, last.product) != (line.rule, line.product):
                last = _Portion(line.rule, line.product, by_volume=line.per_ml > 0)
                portions.append(last)
            last.volume_ml += line.volume_ml
            last.amount_fen += line.amount_fen
            last.minor += line.minor
        elif line.kind == "factor":
            portions[-1].factors.append(line)
    return portions


def _clauses(award: Award, portions: list[_Portion], texts: Translator, points_scale: int) -> list[str]:
    """What a semicolon stands between. What follows the only portion's sum is said in the same breath."""
    comma = texts.pgettext("between things", ", ")
    several = len(portions) > 1
    clauses = [comma.join(_pieces(portion, texts, points_scale, several=several)) for portion in portions]
    extras = [piece for line in award.explanation if (piece := _extra(line, texts, points_scale))]
    if several:
        clauses += extras
    else:
        clauses = [comma.join([*clauses, *extras])]
    return clauses + [
        aside for line in award.explanation if (aside := _aside(award, line, texts, points_scale))
    ]


def _pieces(portion: _Portion, texts: Translator, points_scale: int, *, several: bool) -> Iterator[str]:
    goods = _goods(portion, texts, named=several and not portion.names_product(texts))
    told = texts.gettext("{points} for {goods}")
    yield told.format(points=points_text(portion.minor, points_scale), goods=goods)
    value = portion.minor
    for line in portion.factors:
        yield _factor(line, value, portion.product, texts, points_scale)
        value += line.minor


def _goods(portion: _Portion, texts: Translator, *, named: bool) -> str:
    if portion.by_volume:
        quantity, one = _trimmed(portion.volume_ml, 1000), 1 if portion.volume_ml == 1000 else 2
        plain = texts.ngettext("{quantity} litre", "{quantity} litres", one)
        of = texts.ngettext("{quantity} litre of {product}", "{quantity} litres of {product}", one)
    else:
        quantity = _trimmed(portion.amount_fen, 100)
        plain = of = texts.gettext("{quantity} yuan of {product}")
    return (of if named else plain).format(quantity=quantity, product=product_text(portion.product, texts))


def _factor(line: ExplanationLine, value: int, product: str, texts: Translator, points_scale: int) -> str:
    """ "times 1.2 …" where that is what it did to `value`, else what it added: extras of a group add up.

    Both minor amounts are floored, which may move them by one and by one times the factor.
    """
    occasion = occasion_text(line.rule, product, texts)
    if not occasion:
        occasion = texts.gettext('by rule "{rule}"').format(rule=line.rule)
    if abs(line.minor * ONE_BP - value * (line.bp - ONE_BP)) <= ONE_BP + line.bp:
        told = texts.gettext("times {factor} {occasion}")
        return told.format(factor=factor_text(line.bp), occasion=occasion)
    told = texts.gettext("{points} more {occasion}")
    return told.format(points=points_text(line.minor, points_scale), occasion=occasion)


def _extra(line: ExplanationLine, texts: Translator, points_scale: int) -> str:
    """Bonuses and the rounding: they go on with the sum."""
    if line.kind == "bonus":
        told = texts.gettext("{points} more {occasion}")
        return told.format(points=points_text(line.minor, points_scale), occasion=_bonus(line, texts))
    if line.kind == "rounding":
        return texts.gettext("rounded down") if line.mode == "floor" else texts.gettext("rounded")
    return ""


def _bonus(line: ExplanationLine, texts: Translator) -> str:
    daily = line.scope == "member_day"
    if line.fill_no == 1:
        return (
            texts.gettext("for your first fill today")
            if daily
            else texts.gettext("for your first fill this month")
        )
    if line.fill_no:
        told = (
            texts.gettext("for fill number {nth} today")
            if daily
            else texts.gettext("for fill number {nth} this month")
        )
        return told.format(nth=line.fill_no)
    if line.at_least_ml:
        return texts.gettext("for {quantity} litres or more").format(
            quantity=_trimmed(line.at_least_ml, 1000)
        )
    if line.at_least_fen:
        return texts.gettext("for {quantity} yuan or more").format(quantity=_trimmed(line.at_least_fen, 100))
    return occasion_text(line.rule, "", texts) or texts.gettext('by rule "{rule}"').format(rule=line.rule)


def _aside(award: Award, line: ExplanationLine, texts: Translator, points_scale: int) -> str:
    """What limits the sum, or was left out of it."""
    match line.kind:
        case "cap":
            return _cap(line, texts, points_scale)
        case "grandfather" if line.other_minor < award.minor:
            told = texts.gettext("rules {rule} are the better ones for you, the others give only {other}")
            return told.format(rule=line.rule, other=points_text(line.other_minor, points_scale))
        case "refused" if line.rule == "NO_RULE":
            return texts.gettext("nothing for {product}").format(product=product_text(line.product, texts))
        case "refused":
            return texts.gettext("base points only, because the time of the fill is not certain")
    return ""


def _cap(line: ExplanationLine, texts: Translator, points_scale: int) -> str:
    match line.scope:
        case "transaction":
            told = texts.gettext("one sale gives at most {limit}")
        case "member_day" if line.used_minor:
            told = texts.gettext("a day gives at most {limit}, and you had {used} already")
        case "member_day":
            told = texts.gettext("a day gives at most {limit}")
        case _ if line.used_minor:
            told = texts.gettext("a month gives at most {limit}, and you had {used} already")
        case _:
            told = texts.gettext("a month gives at most {limit}")
    limit, used = points_text(line.limit_minor, points_scale), points_text(line.used_minor, points_scale)
    return told.format(limit=limit, used=used)


def _why_nothing(award: Award, texts: Translator, points_scale: int) -> str:
    match award.reason:
        case "TENDER_EXCLUDED":
            return texts.gettext("this way of paying does not earn any")
        case "NO_METERING_EVIDENCE":
            return texts.gettext(
                "the pump's meter did not confirm this fill, please ask customer service to check"
            )
        case "BEYOND_RANGE":
            return texts.gettext("the figures of this sale look wrong, please ask customer service to check")
        case "NO_RULE":
            return texts.gettext("what you bought does not earn any")
    periods = [line for line in award.explanation if line.scope in ("member_day", "member_month")]
    full = [line for line in periods if line.kind == "cap" and line.used_minor >= line.limit_minor]
    if not full:
        return texts.gettext("the purchase was just too small")
    if full[-1].scope == "member_day":
        told = texts.gettext(
            "you have already earned the {limit} that one day gives, tomorrow you can earn again"
        )
    else:
        told = texts.gettext(
            "you have already earned the {limit} that one month gives, next month you can earn again"
        )
    return told.format(limit=points_text(full[-1].limit_minor, points_scale))


def _trimmed(number: int, scale: int) -> str:
    """50.00 is said as 50."""
    return decimal_text(number, scale).rstrip("0").rstrip(".")
