"""Bytes and frames of Companytec CBC (DT435). Pure: no time, no state of the conversation.

A frame is ASCII: `(`, body, and where the command has one a check value KK, `)`. KK is the sum of the
body's codes modulo 256 as two upper-case hex digits (DT435 3.11, [pub]). What a body means depends on
the question, so there is one `parse_...` per kind of answer; each returns None for anything else.
All layouts: devices.md 2.1, DT435 rev 09 and 10, [pub].
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from drivers.checksums import sum_mod_256

LONGEST_BODY = 160
"""The longest answer in DT435 has 149 characters with its parentheses; (&V) may be longer on a busy
forecourt and is then not read, which only costs `FuellingStarted` and `ended`."""
NO_TAG = frozenset({"F" * 16, "0" * 16})
NOTHING = "0"
STEP = b"(&I)"
FLOW = b"(&V)"
RING = 10_000
"""Positions in the concentrator's memory; record numbers of four digits wrap with it."""

Layout = tuple[tuple[str, int], ...]
_SALE: Layout = (
    ("total", 6),
    ("volume", 6),
    ("unit_price", 4),
    ("decimals", 2),
    ("duration", 4),
    ("nozzle", 2),
)
_SHORT: Layout = (
    *_SALE,
    ("day", 2),
    ("hour", 2),
    ("minute", 2),
    ("month", 2),
    ("record", 4),
    ("totalizer", 10),
)
_LAYOUTS: Mapping[str, tuple[str, Layout]] = {
    "short": ("", (*_SHORT, ("status", 2))),
    "tag": ("A", (*_SHORT, ("status", 2), ("tag", 16), ("tag_record", 4), ("tag_status", 2))),
    "attendant_and_client": (
        "@",
        (*_SHORT, ("status", 2), ("attendant", 16), ("client", 16), ("tag_status", 2)),
    ),
    "position": ("", (*_SHORT, ("fixed", 2), ("tag", 16), ("tag_record", 4), ("status", 2))),
    "position_horustech": (
        "",
        (*_SHORT, ("fixed", 2), ("tag", 16), ("tag_record", 4), ("client_begin", 8), ("status", 2)),
    ),
    "paf1": (
        "a2",
        (
            ("spacer", 1),
            ("serial", 8),
            *_SALE,
            ("day", 2),
            ("hour", 2),
            ("minute", 2),
            ("month", 2),
            ("year", 2),
            ("record", 6),
            ("totalizer", 10),
            ("totalizer_before", 10),
            ("physical_nozzle", 2),
            ("fuel", 2),
            ("tank", 2),
            ("tank_volume", 8),
            ("attendant", 16),
            ("client", 16),
            ("status", 2),
        ),
    ),
    "unknown_tag": (
        "A",
        (
            ("tag", 16),
            ("nozzle", 2),
            ("day", 2),
            ("hour", 2),
            ("minute", 2),
            ("month", 2),
            ("record", 4),
            ("status", 2),
        ),
    ),
    "pointers": ("TP99", (("write", 4), ("read", 4))),
    "pointers_simulator": ("TG99", (("write", 4), ("read", 4))),
}


@dataclass(frozen=True, slots=True)
class Pointers:
    """Where the concentrator writes next, and where this port reads next (0 to 9999)."""

    write: int
    read: int


def checked(body: str) -> bytes:
    """The frame that carries `body` with its check value."""
    return f"({body}{_check(body)})".encode("ascii")


def _check(body: str) -> str:
    return f"{sum_mod_256(body.encode('ascii')):02X}"


READS: Mapping[str, bytes] = {
    "short": b"(&A)",
    "tag": checked("&A"),
    "attendant_and_client": checked("&@"),
}
POINTERS = checked("&T99P")


def record_at(position: int, tags: str) -> bytes:
    """Ask for the record at a position, whatever the read pointer: with both tags in the long form."""
    return checked(f"&L{'C' if tags == 'attendant_and_client' else 'R'}{position:04d}")


def parse_fields(body: str, kind: str) -> dict[str, str] | None:
    """The fields of `body` as digits, if it has the layout `kind` and its check value holds."""
    prefix, layout = _LAYOUTS[kind]
    length = len(prefix) + sum(width for _, width in layout) + 2
    if len(body) != length or not body.startswith(prefix) or body[-2:] != _check(body[:-2]):
        return None
    fields, at = {}, len(prefix)
    for name, width in layout:
        fields[name] = body[at : at + width]
        at += width
    return fields


def parse_record_at(body: str, tags: str) -> dict[str, str] | None:
    """The answer to `record_at(..., tags)`, in the form that this concentrator uses."""
    if tags == "attendant_and_client":
        return parse_fields(body, "paf1")
    return parse_fields(body, "position") or parse_fields(body, "position_horustech")


def is_empty(fields: Mapping[str, str]) -> bool:
    """True for a position that holds no record: it is answered with all F (DT435 3.1.7, [pub])."""
    return set(fields["total"] + fields["volume"]) == {"F"}


def parse_pointers(body: str) -> Pointers | None:
    """The manual says TP99, a maker's simulator says TG99 (devices.md 2.2, [cap])."""
    fields = parse_fields(body, "pointers") or parse_fields(body, "pointers_simulator")
    if fields is None or not (is_digits(fields["write"]) and is_digits(fields["read"])):
        return None
    return Pointers(int(fields["write"]), int(fields["read"]))


def parse_flow(body: str) -> frozenset[str] | None:
    """The nozzles that are fuelling now: per nozzle 2 hex digits and 6 digits; `0` means none. No KK."""
    if body == NOTHING:
        return frozenset()
    if not body or len(body) % 8:
        return None
    parts = [body[at : at + 8] for at in range(0, len(body), 8)]
    if not all(is_hex(part[:2]) and is_digits(part[2:]) for part in parts):
        return None
    return frozenset(part[:2] for part in parts)


def parse_totals(body: str) -> tuple[str, str, str] | None:
    """(kind letter, nozzle, digits) of an answer to `(&TBBm)`; `l` has ten digits, the others eight."""
    if len(body) not in (14, 16) or not body.startswith("T") or body[-2:] != _check(body[:-2]):
        return None
    kind, nozzle, digits = body[1], body[2:4], body[4:-2]
    return (kind, nozzle, digits) if is_hex(nozzle) and is_digits(digits) else None


def parse_error(body: str) -> str | None:
    """`t` timeout, `b` bad nozzle, `r` pump answered wrong, `m` bad mode, `f` list full; with or without
    the letter of the command in front."""
    if 2 <= len(body) <= 3 and body[-2] == "?" and body[-1] in "tbrmf":
        return body[-1]
    return None


def is_digits(text: str) -> bool:
    """True for ASCII digits only (`str.isdigit` takes others)."""
    return text.isascii() and text.isdigit()


def is_hex(text: str) -> bool:
    """True for upper-case hex digits only."""
    return bool(text) and set(text) <= set("0123456789ABCDEF")


class Reader:
    """Collects bytes into bodies between parentheses. Any bytes, any pieces; memory is bounded.

    `torn_frames` counts frames that began and did not end, `noise_bytes` what lay outside of frames.
    """

    def __init__(self) -> None:
        self._body: bytearray | None = None
        self.torn_frames = 0
        self.noise_bytes = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """The bodies that `data` completes. What lies between frames is dropped."""
        for byte in data:
            if byte == 0x28:
                self.torn_frames += self._body is not None
                self._body = bytearray()
            elif self._body is None:
                self.noise_bytes += 1
            elif byte == 0x29:
                body, self._body = self._body, None
                yield body.decode("ascii")
            elif 0x20 <= byte < 0x7F and len(self._body) < LONGEST_BODY:
                self._body.append(byte)
            else:
                self.torn_frames += 1
                self._body = None

    def forget(self) -> None:
        """Drop a half-heard frame."""
        self._body = None
