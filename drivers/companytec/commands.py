"""What a host can say to a concentrator, recognised but, except what reads and steps, never composed here.

The simulators understand the host through this, recordings are read with it, and a test proves with it
that our session says nothing but what reads and steps. Layouts: devices.md 2.1 and 2.2, DT435, DT214, [pub].
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from drivers.companytec.codec import holds
from drivers.companytec.layouts import Layout


class Kind(StrEnum):
    READ = "read record at read pointer"
    READ_IDENTIFIED = "read identified record"
    READ_BOTH_TAGS = "read record with attendant and client tag"
    READ_PAF1 = "read record, PAF1"
    READ_PAF2 = "read record, PAF2"
    READ_EXTENDED = "read record, eight digits"
    READ_POSITION = "read record at a position"
    STEP = "advance read pointer (acknowledge); no reply"
    STEP_ANSWERED = "advance read pointer (acknowledge)"
    POINTERS = "read/write pointers"
    FLOW = "fuellings in progress"
    FLOW_TAGS = "tags of fuellings in progress"
    STATES = "state per address"
    TOTALS = "totals of a nozzle"
    CLOCK = "read clock"
    TAG = "read unknown tag"
    TAG_STEP = "advance tag pointer"
    TAG_MEMORY = "read tag memory"
    DEVICE = "device information"
    PRICE = "set price"
    PRESET = "preset"
    IDENTIFIED_PRESET = "preset for a tag"
    MODE = "set mode"
    SET_CLOCK = "set clock"
    STORE_TAG = "write tag memory"
    BLACKLIST = "change blacklist"


CHANGES_SOMETHING = frozenset(
    {
        Kind.PRICE,
        Kind.PRESET,
        Kind.IDENTIFIED_PRESET,
        Kind.MODE,
        Kind.SET_CLOCK,
        Kind.STORE_TAG,
        Kind.BLACKLIST,
    }
)
"""Commands that act on a pump or on what the concentrator knows. They are recognised, and never sent."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command with its fields as digits."""

    kind: Kind
    fields: Mapping[str, str]


_PLAIN = {
    "&A": Kind.READ,
    "&I": Kind.STEP,
    "&V": Kind.FLOW,
    "&S": Kind.STATES,
    "&R": Kind.CLOCK,
}
_CHECKED = {
    "&A": Kind.READ_IDENTIFIED,
    "&@": Kind.READ_BOTH_TAGS,
    "&A2": Kind.READ_PAF1,
    "&A3": Kind.READ_PAF2,
    "&A4": Kind.READ_EXTENDED,
    "&T99P": Kind.POINTERS,
    "&KR1": Kind.CLOCK,
    "?V": Kind.FLOW_TAGS,
    "?A": Kind.TAG,
    "?I": Kind.TAG_STEP,
}
_TAGGED: Layout = (("tag", 16), ("kind", 1), ("authorize", 1))
_CBC: tuple[tuple[str, Kind, Layout], ...] = (
    ("&LR", Kind.READ_POSITION, (("position", 4),)),
    ("&LC", Kind.READ_POSITION, (("position", 4),)),
    ("&T", Kind.TOTALS, (("nozzle", 2), ("kind", 1))),
    ("?LF", Kind.TAG_MEMORY, (("position", 6),)),
    ("&U", Kind.PRICE, (("nozzle", 2), ("level", 1), ("fixed", 1), ("price", 4))),
    ("&U", Kind.PRICE, (("nozzle", 2), ("level", 1), ("fixed", 1), ("price", 6))),
    ("&P", Kind.PRESET, (("nozzle", 2), ("value", 6))),
    ("&M", Kind.MODE, (("nozzle", 2), ("mode", 1))),
    ("&M99", Kind.BLACKLIST, (("mode", 1), ("tag", 16))),
    ("&H", Kind.SET_CLOCK, (("day", 2), ("hour", 2), ("minute", 2))),
    ("&KW1", Kind.SET_CLOCK, (("digits", 14),)),
)
_FID: Mapping[str, tuple[Kind, Layout]] = {
    "P": (
        Kind.IDENTIFIED_PRESET,
        (
            ("nozzle", 2),
            ("action", 1),
            *_TAGGED,
            ("value", 6),
            ("timeout_s", 2),
            ("unit", 1),
            ("reserved", 5),
        ),
    ),
    **dict.fromkeys("GAL", (Kind.STORE_TAG, (("control", 2), ("action", 1), ("tag", 16), ("rest", 16)))),
}
"""`?F` means by its third character something else: P preset, G write, A delete, L clear all."""
_HORUSTECH: tuple[tuple[str, Kind, Layout], ...] = (
    ("01", Kind.STATES, ()),
    ("02", Kind.READ, ()),
    ("02A1", Kind.READ_EXTENDED, ()),
    ("02A2", Kind.READ_EXTENDED, ()),
    ("03", Kind.FLOW, ()),
    ("050006", Kind.POINTERS, ()),
    ("05", Kind.TOTALS, (("nozzle", 2), ("kind", 2))),
    ("06", Kind.STEP_ANSWERED, ()),
    ("08", Kind.READ_POSITION, (("position", 6),)),
    ("0B", Kind.CLOCK, ()),
    ("0C", Kind.TAG, ()),
    ("0F", Kind.TAG_MEMORY, (("position", 6),)),
    ("10", Kind.TAG_MEMORY, (("position", 6),)),
    ("12", Kind.DEVICE, ()),
    ("18", Kind.TAG_STEP, ()),
    ("28", Kind.FLOW_TAGS, ()),
    ("07", Kind.PRICE, (("nozzle", 2), ("price", 4))),
    ("32", Kind.PRICE, (("nozzle", 2), ("level", 1), ("price", 6))),
    ("09", Kind.PRESET, (("nozzle", 2), ("value", 6))),
    ("31", Kind.PRESET, (("nozzle", 2), ("value", 8), ("unit", 1), ("level", 1))),
    (
        "26",
        Kind.IDENTIFIED_PRESET,
        (("nozzle", 2), *_TAGGED, ("value", 6), ("timeout_s", 2), ("unit", 1), ("reserved", 5)),
    ),
    (
        "34",
        Kind.IDENTIFIED_PRESET,
        (("nozzle", 2), *_TAGGED, ("value", 8), ("timeout_s", 2), ("unit", 1), ("level", 1)),
    ),
    ("13", Kind.MODE, (("nozzle", 2), ("mode", 2))),
    ("0A", Kind.SET_CLOCK, (("digits", 14),)),
    ("0D", Kind.STORE_TAG, (("tag", 16), ("control", 2))),
    ("0E", Kind.STORE_TAG, (("position", 6), ("tag", 16))),
    ("30", Kind.BLACKLIST, (("mode", 2), ("tag", 16))),
)


def parse_command(body: str) -> Command | None:
    """The CBC command in `body` (what stands between the parentheses), or None if it is none of these or
    its check value is wrong."""
    if body in _PLAIN:
        return Command(_PLAIN[body], {})
    if body.startswith("&H") and len(body) == 8:
        return _first(body, _CBC)
    if not (body.isascii() and holds(body)):
        return None
    content = body[:-2]
    if content in _CHECKED:
        return Command(_CHECKED[content], {})
    if content.startswith("?F") and content[4:5] in _FID:
        return _first(content, (("?F", *_FID[content[4]]),))
    return _first(content, _CBC)


def parse_question(data: str) -> Command | None:
    """The Horustech command in `data`, or None if it is none of these."""
    return _first(data, _HORUSTECH)


def _first(content: str, table: tuple[tuple[str, Kind, Layout], ...]) -> Command | None:
    for prefix, kind, layout in table:
        if content.startswith(prefix) and len(content) == len(prefix) + sum(width for _, width in layout):
            fields, at = {"form": prefix}, len(prefix)
            for name, width in layout:
                fields[name] = content[at : at + width]
                at += width
            return Command(kind, fields)
    return None
