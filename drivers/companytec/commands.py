"""What a host can say to a concentrator, recognised but never composed here.

The simulator understands the host through this, recordings are read with it, and a test proves with it
that our session says nothing but READING, FLOW, POINTERS and STEP. Layouts: devices.md 2.1, DT435, [pub].
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from drivers.checksums import sum_mod_256


class Kind(StrEnum):
    READ = "read record at read pointer"
    READ_IDENTIFIED = "read identified record"
    READ_BOTH_TAGS = "read record with attendant and client tag"
    READ_POSITION = "read record at a position"
    STEP = "advance read pointer (acknowledge); no reply"
    POINTERS = "read/write pointers"
    FLOW = "fuellings in progress"
    STATES = "state per address"
    TOTALS = "totals of a nozzle"
    CLOCK = "read clock"
    PRICE = "set price"
    PRESET = "preset"
    IDENTIFIED_PRESET = "preset for a tag"
    MODE = "set mode"


CHANGES_SOMETHING = frozenset({Kind.PRICE, Kind.PRESET, Kind.IDENTIFIED_PRESET, Kind.MODE})
"""Commands that act on a pump. They are recognised, and never sent."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command with its fields as digits."""

    kind: Kind
    fields: Mapping[str, str]


_PLAIN = {"&A": Kind.READ, "&I": Kind.STEP, "&V": Kind.FLOW, "&S": Kind.STATES}
_CHECKED = {"&A": Kind.READ_IDENTIFIED, "&@": Kind.READ_BOTH_TAGS, "&T99P": Kind.POINTERS, "&KR1": Kind.CLOCK}
_LAYOUTS: tuple[tuple[str, Kind, tuple[tuple[str, int], ...]], ...] = (
    ("&LR", Kind.READ_POSITION, (("position", 4),)),
    ("&LC", Kind.READ_POSITION, (("position", 4),)),
    ("&T", Kind.TOTALS, (("nozzle", 2), ("kind", 1))),
    ("&U", Kind.PRICE, (("nozzle", 2), ("level", 1), ("fixed", 1), ("price", 4))),
    ("&P", Kind.PRESET, (("nozzle", 2), ("value", 6))),
    ("&M", Kind.MODE, (("nozzle", 2), ("mode", 1))),
    (
        "?F",
        Kind.IDENTIFIED_PRESET,
        (
            ("nozzle", 2),
            ("action", 1),
            ("tag", 16),
            ("kind", 1),
            ("authorize", 1),
            ("value", 6),
            ("timeout_s", 2),
            ("unit", 1),
            ("reserved", 5),
        ),
    ),
)


def parse_command(body: str) -> Command | None:
    """The command in `body` (what stands between the parentheses), or None if it is none of these or
    its check value is wrong."""
    if body in _PLAIN:
        return Command(_PLAIN[body], {})
    content, check = body[:-2], body[-2:]
    if not body.isascii() or check != f"{sum_mod_256(content.encode('ascii')):02X}":
        return None
    if content in _CHECKED:
        return Command(_CHECKED[content], {})
    for prefix, kind, layout in _LAYOUTS:
        if content.startswith(prefix) and len(content) == len(prefix) + sum(width for _, width in layout):
            fields, at = {"form": prefix}, len(prefix)
            for name, width in layout:
                fields[name] = content[at : at + width]
                at += width
            return Command(kind, fields)
    return None
