"""Where each field stands in a frame: one table for the session, for people and for redaction.

A layout is made of names and widths in characters, in the order of the wire. CBC: devices.md 2.1, DT435
revision 09, [pub]. Horustech: devices.md 2.2, DT214 revision 09, [pub].
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Layout = tuple[tuple[str, int], ...]
Fields = Mapping[str, str]

SALE: Layout = (
    ("total", 6),
    ("volume", 6),
    ("unit_price", 4),
    ("decimals", 2),
    ("duration", 4),
    ("nozzle", 2),
)
_DAY: Layout = (("day", 2), ("hour", 2), ("minute", 2))
_SHORT: Layout = (*SALE, *_DAY, ("month", 2), ("record", 4), ("totalizer", 10))
_TAGS: Layout = (("attendant", 16), ("client", 16))
_PAF_HEAD: Layout = (("spacer", 1), ("serial", 8))
_PAF_TAIL: Layout = (
    ("record", 6),
    ("totalizer", 10),
    ("totalizer_before", 10),
    ("physical_nozzle", 2),
    ("fuel", 2),
    ("tank", 2),
    ("tank_volume", 8),
    *_TAGS,
)
_SECONDS: Layout = (("year", 2), ("month", 2), ("day", 2), ("hour", 2), ("minute", 2), ("second", 2))
_WIDE: Layout = (
    *_PAF_HEAD,
    ("total", 8),
    ("volume", 8),
    ("unit_price", 6),
    ("decimals", 2),
    ("duration", 4),
    ("nozzle", 2),
)
_WIDE_REST = 147 - 2 - sum(width for _, width in _WIDE) - 2


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of answer: what it begins with, then its fields. `title` is for people."""

    title: str
    prefix: str
    layout: Layout

    def content_length(self) -> int:
        """Characters without the check value."""
        return len(self.prefix) + sum(width for _, width in self.layout)

    def fields(self, content: str) -> dict[str, str] | None:
        """The fields of `content` (a frame without its check value), if prefix and length are these."""
        if len(content) != self.content_length() or not content.startswith(self.prefix):
            return None
        return dict(self.split(content))

    def split(self, content: str) -> Iterator[tuple[str, str]]:
        """Names and digits in the order of the wire; `content` has this length."""
        at = len(self.prefix)
        for name, width in self.layout:
            yield name, content[at : at + width]
            at += width


CBC: Mapping[str, Form] = {
    "identified": Form(
        "sale with a tag",
        "A",
        (*_SHORT, ("status", 2), ("tag", 16), ("tag_record", 4), ("tag_status", 2)),
    ),
    "dual": Form("sale with two tags", "@", (*_SHORT, ("status", 2), *_TAGS, ("tag_status", 2))),
    "paf1": Form(
        "sale, PAF1",
        "a2",
        (*_PAF_HEAD, *SALE, *_DAY, ("month", 2), ("year", 2), *_PAF_TAIL, ("status", 2)),
    ),
    "paf2": Form(
        "sale, PAF2",
        "a3",
        (*_PAF_HEAD, *SALE, *_SECONDS, *_PAF_TAIL, ("reserved", 2), ("status", 2)),
    ),
    "paf_extended": Form("sale, PAF extended", "a4", (*_WIDE, ("rest", _WIDE_REST))),
    "unknown_tag": Form(
        "unknown tag",
        "A",
        (("tag", 16), ("nozzle", 2), *_DAY, ("month", 2), ("record", 4), ("status", 2)),
    ),
    "pointers": Form("pointers", "TP99", (("write", 4), ("read", 4))),
    "pointers_simulator": Form("pointers", "TG99", (("write", 4), ("read", 4))),
    "tags_of_nozzle": Form("tags of a nozzle", "TI", (("nozzle", 2), *_TAGS)),
    "totals": Form("totals", "T", (("kind", 1), ("nozzle", 2), ("digits", 8))),
    "totals_long": Form("totals", "T", (("kind", 1), ("nozzle", 2), ("digits", 10))),
    "clock": Form(
        "clock",
        "KR1",
        (("year", 2), ("month", 2), ("day", 2), ("weekday", 2), ("hour", 2), ("minute", 2), ("second", 2)),
    ),
    "tag_memory": Form(
        "tag in memory",
        "LF",
        (("position", 6), ("count", 6), ("tag", 16), ("shifts", 16), ("control", 2)),
    ),
    "tag_stored": Form(
        "tag stored",
        "FG",
        (("position", 6), ("count", 6), ("tag", 16), ("shifts", 16), ("control", 2)),
    ),
    "short": Form("sale", "", (*_SHORT, ("status", 2))),
    "position": Form(
        "sale at a position",
        "",
        (*_SHORT, ("fixed", 2), ("tag", 16), ("tag_record", 4), ("status", 2)),
    ),
    "position_horustech": Form(
        "sale at a position (Horustech)",
        "",
        (*_SHORT, ("fixed", 2), ("tag", 16), ("tag_record", 4), ("client_begin", 8), ("status", 2)),
    ),
    "oldest": Form("sale without number (before CBC03)", "", (*SALE, *_DAY)),
}
"""The answers that have a check value. Pointers stand before totals, whose kind could be P as well, and
what begins with nothing is last, because only its length tells it."""

RECORDS = ("identified", "dual", "paf1", "paf2", "short")
"""The forms in which the record at the read pointer comes; each has another length."""

_HRS_SALE: Layout = (("record", 6), ("nozzle", 2), ("fuel", 2), ("tank", 2))
_HRS_SCALES: Layout = (
    ("total_decimals", 1),
    ("volume_decimals", 1),
    ("price_decimals", 1),
    ("duration", 4),
    ("day", 2),
    ("month", 2),
    ("year", 2),
    ("hour", 2),
    ("minute", 2),
)
_HRS_TOTALS: Layout = (("totalizer_before", 10), ("totalizer", 10), *_TAGS)
_HRS_PLAIN: Layout = (
    *_HRS_SALE,
    *SALE[:3],
    *_HRS_SCALES,
    *_HRS_TOTALS,
    ("tank_volume", 8),
)
_HRS_WIDE: Layout = (
    ("parameter", 1),
    *_HRS_SALE,
    ("total", 8),
    ("volume", 8),
    ("unit_price", 6),
    *_HRS_SCALES,
    ("second", 2),
    *_HRS_TOTALS,
    ("tank_volume", 10),
)

HORUSTECH: Mapping[str, Form] = {
    "plain": Form("sale", "02", _HRS_PLAIN),
    "extended": Form("sale, extended", "02", _HRS_WIDE),
    "position": Form("sale at a position", "08", _HRS_PLAIN),
    "stepped": Form("read pointer moved", "06", (("read", 6), ("write", 6))),
    "pointers": Form(
        "pointers",
        "050006",
        (("read", 6), ("write", 6), ("tag_read", 6), ("tag_write", 6)),
    ),
    "total_volume": Form("totals", "05", (("nozzle", 2), ("kind", 2), ("digits", 10))),
    "totals": Form(
        "totals", "05", (("nozzle", 2), ("kind", 2), ("digits", 10), ("money", 10), ("unit_price", 4))
    ),
    "unknown_tag": Form(
        "unknown tag",
        "0C",
        (("record", 6), ("nozzles", 8), ("tag", 16), ("day", 2), ("month", 2), ("hour", 2), ("minute", 2)),
    ),
    "tag_stepped": Form("tag pointer moved", "18", (("read", 6), ("write", 6))),
    "tag_memory": Form(
        "tag in memory",
        "10",
        (("record", 6), ("nozzles", 8), ("tag", 16), ("day", 2), ("month", 2), ("hour", 2), ("minute", 2)),
    ),
    "tag_stored": Form("tag stored", "0D", (("record", 6), ("tag", 16))),
    "clock": Form(
        "clock",
        "0B",
        (("year", 2), ("month", 2), ("day", 2), ("weekday", 2), ("hour", 2), ("minute", 2), ("second", 2)),
    ),
}
"""Answers by their data: the index of two hex digits, then the fields."""

TAG_FIELDS = frozenset({"tag", "attendant", "client", "client_begin", "rest"})
"""What names a card or a person. The rest of the extended PAF has tags too, nobody says where."""


def repeated(body: str, *widths: int) -> tuple[tuple[str, ...], ...] | None:
    """`body` cut into equal groups of fields, None if it is not a whole number of them (at least one)."""
    size = sum(widths)
    if not body or len(body) % size:
        return None
    return tuple(tuple(_cut(body[at : at + size], widths)) for at in range(0, len(body), size))


def _cut(group: str, widths: tuple[int, ...]) -> Iterator[str]:
    at = 0
    for width in widths:
        yield group[at : at + width]
        at += width
