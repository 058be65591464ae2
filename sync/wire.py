"""The transport messages beside the envelope: ack, hello, state. Strict, frozen, nothing unknown let in.

Each travels as one JSON line, a newline, and the base64 Ed25519 signature over its own context prefix
and everything before the signature. The context keeps one kind from being taken for another. What
goes down is signed by HQ, what goes up by the station.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sync.envelope import Epoch, Head, Seq, StationName, Stream, Verify
from sync.refusal import Refusal

CONTENT_TYPE = "application/vnd.forecourt.signed+json"
MAX_BYTES = 16_384
_ACK = b"forecourt/ack/1\n"
_HELLO_ASK = b"forecourt/hello-ask/1\n"
_HELLO_REPLY = b"forecourt/hello/1\n"
_STATE = b"forecourt/state/1\n"

Sign = Callable[[bytes], bytes]
TimeMs = Annotated[int, Field(ge=0, le=2**53 - 1)]
Natural = Annotated[int, Field(ge=0, le=2**53 - 1)]
Nonce = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Code = Annotated[str, Field(pattern=r"^[A-Z0-9_]{0,40}$")]


class _Wire(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class Ack(_Wire):
    """HQ has committed everything of (station, epoch, stream) up to `seq`, and its head there is `head`.

    `hq_time_ms` is HQ's wall time, for a clock that has no other source. Sent after HQ's own commit.
    `mismatched` counts the awards of this epoch, all streams, that HQ computed otherwise.
    """

    v: Literal[1] = 1
    station: StationName
    epoch: Epoch
    stream: Stream
    seq: Seq
    head: Head
    hq_time_ms: TimeMs
    mismatched: Natural = 0


class StreamEnd(_Wire):
    """How far the station has written a stream: its newest seq, and what it believes HQ has.

    `fork_seq` and `fork_head`, in the hello of an epoch above 1: the row after which this epoch parted
    from a former one, the last that the station knew HQ to hold. 0 and "" where it begins at the beginning.
    """

    stream: Stream
    last_seq: Seq
    watermark: Seq
    fork_seq: Seq = 0
    fork_head: Head | Literal[""] = ""

    @model_validator(mode="after")
    def _whole_fork(self) -> Self:
        if (self.fork_seq > 0) != bool(self.fork_head):
            raise ValueError("a fork has a seq and a head, or neither")
        return self


class HelloAsk(_Wire):
    """First question after every connect, and whenever HQ has been silent: how far are you?

    `nonce` is drawn for each ask; a reply without it is an old one.
    """

    v: Literal[1] = 1
    station: StationName
    epoch: Epoch
    nonce: Nonce
    agent_version: Annotated[str, Field(max_length=40)]
    streams: Annotated[tuple[StreamEnd, ...], Field(max_length=8)]


class StreamMark(_Wire):
    """How far HQ is with a stream of the asked epoch: contiguous watermark and head (0, GENESIS at first)."""

    stream: Stream
    seq: Seq
    head: Head


class HelloReply(_Wire):
    """HQ's answer. `highest_epoch` is the newest epoch it knows of this station (never below the asked one,
    unless `refused` is EPOCH_OLD). `refused` says why HQ takes no rows now; "" when it does.
    `down_seq` is the newest sequence number HQ has for `down/items`; `mismatched` is as in `Ack`.
    """

    v: Literal[1] = 1
    station: StationName
    epoch: Epoch
    nonce: Nonce
    highest_epoch: Epoch
    streams: Annotated[tuple[StreamMark, ...], Field(max_length=8)]
    down_seq: Seq = 0
    hq_time_ms: TimeMs
    refused: Code = ""
    mismatched: Natural = 0

    def acks(self) -> tuple[Ack, ...]:
        """The same statements as acks: the reply is signed, so they weigh as much."""
        return tuple(
            Ack(
                station=self.station,
                epoch=self.epoch,
                stream=mark.stream,
                seq=mark.seq,
                head=mark.head,
                hq_time_ms=self.hq_time_ms,
                mismatched=self.mismatched,
            )
            for mark in self.streams
        )


class State(_Wire):
    """Retained birth (`online` true) and, as the will, death (`online` false) of a station's connection.

    Wall times are the station's own, of `clock_quality`. `since_ms` is when this connection was made.
    """

    v: Literal[1] = 1
    station: StationName
    epoch: Epoch
    online: bool
    since_ms: TimeMs
    agent_version: Annotated[str, Field(max_length=40)]
    clock_quality: Literal["SYNCED", "HOLDOVER", "UNTRUSTED"]
    bundle: Annotated[str, Field(max_length=80)] = ""
    ledger_seq: Seq = 0
    ledger_head: Head | Literal[""] = ""
    streams: Annotated[tuple[StreamEnd, ...], Field(max_length=8)] = ()
    oldest_unacknowledged_at_ms: TimeMs | None = None


def sign_ack(ack: Ack, sign: Sign) -> bytes:
    return _sign(_ACK, ack, sign)


def open_ack(payload: bytes, trusted: Sequence[Verify]) -> Ack | Refusal:
    """An ack signed by one of HQ's pinned keys. Reasons: TOO_LARGE, MALFORMED, BAD_SIGNATURE."""
    return _open(_ACK, Ack, payload, trusted)


def sign_hello_ask(ask: HelloAsk, sign: Sign) -> bytes:
    return _sign(_HELLO_ASK, ask, sign)


def open_hello_ask(payload: bytes, public_key_of: Callable[[str], Verify | None]) -> HelloAsk | Refusal:
    """A station's question. Reasons: those of `open_ack` and UNKNOWN_STATION."""
    return _open_of_station(_HELLO_ASK, HelloAsk, payload, public_key_of)


def sign_hello_reply(reply: HelloReply, sign: Sign) -> bytes:
    return _sign(_HELLO_REPLY, reply, sign)


def open_hello_reply(payload: bytes, trusted: Sequence[Verify]) -> HelloReply | Refusal:
    return _open(_HELLO_REPLY, HelloReply, payload, trusted)


def sign_state(state: State, sign: Sign) -> bytes:
    return _sign(_STATE, state, sign)


def open_state(payload: bytes, public_key_of: Callable[[str], Verify | None]) -> State | Refusal:
    return _open_of_station(_STATE, State, payload, public_key_of)


_M = TypeVar("_M", bound=_Wire)
_S = TypeVar("_S", HelloAsk, State)


def _sign(context: bytes, message: _Wire, sign: Sign) -> bytes:
    signed = message.model_dump_json().encode() + b"\n"
    return signed + base64.b64encode(sign(context + signed))


def _open(context: bytes, model: type[_M], payload: bytes, trusted: Sequence[Verify]) -> _M | Refusal:
    parts = _split(payload)
    if isinstance(parts, Refusal):
        return parts
    signed, signature = parts
    if not any(verify(context + signed, signature) for verify in trusted):
        return Refusal("BAD_SIGNATURE", "no trusted key signed this", "compare the pinned public keys")
    return _parse(model, signed)


def _open_of_station(
    context: bytes, model: type[_S], payload: bytes, public_key_of: Callable[[str], Verify | None]
) -> _S | Refusal:
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


def _parse(model: type[_M], signed: bytes) -> _M | Refusal:
    try:
        return model.model_validate_json(signed)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return Refusal("MALFORMED", f"{model.__name__} {'.'.join(map(str, first['loc']))}: {first['msg']}")
