"""The printed inventory (I201), for consoles that refuse the computer form. It has no check value.

A line of labels, `TANK PRODUCT VOLUME TC VOLUME ULLAGE HEIGHT WATER TEMP`, then one line per tank until an
empty one. Each column ends where its label ends, so a lost or added character shows. A console without tanks
prints neither labels nor rows. Sources: NOTES.md, "Printed form".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

LABELS = ("VOLUME", "TC VOLUME", "ULLAGE", "HEIGHT", "WATER", "TEMP")
TITLE = "IN-TANK INVENTORY"
_HEAD = re.compile(r"TANK PRODUCT +" + " +".join(f"({label})" for label in LABELS))
_FIRST = re.compile(r" *(\d{1,2}) +(.*?) +(\S+)")
_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,4})?")


@dataclass(frozen=True, slots=True)
class PrintedTank:
    """One row: its numbers as printed, in the order of `LABELS`."""

    tank: str
    product: str
    words: tuple[str, ...]


def parse_inventory(lines: Sequence[str]) -> tuple[PrintedTank, ...] | None:
    """The rows of the table; None where lines are not as such a table has them."""
    heads = [(at, head) for at, line in enumerate(lines) if (head := _HEAD.fullmatch(line))]
    if len(heads) != 1:
        return None if heads or any("TANK" in line for line in lines) else ()
    (at, head), rows = heads[0], []
    ends = [head.end(column) for column in range(1, len(LABELS) + 1)]
    for line in lines[at + 1 :]:
        if not line:
            break
        row = _row(line, ends)
        if row is None:
            return None
        rows.append(row)
    return tuple(rows)


def _row(line: str, ends: Sequence[int]) -> PrintedTank | None:
    first = _FIRST.fullmatch(line[: ends[0]])
    if first is None or len(line) != ends[-1]:
        return None
    later = [line[begin:end] for begin, end in pairwise(ends)]
    if not all(cell.startswith(" ") and not cell.endswith(" ") for cell in later):
        return None
    words = (first[3], *(cell.strip() for cell in later))
    return PrintedTank(first[1], first[2], words) if all(map(_NUMBER.fullmatch, words)) else None
