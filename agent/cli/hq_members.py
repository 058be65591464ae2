"""`forecourt hq member`: members over all stations, what is lent and held, and what people decide."""

from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from agent.cli.exits import Exit
from agent.cli.hq_database import DbOption, down_keys, open_store, refused
from agent.cli.progress import progress
from agent.cli.render import as_json, fail, moment, pairs, table
from agent.cli.station import JsonOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.points.values import Value
    from sync.hq.desk import Desk, Lent
    from sync.hq.publisher import Issued
    from sync.refusal import Refusal

    Decided = TypeVar("Decided", bound="Lent | list[Issued] | Refusal")

app = typer.Typer(no_args_is_help=True, help="Members over all stations: balances, grants, decisions.")

MemberArgument = Annotated[str, typer.Argument(metavar="ID", help="Headquarters' id of the member.")]
KeyOption = Annotated[
    list[Path], typer.Option("--key", help="A key of the role down; repeat for a threshold.")
]
StationOption = Annotated[str, typer.Option("--station", help="The station that may spend them.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="A short word of why, told to the stations.")]
CaseOption = Annotated[str, typer.Option("--case", help="The case it was decided in.")]


@app.command()
def show(member: MemberArgument, db: DbOption, json_output: JsonOption = False) -> None:
    """The exact balance over all stations, what of it waits, is lent or held, and where it came from."""
    from agent.clock import SystemClock

    now_ms = SystemClock().wall_ms()
    with closing(open_store(db)) as store, store.read() as tx:
        account = tx.members.account(member)
        if account is None:
            fail(Exit.REFUSED, "MEMBER_UNKNOWN", f"nothing is known of {member}", json_output=json_output)
        standing = tx.rights.standing(account, now_ms)
        visits = tx.members.visits(member)
        holds = tx.rights.holds(member)
        opened_minor = tx.members.opened_minor(member)
    sums = {
        "status": account.status,
        "tier": account.tier,
        "balance_minor": account.balance_minor,
        "opening_minor": opened_minor or 0,
        "pending_minor": account.pending_minor,
        "lent_minor": standing.promised_minor(now_ms) - standing.held_minor,
        "held_minor": standing.held_minor,
        "free_minor": standing.free_minor(now_ms),
    }
    if json_output:
        as_json(
            {"ok": True, "member": member, "as_of_ms": now_ms, **sums}
            | {"stations": [asdict(visit) for visit in visits]}
            | {"grants": [asdict(loan) for loan in standing.loans]}
            | {"holds": [asdict(hold) for hold in holds]}
        )
        return
    pairs({"member": member, "as of": moment(now_ms), **sums})
    table(
        ("station", "minor", "items", "last"),
        [(v.station, v.minor, v.moves, moment(v.last_at_ms)) for v in visits],
    )
    if standing.loans:
        rows = [
            (
                one.station,
                one.epoch,
                one.minor,
                one.spent_minor,
                moment(one.valid_until_ms),
                "recalled" if one.is_recalled else "",
            )
            for one in standing.loans
        ]
        table(("lent to", "epoch", "minor", "spent", "until", ""), rows)
    if holds:
        table(
            ("held for", "redemption", "minor", "since"),
            [(h.station, h.redemption, h.held_minor, moment(h.at_ms)) for h in holds],
        )


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="JSON lines: member, minor, as_of_ms, and what else is known.")
    ],
    db: DbOption,
    json_output: JsonOption = False,
) -> None:
    """Take in opening balances; the same file again goes on where it stopped, and takes nothing twice."""
    from agent.clock import SystemClock
    from sync.hq.openings import import_openings
    from sync.refusal import Refusal

    with closing(open_store(db, create=True)) as store, progress() as bar:
        step = partial(bar, "balances") if bar else None
        try:
            taken = import_openings(store, file, SystemClock().wall_ms(), step)
        except OSError as error:
            fail(Exit.REFUSED, "FILE_UNREADABLE", f"{file}: {error.strerror}", json_output=json_output)
    if isinstance(taken, Refusal):
        refused(taken, json_output=json_output)
    told = asdict(taken)
    as_json({"ok": True, **told}) if json_output else pairs(told)


@app.command()
def lend(
    member: MemberArgument,
    minor: Annotated[int, typer.Argument(min=1, help="Points, minor units.")],
    station: StationOption,
    db: DbOption,
    key: KeyOption,
    for_: Annotated[str, typer.Option("--for", help="How long they may be spent: PT72H, P3D …")] = "PT72H",
    json_output: JsonOption = False,
) -> None:
    """Grant a station points of a member to be spent there while headquarters is away."""
    from agent.cli.hq_orders import BadOrder, duration_ms
    from agent.clock import SystemClock
    from sync.refusal import Refusal

    try:
        until_ms = SystemClock().wall_ms() + duration_ms(for_)
    except BadOrder as bad:
        fail(Exit.USAGE, bad.code, str(bad), json_output=json_output)
    lent = _decide(db, key, lambda desk: desk.lend(member, station, minor, until_ms), json_output=json_output)
    if isinstance(lent, Refusal):
        refused(lent, json_output=json_output)
    _tell([lent.issued], {"grant": lent.loan.grant, "epoch": lent.loan.epoch}, json_output=json_output)


@app.command()
def recall(
    member: MemberArgument,
    station: StationOption,
    db: DbOption,
    key: KeyOption,
    json_output: JsonOption = False,
) -> None:
    """Ask back what is lent to a station; it stays promised until the station's closing statement."""
    _settle(db, key, lambda desk: desk.recall(member, station), json_output=json_output)


@app.command()
def freeze(
    member: MemberArgument,
    reason: ReasonOption,
    db: DbOption,
    key: KeyOption,
    case: CaseOption = "",
    json_output: JsonOption = False,
) -> None:
    """No points of this member can be spent from now on; earning goes on."""
    from agent.messages import down

    _check(down.Freeze, {"member": member, "reason": reason, "case": case}, json_output=json_output)
    _settle(db, key, lambda desk: desk.freeze(member, reason, case), json_output=json_output)


@app.command()
def unfreeze(
    member: MemberArgument,
    reason: ReasonOption,
    db: DbOption,
    key: KeyOption,
    case: CaseOption = "",
    json_output: JsonOption = False,
) -> None:
    """They can be spent again."""
    from agent.messages import down

    _check(down.Unfreeze, {"member": member, "reason": reason, "case": case}, json_output=json_output)
    _settle(db, key, lambda desk: desk.unfreeze(member, reason, case), json_output=json_output)


@app.command("set-tier")
def set_tier(
    member: MemberArgument,
    tier: Annotated[str, typer.Argument(metavar="TIER", help="As the rules call it.")],
    reason: ReasonOption,
    db: DbOption,
    key: KeyOption,
    until: Annotated[str, typer.Option("--until", help="Last day, YYYY-MM-DD; else without end.")] = "",
    json_output: JsonOption = False,
) -> None:
    """Another tier, told to every station that has seen the member."""
    from agent.messages import down

    body = {"member": member, "tier": tier, "valid_until": until, "reason": reason}
    _check(down.SetTier, body, json_output=json_output)
    _settle(db, key, lambda desk: desk.set_tier(member, tier, reason, until), json_output=json_output)


def _settle(
    db: str, key: list[Path], decide: "Callable[[Desk], list[Issued] | Refusal]", *, json_output: bool
) -> None:
    from sync.refusal import Refusal

    issued = _decide(db, key, decide, json_output=json_output)
    if isinstance(issued, Refusal):
        refused(issued, json_output=json_output)
    _tell(issued, {}, json_output=json_output)


def _decide(db: str, key: list[Path], decide: "Callable[[Desk], Decided]", *, json_output: bool) -> "Decided":
    from agent.clock import SystemClock
    from sync.hq.desk import Desk
    from sync.hq.publisher import Publisher

    clock = SystemClock()
    with closing(open_store(db)) as store:
        keys = down_keys(store, key, json_output=json_output)
        return decide(Desk(store, Publisher(store, keys, clock.wall_ms), clock.wall_ms))


def _check(model: "type[Value]", body: dict[str, str], *, json_output: bool) -> None:
    """What is told to stations must be what they can read."""
    from pydantic import ValidationError

    try:
        model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        fail(Exit.REFUSED, "BAD_BODY", f"{where}: {first['msg']}", json_output=json_output)


def _tell(issued: "list[Issued]", more: dict[str, str | int], *, json_output: bool) -> None:
    lines = [{"station": one.station, "down_seq": one.down_seq, "id": one.id} for one in issued]
    if json_output:
        as_json({"ok": True, **more, "issued": lines})
        return
    if more:
        pairs(more)
    table(("station", "down seq", "id"), [tuple(line.values()) for line in lines])
