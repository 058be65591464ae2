"""What a field may hold, and the layout of a message made of such fields (NOTES.md, "Fields").

The same tables read and write, so a field that we would refuse can never be sent by us.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drivers.pos_link.codec import MAX_DATA_BYTES, frame

PROFILE_VERSION = 2
VERSIONS = (1, PROFILE_VERSION)
"""What HELLO may say. To a POS of version 1 nothing is written that its page does not describe."""

LAST_NUMBER = 999_999
"""Message numbers run 1 to 999999 and start again at 1; 0 stands for "number not readable"."""
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
"""Control characters, and those that turn the direction of what is printed after them or end its line."""
_NUMBER = re.compile("[0-9]{1,6}")
_FRAME_BYTES = 3  # STX, ETX and LRC stand around the data
_COLUMN_BYTES = 3

Row = Mapping[str, str]
_Body = tuple[Row, tuple[Row, ...], tuple[Row, ...] | None]
"""The values in front, the rows, and the rows of the later part where there is one."""

REMEDIES = {
    "UNKNOWN_MESSAGE": "send one of the message types of the profile",
    "MALFORMED_FIELD": "correct the named field: its characters, encoding or form",
    "FIELD_MISSING": "fill in the named field",
    "FIELD_TOO_LONG": "shorten the named field to its limit",
    "FIELD_COUNT": "send exactly the fields of the layout",
    "TOO_MANY_ROWS": "send fewer lines in one message, add up small ones",
    "MESSAGE_TOO_LONG": "shorten the message to 2048 bytes of data",
    "WRONG_REGISTER": "set the same register id at the POS and in station.toml",
    "WRONG_VERSION": "use profile version 1 or 2",
    "NUMBER_REUSED": "number every message anew; to begin at 1 again say HELLO with a new start first",
    "BUSY": "wait for the answer to the message before, then send this one again",
    "NOT_DURABLE": "not stored yet, send the same message again",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message cannot be read or written. `field` names the field at fault ("" for the whole)."""

    code: str
    field: str = ""
    number: int = 0

    @property
    def remedy(self) -> str:
        return REMEDIES[self.code]


@dataclass(frozen=True, slots=True)
class Field:
    """One field: at most `most` characters that match `form`; empty only when `optional`.

    `on_paper`: `most` counts printed columns, and 3 bytes for each of them are enough.
    """

    name: str
    most: int
    form: re.Pattern[str]
    optional: bool = False
    on_paper: bool = False


def text(name: str, most: int, *, optional: bool = False) -> Field:
    """Any characters but control characters."""
    return Field(name, most, re.compile(".*", re.DOTALL), optional)


def digits(name: str, most: int) -> Field:
    """A decimal integer in ASCII without sign; leading zeros are allowed."""
    return Field(name, most, re.compile("[0-9]+"))


def signed(name: str, most: int, *, optional: bool = False) -> Field:
    """A decimal integer in ASCII, with "-" in front when negative."""
    return Field(name, most, re.compile("-?[0-9]+"), optional)


def one_of(name: str, words: Sequence[str], *, optional: bool = False) -> Field:
    """One of these words."""
    return Field(name, max(map(len, words)), re.compile("|".join(words)), optional)


def paper(name: str, columns: int) -> Field:
    """A printed line: any characters but control characters, wide ones counting two. May be empty."""
    return Field(name, columns, re.compile(".*", re.DOTALL), optional=True, on_paper=True)


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields after type and number. With `row`, the last field counts how many rows follow.

    `later` is what a later version of the profile appended: a count, and so many rows. A message of
    the first version ends before it.
    """

    kind: str
    fields: tuple[Field, ...]
    row: tuple[Field, ...] = ()
    most_rows: int = 0
    later: "Layout | None" = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """A message whose every field fits its layout; all values are still text (a credential among them).

    `later_rows` is None where the message ended before what a later version appended.
    """

    kind: str
    number: int
    values: Row = field(repr=False)
    rows: tuple[Row, ...] = ()
    later_rows: tuple[Row, ...] | None = None


def presentable(words: str, most: int) -> str:
    """`words` with control characters turned into spaces, cut to `most` characters."""
    return _CONTROL.sub(" ", words[:most])


def printable(words: str, columns: int, encoding: str) -> str:
    """`words` as one printed line: control characters as spaces, cut to `columns` and their bytes."""
    line = _CONTROL.sub(" ", words)
    while _columns(line) > columns or len(line.encode(encoding)) > columns * _COLUMN_BYTES:
        line = line[:-1]
    return line


def read(raw: Sequence[bytes], layouts: Mapping[str, Layout], encoding: str) -> Parsed | Refusal:
    """The message in these raw fields. A refusal carries its number, or 0 if that cannot be read.

    Number 0 itself is read: only an ANSWER may have it, to a message whose number was not readable.
    """
    kind = raw[0].decode("ascii", "replace")
    number = _number(raw)
    if number is None:
        return Refusal("MALFORMED_FIELD", "number")
    layout = layouts.get(kind)
    if layout is None:
        return Refusal("UNKNOWN_MESSAGE", "type", number)
    found = _read_body(layout, raw[2:], encoding)
    if isinstance(found, Refusal):
        return Refusal(found.code, found.field, number)
    values, rows, later = found
    return Parsed(kind, number, values, rows, later)


def write(
    layout: Layout,
    number: int,
    values: Row,
    rows: Sequence[Row],
    encoding: str,
    later_rows: Sequence[Row] | None = None,
) -> bytes | Refusal:
    """The frame of this message. Fields that `values` does not name are empty.

    Without `later_rows` the message ends where it did in the first version of the profile.
    """
    parts = [(layout, values, rows)]
    if later_rows is not None:
        assert layout.later is not None, layout.kind
        parts.append((layout.later, {layout.later.fields[-1].name: str(len(later_rows))}, later_rows))
    raw = [layout.kind.encode("ascii"), b"%d" % number]
    for part, head, tail in parts:
        written = _write_part(part, head, tail, encoding)
        if isinstance(written, Refusal):
            return Refusal(written.code, written.field, number)
        raw += written
    framed = frame(raw)
    if len(framed) > MAX_DATA_BYTES + _FRAME_BYTES:
        return Refusal("MESSAGE_TOO_LONG", "", number)
    return framed


def _number(raw: Sequence[bytes]) -> int | None:
    if len(raw) < 2 or not _NUMBER.fullmatch(raw[1].decode("ascii", "replace")):
        return None
    return int(raw[1])


def _read_body(layout: Layout, raw: Sequence[bytes], encoding: str) -> _Body | Refusal:
    head, width = len(layout.fields), len(layout.row)
    if len(raw) < head:
        return Refusal("FIELD_COUNT", layout.fields[len(raw)].name)
    values = _read_group(layout.fields, raw[:head], encoding)
    if isinstance(values, Refusal):
        return values
    count = int(values[layout.fields[-1].name]) if layout.row else 0
    if count > layout.most_rows:
        return Refusal("TOO_MANY_ROWS", layout.fields[-1].name)
    end = head + count * width
    if len(raw) < end or (len(raw) > end and layout.later is None):
        return Refusal("FIELD_COUNT", layout.fields[-1].name)
    rows = []
    for start in range(head, end, width or 1):
        row = _read_group(layout.row, raw[start : start + width], encoding)
        if isinstance(row, Refusal):
            return row
        rows.append(row)
    if len(raw) == end or layout.later is None:
        return values, tuple(rows), None
    later = _read_body(layout.later, raw[end:], encoding)
    return later if isinstance(later, Refusal) else (values, tuple(rows), later[1])


def _read_group(fields: Sequence[Field], raw: Sequence[bytes], encoding: str) -> Row | Refusal:
    values = {}
    for slot, part in zip(fields, raw, strict=True):
        try:
            words = part.decode(encoding)
        except UnicodeDecodeError:
            return Refusal("MALFORMED_FIELD", slot.name)
        if refusal := _fault(slot, words) or _overflow(slot, part):
            return refusal
        values[slot.name] = words
    return values


def _write_part(layout: Layout, values: Row, rows: Sequence[Row], encoding: str) -> list[bytes] | Refusal:
    if len(rows) > layout.most_rows:
        return Refusal("TOO_MANY_ROWS", layout.fields[-1].name)
    raw = []
    for fields, group in [(layout.fields, values), *((layout.row, row) for row in rows)]:
        for slot in fields:
            words = group.get(slot.name, "")
            if refusal := _fault(slot, words):
                return refusal
            part = words.encode(encoding)
            if refusal := _overflow(slot, part):
                return refusal
            raw.append(part)
    return raw


def _fault(slot: Field, words: str) -> Refusal | None:
    if not words:
        return None if slot.optional else Refusal("FIELD_MISSING", slot.name)
    if (_columns(words) if slot.on_paper else len(words)) > slot.most:
        return Refusal("FIELD_TOO_LONG", slot.name)
    if _CONTROL.search(words) or not slot.form.fullmatch(words):
        return Refusal("MALFORMED_FIELD", slot.name)
    return None


def _overflow(slot: Field, part: bytes) -> Refusal | None:
    too_long = slot.on_paper and len(part) > slot.most * _COLUMN_BYTES
    return Refusal("FIELD_TOO_LONG", slot.name) if too_long else None


def _columns(words: str) -> int:
    """Printed width: East Asian wide and full-width characters take two columns."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in words)
