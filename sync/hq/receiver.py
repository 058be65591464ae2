"""What HQ does with one message of a station. Pure of MQTT: a topic and bytes in, replies out.

Everything is verified before it is believed, committed before it is acknowledged, and refused with a
reason that is counted and kept as an alarm. Batches are answered with a signed ack, `hello` with
HQ's watermarks and time; `state` is kept. Database errors pass through: then nothing was committed
and nothing may be acknowledged.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sync import envelope, outbox, topics, wire
from sync.envelope import Envelope, Verify
from sync.hq.epochs import enter
from sync.hq.intake import Intake, take_in
from sync.hq.judging import Judge
from sync.hq.store import HqStore, Mark
from sync.refusal import Refusal

_START = Mark(0, envelope.GENESIS)
_NOBODY = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """Something to publish, QoS 1. `is_answer`: give it the question's CorrelationData."""

    topic: str
    payload: bytes
    is_answer: bool = False


class Receiver:
    """HQ's receiver over one database.

    `judge` knows the bodies, `sign` is HQ's Ed25519 key, `verifier_of(public_key)` makes a verify
    function of a station's 32 bytes, `wall_ms` is the wall clock in milliseconds UTC.
    """

    def __init__(
        self,
        store: HqStore,
        judge: Judge,
        sign: wire.Sign,
        verifier_of: Callable[[bytes], Verify],
        wall_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._judge = judge
        self._sign = sign
        self._verifier_of = verifier_of
        self._wall_ms = wall_ms
        self._counters: Counter[str] = Counter()

    def counters(self) -> Mapping[str, int]:
        """Batches, items, duplicates, and refusals and alarms by reason, since this worker started."""
        return dict(self._counters)

    def handle(self, topic: str, payload: bytes) -> list[Reply]:
        """Take one message; the replies may be published when this returns, not before."""
        address = topics.parse(topic)
        match address:
            case topics.Address(station, "up", stream):
                return self._batch(station, stream, payload)
            case topics.Address(station, "rpc", topics.HELLO):
                return self._hello(station, payload)
            case topics.Address(station, "state", ""):
                return self._state(station, payload)
            case topics.Address(station, _, _):
                return self._refuse(station, Refusal("UNKNOWN_TOPIC", f"{address.branch}/{address.leaf}"))
            case None:
                return self._refuse(_NOBODY, Refusal("UNKNOWN_TOPIC", topic[:80]))

    def _batch(self, station: str, stream: str, payload: bytes) -> list[Reply]:
        batch = envelope.open_(payload, self._verifier)
        if isinstance(batch, Refusal):
            return self._refuse(station, batch)
        if (batch.header.station, batch.header.stream) != (station, stream):
            return self._refuse(station, _foreign(batch.header.station, batch.header.stream))
        now = self._wall_ms()
        with self._store.write() as tx:
            taken = take_in(tx, batch, self._judge, now)
            for code, detail, count in _alarms(taken):
                tx.alarm(station, code, detail, now, count)
            mismatched = tx.mismatched(station, batch.header.epoch)
        self._count(taken)
        return [] if taken.mark is None else [self._ack(batch, taken.mark, mismatched)]

    def _count(self, taken: Intake) -> None:
        self._counters["BATCHES"] += 1
        self._counters["ITEMS"] += taken.linked
        self._counters["WAITING"] += taken.waiting
        self._counters["DUPLICATES"] += taken.duplicates
        for code, _, count in _alarms(taken):
            self._counters[code] += count

    def _ack(self, batch: Envelope, mark: Mark, mismatched: int) -> Reply:
        header = batch.header
        ack = wire.Ack(
            station=header.station,
            epoch=header.epoch,
            stream=header.stream,
            seq=mark.seq,
            head=envelope.encode_head(mark.head),
            hq_time_ms=self._wall_ms(),
            mismatched=mismatched,
        )
        return Reply(topics.ack(header.station), wire.sign_ack(ack, self._sign))

    def _hello(self, station: str, payload: bytes) -> list[Reply]:
        ask = wire.open_hello_ask(payload, self._verifier)
        if isinstance(ask, Refusal):
            return self._refuse(station, ask)
        if ask.station != station:
            return self._refuse(station, _foreign(ask.station, topics.HELLO))
        refused = self._enter(ask)
        reply = wire.HelloReply(
            station=station,
            epoch=ask.epoch,
            nonce=ask.nonce,
            highest_epoch=max(self._store.highest_epoch(station), ask.epoch),
            streams=() if refused else self._marks(station, ask.epoch),
            hq_time_ms=self._wall_ms(),
            refused=refused,
            mismatched=self._store.mismatched(station, ask.epoch),
        )
        self._counters["HELLOS"] += 1
        return [Reply(topics.down_rpc(station), wire.sign_hello_reply(reply, self._sign), is_answer=True)]

    def _enter(self, ask: wire.HelloAsk) -> str:
        """Why the station may not speak in this epoch, or ""; a new one begins here."""
        if ask.epoch == max(self._store.highest_epoch(ask.station), 1):
            return ""
        now = self._wall_ms()
        with self._store.write() as tx:
            entry = enter(tx, ask, now)
            if entry.alarm:
                tx.alarm(ask.station, entry.alarm.reason, entry.alarm.detail, now)
        if entry.alarm:
            self._counters[entry.alarm.reason] += 1
        return entry.refused

    def _marks(self, station: str, epoch: int) -> tuple[wire.StreamMark, ...]:
        held = self._store.marks(station, epoch)
        marks = [(stream, held.get(stream, _START)) for stream in outbox.STREAMS]
        return tuple(
            wire.StreamMark.model_validate({"stream": s, "seq": m.seq, "head": envelope.encode_head(m.head)})
            for s, m in marks
        )

    def _state(self, station: str, payload: bytes) -> list[Reply]:
        if not payload:
            return []
        state = wire.open_state(payload, self._verifier)
        if isinstance(state, Refusal):
            return self._refuse(station, state)
        if state.station != station:
            return self._refuse(station, _foreign(state.station, "state"))
        with self._store.write() as tx:
            tx.set_state(station, state.model_dump_json().encode(), self._wall_ms())
        return []

    def _verifier(self, station: str) -> Verify | None:
        key = self._store.public_key(station)
        return None if key is None else self._verifier_of(key)

    def _refuse(self, station: str, refusal: Refusal) -> list[Reply]:
        known = self._store.public_key(station) is not None
        self._alarm(station if known else _NOBODY, refusal)
        return []

    def _alarm(self, station: str, refusal: Refusal) -> None:
        self._counters[refusal.reason] += 1
        with self._store.write() as tx:
            tx.alarm(station, refusal.reason, refusal.detail, self._wall_ms())


def _foreign(station: str, leaf: str) -> Refusal:
    return Refusal("WRONG_TOPIC", f"signed for {station}/{leaf}", "a station writes under its own name only")


def _alarms(taken: Intake) -> list[tuple[str, str, int]]:
    """(code, detail, count) of everything in an intake that a person should see."""
    refusals = [one for one in (taken.refusal, taken.broken) if one is not None]
    judged = [(verdict.upper(), where, count) for verdict, where, count in taken.verdicts]
    return [(one.reason, one.detail, 1) for one in refusals] + judged
