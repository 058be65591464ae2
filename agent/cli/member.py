"""`forecourt member`: what is known here of one member, their lots, and where their points went."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.exits import Exit
from agent.cli.points_tree import plain_lines, print_tree, tree_of
from agent.cli.render import as_json, fail, litres, moment, money, pairs, table
from agent.cli.sale_trail import points_scale
from agent.cli.station import DEFAULT_CONFIG, ConfigOption, JsonOption, database_of, settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from agent.store.lots import StoredLot
    from agent.store.reading import Connection
    from agent.store.tracing import MemberRow

app = typer.Typer(no_args_is_help=True, help="Members who fuel here: balance, lots, and their points' way.")

MemberArgument = Annotated[str, typer.Argument(metavar="ID", help="Headquarters' id of the member.")]


@app.command()
def show(
    member: MemberArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    last: Annotated[int, typer.Option(min=1, help="How many notices.")] = 10,
    json_output: JsonOption = False,
) -> None:
    """Status and tier, the balance with its date, what of it lapses when, pending points, debt, notices."""
    from zoneinfo import ZoneInfo

    from agent.store import tracing
    from agent.store.members import Members

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        row = _known(connection, member, json_output=json_output)
        today = _today(connection)
        balance = Members(connection).balance(member, today)
        lots = tracing.lots_of(connection, member)
        notices = tracing.notices(connection, last=last, member=member)
        reminded = _reminded(connection, row, lots)
        accounts = _accounts(connection, member)
        rights = _rights(connection, member, accounts)
        features = _features(connection, row)
        scale = points_scale(connection)
    assert balance is not None, "a known member has a balance"
    if json_output:
        as_json(
            {"ok": True, "points_scale": scale, "today": today, **asdict(row.member)}
            | {"balance": asdict(balance), "buckets": [asdict(bucket) for bucket in row.buckets]}
            | {"rights": rights, "features": features}
            | {"accounts": accounts, "lots_with_rest": sum(lot.remaining_minor > 0 for lot in lots)}
            | {"usage": _usage(row)}
            | {"reminders": reminded}
            | {"notices": [asdict(notice) for notice in notices]}
        )
        return
    zone = ZoneInfo(settings.station.timezone)
    about = _about(row, balance_text(balance.minor, balance.provisional, scale), accounts, scale, zone)
    pairs(about | {"tries first": ", ".join(features)})
    _print_buckets(row, scale)
    _print_rights(rights, scale, zone)
    if row.used or row.elsewhere:
        typer.echo("\nearned and bought")
        table(("period", "where", "points", "fills", "volume", "amount"), _usage_cells(row, scale))
    if reminded:
        typer.echo("\nwas told of points that lapse")
        table(("on", "days before"), (tuple(one.values()) for one in reminded))
    if notices:
        typer.echo("\nto be told, or told")
        table(
            ("code", "points", "since", "told at"),
            (
                (
                    notice.code,
                    _points(notice.minor, scale),
                    moment(notice.at_ms, zone),
                    moment(notice.shown_at_ms, zone) if notice.shown_at_ms else "not yet",
                )
                for notice in notices
            ),
        )


def balance_text(minor: int, provisional: bool, scale: int) -> str:
    """With what headquarters has not confirmed yet said in words (I25)."""
    return f"{_points(minor, scale)} points{', to be confirmed by headquarters' if provisional else ''}"


@app.command()
def lots(
    member: MemberArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    rest: Annotated[bool, typer.Option("--with-rest", help="Only lots in which something is left.")] = False,
    json_output: JsonOption = False,
) -> None:
    """The member's lots of this station: earned, left, lapsed, state, last day."""
    from zoneinfo import ZoneInfo

    from agent.messages import ids
    from agent.store import tracing

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        every = tracing.lots_of(connection, member)
        if not every:
            _known(connection, member, json_output=json_output)
        found = [lot for lot in every if lot.remaining_minor or not rest]
        scale = points_scale(connection)
    if json_output:
        shown = [asdict(lot) | {"lot_id": ids.text(lot.lot_id)} for lot in found]
        as_json({"ok": True, "points_scale": scale, "lots": shown})
        return
    zone = ZoneInfo(settings.station.timezone)
    table(
        (
            "lot",
            "earned on",
            "points",
            "left",
            "lapsed",
            "state",
            "from",
            "last day",
            "honoured until",
            "ratio",
        ),
        (
            (
                *(ids.text(lot.lot_id), lot.earned_on, _points(lot.minor, scale)),
                *(_points(lot.remaining_minor, scale), _points(lot.lapsed_minor, scale), lot.state),
                *(moment(lot.spendable_at_ms, zone), lot.lapses_on or "none", lot.honoured_until),
                lot.ratio_version or None,
            )
            for lot in found
        ),
    )


@app.command("trace-points")
def trace_points(
    member: MemberArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    json_output: JsonOption = False,
) -> None:
    """Every lot as a tree: the sale that earned it, and what took from it or gave back, entry by entry."""
    from zoneinfo import ZoneInfo

    from agent.store import tracing

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        traced = tracing.trace(connection, member)
        if not traced:
            _known(connection, member, json_output=json_output)
        scale = points_scale(connection)
    tree = tree_of(traced, scale, ZoneInfo(settings.station.timezone))
    if json_output:
        as_json({"ok": True, "member": member, "points_scale": scale, "lots": [lot.values for lot in tree]})
        return
    if not print_tree(member, tree):
        for line in plain_lines(tree):
            typer.echo(line)


def _known(connection: "Connection", member: str, *, json_output: bool) -> "MemberRow":
    from agent.store import tracing

    row = tracing.member_row(connection, member)
    if row is None:
        text = (
            f"no member {member} in the newest snapshot; the card's number is not the id (`sale show` has it)"
        )
        fail(Exit.REFUSED, "MEMBER_UNKNOWN", text, json_output=json_output)
    return row


def _reminded(
    connection: "Connection", row: "MemberRow", lots: "Sequence[StoredLot]"
) -> list[dict[str, object]]:
    """Of what lapses when the member was told, and how many days before at the most."""
    from agent.store.bundles import Bundles
    from agent.store.notices import Notices

    active = Bundles(connection).active()
    bundle = Bundles(connection).parsed(active.version) if active else None
    stages = bundle.reminder.days if bundle and bundle.reminder else ()
    days = {bucket.lapses_on for bucket in row.buckets} | {lot.lapses_on for lot in lots}
    notices = Notices(connection)
    return [
        {"lapses_on": day, "stage_days": stage}
        for day in sorted(days - {""})
        for stage in stages
        if notices.was_reminded(row.member.member, day, stage)
    ]


def _accounts(connection: "Connection", member: str) -> dict[str, int]:
    """What our ledger says of the member's points, minor units; debt is negative."""
    from agent.points.ledger import active, debt, pending
    from agent.store.ledger import Ledger

    ledger = Ledger(connection)
    accounts = {"pending": pending(member), "active": active(member), "debt": debt(member)}
    return {name: ledger.balance(account) for name, account in accounts.items()}


def _rights(connection: "Connection", member: str, accounts: dict[str, int]) -> dict[str, Any]:
    """What may be spent here without asking headquarters, and by which grants; by a clock in doubt, none."""
    from agent.clock import ClockQuality, SystemClock
    from agent.points.rights import rights_minor
    from agent.store import reading
    from agent.store.grants import Grants
    from agent.store.lots import Lots

    clock = SystemClock()
    held = Grants(connection).of_member(member)
    earned = (lot for lot in Lots(connection).unknown_to_hq(member) if lot.state == "active")
    minted_minor = max(0, sum(lot.remaining_minor for lot in earned) + accounts["debt"])
    trusted = clock.quality(reading.newest_at_ms(connection)) is not ClockQuality.UNTRUSTED
    grants = [one.grant for one in held]
    minor = rights_minor(grants, minted_minor, 0, clock.wall_ms(), clock_is_trusted=trusted)
    return {"minor": minor, "clock_is_trusted": trusted, "grants": [asdict(one.grant) for one in held]}


def _print_rights(rights: dict[str, Any], scale: int, zone: "tzinfo") -> None:
    if not rights["grants"]:
        return
    doubt = "" if rights["clock_is_trusted"] else "; the clock is in doubt, so no grant counts"
    typer.echo(f"\nto be spent here without asking: {_points(rights['minor'], scale)} points{doubt}")
    table(
        ("grant", "epoch", "points", "spent", "until", "state"),
        (
            (
                *(one["grant"], one["epoch"], _points(one["minor"], scale)),
                *(_points(one["spent_minor"], scale), moment(one["valid_until_ms"], zone), one["state"]),
            )
            for one in rights["grants"]
        ),
    )


def _features(connection: "Connection", row: "MemberRow") -> list[str]:
    """What the member tries before others do: as headquarters told, and by their tier's rules in force."""
    from agent.clock import SystemClock
    from agent.messages.snapshot import Profile
    from agent.store.bundles import Bundles

    own = Profile.model_validate_json(row.member.profile).features
    bundle = Bundles(connection).in_force(SystemClock().wall_ms())
    by_tier = bundle.features_of(row.member.tier) if bundle else ()
    return list(dict.fromkeys([*own, *by_tier]))


def _today(connection: "Connection") -> str:
    """The business date now, by the rules in force; "" before the first ones."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from agent.clock import SystemClock
    from agent.points.inputs import Local
    from agent.store.bundles import Bundles

    now_ms = SystemClock().wall_ms()
    bundle = Bundles(connection).in_force(now_ms)
    if bundle is None:
        return ""
    civil = datetime.fromtimestamp(now_ms // 1000, ZoneInfo(bundle.timezone))
    return Local.at(civil, bundle.business_day_starts_minute).business_date


def _about(
    row: "MemberRow", balance: str, accounts: dict[str, int], scale: int, zone: "tzinfo"
) -> dict[str, object]:
    member = row.member
    birthday = f"{member.birthday[0]:02d}-{member.birthday[1]:02d}" if member.birthday else None
    return {
        "member": member.member,
        "status": member.status,
        "tier": f"{member.tier}{f', until {member.tier_valid_until}' if member.tier_valid_until else ''}",
        "protected group": member.cohort,
        **_profile(row),
        "birthday": birthday,
        "balance": f"{balance}, as of {moment(member.as_of_ms, zone)}",
        "earned here, pending": f"{_points(accounts['pending'], scale)} points",
        "earned here, to be spent": f"{_points(accounts['active'], scale)} points",
        "debt": f"{_points(-accounts['debt'], scale)} points" if accounts["debt"] else "none",
        "snapshot": f"version {member.version}, our ledger up to {member.included_seq} is in it",
    }


def _profile(row: "MemberRow") -> dict[str, object]:
    from agent.messages.snapshot import Profile

    profile = Profile.model_validate_json(row.member.profile)
    return {
        "class": profile.member_class,
        "privileges": ", ".join(name for name, _ in profile.privileges),
        "language": profile.locale,
        "consents": ", ".join(profile.consents),
    }


def _print_buckets(row: "MemberRow", scale: int) -> None:
    if not row.buckets:
        return
    typer.echo("\nheadquarters' balance by its last day")
    table(
        ("last day", "points", "honoured until"),
        (
            (bucket.lapses_on or "none", _points(bucket.minor, scale), bucket.honoured_until)
            for bucket in row.buckets
        ),
    )


def _usage(row: "MemberRow") -> list[dict[str, object]]:
    return [
        {"period": period, "where": where, **asdict(used)}
        for where, periods in (("here", row.used), ("elsewhere", row.elsewhere))
        for period, used in periods
    ]


def _usage_cells(row: "MemberRow", scale: int) -> list[tuple[object, ...]]:
    return [
        (
            period,
            where,
            _points(used.minor, scale),
            used.fills,
            litres(used.volume_ml),
            money(used.amount_fen),
        )
        for where, periods in (("here", row.used), ("elsewhere", row.elsewhere))
        for period, used in periods
    ]


def _points(minor: int, scale: int) -> str:
    from agent.points.explanation import points_text

    return points_text(minor, scale)
