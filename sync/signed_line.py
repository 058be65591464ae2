"""One JSON line and a signature over it: the form of everything signed that is neither DSSE nor an envelope.

A line, a newline, and the base64 Ed25519 signature over a context prefix and everything before the
signature. The context keeps one message from being taken for another. Models are strict and frozen, and let
nothing unknown in. What goes down is signed by HQ, what goes up by the station.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sync.envelope import StationName, Verify
from sync.refusal import Refusal

CONTENT_TYPE = "application/vnd.forecourt.signed+json"
MAX_BYTES = 16_384

Sign = Callable[[bytes], bytes]
PublicKeyOf = Callable[[str], Verify | None]
TimeMs = Annotated[int, Field(ge=0, le=2**53 - 1)]
Natural = Annotated[int, Field(ge=0, le=2**53 - 1)]
Nonce = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Code = Annotated[str, Field(pattern=r"^[A-Z0-9_]{0,40}$")]


class Part(BaseModel):
    """What a message is made of."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class Line(Part):
    """A message, from or for the station that it names."""

    v: Literal[1] = 1
    station: StationName


L = TypeVar("L", bound=Line)


def sign_line(context: bytes, message: Line, sign: Sign) -> bytes:
    signed = message.model_dump_json().encode() + b"\n"
    return signed + base64.b64encode(sign(context + signed))


def open_line(context: bytes, model: type[L], payload: bytes, trusted: Sequence[Verify]) -> L | Refusal:
    """A message that one of these keys signed. Reasons: TOO_LARGE, MALFORMED, BAD_SIGNATURE."""
    parts = _split(payload)
    if isinstance(parts, Refusal):
        return parts
    signed, signature = parts
    if not any(verify(context + signed, signature) for verify in trusted):
        return Refusal("BAD_SIGNATURE", "no trusted key signed this", "compare the pinned public keys")
    return _parse(model, signed)


def open_line_of_station(
    context: bytes, model: type[L], payload: bytes, public_key_of: PublicKeyOf
) -> L | Refusal:
    """A message that the station it names signed. Reasons: those of `open_line` and UNKNOWN_STATION."""
    parts = _split(payload)
    if isinstance(parts, Refusal):
        return parts
    signed, signature = parts
    claimed = _parse(model, signed)
    if isinstance(claimed, Refusal):
        return claimed
    verify = public_key_of(claimed.station)
    if verify is None:
        return Refusal("UNKNOWN_STATION", claimed.station, "make the station known at HQ with its public key")
    if not verify(context + signed, signature):
        return Refusal(
            "BAD_SIGNATURE", f"station {claimed.station}", "compare the station's public key at HQ"
        )
    return claimed


def _split(payload: bytes) -> tuple[bytes, bytes] | Refusal:
    """(the signed line with its newline, the signature)."""
    if len(payload) > MAX_BYTES:
        return Refusal("TOO_LARGE", f"{len(payload)} bytes")
    line, newline, encoded = payload.partition(b"\n")
    try:
        signature = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return Refusal("MALFORMED", "the signature line is not base64")
    if not newline or len(signature) != 64 or base64.b64encode(signature) != encoded:
        return Refusal("MALFORMED", "not one line and one signature")
    return line + b"\n", signature


def _parse(model: type[L], signed: bytes) -> L | Refusal:
    try:
        return model.model_validate_json(signed)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return Refusal("MALFORMED", f"{model.__name__} {'.'.join(map(str, first['loc']))}: {first['msg']}")
