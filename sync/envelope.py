"""One message of outbox rows, sealed: the bytes, the chain and the signature (decisions.md 6).

Pure: no clock, chance, I/O or logging. The payload is zlib, with the preset dictionary of `dictionary.py`,
over these lines, joined by newlines:

    {"v":1,"station":"cn-0001","epoch":1,"stream":"ledger","first_seq":7,"count":2,"head_before":"…"}
    {"kind":"fuelling",…}          as stored, byte for byte
    {"kind":"award",…}
    base64 of the Ed25519 signature over b"forecourt/envelope/1\n" + everything before this line

The chain makes every earlier row of the stream part of every later head:
leaf = SHA-256(0x00 ‖ body), head = SHA-256(0x01 ‖ head before ‖ leaf), first head 32 zero bytes.
"""

import base64
import binascii
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sync.chain import GENESIS, leaf, next_head
from sync.dictionary import DICTIONARY
from sync.outbox import STREAMS
from sync.refusal import Refusal
from sync.topics import STATION_PATTERN

__all__ = [
    "CONTENT_TYPE",
    "GENESIS",
    "MAX_INFLATED_BYTES",
    "MAX_ITEMS",
    "Envelope",
    "Header",
    "Refusal",
    "decode_head",
    "encode_head",
    "leaf",
    "next_head",
    "open_",
    "seal",
]

MAX_ITEMS = 100
MAX_INFLATED_BYTES = 262_144
CONTENT_TYPE = "application/vnd.forecourt+zlib"
_CONTEXT = b"forecourt/envelope/1\n"
_SIGNATURE_LENGTH = 88

Verify = Callable[[bytes, bytes], bool]
"""(signed bytes, signature) -> does it verify."""

Epoch = Annotated[int, Field(ge=1, le=2**31 - 1)]
Seq = Annotated[int, Field(ge=0, le=2**53 - 1)]
StationName = Annotated[str, Field(pattern=rf"^{STATION_PATTERN}$")]
Head = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
"""A stream head, 32 bytes, base64url without padding."""
Stream = Literal["urgent", "ledger", "service"]


class Header(BaseModel):
    """First line of an envelope. `head_before` is the stream head after `first_seq - 1`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    v: Literal[1] = 1
    station: StationName
    epoch: Epoch
    stream: Stream
    first_seq: Annotated[int, Field(ge=1, le=2**53 - 1)]
    count: Annotated[int, Field(ge=1, le=MAX_ITEMS)]
    head_before: Head


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope whose signature was verified. `head_after` is the stream head after its last body."""

    header: Header
    bodies: tuple[bytes, ...]
    head_after: bytes

    @property
    def last_seq(self) -> int:
        return self.header.first_seq + self.header.count - 1

    @property
    def head_before(self) -> bytes:
        return decode_head(self.header.head_before)


def encode_head(head: bytes) -> str:
    """32 bytes as base64url without padding, the form they have in JSON."""
    assert len(head) == 32
    return base64.urlsafe_b64encode(head).rstrip(b"=").decode()


def decode_head(text: str) -> bytes:
    """The 32 bytes of a head that passed the `Head` pattern."""
    return base64.urlsafe_b64decode(text + "=")


def seal(header: Header, bodies: Sequence[bytes], sign: Callable[[bytes], bytes]) -> bytes:
    """The payload to publish. A body with a newline, or a wrong count, is our own mistake."""
    assert header.count == len(bodies)
    assert not any(b"\n" in body for body in bodies)
    assert header.stream in STREAMS
    signed = b"\n".join((header.model_dump_json().encode(), *bodies)) + b"\n"
    assert len(signed) + _SIGNATURE_LENGTH <= MAX_INFLATED_BYTES
    deflater = zlib.compressobj(9, memLevel=9, strategy=zlib.Z_FILTERED, zdict=DICTIONARY)
    return deflater.compress(signed + base64.b64encode(sign(_CONTEXT + signed))) + deflater.flush()


def open_(
    payload: bytes,
    public_key_of: Callable[[str], Verify | None],
    max_bytes: int = MAX_INFLATED_BYTES,
) -> Envelope | Refusal:
    """Inflate with a bound, verify, and only then look at the items. Takes any bytes, never raises.

    `public_key_of(station)` gives that station's verify function, or None if it is not known.
    Reasons: TOO_LARGE, NOT_ZLIB, MALFORMED, UNKNOWN_STATION, BAD_SIGNATURE, COUNT_MISMATCH.
    """
    text = _inflate(payload, max_bytes)
    if isinstance(text, Refusal):
        return text
    split = text.rfind(b"\n") + 1
    signed, signature = text[:split], _signature(text[split:])
    lines = signed.split(b"\n")[:-1]
    if signature is None or not lines:
        return Refusal("MALFORMED", "no header line or no signature line")
    try:
        header = Header.model_validate_json(lines[0])
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return Refusal("MALFORMED", f"header {'.'.join(map(str, first['loc']))}: {first['msg']}")
    verify = public_key_of(header.station)
    if verify is None:
        return Refusal("UNKNOWN_STATION", header.station, "make the station known at HQ with its public key")
    if not verify(_CONTEXT + signed, signature):
        return Refusal("BAD_SIGNATURE", f"station {header.station}", "compare the station's public key at HQ")
    bodies = tuple(lines[1:])
    if len(bodies) != header.count:
        return Refusal("COUNT_MISMATCH", f"header says {header.count}, {len(bodies)} lines came")
    head = decode_head(header.head_before)
    for body in bodies:
        head = next_head(head, body)
    return Envelope(header=header, bodies=bodies, head_after=head)


def _inflate(payload: bytes, max_bytes: int) -> bytes | Refusal:
    """A few bytes of zlib can stand for gigabytes: stop at the bound, never after it."""
    if len(payload) > max_bytes:
        return Refusal("TOO_LARGE", f"{len(payload)} bytes compressed")
    inflater = zlib.decompressobj(zdict=DICTIONARY)
    try:
        text = inflater.decompress(payload, max_bytes)
    except zlib.error as error:
        return Refusal("NOT_ZLIB", str(error))
    if inflater.unconsumed_tail:
        return Refusal("TOO_LARGE", f"more than {max_bytes} bytes inflated")
    if not inflater.eof or inflater.unused_data:
        return Refusal("NOT_ZLIB", "torn, or followed by other bytes")
    return text


def _signature(line: bytes) -> bytes | None:
    """The 64 bytes; None unless `line` is exactly their base64 (unused bits of the last letter count)."""
    if len(line) != _SIGNATURE_LENGTH:
        return None
    try:
        signature = base64.b64decode(line, validate=True)
    except binascii.Error:
        return None
    return signature if base64.b64encode(signature) == line else None
