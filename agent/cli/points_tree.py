"""Lots and what became of them as a tree: lot → consumptions → reversals, returns, lapses."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.cli.render import moment

if TYPE_CHECKING:
    from datetime import tzinfo

    from agent.store.tracing import TracedLot, TracedMove


@dataclass(frozen=True, slots=True)
class Branch:
    """One lot: its line, the lines below it, and both for machines."""

    line: str
    below: tuple[str, ...]
    values: dict[str, Any]


def tree_of(traced: "Sequence[TracedLot]", points_scale: int, zone: "tzinfo") -> list[Branch]:
    """In the order in which the lots were earned; their moves in the order of the ledger."""
    return [_branch(one, points_scale, zone) for one in traced]


def _branch(traced: "TracedLot", scale: int, zone: "tzinfo") -> Branch:
    from agent.messages import ids
    from agent.points.explanation import points_text

    lot = traced.lot
    last_day = f", last day {lot.lapses_on}" if lot.lapses_on else ""
    honoured = f", honoured until {lot.honoured_until}" if lot.honoured_until else ""
    points, code = points_text(lot.minor, scale), ids.slip_code(traced.fact_id) if traced.fact_id else ""
    sale, given = f", sale {code}" if code else "", f", given by {traced.command}" if traced.command else ""
    return Branch(
        line=f"{points} points of {lot.earned_on}{sale}{given}: {lot.state}, "
        f"{points_text(lot.remaining_minor, scale)} left{last_day}{honoured}",
        below=tuple(_move(move, traced, scale, zone) for move in traced.moves),
        values={
            "lot_id": ids.text(lot.lot_id),
            "fact_id": ids.text(traced.fact_id) if traced.fact_id else "",
            "code": code,
            "command": traced.command,
            "bundle_version": traced.version,
            "minor": lot.minor,
            "remaining_minor": lot.remaining_minor,
            "lapsed_minor": lot.lapsed_minor,
            "state": lot.state,
            "earned_on": lot.earned_on,
            "lapses_on": lot.lapses_on,
            "honoured_until": lot.honoured_until,
            "moves": [
                {"seq": move.seq, "kind": move.kind, "of": ids.text(move.ref), "at_ms": move.at_ms}
                | {"minor": move.minor}
                for move in traced.moves
            ],
        },
    )


def _move(move: "TracedMove", traced: "TracedLot", scale: int, zone: "tzinfo") -> str:
    """An entry about another award took from this lot because that one's own was spent."""
    from agent.messages import ids
    from agent.points.explanation import points_text

    about = "" if move.ref == traced.lot.lot_id else f" for {ids.text(move.ref)}"
    sign = "+" if move.minor > 0 else ""
    points = f"{sign}{points_text(move.minor, scale)}"
    return f"{points}  {move.kind}{about}, {moment(move.at_ms, zone)}, ledger {move.seq}"


def plain_lines(tree: Sequence[Branch]) -> Iterator[str]:
    if not tree:
        yield "no points were earned at this station"
    for branch in tree:
        yield branch.line
        yield from (f"  {line}" for line in branch.below)


def print_tree(title: str, tree: Sequence[Branch]) -> bool:
    """Draw it on a terminal; False where there is none."""
    if not (tree and sys.stdout.isatty()):
        return False
    from rich.console import Console
    from rich.markup import escape
    from rich.tree import Tree

    root = Tree(escape(title))
    for branch in tree:
        lot = root.add(escape(branch.line))
        for line in branch.below:
            lot.add(escape(line))
    Console().print(root)
    return True
