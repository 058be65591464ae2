"""`forecourt outbox`: what is kept for headquarters, and what of it has arrived."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from agent.cli.render import as_json, moment, span, table
from agent.cli.station import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    ask,
    database_of,
    settings_of,
    socket_of,
)

app = typer.Typer(no_args_is_help=True, help="The rows that go to headquarters.")


@app.command()
def show(
    config: ConfigOption = DEFAULT_CONFIG,
    stream: Annotated[str, typer.Option(help="Only this stream: urgent, ledger or service.")] = "",
    last: Annotated[int, typer.Option(min=1, help="How many rows.")] = 20,
    json_output: JsonOption = False,
) -> None:
    """The last rows, newest first, each with whether headquarters has it."""
    from zoneinfo import ZoneInfo

    from agent.store import reading

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        items = reading.outbox_items(connection, last=last, stream=stream)
    if json_output:
        rows = [
            {"stream": item.stream, "seq": item.seq, "kind": item.kind, "at_ms": item.at_ms}
            | {"acknowledged": item.acknowledged, "body": json.loads(item.body)}
            for item in items
        ]
        as_json({"ok": True, "rows": rows})
        return
    zone = ZoneInfo(settings.station.timezone)
    table(
        ("stream", "seq", "kind", "at", "bytes", "headquarters"),
        (
            (i.stream, i.seq, i.kind, moment(i.at_ms, zone), len(i.body), _where(i.acknowledged))
            for i in items
        ),
    )


@app.command()
def status(config: ConfigOption = DEFAULT_CONFIG, json_output: JsonOption = False) -> None:
    """What waits in each stream, since when, and when headquarters will have it at the rate of now."""
    from agent.clock import SystemClock
    from agent.store import reading

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        queues = reading.queues(connection, SystemClock().wall_ms())
    answer: Mapping[str, Any] = ask(socket_of(config, json_output=json_output), {"verb": "status"}) or {}
    road = answer.get("road")
    if json_output:
        as_json({"ok": True, "queues": queues, "road": road})
        return
    table(
        ("stream", "rows", "about", "oldest", "again"),
        (
            (q["stream"], q["waiting"], f"{q['waiting_bytes']} bytes", _age(q), _again(q, road))
            for q in queues
        ),
    )
    typer.echo(_estimate(road))


def _age(queue: Mapping[str, Any]) -> str:
    return span(queue["oldest_waiting_ms"]) if queue["waiting"] else "-"


def _again(queue: Mapping[str, Any], road: Mapping[str, Any] | None) -> object:
    """Rows that headquarters asked for a second time."""
    return road["repeating"].get(queue["stream"], 0) if road else "-"


def _estimate(road: Mapping[str, Any] | None) -> str:
    if road is None:
        return "the agent does not run: nothing moves"
    if road["breaker"] != "closed":
        pause = road["next_try_ms"]
        tried = "is being tried" if pause is None else f"is tried again in {span(pause)}"
        return f"headquarters does not answer; the road {tried}"
    if road["clears_in_ms"] is None:
        return "headquarters answers; how fast it takes what waits is not known yet"
    rate = f"headquarters took {road['items_per_hour']} rows an hour of late"
    return f"{rate}; all of it is there in {span(road['clears_in_ms'])}" if road["clears_in_ms"] else rate


def _where(acknowledged: bool) -> str:
    return "has it" if acknowledged else "waiting"
