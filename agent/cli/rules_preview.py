"""`forecourt rules preview`: what a fuelling would earn, and why."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json, fail
from agent.cli.rule_source import in_force, named_source
from agent.cli.station import DEFAULT_CONFIG, ConfigOption, JsonOption
from agent.cli.typed_numbers import civil, month_day, scaled

if TYPE_CHECKING:
    from agent.points.inputs import AwardInputs, Usage
    from agent.points.rules import Bundle


def preview(
    litres: Annotated[str, typer.Option(metavar="50.00", help="Fuel.")],
    grade: Annotated[str, typer.Option(help="The product, as the rules name it.")] = "petrol-92",
    tier: Annotated[str, typer.Option(help="The member's tier; without it the lowest.")] = "",
    price: Annotated[str, typer.Option(metavar="7.85", help="Price of a litre.")] = "0",
    at: Annotated[
        str, typer.Option(help="When it ends, ISO 8601; civil time of the rules' zone. Now without it.")
    ] = "",
    cohort: Annotated[str, typer.Option(help="The member's cohort.")] = "",
    birthday: Annotated[str, typer.Option(metavar="MM-DD", help="The member's birthday.")] = "",
    tender: Annotated[str, typer.Option(help="The way of paying.")] = "cash",
    used_today: Annotated[str, typer.Option(metavar="400", help="Points earned before, today.")] = "0",
    used_month: Annotated[
        str, typer.Option(metavar="400", help="Points earned before, this month; today's without it.")
    ] = "",
    fills: Annotated[int, typer.Option(min=0, help="Fuellings before, this month.")] = 0,
    fills_today: Annotated[int, typer.Option(min=0, help="Fuellings before, today.")] = 0,
    month_litres: Annotated[str, typer.Option(metavar="120", help="Fuel bought before, this month.")] = "0",
    coupon: Annotated[
        list[str] | None, typer.Option(help="A kind of coupon that the member holds; repeat.")
    ] = None,
    month_amount: Annotated[str, typer.Option(metavar="800", help="Money paid before, this month.")] = "0",
    rules: Annotated[str, typer.Option(help="A bundle in TOML, or a version's number.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    language: Annotated[Literal["en", "zh"], typer.Option(help="Language of the explanation.")] = "en",
    json_output: JsonOption = False,
) -> None:
    """What a fuelling would earn by the rules in force here (else by the shipped sample), and why."""
    from zoneinfo import ZoneInfo

    from agent.clock import SystemClock
    from agent.language import translator
    from agent.points.award import award
    from agent.points.explanation import points_text, sentences
    from agent.points.inputs import Usage

    now_ms = SystemClock().wall_ms()
    if rules:
        source = named_source(rules, config, json_output=json_output)
    else:
        source = in_force(config, now_ms, json_output=json_output)
    bundle = source.bundle
    scale = bundle.points_scale
    if tier and tier not in bundle.tiers.order:
        fail(Exit.USAGE, "UNKNOWN_TIER", f"known: {', '.join(bundle.tiers.order)}", json_output=json_output)
    decimals = len(str(scale)) - 1
    day_minor = scaled(used_today, decimals, json_output=json_output)
    month_minor = scaled(used_month, decimals, json_output=json_output) if used_month else day_minor
    inputs = _inputs(
        bundle,
        (scaled(litres, 3, json_output=json_output), grade, scaled(price, 3, json_output=json_output)),
        (tier or bundle.tiers.order[0], cohort, month_day(birthday, json_output=json_output)),
        tender,
        civil(at, ZoneInfo(bundle.timezone), now_ms, json_output=json_output),
        Usage(
            day_minor=day_minor,
            month_minor=max(day_minor, month_minor),
            day_fills=fills_today,
            month_fills=max(fills, fills_today),
            month_ml=scaled(month_litres, 3, json_output=json_output),
            month_fen=scaled(month_amount, 2, json_output=json_output),
        ),
        tuple(dict.fromkeys(coupon or ())),
    )
    earned = award(inputs, bundle)
    told = sentences(earned, translator(language), scale)
    if json_output:
        as_json(
            {"ok": True, **source.named, "points_minor": earned.minor, "points_scale": scale}
            | {"reason": earned.reason, "ruleset": earned.ruleset, "lapses_on": earned.lapses_on}
            | {"explanation": told, "inputs": inputs.model_dump(mode="json")}
        )
        return
    typer.echo(source.headline)
    typer.echo(f"{points_text(earned.minor, scale)} points")
    for sentence in told:
        typer.echo(f"- {sentence}")


def _inputs(
    bundle: "Bundle",
    fuel: tuple[int, str, int],
    member: tuple[str, str, tuple[int, int] | None],
    tender: str,
    at: datetime,
    usage: "Usage",
    coupons: tuple[str, ...],
) -> "AwardInputs":
    from agent.points.inputs import AwardInputs, Line, Local
    from agent.points.units import expected_amount_fen

    volume_ml, grade, price_milli = fuel
    tier, cohort, birthday = member
    return AwardInputs(
        lines=(
            Line(product=grade, volume_ml=volume_ml, amount_fen=expected_amount_fen(volume_ml, price_milli)),
        ),
        tender=tender,
        tier=tier,
        cohort=cohort,
        birthday=birthday,
        usage=usage,
        evidence="metered",
        time_quality="seen",
        local=Local.at(at, bundle.business_day_starts_minute),
        coupons=coupons,
    )
