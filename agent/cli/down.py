"""`forecourt down`: what headquarters told this station by numbers, and what became of it."""

from dataclasses import asdict
from typing import Annotated

import typer

from agent.cli.render import as_json, moment, table
from agent.cli.station import DEFAULT_CONFIG, ConfigOption, JsonOption, database_of, settings_of

app = typer.Typer(no_args_is_help=True, help="The orders of headquarters.")


@app.callback()
def _group() -> None:
    """One command so far, which keeps its name."""


@app.command("list")
def list_(
    config: ConfigOption = DEFAULT_CONFIG,
    last: Annotated[int, typer.Option(min=1, help="How many orders.")] = 20,
    json_output: JsonOption = False,
) -> None:
    """The last orders, newest first, each with its verdict and how long it was on its way."""
    from zoneinfo import ZoneInfo

    from agent.store.down import DownItems

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        items = DownItems(connection).latest(last)
    if json_output:
        as_json({"ok": True, "orders": [asdict(item) | {"sha256": item.sha256.hex()} for item in items]})
        return
    zone = ZoneInfo(settings.station.timezone)
    table(
        ("number", "name", "kind", "consumed at", "after (s)", "verdict", "detail"),
        (
            (
                *(item.down_seq, item.id, item.kind, moment(item.consumed_at_ms, zone)),
                (item.consumed_at_ms - item.issued_at_ms) // 1000,
                *(item.verdict or "obeyed", item.detail),
            )
            for item in items
        ),
    )
