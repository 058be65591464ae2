"""What keeps the road going, beside the envelope: ack, hello, state and metrics, as signed lines.

What a till asks on its own account is in `sync/questions.py`.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sync.envelope import Epoch, Head, Seq, Stream, Verify
from sync.refusal import Refusal
from sync.signed_line import (
    Code,
    Line,
    Natural,
    Nonce,
    Part,
    PublicKeyOf,
    Sign,
    TimeMs,
    open_line,
    open_line_of_station,
    sign_line,
)

_ACK = b"forecourt/ack/1\n"
_HELLO_ASK = b"forecourt/hello-ask/1\n"
_HELLO_REPLY = b"forecourt/hello/1\n"
_STATE = b"forecourt/state/1\n"
_METRICS = b"forecourt/metrics/1\n"
MAX_METRICS_BYTES = 8_192
MAX_FIGURES = 200

FigureName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Figures = dict[FigureName, Annotated[int, Field(ge=-(2**53) + 1, le=2**53 - 1)]]


class Ack(Line):
    """HQ has committed everything of (station, epoch, stream) up to `seq`, and its head there is `head`.

    `hq_time_ms` is HQ's wall time, for a clock that has no other source. Sent after HQ's own commit.
    `mismatched` counts the awards of this epoch, all streams, that HQ computed otherwise.
    """

    epoch: Epoch
    stream: Stream
    seq: Seq
    head: Head
    hq_time_ms: TimeMs
    mismatched: Natural = 0


class StreamEnd(Part):
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


class HelloAsk(Line):
    """First question after every connect, and whenever HQ has been silent: how far are you?

    `nonce` is drawn for each ask; a reply without it is an old one. `down_seq` is the last down item that
    was dealt with here, `keys_version` the list of HQ's keys that is trusted here: what comes after
    either is sent behind the reply, and the lists of keys before it.
    """

    epoch: Epoch
    nonce: Nonce
    agent_version: Annotated[str, Field(max_length=40)]
    streams: Annotated[tuple[StreamEnd, ...], Field(max_length=8)]
    down_seq: Seq = 0
    keys_version: Annotated[int, Field(ge=1, le=2**31 - 1)] = 1


class StreamMark(Part):
    """How far HQ is with a stream of the asked epoch: contiguous watermark and head (0, GENESIS at first)."""

    stream: Stream
    seq: Seq
    head: Head


class HelloReply(Line):
    """HQ's answer. `highest_epoch` is the newest epoch it knows of this station (never below the asked one,
    unless `refused` is EPOCH_OLD). `refused` says why HQ takes no rows now; "" when it does.
    `down_seq` is the newest sequence number HQ has for `down/items`; `mismatched` is as in `Ack`.
    """

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


class StreamBacklog(Part):
    """What waits in a stream: items, about how many bytes of them, and when the oldest was written (wall)."""

    stream: Stream
    items: Natural
    size_bytes: Natural
    oldest_at_ms: TimeMs | None = None


class State(Line):
    """Retained birth (`online` true) and, as the will, death (`online` false) of a station's connection.

    Wall times are the station's own, of `clock_quality`. `since_ms` is when this connection was made.
    `backlog` names the streams in which something waits.
    """

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
    backlog: Annotated[tuple[StreamBacklog, ...], Field(max_length=8)] = ()


class Metrics(Line):
    """A station's figures, sent now and then with QoS 0: nobody misses those that were lost.

    `counters` only grow until the agent starts again; `gauges` are as of `at_ms` (the station's wall time).
    A name is dotted words; a measured quantity ends in its unit. `mode`: ONLINE, OFFLINE or DEGRADED.
    """

    epoch: Epoch
    at_ms: TimeMs
    mode: Code
    counters: Figures = Field(default={})
    gauges: Figures = Field(default={})

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        if len(self.counters) + len(self.gauges) > MAX_FIGURES:
            raise ValueError(f"more than {MAX_FIGURES} names")
        return self


def sign_ack(ack: Ack, sign: Sign) -> bytes:
    return sign_line(_ACK, ack, sign)


def open_ack(payload: bytes, trusted: Sequence[Verify]) -> Ack | Refusal:
    """An ack signed by one of HQ's pinned keys. Reasons: TOO_LARGE, MALFORMED, BAD_SIGNATURE."""
    return open_line(_ACK, Ack, payload, trusted)


def sign_hello_ask(ask: HelloAsk, sign: Sign) -> bytes:
    return sign_line(_HELLO_ASK, ask, sign)


def open_hello_ask(payload: bytes, public_key_of: PublicKeyOf) -> HelloAsk | Refusal:
    """A station's question. Reasons: those of `open_ack` and UNKNOWN_STATION."""
    return open_line_of_station(_HELLO_ASK, HelloAsk, payload, public_key_of)


def sign_hello_reply(reply: HelloReply, sign: Sign) -> bytes:
    return sign_line(_HELLO_REPLY, reply, sign)


def open_hello_reply(payload: bytes, trusted: Sequence[Verify]) -> HelloReply | Refusal:
    return open_line(_HELLO_REPLY, HelloReply, payload, trusted)


def sign_state(state: State, sign: Sign) -> bytes:
    return sign_line(_STATE, state, sign)


def open_state(payload: bytes, public_key_of: PublicKeyOf) -> State | Refusal:
    return open_line_of_station(_STATE, State, payload, public_key_of)


def sign_metrics(metrics: Metrics, sign: Sign) -> bytes:
    return sign_line(_METRICS, metrics, sign)


def open_metrics(payload: bytes, public_key_of: PublicKeyOf) -> Metrics | Refusal:
    """A station's figures. Reasons: those of `open_hello_ask`; TOO_LARGE from MAX_METRICS_BYTES on."""
    if len(payload) > MAX_METRICS_BYTES:
        return Refusal("TOO_LARGE", f"{len(payload)} bytes")
    return open_line_of_station(_METRICS, Metrics, payload, public_key_of)
