"""`forecourt sale explain` and `compare`: why a sale earned what it did, and why another one earned more.

`explain` needs what is stored with the award and nothing else: no network, and the stored rules only
where a coupon was not used.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json, fail, moment, money
from agent.cli.sale_coupons import coupon_sentences, coupons_of
from agent.cli.sale_trail import Trail, find
from agent.cli.station import DEFAULT_CONFIG, ConfigOption, JsonOption, database_of, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from agent.language import Language
    from agent.points.award import Award
    from agent.points.comparison import Side
    from agent.points.explanation import Translator
    from agent.store.reading import Connection

IdentityArgument = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="A fact's id, REGISTER/SALE, SALE where it is unique, or the code on the customer's slip.",
    ),
]
LanguageOption = Annotated[Literal["en", "zh"], typer.Option(help="Language of explanations.")]


def explain(
    identity: IdentityArgument,
    till: Annotated[bool, typer.Option("--till", help="One sentence to say to the customer.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    language: LanguageOption = "en",
    json_output: JsonOption = False,
) -> None:
    """Why this sale earned what it did, or nothing: plain sentences, from what is stored with it."""
    from zoneinfo import ZoneInfo

    from agent.language import translator
    from agent.messages import ids

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        trail = find(connection, identity, json_output=json_output)
        coupons = coupons_of(connection, trail)
    spoken = said(trail, language)
    told = [spoken] if till else list(_sentences(trail, language, ZoneInfo(settings.station.timezone)))
    if not till:
        told += coupon_sentences(coupons, translator(language))
    if json_output:
        fact = trail.fact
        as_json(
            {
                "ok": True,
                "fact_id": ids.text(fact.fact_id) if fact else None,
                "code": ids.slip_code(fact.fact_id) if fact else None,
                "reason": trail.reason,
                "points_minor": trail.award.minor if trail.award else 0,
                "coupons": [asdict(coupon) for coupon in coupons],
                "sentences": told,
                "spoken": spoken,
            }
        )
        return
    for sentence in told:
        typer.echo(sentence)


def said(trail: Trail, language: "Language") -> str:
    """One sentence that a cashier can say, of points or of why there are none."""
    from agent.language import translator
    from agent.points.spoken import spoken

    if trail.award is not None:
        return spoken(_award(trail), translator(language), trail.points_scale)
    return _why_not(trail, language)


def _sentences(trail: Trail, language: "Language", zone: "tzinfo") -> "Iterator[str]":
    from agent.language import translator
    from agent.points.explanation import points_text, sentences

    texts = translator(language)
    yield _what_was_sold(trail, texts, zone)
    if trail.award is None:
        yield _why_not(trail, language)
        return
    yield from sentences(_award(trail), texts, trail.points_scale)
    for correction in trail.corrections:
        told = (
            texts.gettext("corrected by headquarters: {points} points given too much stay, at its own cost")
            if correction.borne_minor
            else texts.gettext("corrected by headquarters: {points} points")
        )
        minor = correction.borne_minor or correction.minor
        sign = "+" if not correction.borne_minor and minor > 0 else ""
        yield told.format(points=sign + points_text(minor, trail.points_scale))
    for refund in trail.refunds:
        told = texts.gettext("refund {refund}: {points} points taken back")
        points = points_text(refund.minor, trail.points_scale)
        yield told.format(refund=refund.refund_id, points=points)


def _what_was_sold(trail: Trail, texts: "Translator", zone: "tzinfo") -> str:
    """Such as "2026-07-09 10:00:00, point 1: 50.00 L petrol 92, 392.50 yuan"."""
    from agent.points.explanation import litres_text, product_text

    if trail.fact is None:
        assert trail.sale is not None, "a trail has a fact or a sale"
        told = texts.gettext("{time}, point {point}: {amount} yuan paid")
        at, amount = moment(trail.sale.paid_at_ms, zone), money(trail.sale.total_fen)
        return told.format(time=at, point=trail.sale.point or "-", amount=amount)
    fact = trail.fact
    at, amount = moment(fact.event_time_ms, zone), money(fact.amount_fen)
    if fact.kind == "basket":
        return texts.gettext("{time}: shop goods, {amount} yuan").format(time=at, amount=amount)
    told = texts.gettext("{time}, point {point}: {litres} L {product}, {amount} yuan")
    return told.format(
        time=at,
        point=fact.point or "-",
        litres=litres_text(fact.volume_ml),
        product=product_text(fact.product, texts),
        amount=amount,
    )


def _why_not(trail: Trail, language: "Language") -> str:
    from agent.handlers.wording import sentence
    from agent.language import translator

    texts = translator(language)
    match trail.reason:
        case "UNPAID":
            return texts.gettext("Not paid at a register yet: points come with the payment")
        case "GAP":
            return texts.gettext("Litres that passed the meter without a record: they earn no points")
        case reason:
            return sentence(reason, language)


def _award(trail: Trail) -> "Award":
    from agent.points.award import Award

    assert trail.award is not None
    return Award.model_validate_json(trail.award.result)


def _side(connection: "Connection", name: str, trail: Trail, *, json_output: bool) -> "Side":
    """What the sale's award was computed from; the command ends if there is none, or another one."""
    from agent.points.award import award
    from agent.points.comparison import Side
    from agent.points.inputs import AwardInputs
    from agent.store.bundles import Bundles

    kept = trail.award
    if kept is None:
        text = f"{name} has no award to compare: {_why_not(trail, 'en')}"
        fail(Exit.REFUSED, "NO_AWARD", text, json_output=json_output)
    side = Side(AwardInputs.model_validate_json(kept.inputs), Bundles(connection).parsed(kept.version))
    if award(side.inputs, side.bundle).minor != kept.minor:
        text = f"{name} cannot be computed again; `forecourt store verify` says where the books are wrong"
        fail(Exit.STORE, "AWARD_DIFFERS", text, json_output=json_output)
    return side


def compare_sales(
    first: Annotated[str, typer.Argument(metavar="A", help="One sale, by any of its names.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    config: ConfigOption = DEFAULT_CONFIG,
    language: LanguageOption = "en",
    json_output: JsonOption = False,
) -> None:
    """Why B earned other points than A: only what differs and matters, the largest effect first.

    Takes one difference after the other from A to B and computes the award each time, by the rules of
    each sale: so the effects add up to the difference exactly.
    """
    from agent.cli.sale_differences import compared
    from agent.language import translator

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        trails = [find(connection, name, json_output=json_output) for name in (first, second)]
        a, b = (
            _side(connection, name, trail, json_output=json_output)
            for name, trail in zip((first, second), trails, strict=True)
        )
    found = compared(a, b, translator(language), trails[0].points_scale)
    if json_output:
        as_json({"ok": True, **asdict(found)})
        return
    for line in (f"A {first}: {found.a}", f"B {second}: {found.b}", found.difference):
        typer.echo(line)
    for effect in found.effects:
        if effect.minor:
            typer.echo(f"{effect.change}  {effect.told}")
