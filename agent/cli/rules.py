"""`forecourt rules`: the rules in plain sentences, and what they would give for a sale."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json, fail
from agent.cli.station import DEFAULT_CONFIG, ConfigOption, JsonOption, database_of, settings_of

if TYPE_CHECKING:
    from agent.points.inputs import AwardInputs
    from agent.points.rules import Bundle

app = typer.Typer(no_args_is_help=True, help="The rules that points are given by.")


@dataclass(frozen=True, slots=True)
class Source:
    """A bundle, and a sentence that says where it is from."""

    bundle: "Bundle"
    origin: str


@app.command()
def show(
    file: Annotated[
        Path | None, typer.Argument(help="A bundle in TOML; without it, the one in force here.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json_output: JsonOption = False,
) -> None:
    """The rules as sentences: those of FILE, else those in force here, else the shipped sample."""
    from agent.cli.rule_sentences import bundle_sentences
    from agent.clock import SystemClock

    if file is not None:
        source = Source(_parsed(file, json_output=json_output), f"from {file}")
    else:
        source = _in_force(config, SystemClock().wall_ms(), json_output=json_output)
    told = bundle_sentences(source.bundle)
    if json_output:
        as_json({"ok": True, **_named(source), "sentences": told})
        return
    typer.echo(_headline(source))
    for sentence in told:
        typer.echo(f"- {sentence}")


@app.command()
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
    config: ConfigOption = DEFAULT_CONFIG,
    language: Annotated[Literal["en", "zh"], typer.Option(help="Language of the explanation.")] = "en",
    json_output: JsonOption = False,
) -> None:
    """What a fuelling would earn by the rules in force here (else by the shipped sample), and why."""
    from agent.clock import SystemClock
    from agent.points.award import award
    from agent.points.explanation import points_text, sentences

    now_ms = SystemClock().wall_ms()
    source = _in_force(config, now_ms, json_output=json_output)
    bundle = source.bundle
    if tier and tier not in bundle.tiers.order:
        fail(Exit.USAGE, "UNKNOWN_TIER", f"known: {', '.join(bundle.tiers.order)}", json_output=json_output)
    inputs = _inputs(
        bundle,
        (_thousandths(litres, json_output=json_output), grade, _thousandths(price, json_output=json_output)),
        (tier or bundle.tiers.order[0], cohort, _month_day(birthday, json_output=json_output)),
        tender,
        _civil(at, bundle, now_ms, json_output=json_output),
    )
    earned = award(inputs, bundle)
    told = sentences(earned, language, bundle.points_scale)
    if json_output:
        as_json(
            {"ok": True, **_named(source), "points_minor": earned.minor, "points_scale": bundle.points_scale}
            | {"reason": earned.reason, "explanation": told, "inputs": inputs.model_dump(mode="json")}
        )
        return
    typer.echo(_headline(source))
    typer.echo(f"{points_text(earned.minor, bundle.points_scale)} points")
    for sentence in told:
        typer.echo(f"- {sentence}")


def _inputs(
    bundle: "Bundle",
    fuel: tuple[int, str, int],
    member: tuple[str, str, tuple[int, int] | None],
    tender: str,
    civil: datetime,
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
        evidence="metered",
        time_quality="seen",
        local=Local.at(civil, bundle.business_day_starts_minute),
    )


def _in_force(config: Path, at_ms: int, *, json_output: bool) -> Source:
    """The station's bundle; the shipped sample where there is no station, or no bundle has come yet."""
    from agent.store.bundles import Bundles

    why = f"there is no {config}"
    if config.exists():
        settings = settings_of(config, json_output=json_output)
        path = settings.station.state_dir / "station.db"
        why = f"there is no {path}"
        if path.exists():
            with database_of(settings, json_output=json_output) as connection:
                bundle = Bundles(connection).in_force(at_ms)
            if bundle is not None:
                return Source(bundle, "in force at this station")
            why = "this station has no bundle in force"
    return Source(_parsed(_sample(), json_output=json_output), f"the shipped sample, because {why}")


def _sample() -> Path:
    import config

    return Path(str(config.__file__)).parent / "samples" / "demo-cn.bundle.toml"


def _parsed(path: Path, *, json_output: bool) -> "Bundle":
    from agent.points.rules import BundleRefused, parse_bundle

    try:
        parsed = parse_bundle(path.read_bytes())
    except OSError as error:
        fail(Exit.REFUSED, "BUNDLE_FILE", f"{path}: {error.strerror}", json_output=json_output)
    if isinstance(parsed, BundleRefused):
        text = f"{path}: {parsed.where}: {parsed.remedy}"
        fail(Exit.REFUSED, parsed.reason, text, json_output=json_output)
    return parsed


def _headline(source: Source) -> str:
    return f"bundle {source.bundle.bundle} version {source.bundle.version}, {source.origin}"


def _named(source: Source) -> dict[str, object]:
    return {"bundle": source.bundle.bundle, "version": source.bundle.version, "origin": source.origin}


def _thousandths(text: str, *, json_output: bool) -> int:
    """A decimal number with at most three decimals, exactly."""
    if not re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,3})?", text):
        fail(Exit.USAGE, "BAD_NUMBER", f"{text}: write it like 50 or 50.25", json_output=json_output)
    whole, _, decimals = text.partition(".")
    return int(whole) * 1000 + int(decimals.ljust(3, "0"))


def _month_day(text: str, *, json_output: bool) -> tuple[int, int] | None:
    if not text:
        return None
    try:
        day = datetime.strptime(f"2024-{text}", "%Y-%m-%d")  # noqa: DTZ007  # a leap year's day, no instant
    except ValueError:
        fail(Exit.USAGE, "BAD_BIRTHDAY", f"{text} is not MM-DD", json_output=json_output)
    return day.month, day.day


def _civil(text: str, bundle: "Bundle", now_ms: int, *, json_output: bool) -> datetime:
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(bundle.timezone)
    if not text:
        return datetime.fromtimestamp(now_ms // 1000, zone)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        fail(Exit.USAGE, "BAD_TIME", f"{text}: write 2026-07-02T08:30", json_output=json_output)
    return at if at.tzinfo is None else at.astimezone(zone)
