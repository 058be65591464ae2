"""What HQ does with one message of a station. Pure of MQTT: a topic and bytes in, replies out.

Everything is verified before it is believed, committed before it is acknowledged, and refused with a
reason that is counted and kept as an alarm. Batches are answered with a signed ack, `hello` with
HQ's watermarks and time; `state` is kept. Database errors pass through: then nothing was committed
and nothing may be acknowledged.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sync import envelope, outbox, questions, topics, wire
from sync.envelope import Envelope, Verify
from sync.hq.acting import Certify, act
from sync.hq.delivery import Behind, Delivery
from sync.hq.epochs import enter
from sync.hq.intake import Intake, take_in
from sync.hq.judging import Judge
from sync.hq.last_states import LastStates
from sync.hq.rpc import Answers
from sync.hq.runs import MOST_BATCHES, follows, joined
from sync.hq.station_keys import StationKeys
from sync.hq.store import Chains, HqStore, Mark
from sync.hq.store.down import Standing
from sync.refusal import Refusal
from sync.signed_line import Sign

_START = Mark(0, envelope.GENESIS)
_NOBODY = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """Something to publish, QoS 1. `is_answer`: give it the question's CorrelationData.

    `is_item`: it is no answer of ours but a signed document; `retain`: the broker keeps it for all.
    After `expiry_s` seconds the broker may drop it.
    """

    topic: str
    payload: bytes
    is_answer: bool = False
    is_item: bool = False
    retain: bool = False
    expiry_s: int | None = None


class Receiver:
    """HQ's receiver over one database.

    `judge` knows the bodies, `sign` is HQ's Ed25519 key, `verifier_of(public_key)` makes a verify
    function of a station's 32 bytes, `wall_ms` is the wall clock in milliseconds UTC, `certify` answers
    stations that ask for a certificate.
    """

    def __init__(
        self,
        store: HqStore,
        judge: Judge,
        sign: Sign,
        verifier_of: Callable[[bytes], Verify],
        wall_ms: Callable[[], int],
        certify: Certify | None = None,
    ) -> None:
        self._store = store
        self._judge = judge
        self._sign = sign
        self._verifier_of = verifier_of
        self._wall_ms = wall_ms
        self._certify = certify
        self._delivery = Delivery(store, wall_ms)
        self._answers = Answers(store, wall_ms)
        self._last_states = LastStates(store)
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
            case topics.Address(station, "rpc", topics.REDEMPTION_AUTHORISE):
                return self._authorise(station, payload)
            case topics.Address(station, "rpc", topics.MEMBER_LOOKUP):
                return self._lookup(station, payload)
            case topics.Address(station, "state", ""):
                return self._state(station, payload)
            case topics.Address(station, _, _):
                return self._refuse(station, Refusal("UNKNOWN_TOPIC", f"{address.branch}/{address.leaf}"))
            case None:
                return self._refuse(_NOBODY, Refusal("UNKNOWN_TOPIC", topic[:80]))

    def due(self) -> list[Reply]:
        """What was issued to stations since, and rules that are new for all. Ask about once a second."""
        return [*_items(self._delivery.new()), *_items(self._delivery.new_for_all(), retain=True)]

    def for_all(self) -> list[Reply]:
        """What every broker shall keep for all stations: to be said again on each connection."""
        return _items(self._delivery.for_all(), retain=True)

    def handle_all(self, messages: Sequence[tuple[str, bytes]]) -> list[list[Reply]]:
        """As `handle` of one (topic, payload) after the other; the replies to each.

        Batches of one stream that follow each other are one transaction and get the same ack. If
        anything of such a run is refused, each goes alone: a bad batch takes no other with it.
        """
        replies: list[list[Reply]] = []
        while len(replies) < len(messages):
            waiting = messages[len(replies) :]
            run = self._run(waiting)
            last = self._take(run) if run else None
            if last is None:
                replies += [self.handle(*message) for message in waiting[: max(1, len(run))]]
            else:
                replies += [[reply for reply in last if not reply.is_item]] * (len(run) - 1) + [last]
        return replies

    def _run(self, messages: Sequence[tuple[str, bytes]]) -> list["_Opened"]:
        """As many of the first ones as are batches that follow each other. Of others nothing is said here."""
        run: list[_Opened] = []
        keys = self._keys()
        for topic, payload in messages[:MOST_BATCHES]:
            address = topics.parse(topic)
            if address is None or address.branch != "up" or topic != messages[0][0]:
                break
            opened = self._open(keys, address.station, address.leaf, payload)
            if isinstance(opened, Refusal) or (run and not follows(opened.batch, run[-1].batch)):
                break
            run.append(opened)
            if opened.used_next:
                break  # from here on the station signs with another key only
        return run

    def _open(self, keys: StationKeys, station: str, stream: str, payload: bytes) -> "_Opened | Refusal":
        batch = envelope.open_(payload, keys.verifier)
        if isinstance(batch, Refusal):
            return batch
        if (batch.header.station, batch.header.stream) != (station, stream):
            return _foreign(batch.header.station, batch.header.stream)
        return _Opened(batch, keys.used_next)

    def _batch(self, station: str, stream: str, payload: bytes) -> list[Reply]:
        opened = self._open(self._keys(), station, stream, payload)
        if isinstance(opened, Refusal):
            return self._refuse(station, opened)
        replies = self._take([opened])
        assert replies is not None, "only a run goes another way"
        return replies

    def _take(self, run: Sequence["_Opened"]) -> list[Reply] | None:
        """In one transaction; None if something of several batches is refused, and nothing was done then."""
        batch, used_next = joined([one.batch for one in run]), run[-1].used_next
        station, now = batch.header.station, self._wall_ms()
        with self._store.write() as tx:
            taken = take_in(tx, batch, self._judge, now)
            if taken.refusal and len(run) > 1:
                return None
            acted = act(tx, station, taken.heard, now, self._certify)
            alarms = [*_alarms(taken), *((one.reason, one.detail, 1) for one in acted)]
            for code, detail, count in alarms:
                tx.alarm(station, code, detail, now, count)
            if used_next and taken.refusal is None:
                tx.documents.promote_key(station, used_next)
            items = self._delivery.after_applied(tx, station) if taken.heard else []
        self._count(taken, alarms, len(run))
        ack = [] if taken.mark is None else [self._ack(batch, taken.mark, taken.mismatched)]
        return [*ack, *_items(items)]

    def _count(self, taken: Intake, alarms: list[tuple[str, str, int]], batches: int) -> None:
        self._counters["BATCHES"] += batches
        self._counters["ITEMS"] += taken.linked
        self._counters["WAITING"] += taken.waiting
        self._counters["DUPLICATES"] += taken.duplicates
        for code, _, count in alarms:
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
        keys = StationKeys(self._store, self._verifier_of)
        ask = wire.open_hello_ask(payload, keys.verifier)
        if isinstance(ask, Refusal):
            return self._refuse(station, ask)
        if ask.station != station:
            return self._refuse(station, _foreign(ask.station, topics.HELLO))
        if keys.used_next:  # a station that has nothing to send changes over too
            with self._store.write() as tx:
                tx.documents.promote_key(station, keys.used_next)
        with self._store.read() as asked:
            known, standing = asked.chains(station), asked.down.standing(station)
            key_lists = asked.documents.key_lists(ask.keys_version)
        refused, known = self._enter(ask, known)
        behind = Behind(standing.issued_seq) if refused else self._behind(ask, standing)
        reply = wire.HelloReply(
            station=station,
            epoch=ask.epoch,
            nonce=ask.nonce,
            highest_epoch=max(known.newest_epoch, ask.epoch),
            streams=() if refused else _marks(known, ask.epoch),
            down_seq=behind.issued_seq,
            hq_time_ms=self._wall_ms(),
            refused=refused,
            mismatched=known.mismatched(ask.epoch),
        )
        self._counters["HELLOS"] += 1
        payload = wire.sign_hello_reply(reply, self._sign)
        answer = Reply(topics.down_rpc(station), payload, is_answer=True)
        lists = [(topics.down_keys(station), document) for _, document in key_lists]
        return [*_items(lists), answer, *_items(behind.items)]

    def _authorise(self, station: str, payload: bytes) -> list[Reply]:
        ask = questions.open_authorise_ask(payload, self._verifier)
        if isinstance(ask, Refusal):
            return self._refuse(station, ask)
        if ask.station != station:
            return self._refuse(station, _foreign(ask.station, topics.REDEMPTION_AUTHORISE))
        reply = self._answers.authorise(ask)
        self._counters[f"AUTHORISE_{reply.code or 'ALLOWED'}"] += 1
        return self._answer(station, questions.sign_authorise_reply(reply, self._sign))

    def _lookup(self, station: str, payload: bytes) -> list[Reply]:
        ask = questions.open_lookup_ask(payload, self._verifier)
        if isinstance(ask, Refusal):
            return self._refuse(station, ask)
        if ask.station != station:
            return self._refuse(station, _foreign(ask.station, topics.MEMBER_LOOKUP))
        reply = self._answers.lookup(ask)
        self._counters[f"LOOKUP_{reply.code or 'FOUND'}"] += 1
        return self._answer(station, questions.sign_lookup_reply(reply, self._sign))

    def _answer(self, station: str, payload: bytes) -> list[Reply]:
        return [Reply(topics.down_rpc(station), payload, is_answer=True, expiry_s=questions.EXPIRES_S)]

    def _behind(self, ask: wire.HelloAsk, standing: Standing) -> Behind:
        """The items behind the number that the station has."""
        behind = self._delivery.after_hello(ask, standing)
        if behind.alarm:
            self._counters[behind.alarm.reason] += 1
        return behind

    def _enter(self, ask: wire.HelloAsk, known: Chains) -> tuple[str, Chains]:
        """Why the station may not speak in this epoch, or ""; a new one begins here. What is known then."""
        if ask.epoch == max(known.newest_epoch, 1):
            return "", known
        now = self._wall_ms()
        with self._store.write() as tx:
            entry = enter(tx, ask, now)
            if entry.alarm:
                tx.alarm(ask.station, entry.alarm.reason, entry.alarm.detail, now)
            known = tx.chains(ask.station)
        if entry.alarm:
            self._counters[entry.alarm.reason] += 1
        return entry.refused, known

    def _state(self, station: str, payload: bytes) -> list[Reply]:
        line, _, _ = payload.partition(b"\n")
        if not payload or self._last_states.is_kept(station, line):
            return []
        state = wire.open_state(payload, self._verifier)
        if isinstance(state, Refusal):
            return self._refuse(station, state)
        if state.station != station:
            return self._refuse(station, _foreign(state.station, "state"))
        self._last_states.keep(station, line, self._wall_ms())
        return []

    def _verifier(self, station: str) -> Verify | None:
        return self._keys().verifier(station)

    def _keys(self) -> StationKeys:
        return StationKeys(self._store, self._verifier_of)

    def _refuse(self, station: str, refusal: Refusal) -> list[Reply]:
        known = self._store.public_key(station) is not None
        self._alarm(station if known else _NOBODY, refusal)
        return []

    def _alarm(self, station: str, refusal: Refusal) -> None:
        self._counters[refusal.reason] += 1
        with self._store.write() as tx:
            tx.alarm(station, refusal.reason, refusal.detail, self._wall_ms())


@dataclass(frozen=True, slots=True)
class _Opened:
    """A batch whose signature was verified; `used_next` as `StationKeys` says."""

    batch: Envelope
    used_next: bytes


def _marks(known: Chains, epoch: int) -> tuple[wire.StreamMark, ...]:
    held = known.marks(epoch)
    marks = [(stream, held.get(stream, _START)) for stream in outbox.STREAMS]
    return tuple(
        wire.StreamMark.model_validate({"stream": s, "seq": m.seq, "head": envelope.encode_head(m.head)})
        for s, m in marks
    )


def _items(messages: list[tuple[str, bytes]], *, retain: bool = False) -> list[Reply]:
    return [Reply(topic, document, is_item=True, retain=retain) for topic, document in messages]


def _foreign(station: str, leaf: str) -> Refusal:
    return Refusal("WRONG_TOPIC", f"signed for {station}/{leaf}", "a station writes under its own name only")


def _alarms(taken: Intake) -> list[tuple[str, str, int]]:
    """(code, detail, count) of everything in an intake that a person should see."""
    refusals = [one for one in (taken.refusal, taken.broken) if one is not None]
    judged = [(verdict.upper(), where, count) for verdict, where, count in taken.verdicts]
    return [(one.reason, one.detail, 1) for one in refusals] + judged
