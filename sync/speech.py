"""What a station says to HQ, made into messages: state, hello, envelopes. All of it signed."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from sync import signed_line, topics, wire
from sync.envelope import CONTENT_TYPE as ENVELOPE_TYPE
from sync.envelope import Header, encode_head, seal
from sync.keys import SigningKey
from sync.mqtt import Outgoing
from sync.outbox import STREAMS, Outbox
from sync.steps import Batch

HELLO_CORRELATION = b"hello:"
"""Correlation data of a hello begins so; HQ gives it back unchanged."""
_HELLO_EXPIRY_S = 60
_METRICS_EXPIRY_S = 60


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the station says of itself in `state`; `ledger_head` is base64url, "" when there is no ledger.

    And in `hello`: the last of HQ's numbered items that it dealt with, and which list of HQ's keys it trusts.
    """

    agent_version: str
    clock_quality: Literal["SYNCED", "HOLDOVER", "UNTRUSTED"]
    bundle: str = ""
    ledger_seq: int = 0
    ledger_head: str = ""
    down_seq: int = 0
    keys_version: int = 1


@dataclass(frozen=True, slots=True)
class FiguresNow:
    """What the station says of itself in `metrics`; at most `wire.MAX_FIGURES` names in all."""

    mode: str
    counters: Mapping[str, int]
    gauges: Mapping[str, int]


class Speech:
    """Reads the outbox for how far the station is; writes nothing."""

    def __init__(
        self,
        station: str,
        outbox: Outbox,
        key: SigningKey,
        wall_ms: Callable[[], int],
        vitals: Callable[[], Vitals],
    ) -> None:
        self._station = station
        self._outbox = outbox
        self._key = key
        self._wall_ms = wall_ms
        self._vitals = vitals

    def use_key(self, key: SigningKey) -> None:
        """Sign with this one from now on. From any thread: no message is signed by halves."""
        self._key = key

    def birth(self) -> Outgoing:
        """Retained: the station is connected."""
        return self._state(online=True)

    def will(self) -> Outgoing:
        """Retained: what the broker says for us when we are gone."""
        return self._state(online=False)

    def metrics(self, figures: FiguresNow) -> Outgoing | None:
        """QoS 0 and short-lived; None if it came out longer than it may."""
        metrics = wire.Metrics(
            station=self._station,
            epoch=self._outbox.epoch(),
            at_ms=self._wall_ms(),
            mode=figures.mode,
            counters=dict(figures.counters),
            gauges=dict(figures.gauges),
        )
        payload = wire.sign_metrics(metrics, self._key.sign)
        if len(payload) > wire.MAX_METRICS_BYTES:
            return None
        return Outgoing(
            topics.metrics(self._station),
            payload,
            qos=0,
            content_type=signed_line.CONTENT_TYPE,
            expiry_s=_METRICS_EXPIRY_S,
        )

    def hello(self, nonce: str) -> Outgoing:
        """Expires at the broker: an old question is answered for nothing."""
        vitals = self._vitals()
        ask = wire.HelloAsk(
            station=self._station,
            epoch=self._outbox.epoch(),
            nonce=nonce,
            agent_version=vitals.agent_version,
            streams=self._stream_ends(self._outbox.forks()),
            down_seq=vitals.down_seq,
            keys_version=vitals.keys_version,
        )
        return Outgoing(
            topics.rpc(self._station, topics.HELLO),
            wire.sign_hello_ask(ask, self._key.sign),
            content_type=signed_line.CONTENT_TYPE,
            response_topic=topics.down_rpc(self._station),
            correlation=HELLO_CORRELATION + nonce.encode(),
            expiry_s=_HELLO_EXPIRY_S,
        )

    def envelope(self, batch: Batch) -> Outgoing:
        """Never expires."""
        header = Header.model_validate(
            {
                "station": self._station,
                "epoch": self._outbox.epoch(),
                "stream": batch.stream,
                "first_seq": batch.first_seq,
                "count": len(batch.bodies),
                "head_before": encode_head(batch.head_before),
            }
        )
        return Outgoing(
            topics.up(self._station, batch.stream),
            seal(header, batch.bodies, self._key.sign),
            content_type=ENVELOPE_TYPE,
        )

    def _state(self, *, online: bool) -> Outgoing:
        vitals = self._vitals()
        backlog = {stream: self._outbox.backlog(stream) for stream in STREAMS}
        state = wire.State(
            station=self._station,
            epoch=self._outbox.epoch(),
            online=online,
            since_ms=self._wall_ms(),
            agent_version=vitals.agent_version,
            clock_quality=vitals.clock_quality,
            bundle=vitals.bundle,
            ledger_seq=vitals.ledger_seq,
            ledger_head=vitals.ledger_head,
            streams=self._stream_ends({}),
            oldest_unacknowledged_at_ms=self._outbox.oldest_unacknowledged_at_ms(),
            backlog=tuple(
                wire.StreamBacklog.model_validate({"stream": stream, **asdict(each)})
                for stream, each in backlog.items()
                if each.items
            ),
        )
        return Outgoing(
            topics.state(self._station),
            wire.sign_state(state, self._key.sign),
            retain=True,
            content_type=signed_line.CONTENT_TYPE,
        )

    def _stream_ends(self, forks: Mapping[str, tuple[int, bytes]]) -> tuple[wire.StreamEnd, ...]:
        return tuple(self._stream_end(stream, *forks.get(stream, (0, b""))) for stream in STREAMS)

    def _stream_end(self, stream: str, fork_seq: int, fork_head: bytes) -> wire.StreamEnd:
        return wire.StreamEnd.model_validate(
            {
                "stream": stream,
                "last_seq": self._outbox.last_seq(stream),
                "watermark": self._outbox.watermark(stream),
                "fork_seq": fork_seq,
                "fork_head": encode_head(fork_head) if fork_seq else "",
            }
        )
