"""`forecourt sale`: what happened at the pump and at the till, and what points came of it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json, fail, litres, moment, money, pairs, table
from agent.cli.station import DEFAULT_CONFIG, ConfigOption, JsonOption, database_of, settings_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from agent.store.awards import StoredAward
    from agent.store.facts import Fact
    from agent.store.reading import Connection, RefundRow, SaleRow
    from agent.store.sales import Binding, PosSale

app = typer.Typer(no_args_is_help=True, help="Fuellings and baskets, and the points they gave.")

LanguageOption = Annotated[Literal["en", "zh"], typer.Option(help="Language of explanations.")]
LEDGER = "ledger"


@app.command("list")
def list_sales(
    config: ConfigOption = DEFAULT_CONFIG,
    last: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    member: Annotated[str, typer.Option(help="Only this member's (headquarters' id).")] = "",
    point: Annotated[str, typer.Option(help="Only this fuelling point's.")] = "",
    json_output: JsonOption = False,
) -> None:
    """The last facts, newest first, and the sales that wait for their fuelling."""
    from zoneinfo import ZoneInfo

    from agent.messages import ids
    from agent.store import reading
    from agent.store.outbox import OutboxReader

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        rows = reading.sales(connection, last=last, member=member, point=point)
        waiting = [] if member else reading.waiting_sales(connection, last=last, point=point)
        watermark = OutboxReader(connection).watermark(LEDGER)
        points_scale = _points_scale(connection)
    if json_output:
        shown = [
            {**asdict(row), "fact_id": ids.text(row.fact_id), "acknowledged": row.stream_seq <= watermark}
            for row in rows
        ]
        as_json({"ok": True, "sales": shown, "waiting": [asdict(sale) for sale in waiting]})
        return
    zone = ZoneInfo(settings.station.timezone)
    table(
        ("fact", "at", "point", "what", "volume", "amount", "sale", "member", "points", "note", "HQ"),
        (
            (ids.text(row.fact_id), *_cells(row, zone, points_scale), _yes(row.stream_seq <= watermark))
            for row in rows
        ),
    )
    if waiting:
        typer.echo("\nsales without a fuelling")
        table(
            ("sale", "paid at", "point", "amount", "state"),
            (
                (
                    f"{s.register}/{s.pos_sale_id}",
                    moment(s.paid_at_ms, zone),
                    s.point,
                    money(s.total_fen),
                    s.state,
                )
                for s in waiting
            ),
        )


def _yes(holds: bool) -> str:
    return "yes" if holds else "waiting"


def _cells(row: "SaleRow", zone: "tzinfo", points_scale: int) -> tuple[object, ...]:
    from agent.points.explanation import points_text

    is_fuel = row.kind == "fuelling"
    earned = None if row.minor is None else points_text(row.minor - row.reversed_minor, points_scale)
    return (
        moment(row.event_time_ms, zone),
        row.point,
        row.product if is_fuel else "basket",
        litres(row.volume_ml) if is_fuel else None,
        money(row.amount_fen),
        f"{row.register}/{row.pos_sale_id}" if row.pos_sale_id else None,
        row.member,
        earned,
        " ".join(filter(None, (row.reason, row.flags))),
    )


@dataclass(frozen=True, slots=True)
class Trail:
    """Everything that is kept about one sale. `fact` None: no fuelling was found for it."""

    fact: "Fact | None"
    sale: "PosSale | None"
    binding: "Binding | None"
    award: "StoredAward | None"
    refunds: "tuple[RefundRow, ...]"
    watermark: int
    points_scale: int


@app.command()
def show(
    identity: Annotated[
        str, typer.Argument(metavar="ID", help="A fact's id, REGISTER/SALE, or SALE where it is unique.")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    language: LanguageOption = "en",
    json_output: JsonOption = False,
) -> None:
    """One sale in full: fact and evidence, binding, award with its explanation, refunds, headquarters."""
    from zoneinfo import ZoneInfo

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        trail = _find(connection, identity, json_output=json_output)
    if json_output:
        as_json({"ok": True, **_as_values(trail, language)})
        return
    for title, values in _sections(trail, language, ZoneInfo(settings.station.timezone)):
        typer.echo(title)
        pairs({f"  {name}": value for name, value in values.items()})


def _find(connection: "Connection", identity: str, *, json_output: bool) -> Trail:
    from agent.messages import ids
    from agent.store import reading
    from agent.store.sales import Sales

    fact_id = ids.from_text(identity)
    trail = _trail(connection, fact_id, None) if fact_id else None
    if trail is not None and trail.fact is not None:
        return trail
    register, slash, pos_sale_id = identity.rpartition("/")
    named = [(register, pos_sale_id)] if slash else reading.sales_named(connection, identity)
    if len(named) > 1:
        ways = ", ".join(f"{one}/{identity}" for one, _ in named)
        fail(Exit.REFUSED, "SALE_OF_SEVERAL", f"say which: {ways}", json_output=json_output)
    sale = Sales(connection).get(*named[0]) if named else None
    if sale is None:
        text = f"no fact and no sale is called {identity}; `forecourt sale list` shows what there is"
        fail(Exit.REFUSED, "SALE_UNKNOWN", text, json_output=json_output)
    return _trail(connection, sale.fact_id, sale)


def _trail(connection: "Connection", fact_id: bytes | None, sale: "PosSale | None") -> Trail:
    from agent.store import reading
    from agent.store.awards import Awards
    from agent.store.facts import Facts
    from agent.store.outbox import OutboxReader
    from agent.store.sales import Sales

    sales = Sales(connection)
    binding = sales.binding(fact_id) if fact_id else None
    if sale is None and binding is not None and binding.pos_sale_id:
        sale = sales.get(binding.register, binding.pos_sale_id)
    award = Awards(connection).of_fact(fact_id) if fact_id else None
    return Trail(
        fact=Facts(connection).get(fact_id) if fact_id else None,
        sale=sale,
        binding=binding,
        award=award,
        refunds=tuple(reading.refunds_of(connection, sale.register, sale.pos_sale_id)) if sale else (),
        watermark=OutboxReader(connection).watermark(LEDGER),
        points_scale=_points_scale(connection),
    )


def _points_scale(connection: "Connection") -> int:
    """Minor units of one point: the same in every bundle of a programme."""
    from agent.points.rules import BundleRefused, parse_bundle
    from agent.store import reading

    body = reading.newest_bundle(connection)
    bundle = parse_bundle(body) if body else None
    return 1 if bundle is None or isinstance(bundle, BundleRefused) else bundle.points_scale


def _explanation(trail: Trail, language: Literal["en", "zh"]) -> list[str]:
    from agent.points.award import Award
    from agent.points.explanation import sentences

    if trail.award is None:
        return []
    return sentences(Award.model_validate_json(trail.award.result), language, trail.points_scale)


def _sections(
    trail: Trail, language: Literal["en", "zh"], zone: "tzinfo"
) -> Iterator[tuple[str, dict[str, object]]]:
    from agent.messages import ids
    from agent.points.explanation import decimal_text, points_text

    if (fact := trail.fact) is not None:
        yield (
            f"{fact.kind} {ids.text(fact.fact_id)}",
            {
                "at": f"{moment(fact.event_time_ms, zone)}, time {fact.time_quality}",
                "where": f"point {fact.point or '?'}, {fact.device_key}, nozzle {fact.nozzle or '-'}",
                "what": f"{litres(fact.volume_ml)} {fact.product or '?'}, {money(fact.amount_fen)}",
                "unit price": f"{decimal_text(fact.unit_price_milli, 1000)} a litre",
                "device number": fact.sequence_no,
                "totalizer": fact.totalizer_after_ml and litres(fact.totalizer_after_ml),
                "evidence": f"{fact.evidence}{f', {fact.missed_ml} ml missed' if fact.missed_ml else ''}",
                "flags": fact.flags,
                "headquarters": _where(fact.stream_seq, trail.watermark),
            },
        )
    if (sale := trail.sale) is not None:
        yield (
            f"sale {sale.register}/{sale.pos_sale_id}",
            {
                "paid at": moment(sale.paid_at_ms, zone),
                "state": sale.state,
                "fuel": money(sale.fuel_amount_fen),
                "shop": ", ".join(f"{name} {money(fen)}" for name, _, fen in sale.lines),
                "tender": sale.tender,
            },
        )
    if (binding := trail.binding) is not None:
        yield "member", {"id": binding.member, "credential": binding.credential, "reason": binding.reason}
    if (award := trail.award) is not None:
        lines = dict(enumerate(_explanation(trail, language), 1))
        yield (
            "award",
            {
                "rules": f"{award.bundle} version {award.version}",
                **{str(number): line for number, line in lines.items()},
                "reason": award.reason,
                "headquarters": _where(award.stream_seq, trail.watermark),
            },
        )
    for refund in trail.refunds:
        yield (
            f"refund {refund.refund_id}",
            {
                "at": moment(refund.refunded_at_ms, zone),
                "amount": money(refund.amount_fen),
                "taken back": f"{points_text(refund.minor, trail.points_scale)} points",
            },
        )


def _where(seq: int, watermark: int) -> str:
    return f"ledger {seq}, {'headquarters has it' if seq <= watermark else 'waiting'}"


def _as_values(trail: Trail, language: Literal["en", "zh"]) -> dict[str, object]:
    """The same for machines: rows as they are stored, ids as texts."""
    import json

    from agent.messages import ids

    def plain(row: object) -> dict[str, object]:
        values = asdict(row)  # type: ignore[call-overload]  # every row is a dataclass
        return {name: ids.text(v) if isinstance(v, bytes) else v for name, v in values.items()}

    award = trail.award
    stored = plain(replace(award, inputs="", result="")) if award else None
    if award is not None and stored is not None:
        stored |= {
            "inputs": json.loads(award.inputs),
            "result": json.loads(award.result),
            "explanation": _explanation(trail, language),
            "acknowledged": award.stream_seq <= trail.watermark,
        }
    fact = plain(trail.fact) if trail.fact else None
    if fact is not None and trail.fact is not None:
        fact["acknowledged"] = trail.fact.stream_seq <= trail.watermark
    return {
        "fact": fact,
        "sale": plain(trail.sale) if trail.sale else None,
        "binding": plain(trail.binding) if trail.binding else None,
        "award": stored,
        "refunds": [plain(refund) for refund in trail.refunds],
    }
