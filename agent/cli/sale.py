"""`forecourt sale`: what happened at the pump and at the till, and what points came of it."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.render import as_json, litres, moment, money, pairs, table
from agent.cli.sale_explain import IdentityArgument, LanguageOption, explain
from agent.cli.sale_explain import compare_sales as compare
from agent.cli.sale_trail import LEDGER, Trail, find, points_scale
from agent.cli.station import DEFAULT_CONFIG, ConfigOption, JsonOption, database_of, settings_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from agent.language import Language
    from agent.store.facts import Fact
    from agent.store.lots import StoredLot
    from agent.store.reading import SaleRow

app = typer.Typer(no_args_is_help=True, help="Fuellings and baskets, and the points they gave.")


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
        scale = points_scale(connection)
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
            (ids.text(row.fact_id), *_cells(row, zone, scale), _yes(row.stream_seq <= watermark))
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


def _cells(row: "SaleRow", zone: "tzinfo", scale: int) -> tuple[object, ...]:
    from agent.points.explanation import points_text

    what = {"fuelling": row.product, "gap": f"GAP {row.product}".strip()}.get(row.kind, "basket")
    earned = None if row.minor is None else points_text(row.minor - row.reversed_minor, scale)
    return (
        moment(row.event_time_ms, zone),
        row.point,
        what,
        litres(row.volume_ml) if row.kind != "basket" else None,
        money(row.amount_fen),
        f"{row.register}/{row.pos_sale_id}" if row.pos_sale_id else None,
        row.member,
        earned,
        " ".join(filter(None, (row.reason, row.flags))),
    )


@app.command()
def show(
    identity: IdentityArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    language: LanguageOption = "en",
    json_output: JsonOption = False,
) -> None:
    """One sale in full: fact and evidence, binding, award and why, lot, refunds, headquarters."""
    from zoneinfo import ZoneInfo

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        trail = find(connection, identity, json_output=json_output)
    if json_output:
        as_json({"ok": True, **_as_values(trail, language)})
        return
    for title, values in _sections(trail, language, ZoneInfo(settings.station.timezone)):
        typer.echo(title)
        pairs({f"  {name}": value for name, value in values.items()})


app.command()(explain)
app.command("compare")(compare)


def _explanation(trail: Trail, language: "Language") -> list[str]:
    from agent.language import translator
    from agent.points.award import Award
    from agent.points.explanation import sentences

    if trail.award is None:
        return []
    given = Award.model_validate_json(trail.award.result)
    return sentences(given, translator(language), trail.points_scale)


def _sections(trail: Trail, language: "Language", zone: "tzinfo") -> Iterator[tuple[str, dict[str, object]]]:
    from agent.messages import ids
    from agent.points.explanation import points_text

    if (fact := trail.fact) is not None:
        yield f"{_KINDS[fact.kind]} {ids.text(fact.fact_id)}", _fact(fact, trail.watermark, zone)
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
        draw = _DRAWS.get(binding.reason)
        title = "no sale" if draw else "member"
        yield (
            title,
            {
                "id": binding.member,
                "credential": binding.credential,
                "reason": f"{binding.reason}: {draw}" if draw else binding.reason,
            },
        )
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
    if trail.lot is not None:
        yield "points of this sale", _lot(trail.lot, trail.points_scale, zone)
    for correction in trail.corrections:
        yield (
            f"correction {correction.command}",
            {
                "at": moment(correction.adjusted_at_ms, zone),
                "points": points_text(correction.minor, trail.points_scale),
                "borne by the programme": points_text(correction.borne_minor, trail.points_scale),
                "reason": correction.reason,
                "headquarters": _where(correction.stream_seq, trail.watermark),
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


_KINDS = {
    "fuelling": "fuelling",
    "basket": "basket",
    "gap": "gap, litres that passed the meter without a record,",
}
_DRAWS = {
    "TEST_DRAW": "a test draw, it never earns",
    "RETURNED_TO_TANK": "fuel that went back into the tank, it never earns",
}


def _fact(fact: "Fact", watermark: int, zone: "tzinfo") -> dict[str, object]:
    from agent.messages import ids
    from agent.points.explanation import decimal_text

    return {
        "code on the slip": ids.slip_code(fact.fact_id),
        "at": f"{moment(fact.event_time_ms, zone)}, time {fact.time_quality}",
        "where": f"point {fact.point or '?'}, {fact.device_key}, nozzle {fact.nozzle or '-'}",
        "what": f"{litres(fact.volume_ml)} {fact.product or '?'}, {money(fact.amount_fen)}",
        "unit price": f"{decimal_text(fact.unit_price_milli, 1000)} a litre",
        "device number": fact.sequence_no,
        "totalizer": fact.totalizer_after_ml and litres(fact.totalizer_after_ml),
        "evidence": fact.evidence,
        "missed before it": litres(fact.missed_ml) if fact.missed_ml else None,
        "flags": fact.flags,
        "headquarters": _where(fact.stream_seq, watermark),
    }


def _lot(lot: "StoredLot", scale: int, zone: "tzinfo") -> dict[str, object]:
    from agent.points.explanation import points_text

    return {
        "state": lot.state,
        "left": f"{points_text(lot.remaining_minor, scale)} of {points_text(lot.minor, scale)} points",
        "lapsed": points_text(lot.lapsed_minor, scale) if lot.lapsed_minor else None,
        "to be spent from": moment(lot.spendable_at_ms, zone),
        "last day": lot.lapses_on or "none",
        "honoured until": lot.honoured_until,
        "redeemed at": f"ratio {lot.ratio_version}" if lot.ratio_version else None,
    }


def _where(seq: int, watermark: int) -> str:
    return f"ledger {seq}, {'headquarters has it' if seq <= watermark else 'waiting'}"


def _as_values(trail: Trail, language: "Language") -> dict[str, object]:
    """The same for machines: rows as they are stored, ids as texts."""
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
        fact["code"] = ids.slip_code(trail.fact.fact_id)
    return {
        "fact": fact,
        "sale": plain(trail.sale) if trail.sale else None,
        "binding": plain(trail.binding) if trail.binding else None,
        "award": stored,
        "lot": plain(trail.lot) if trail.lot else None,
        "corrections": [plain(correction) for correction in trail.corrections],
        "refunds": [plain(refund) for refund in trail.refunds],
    }
