"""`forecourt rules backtest`: what other rules would have given for the sales in this station's books."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.progress import Step, progress
from agent.cli.render import as_json, fail, money, pairs, table
from agent.cli.rule_source import named_source
from agent.cli.sale_trail import points_scale
from agent.cli.station import DEFAULT_CONFIG, ConfigOption, JsonOption, database_of, settings_of
from agent.cli.typed_numbers import day

if TYPE_CHECKING:
    from agent.cli.backtest import Report, Totals
    from agent.points.rules import Bundle
    from agent.store.tracing import PastAward

_EVERY = 100
"""Sales between two movements of the bar."""


@dataclass(frozen=True, slots=True)
class Days:
    """Business days of the candidate, both included, and the moments (ms UTC) that bound them."""

    first: date
    last: date
    from_ms: int
    to_ms: int


def backtest(
    file: Annotated[str, typer.Argument(help="A bundle in TOML, or a version's number.")],
    first: Annotated[str, typer.Option("--from", metavar="2026-07-01", help="The first business day.")],
    last: Annotated[str, typer.Option("--to", metavar="2026-07-31", help="The last one.")],
    html: Annotated[Path | None, typer.Option(help="Write tables and charts to this file, too.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json_output: JsonOption = False,
) -> None:
    """Points, sales and members under FILE, beside what was given on these days. Changes nothing.

    Every award is judged again on what was recorded with it, caps included; refunds are not counted.
    """
    from agent.store import tracing

    settings = settings_of(config, json_output=json_output)
    source = named_source(file, config, json_output=json_output)
    days = _days(
        source.bundle, day(first, json_output=json_output), day(last, json_output=json_output), json_output
    )
    with database_of(settings, json_output=json_output) as connection, progress() as step:
        if (scale := points_scale(connection)) != source.bundle.points_scale:
            text = f"{file} counts {source.bundle.points_scale} minor units per point, this station {scale}"
            fail(Exit.REFUSED, "SCALE_MISMATCH", text, json_output=json_output)
        awards = tracing.awards_between(connection, days.from_ms, days.to_ms)
        report = _judged(awards, source.bundle, days, step)
    told = f"{source.headline}, on the sales of {settings.station.id} from {days.first} to {days.last}"
    if html is not None:
        _write(html, report, told, source.bundle, json_output=json_output)
    if json_output:
        as_json(
            {"ok": True, **source.named, "from": str(days.first), "to": str(days.last), **_values(report)}
        )
        return
    typer.echo(told)
    _print(report, source.bundle)
    if html is not None:
        typer.echo(f"\ntables and charts: {html}")


def _days(bundle: "Bundle", first: date, last: date, json_output: bool) -> Days:
    from zoneinfo import ZoneInfo

    if last < first:
        fail(Exit.USAGE, "BAD_DATE", f"{last} is before {first}", json_output=json_output)

    def begins_ms(business_date: date) -> int:
        midnight = datetime(business_date.year, business_date.month, business_date.day)  # noqa: DTZ001
        civil = midnight + timedelta(minutes=bundle.business_day_starts_minute)
        return int(civil.replace(tzinfo=ZoneInfo(bundle.timezone)).timestamp()) * 1000

    return Days(first, last, begins_ms(first), begins_ms(last + timedelta(days=1)))


def _judged(awards: "Iterable[PastAward]", bundle: "Bundle", days: Days, step: Step | None) -> "Report":
    """The bar shows how far through the days it is: how many sales there are nobody has counted."""
    from zoneinfo import ZoneInfo

    from agent.cli.backtest import Backtest, in_days_of
    from agent.points.inputs import AwardInputs, Local

    zone, starts_minute = ZoneInfo(bundle.timezone), bundle.business_day_starts_minute
    judged = Backtest(bundle)
    for number, past in enumerate(awards):
        local = Local.at(datetime.fromtimestamp(past.event_time_ms // 1000, zone), starts_minute)
        inputs = in_days_of(AwardInputs.model_validate_json(past.inputs), local)
        judged.judge(past.member, inputs, past.minor)
        if step is not None and number % _EVERY == 0:
            step("sales", past.event_time_ms - days.from_ms, days.to_ms - days.from_ms)
    return judged.report()


def _print(report: "Report", bundle: "Bundle") -> None:
    from agent.cli.backtest import TOP
    from agent.cli.rule_words import count
    from agent.points.explanation import points_text

    scale = bundle.points_scale
    if not report.all.sales:
        typer.echo("no award was made in these days")
        return

    def rows(groups: "Sequence[Totals]") -> list[tuple[object, ...]]:
        return [
            (
                group.name,
                group.sales,
                points_text(group.given_minor, scale),
                points_text(group.candidate_minor, scale),
                points_text(group.change_minor, scale),
            )
            for group in groups
        ]

    gained = sum(member.change_minor for member in report.gaining)
    lost = -sum(member.change_minor for member in report.losing)
    pairs(
        {
            "sales": report.all.sales,
            "other points": f"{report.more_sales} sales with more, {report.fewer_sales} with fewer",
            "points given": points_text(report.all.given_minor, scale),
            "points by these": f"{points_text(report.all.candidate_minor, scale)} ({_share(report.all)})",
            "worth": _worth(report.all, bundle),
            "gain": f"{count(len(report.gaining), 'member')}, {points_text(gained, scale)} points in all",
            "lose": f"{count(len(report.losing), 'member')}, {points_text(lost, scale)} points in all",
        }
    )
    for title, groups in (
        ("product", report.products),
        ("tier", report.tiers),
        ("gains most", report.gaining[:TOP]),
        ("loses most", report.losing[:TOP]),
    ):
        if groups:
            typer.echo("")
            table((title, "sales", "given", "by these", "change"), rows(groups))


def _share(totals: "Totals") -> str:
    """The change in tenths of a percent, rounded towards zero."""
    if not totals.given_minor:
        return "nothing was given"
    tenths = abs(totals.change_minor) * 1000 // totals.given_minor
    return f"{'-' if totals.change_minor < 0 else '+'}{tenths // 10}.{tenths % 10} %"


def _worth(totals: "Totals", bundle: "Bundle") -> str | None:
    """Both sums in money, at the newest ratio of these rules."""
    if bundle.redemption is None:
        return None
    ratio = max(bundle.redemption.ratio, key=lambda one: one.from_date)
    given, candidate = (
        minor * ratio.fen // ratio.points_minor for minor in (totals.given_minor, totals.candidate_minor)
    )
    return f"{money(candidate)} instead of {money(given)} yuan, at ratio {ratio.version}"


def _values(report: "Report") -> dict[str, object]:
    from agent.cli.backtest import TOP

    def side(members: "Sequence[Totals]") -> dict[str, object]:
        change_minor = sum(member.change_minor for member in members)
        return {
            "members": len(members),
            "change_minor": change_minor,
            "most": [asdict(member) for member in members[:TOP]],
        }

    return {
        "all": asdict(report.all),
        "more": report.more_sales,
        "fewer": report.fewer_sales,
        "days": [asdict(group) for group in report.days],
        "products": [asdict(group) for group in report.products],
        "tiers": [asdict(group) for group in report.tiers],
        "gaining": side(report.gaining),
        "losing": side(report.losing),
    }


def _write(path: Path, report: "Report", told: str, bundle: "Bundle", *, json_output: bool) -> None:
    from agent.cli.backtest_page import Heading, page

    lines = (
        told,
        f"{report.all.sales} sales: {report.more_sales} with more points, {report.fewer_sales} with fewer.",
        "Caps bind as they would have bound. Refunds are not counted.",
    )
    title = f"Backtest of bundle {bundle.bundle} version {bundle.version}"
    try:
        path.write_text(page(report, Heading(title, lines), bundle.points_scale), encoding="utf-8")
    except OSError as error:
        fail(Exit.REFUSED, "HTML_FILE", f"{path}: {error.strerror}", json_output=json_output)
