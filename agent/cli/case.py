"""`forecourt case`: how cases stand at headquarters, and a note on one from the station."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.render import as_json, fail, moment, pairs, table
from agent.cli.station import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    ask,
    database_of,
    settings_of,
    socket_of,
)

if TYPE_CHECKING:
    from datetime import tzinfo

    from agent.store.cases import StoredCase

app = typer.Typer(no_args_is_help=True, help="Questions and complaints: how they stand, and notes on them.")

CaseArgument = Annotated[str, typer.Argument(metavar="CASE", help="The number of the case.")]


@app.command("list")
def list_(
    config: ConfigOption = DEFAULT_CONFIG,
    last: Annotated[int, typer.Option(min=1, help="How many cases.")] = 20,
    json_output: JsonOption = False,
) -> None:
    """The cases that headquarters told of last: state, who works on it, and when it will be done."""
    from zoneinfo import ZoneInfo

    from agent.store.cases import Cases

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        cases = Cases(connection).newest(last)
    if json_output:
        as_json({"ok": True, "cases": [_values(case) for case in cases]})
        return
    zone = ZoneInfo(settings.station.timezone)
    table(
        ("case", "state", "urgency", "handler", "done by", "as of"),
        (
            (c.case_id, c.state, c.urgency, c.handler or c.owner, _eta(c, zone), moment(c.at_ms, zone))
            for c in cases
        ),
    )


@app.command()
def show(case: CaseArgument, config: ConfigOption = DEFAULT_CONFIG, json_output: JsonOption = False) -> None:
    """One case: owner, handler, when it will be done, what headquarters says, and the notes from here."""
    from zoneinfo import ZoneInfo

    from agent.messages import ids
    from agent.store.cases import Cases
    from agent.store.outbox import SERVICE, OutboxReader

    settings = settings_of(config, json_output=json_output)
    with database_of(settings, json_output=json_output) as connection:
        known, notes = Cases(connection).get(case), Cases(connection).notes(case)
        watermark = OutboxReader(connection).watermark(SERVICE)
    if known is None:
        text = f"headquarters has told of no case {case}; `forecourt case list` shows what there is"
        fail(Exit.REFUSED, "CASE_UNKNOWN", text, json_output=json_output)
    if json_output:
        told = [asdict(note) | {"acknowledged": note.stream_seq <= watermark} for note in notes]
        as_json({"ok": True, **_values(known), "notes": told})
        return
    zone = ZoneInfo(settings.station.timezone)
    pairs(
        {
            "case": known.case_id,
            "state": f"{known.state}, as of {moment(known.at_ms, zone)}",
            "urgency": known.urgency,
            "owner": known.owner,
            "handler": known.handler,
            "done by": _eta(known, zone),
            "sale": ids.slip_code(known.fact_id) if known.fact_id else None,
            "headquarters says": known.text(settings.language),
        }
    )
    for note in notes:
        where = "headquarters has it" if note.stream_seq <= watermark else "waiting"
        typer.echo(f"\n{note.note_no}  {note.author}, {moment(note.at_ms, zone)}, {where}\n{note.note}")


@app.command()
def note(
    case: CaseArgument,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What happened; no card, telephone or plate.")],
    author: Annotated[str, typer.Option(help="Staff id of who writes.")] = "station",
    config: ConfigOption = DEFAULT_CONFIG,
    json_output: JsonOption = False,
) -> None:
    """Write on a case. Without a road to headquarters the note waits, and goes when it is back."""
    question = {"verb": "case.note", "case": case, "author": author, "note": text}
    answer = ask(socket_of(config, json_output=json_output), question)
    if answer is None:
        fail(
            Exit.REFUSED,
            "AGENT_NOT_RUNNING",
            "start it with `systemctl start forecourt`",
            json_output=json_output,
        )
    if not answer["ok"]:
        fail(Exit.REFUSED, str(answer["reason"]), str(answer["text"]), json_output=json_output)
    as_json(answer) if json_output else typer.echo(f"note {answer['note_no']} of case {case} is kept")


def _eta(case: "StoredCase", zone: "tzinfo") -> str | None:
    return moment(case.eta_ms, zone) if case.eta_ms else None


def _values(case: "StoredCase") -> dict[str, object]:
    from agent.messages import ids

    return asdict(case) | {"fact_id": ids.text(case.fact_id) if case.fact_id else None}
