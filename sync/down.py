"""One item from HQ to one station: a DSSE envelope around a numbered, dated, addressed body.

`down_seq` has no gap per station, so nothing is left out or told again unnoticed; `not_after_ms` ends
what came too late. What the body says is its `kind`'s, and not looked at here.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sync.envelope import StationName
from sync.keys import PublicKey, SigningKey
from sync.refusal import Refusal
from sync.signing import DOWN_TYPE, open_document, sign_document

MAX_BYTES = 126_976
"""Of the whole message: with topic and properties it stays below the 128 KiB that a broker must take."""

DownSeq = Annotated[int, Field(ge=1, le=2**53 - 1)]
WallMs = Annotated[int, Field(ge=0, le=2**53 - 1)]


class Down(BaseModel):
    """A verified down item. It may be obeyed until `not_after_ms`, milliseconds UTC.

    `id` is HQ's name for it, the same if it is ever issued again under another number.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    v: Literal[1] = 1
    station: StationName
    down_seq: DownSeq
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z.-]{0,39}$")]
    issued_at_ms: WallMs
    not_after_ms: WallMs
    body: dict[str, Any]

    @property
    def body_json(self) -> bytes:
        """The body for its own model to parse."""
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()


def sign_down(down: Down, *keys: SigningKey) -> bytes:
    """The message, signed by each key. One that is too large is a mistake of the publisher's."""
    document = sign_document(DOWN_TYPE, down.model_dump_json().encode(), *keys)
    assert len(document) <= MAX_BYTES, f"{down.kind}: {len(document)} bytes"
    return document


@dataclass(frozen=True, slots=True)
class Opened:
    """A verified item. `sha256` is of what was signed, whatever stands around it: one for all repetitions."""

    down: Down
    sha256: bytes


def open_down(document: bytes, trusted: Iterable[PublicKey], threshold: int) -> Down | Refusal:
    """The item, if `threshold` different keys signed it; reasons as of `open_item`."""
    opened = open_item(document, trusted, threshold)
    return opened if isinstance(opened, Refusal) else opened.down


def open_item(document: bytes, trusted: Iterable[PublicKey], threshold: int) -> Opened | Refusal:
    """The item, if `threshold` different keys signed it.

    Reasons: DOWN_TOO_LARGE, DOWN_MALFORMED, and DOWN_TYPE and DOWN_UNTRUSTED of `open_document`.
    """
    if len(document) > MAX_BYTES:
        return Refusal("DOWN_TOO_LARGE", f"{len(document)} bytes")
    payload = open_document(document, DOWN_TYPE, trusted, threshold)
    if isinstance(payload, Refusal):
        return Refusal(payload.reason.replace("DOCUMENT_", "DOWN_"), payload.detail, payload.remedy)
    try:
        down = Down.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return Refusal("DOWN_MALFORMED", f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    return Opened(down, hashlib.sha256(payload).digest())
