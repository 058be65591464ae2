"""What a field may hold, and the layout of a message made of such fields (NOTES.md, "Fields").

The same tables read and write, so a field that we would refuse can never be sent by us.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drivers.pos_link.codec import MAX_DATA_BYTES, frame

LAST_NUMBER = 999_999
"""Message numbers run 1 to 999999 and start again at 1; 0 stands for "number not readable"."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NUMBER = re.compile("[0-9]{1,6}")
_FRAME_BYTES = 3  # STX, ETX and LRC stand around the data

REMEDIES = {
    "UNKNOWN_MESSAGE": "send one of the message types of profile version 1",
    "MALFORMED_FIELD": "correct the named field: its characters, encoding or form",
    "FIELD_MISSING": "fill in the named field",
    "FIELD_TOO_LONG": "shorten the named field to its limit",
    "FIELD_COUNT": "send exactly the fields of the layout",
    "TOO_MANY_ROWS": "send fewer lines in one message, add up small ones",
    "MESSAGE_TOO_LONG": "shorten the message to 2048 bytes of data",
    "WRONG_REGISTER": "set the same register id at the POS and in station.toml",
    "WRONG_VERSION": "use profile version 1",
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
    """One field: at most `most` characters that match `form`; empty only when `optional`."""

    name: str
    most: int
    form: re.Pattern[str]
    optional: bool = False


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


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields after type and number. With `row`, the last field counts how many rows follow."""

    kind: str
    fields: tuple[Field, ...]
    row: tuple[Field, ...] = ()
    most_rows: int = 0


@dataclass(frozen=True, slots=True)
class Parsed:
    """A message whose every field fits its layout; all values are still text (a credential among them)."""

    kind: str
    number: int
    values: Mapping[str, str] = field(repr=False)
    rows: tuple[Mapping[str, str], ...] = ()


def presentable(words: str, most: int) -> str:
    """`words` with control characters turned into spaces, cut to `most` characters."""
    return _CONTROL.sub(" ", words[:most])


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
    values, rows = found
    return Parsed(kind, number, values, rows)


def write(
    layout: Layout,
    number: int,
    values: Mapping[str, str],
    rows: Sequence[Mapping[str, str]],
    encoding: str,
) -> bytes | Refusal:
    """The frame of this message. Fields that `values` does not name are empty."""
    if len(rows) > layout.most_rows:
        return Refusal("TOO_MANY_ROWS", layout.fields[-1].name, number)
    raw = [layout.kind.encode("ascii"), b"%d" % number]
    for fields, group in [(layout.fields, values), *((layout.row, row) for row in rows)]:
        for slot in fields:
            part = _write_field(slot, group.get(slot.name, ""), encoding)
            if isinstance(part, Refusal):
                return Refusal(part.code, part.field, number)
            raw.append(part)
    framed = frame(raw)
    if len(framed) > MAX_DATA_BYTES + _FRAME_BYTES:
        return Refusal("MESSAGE_TOO_LONG", "", number)
    return framed


def _number(raw: Sequence[bytes]) -> int | None:
    if len(raw) < 2 or not _NUMBER.fullmatch(raw[1].decode("ascii", "replace")):
        return None
    return int(raw[1])


def _read_body(
    layout: Layout, raw: Sequence[bytes], encoding: str
) -> tuple[Mapping[str, str], tuple[Mapping[str, str], ...]] | Refusal:
    head = len(layout.fields)
    if len(raw) < head:
        return Refusal("FIELD_COUNT", layout.fields[len(raw)].name)
    values = _read_group(layout.fields, raw[:head], encoding)
    if isinstance(values, Refusal):
        return values
    count = int(values[layout.fields[-1].name]) if layout.row else 0
    if count > layout.most_rows:
        return Refusal("TOO_MANY_ROWS", layout.fields[-1].name)
    if len(raw) != head + count * len(layout.row):
        return Refusal("FIELD_COUNT", layout.fields[-1].name)
    rows = []
    for start in range(head, len(raw), len(layout.row) or 1):
        row = _read_group(layout.row, raw[start : start + len(layout.row)], encoding)
        if isinstance(row, Refusal):
            return row
        rows.append(row)
    return values, tuple(rows)


def _read_group(fields: Sequence[Field], raw: Sequence[bytes], encoding: str) -> Mapping[str, str] | Refusal:
    values = {}
    for slot, part in zip(fields, raw, strict=True):
        try:
            words = part.decode(encoding)
        except UnicodeDecodeError:
            return Refusal("MALFORMED_FIELD", slot.name)
        if refusal := _fault(slot, words):
            return refusal
        values[slot.name] = words
    return values


def _write_field(slot: Field, words: str, encoding: str) -> bytes | Refusal:
    return _fault(slot, words) or words.encode(encoding)


def _fault(slot: Field, words: str) -> Refusal | None:
    if not words:
        return None if slot.optional else Refusal("FIELD_MISSING", slot.name)
    if len(words) > slot.most:
        return Refusal("FIELD_TOO_LONG", slot.name)
    if _CONTROL.search(words) or not slot.form.fullmatch(words):
        return Refusal("MALFORMED_FIELD", slot.name)
    return None
