"""Output: tables for people, one JSON object for machines."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import NoReturn

import typer

from agent.cli.exits import Exit


def as_json(answer: object) -> None:
    """One JSON object on one line of stdout."""
    typer.echo(json.dumps(answer, ensure_ascii=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Aligned columns, as wide as they need to be; numbers to the right."""
    texts = [[_text(cell) for cell in row] for row in rows]
    widths = [max(map(len, (name, *(row[i] for row in texts)))) for i, name in enumerate(columns)]
    for row in [list(columns), *texts]:
        cells = (_aligned(cell, width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def pairs(values: Mapping[str, object]) -> None:
    width = max(map(len, values), default=0)
    for name, value in values.items():
        typer.echo(f"{name:<{width}}  {_text(value)}")


def fail(code: Exit, reason: str, text: str, *, json_output: bool = False) -> NoReturn:
    """End the command: the reason code and a sentence with what to do."""
    if json_output:
        as_json({"ok": False, "reason": reason, "text": text})
    typer.echo(f"{reason}: {text}", err=True)
    raise typer.Exit(code)


def money(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def litres(volume_ml: int) -> str:
    return f"{volume_ml // 1000}.{volume_ml % 1000 // 10:02d} L"


def moment(at_ms: int, zone: tzinfo = UTC) -> str:
    """A wall time to the second."""
    return datetime.fromtimestamp(at_ms // 1000, zone).strftime("%Y-%m-%d %H:%M:%S")


def span(ms: int | None) -> str:
    """An age as a person says it."""
    if ms is None:
        return "never"
    seconds = ms // 1000
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} days"


def _text(value: object) -> str:
    return "-" if value is None or value == "" else str(value)


def _aligned(cell: str, width: int) -> str:
    number = cell.lstrip("-").replace(".", "").isdigit() and cell != "-"
    return f"{cell:>{width}}" if number else f"{cell:<{width}}"
