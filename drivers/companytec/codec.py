"""Bytes and frames of Companytec CBC. Pure: no time, no state of the conversation.

A frame is ASCII: `(`, body, and where the command has one a check value KK, `)`. KK is the sum of the
body's codes modulo 256 as two upper-case hex digits (DT435 3.11, [pub]). What a body means depends on
the question, so there is one `parse_...` per kind of answer; each returns None for anything else.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from drivers.checksums import sum_mod_256
from drivers.companytec.layouts import CBC, RECORDS, repeated

LONGEST_BODY = 800
"""The longest record has 149 characters with its parentheses; 99 nozzles in progress make 792."""
NO_TAG = frozenset({"F" * 16, "0" * 16})
NOTHING = "0"
STEP = b"(&I)"
FLOW = b"(&V)"
STATES = b"(&S)"
RING = 10_000
"""Positions in the concentrator's memory; record numbers of four digits wrap with it."""
STATE_LETTERS: Mapping[str, str] = {
    "L": "free",
    "B": "blocked",
    "C": "fuelling completed",
    "A": "fuelling",
    "E": "waits for release",
    "F": "absent or silent",
    "P": "ready",
    "D": "not documented, said by a maker's simulator",
}
"""State of a pump side (DT435 3.8, [pub]); D was seen on a maker's simulator [cap]."""


@dataclass(frozen=True, slots=True)
class Pointers:
    """Where the concentrator writes next, and where this port reads next."""

    write: int
    read: int


@dataclass(frozen=True, slots=True)
class States:
    """One letter per pump side, and the firmware that some shapes of the answer name (else "")."""

    letters: str
    rest: str


def checked(body: str) -> bytes:
    """The frame that carries `body` with its check value."""
    return f"({body}{check_of(body)})".encode("ascii")


def check_of(body: str) -> str:
    """KK of `body`."""
    return f"{sum_mod_256(body.encode('ascii')):02X}"


READS: Mapping[str, bytes] = {
    "short": b"(&A)",
    "identified": checked("&A"),
    "dual": checked("&@"),
    "paf1": checked("&A2"),
    "paf2": checked("&A3"),
    "paf_extended": checked("&A4"),
}
POINTERS = checked("&T99P")
CLOCK = checked("&KR1")
READ_TAG = checked("?A")
STEP_TAG = checked("?I")


def record_at(position: int, *, long: bool) -> bytes:
    """Ask for the record at a position, whatever the read pointer: `long` as PAF1, else with one tag."""
    return checked(f"&L{'C' if long else 'R'}{position:04d}")


def long_total(nozzle: str) -> bytes:
    """Ask for the volume totalizer of a nozzle, ten digits."""
    return checked(f"&T{nozzle}l")


def parse_fields(body: str, kind: str) -> dict[str, str] | None:
    """The fields of `body` as digits, if it has the layout `kind` and its check value holds."""
    form = CBC[kind]
    if len(body) != form.content_length() + 2 or not body.startswith(form.prefix):
        return None
    return form.fields(body[:-2]) if holds(body) else None


def holds(body: str) -> bool:
    """True if the last two characters of `body` are the check value of what stands before them."""
    return len(body) > 2 and body[-2:] == check_of(body[:-2])


def parse_record(body: str) -> dict[str, str] | None:
    """The record in `body`, whichever of the forms it came in: the answer tells its own form."""
    return next((fields for kind in RECORDS if (fields := parse_fields(body, kind))), None)


def parse_record_at(body: str) -> dict[str, str] | None:
    """The answer to `record_at`, short or long, of a CBC or a Horustech in CBC mode."""
    kinds = ("paf1", "position", "position_horustech")
    return next((fields for kind in kinds if (fields := parse_fields(body, kind))), None)


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
    parts = repeated(body, 2, 6)
    if parts is None or not all(is_hex(nozzle) and is_digits(value) for nozzle, value in parts):
        return None
    return frozenset(nozzle for nozzle, _ in parts)


def parse_tags_in_progress(body: str) -> tuple[tuple[str, ...], ...] | None:
    """(nozzle, tag) of each fuelling in progress, the answer to `(?V95)`. No KK."""
    parts = repeated(body, 2, 16)
    return parts if parts is not None and is_hex(body) else None


def parse_states(body: str) -> States | None:
    """The answer to `(&S)` in each of its shapes: 48 letters (twelve channels), or 32 or 36 letters and
    behind them type, firmware, mains and battery. Letters are read as far as they go. No KK."""
    if not body.startswith("S") or len(body) > 65:
        return None
    count = next((at for at, letter in enumerate(body[1:]) if letter not in STATE_LETTERS), len(body) - 1)
    return States(body[1 : 1 + count], body[1 + count :]) if count else None


def parse_totals(body: str) -> tuple[str, str, str] | None:
    """(kind letter, nozzle, digits) of an answer to `(&TBBm)`; `l` has ten digits, the others eight."""
    fields = parse_fields(body, "totals") or parse_fields(body, "totals_long")
    if fields is None or not (is_hex(fields["nozzle"]) and is_digits(fields["digits"])):
        return None
    return fields["kind"], fields["nozzle"], fields["digits"]


def parse_error(body: str) -> str | None:
    """`t` timeout, `b` bad nozzle, `r` pump answered wrong, `m` bad mode, `f` list full; with or without
    the letter of the command in front."""
    if 2 <= len(body) <= 3 and body[-2] == "?" and body[-1] in "tbrmf":
        return body[-1]
    return None


def is_sound(body: str) -> bool:
    """True if `body` is one of the answers without check value, or its check value holds."""
    unchecked = (parse_flow, parse_tags_in_progress, parse_states, parse_error)
    return (
        holds(body)
        or any(parse(body) is not None for parse in unchecked)
        or body.startswith("REL ")
        or (body[:1] == "&" and len(body) == 2)
    )


def is_digits(text: str) -> bool:
    """True for ASCII digits only (`str.isdigit` takes others)."""
    return text.isascii() and text.isdigit()


def is_hex(text: str) -> bool:
    """True for upper-case hex digits only."""
    return bool(text) and set(text) <= set("0123456789ABCDEF")


class Reader:
    """Collects bytes into bodies between parentheses. Any bytes, any pieces; memory is bounded.

    `bad_frames` counts frames that began and did not end, `noise_bytes` what lay outside of frames.
    """

    def __init__(self) -> None:
        self._body: bytearray | None = None
        self.bad_frames = 0
        self.noise_bytes = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """The bodies that `data` completes. What lies between frames is dropped."""
        for byte in data:
            if byte == 0x28:
                self.bad_frames += self._body is not None
                self._body = bytearray()
            elif self._body is None:
                self.noise_bytes += 1
            elif byte == 0x29:
                body, self._body = self._body, None
                yield body.decode("ascii")
            elif 0x20 <= byte < 0x7F and len(self._body) < LONGEST_BODY:
                self._body.append(byte)
            else:
                self.bad_frames += 1
                self._body = None

    def forget(self) -> None:
        """Drop a half-heard frame."""
        self._body = None
