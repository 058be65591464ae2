"""`forecourt outbox`: what is kept for headquarters, and what of it has arrived."""

import json
from typing import Annotated

import typer

from agent.cli.render import as_json, moment, table
from agent.cli.station import DEFAULT_CONFIG, ConfigOption, JsonOption, database_of, settings_of

app = typer.Typer(no_args_is_help=True, help="The rows that go to headquarters.")


@app.command()
def show(
    config: ConfigOption = DEFAULT_CONFIG,
    stream: Annotated[str, typer.Option(help="Only this stream: ledger or service.")] = "",
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


def _where(acknowledged: bool) -> str:
    return "has it" if acknowledged else "waiting"
