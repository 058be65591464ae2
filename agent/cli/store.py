"""`forecourt store`: is every promise of the database kept, and questions of one's own to it."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json, fail, table
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

app = typer.Typer(no_args_is_help=True, help="The station's database, read only.")


@app.command()
def verify(config: ConfigOption = DEFAULT_CONFIG, json_output: JsonOption = False) -> None:
    """Check chains, sums and cross-references from the rows themselves. Exit code 4 if one is broken."""
    from agent.store import integrity, reading

    settings = settings_of(config, json_output=json_output)
    path = database_path(settings)
    running = ask(settings.station.control_socket, {"verb": "status"}) is not None
    try:
        with reading.look(path, agent_runs=running) as connection, _progress() as step:
            findings = integrity.verify(connection, step)
    except reading.NoDatabase as error:
        code, text = trouble_with(path, error)
        if code != "DATABASE_UNREADABLE":
            fail(Exit.STORE, code, text, json_output=json_output)
        findings = [integrity.Finding("DAMAGED_FILE", "database", str(error))]
    if json_output:
        as_json(
            {
                "ok": not findings,
                "findings": [{"code": f.code, "where": f.where, "detail": f.detail} for f in findings],
            }
        )
    elif findings:
        table(("finding", "where", "detail"), ((f.code, f.where, f.detail) for f in findings))
        typer.echo("Change nothing, keep a copy of the state directory, and tell headquarters.")
    else:
        typer.echo(f"{path}: every promise holds")
    if findings:
        raise typer.Exit(Exit.STORE)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal, nothing elsewhere."""
    import sys

    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("checking", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


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
