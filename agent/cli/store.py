"""`forecourt store`: is every promise of the database kept, and questions of one's own to it."""

from base64 import urlsafe_b64encode
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.progress import progress
from agent.cli.render import as_json, fail, table
from agent.cli.sale_trail import points_scale
from agent.cli.station import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    ask,
    database_of,
    database_path,
    settings_of,
    trouble_with,
)

if TYPE_CHECKING:
    from pathlib import Path

    from agent.store.closes import Close
    from agent.store.heads import HeadsFile

app = typer.Typer(no_args_is_help=True, help="The station's database, read only.")


@app.command()
def verify(config: ConfigOption = DEFAULT_CONFIG, json_output: JsonOption = False) -> None:
    """Check chains, sums and cross-references from the rows themselves. Exit code 4 if one is broken.

    Every award is computed again, and the ledger compared with its head outside the database.
    """
    from agent.clock import SystemClock
    from agent.store import integrity, reading

    settings = settings_of(config, json_output=json_output)
    path = database_path(settings)
    running = ask(settings.station.control_socket, {"verb": "status"}) is not None
    clock = SystemClock()
    began_ms, rows = clock.monotonic_ms(), 0
    heads = _heads(settings.station.state_dir)
    try:
        with reading.look(path, agent_runs=running) as connection, progress() as step:

            def walked(done: int, total: int) -> None:
                nonlocal rows
                rows = done
                if step is not None:
                    step("rows checked", done, total)

            findings = integrity.verify(connection, walked, heads)
    except reading.NoDatabase as error:
        code, text = trouble_with(path, error)
        if code != "DATABASE_UNREADABLE":
            fail(Exit.STORE, code, text, json_output=json_output)
        findings = [integrity.Finding("DAMAGED_FILE", "database", str(error))]
    took_ms = max(1, clock.monotonic_ms() - began_ms)
    rate = rows * 1000 // took_ms
    if json_output:
        shown = [{"code": f.code, "where": f.where, "detail": f.detail} for f in findings]
        as_json({"ok": not findings, "rows": rows, "took_ms": took_ms, "rows_per_s": rate, "findings": shown})
    elif findings:
        table(("finding", "where", "detail"), ((f.code, f.where, f.detail) for f in findings))
        typer.echo("Change nothing, keep a copy of the state directory, and tell headquarters.")
    else:
        counted = f"{rows} entries, items and awards in {took_ms} ms, {rate} a second"
        typer.echo(f"{path}: every promise holds; {counted}")
    if findings:
        raise typer.Exit(Exit.STORE)


def _heads(state_dir: "Path") -> "HeadsFile":
    """The heads outside the database as they are before it is looked at: then it can only be further on."""
    from agent.app.parts import HEADS
    from agent.store.heads import Damaged, Heads, HeadsFile

    class ReadBefore(HeadsFile):
        def __init__(self) -> None:
            super().__init__(state_dir / HEADS)
            self._before = super().read()

        def read(self) -> Heads | Damaged | None:
            return self._before

    return ReadBefore()


@app.command()
def closes(
    config: ConfigOption = DEFAULT_CONFIG,
    last: Annotated[int, typer.Option(min=1, help="How many days.")] = 31,
    json_output: JsonOption = False,
) -> None:
    """The books of the last business days, newest first. Exit code 4 if one of them does not balance."""
    from agent.store import tracing

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        found = tracing.closes(connection, last=last + 1)
        before = found.pop() if len(found) > last else None
        scale = points_scale(connection)
    trials = [_trial(close, earlier) for close, earlier in pairwise([*found, before]) if close]
    fine = not any(trials)
    if json_output:
        shown = [_close_values(close, trial) for close, trial in zip(found, trials, strict=True)]
        as_json({"ok": fine, "points_scale": scale, "closes": shown})
    elif not found:
        typer.echo("no business day was closed yet")
    else:
        _print_closes(found, trials, scale)
    if not fine:
        raise typer.Exit(Exit.STORE)


def _trial(close: "Close", before: "Close | None") -> int | None:
    """What members hold beyond what the day moved: 0 as it must be, None where the day before is gone."""
    if before is None and close.first_seq > 1:
        return None
    moved = close.movements
    sum_minor = moved.issued_minor - moved.redeemed_minor - moved.expired_minor
    sum_minor += moved.compensated_minor + moved.goodwill_minor
    return _held(close) - (_held(before) if before else 0) - sum_minor


def _held(close: "Close") -> int:
    held = close.holdings
    return held.pending_minor + held.active_minor + held.held_minor + held.debt_minor


def _print_closes(found: "list[Close]", trials: "list[int | None]", scale: int) -> None:
    from agent.points.explanation import points_text

    def row(close: "Close", trial: int | None) -> tuple[object, ...]:
        moved, held = close.movements, close.holdings
        minors = (
            *(moved.issued_minor, moved.redeemed_minor, moved.expired_minor),
            *(moved.compensated_minor, moved.goodwill_minor),
            *(held.pending_minor, held.active_minor, held.held_minor, held.debt_minor, held.frozen_minor),
        )
        entries = f"{close.first_seq} to {close.last_seq}" if close.last_seq >= close.first_seq else "none"
        balance = None if trial is None else points_text(trial, scale)
        return close.business_date, entries, *(points_text(minor, scale) for minor in minors), balance

    moved = ("issued", "redeemed", "expired", "compensated", "goodwill")
    table(
        ("day", "entries", *moved, "pending", "active", "held", "debt", "of frozen", "trial"),
        (row(close, trial) for close, trial in zip(found, trials, strict=True)),
    )
    typer.echo("\noutstanding by ratio version, and the head of the ledger")
    table(
        ("day", "ratio", "points", "head"),
        (
            (close.business_date, version or "none", points_text(minor, scale), close.head.hex()[:16])
            for close in found
            for version, minor in close.holdings.outstanding
        ),
    )


def _close_values(close: "Close", trial: int | None) -> dict[str, object]:
    return {**asdict(close), "head": close.head.hex(), "trial_minor": trial}


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="A SELECT; agent/store/schema/*.sql names the tables.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json_output: JsonOption = False,
) -> None:
    """Ask the database something. Nothing can be changed this way."""
    from agent.store import reading

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        try:
            rows = reading.query(connection, sql)
        except ValueError as error:
            fail(Exit.REFUSED, "QUERY_REFUSED", f"{error}; write one SELECT", json_output=json_output)
    plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
    if json_output:
        as_json({"ok": True, "rows": plain})
    elif plain:
        table(list(plain[0]), (list(row.values()) for row in plain))


def _plain(value: object) -> object:
    """Ids as people and messages carry them, longer bytes as hex, and text that is text as text."""
    if not isinstance(value, bytes):
        return value
    if len(value) == 16:
        return urlsafe_b64encode(value).rstrip(b"=").decode()
    return value.hex() if len(value) == 32 else value.decode(errors="replace")
