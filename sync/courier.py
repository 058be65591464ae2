"""What to send to HQ next. A state machine without clock, chance, I/O or logging of its own.

The life of a connection: ask HQ how far it is (`hello`), go back to that place, send batches in
order while at most `min(window, Receive Maximum)` are unanswered, and take HQ's signed acks. Every
doubt (no answer, refused, nobody subscribed) leads back to the question, so there is one way to
resume, and nothing depends on what a broker remembers.

An ack moves a watermark only if its head equals ours at that seq: HQ then holds exactly our rows.
Times are monotonic milliseconds.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from sync.backlog import AckRate
from sync.budget import METRICS, Budget
from sync.envelope import decode_head, next_head
from sync.lane import Lane
from sync.outbox import STREAMS, URGENT, OutboxRow
from sync.refusal import Refusal
from sync.steps import (
    Batch,
    Fetch,
    Leave,
    Pace,
    Phase,
    SendHello,
    SendMetrics,
    SendState,
    Snapshot,
    Step,
)
from sync.wire import Ack, HelloReply

_NO_MATCHING_SUBSCRIBERS = 0x10
_REFUSED_FROM = 0x80
_REASON_NAMES = {0x87: "NOT_AUTHORIZED", 0x90: "TOPIC_NAME_INVALID", 0x95: "PACKET_TOO_LARGE", 0x97: "QUOTA"}
_ENVELOPE_OVERHEAD_BYTES = 1_024
_TWO_BOXES = "two controllers may be using this station's name, or a backup was restored without a new epoch"


class Courier:
    """Feed it what happened, then take `next_step` until it gives None; wake it again at `next_timer`.

    `watermarks` are the stored ones. `draw(n)` gives a random integer in [0, n): it makes nonces and
    spreads the questions of many stations. `budget`: None where the road costs nothing.
    """

    def __init__(
        self,
        station: str,
        epoch: int,
        watermarks: Mapping[str, int],
        pace: Pace,
        draw: Callable[[int], int],
        now: int,
        budget: Budget | None = None,
    ) -> None:
        self._station = station
        self._epoch = epoch
        self._pace = pace
        self._draw = draw
        self._lanes = {name: Lane(watermarks[name], watermarks[name] + 1) for name in STREAMS}
        self._phase = Phase.OFFLINE
        self._since = now
        self._refused: Counter[str] = Counter()
        self._refs = 0
        self._unconfirmed: dict[int, tuple[str, int]] = {}
        self._receive_maximum = 1
        self._batch_bytes = pace.batch_bytes
        self._state_due = False
        self._nonce = ""
        self._ask_at = now
        self._asked = 0
        self._asking_since = now
        self._heard_at: int | None = None
        self._answered_at: int | None = None
        self._marks_at_asking: dict[str, int] = {}
        self._is_hurried = False
        self._hurries = 0
        self._confirmed_at = now
        self._budget = budget
        self._rate = AckRate()
        self._patience_ms = pace.give_up_ms
        self._metrics_at = now

    # ---- what happened -------------------------------------------------------------------------

    def connected(self, receive_maximum: int, maximum_packet_bytes: int | None, now: int) -> None:
        """A broker said yes and took our subscriptions."""
        assert self._phase is Phase.OFFLINE
        assert receive_maximum >= 1
        self._receive_maximum = receive_maximum
        self._batch_bytes = self._pace.batch_bytes
        if self._budget is not None:
            self._batch_bytes = min(self._batch_bytes, self._budget.batch_bytes)
        if maximum_packet_bytes is not None:
            self._batch_bytes = min(
                self._batch_bytes, max(0, maximum_packet_bytes - _ENVELOPE_OVERHEAD_BYTES)
            )
        self._metrics_at = now + self._draw(self._pace.metrics_every_ms + 1)
        self._state_due = True
        self._enter(Phase.ASKING, now)
        self._ask_at = now

    def disconnected(self, now: int) -> None:
        """The connection is gone, and every unanswered batch with it."""
        self._unconfirmed.clear()
        self._nonce = ""
        for lane in self._lanes.values():
            lane.go_back(lane.acked)
        self._enter(Phase.OFFLINE, now)

    def rows_until(self, stream: str, last_seq: int) -> None:
        """The newest committed row of a stream."""
        lane = self._lanes[stream]
        assert last_seq >= lane.last_seq
        lane.last_seq = last_seq

    def resend(self, stream: str, from_seq: int, head_before: bytes | None) -> Refusal | None:
        """HQ wants the rows from `from_seq` on again, although it acknowledged them.

        They go again in their stream, before what is new in it; a lost connection resumes there. What HQ has
        not acknowledged goes anyway. `head_before`: our stream head at `from_seq` - 1, None where it is no
        longer kept, which is the refusal RESEND_PRUNED.
        """
        lane = self._lanes[stream]
        if head_before is None:
            return self._refuse("RESEND_PRUNED", f"{stream}: seq {from_seq} is no longer kept")
        if from_seq <= lane.acked:
            lane.repeat(from_seq)
        return None

    def spent(self, size_bytes: int, now: int) -> None:
        """A message of so many bytes, topic and payload, was published."""
        if self._budget is not None:
            self._budget.spend(size_bytes, now)

    def published(self, ref: int, code: int, now: int) -> None:
        """The broker's PUBACK. It only says that a broker heard it; some codes say that nobody will."""
        what, _ = self._unconfirmed.pop(ref, ("", 0))
        self._confirmed_at = now
        if code >= _REFUSED_FROM:
            self._refused[_REASON_NAMES.get(code, f"PUBACK_{code:02X}")] += 1
        elif code == _NO_MATCHING_SUBSCRIBERS and what not in ("", "state"):
            self._refused["NO_SUBSCRIBER"] += 1
        else:
            return
        if what not in ("", "state"):
            self._ask_later(now)

    def acknowledge(self, ack: Ack, our_head: bytes | None, now: int) -> Refusal | None:
        """Take an ack whose signature was verified. `our_head` is our stream head at `ack.seq`.

        Reasons: ACK_FOREIGN, ACK_OTHER_EPOCH, ACK_BEYOND_END, ACK_UNPROVEN, CHAIN_MISMATCH. Only if None
        comes back may the stored watermark move.
        """
        refusal = self._check(ack, our_head)
        if refusal is not None:
            if refusal.reason == "CHAIN_MISMATCH":
                return self._halt(ack.stream, refusal)
            self._refused[refusal.reason] += 1
            return refusal
        self._heard(now)
        lane = self._lanes[ack.stream]
        if ack.seq > lane.acked:
            self._rate.note(ack.seq - lane.acked, now)
            lane.advance(ack.seq, now)
        elif ack.seq == lane.acked:
            lane.acknowledged_again(now)
        return None

    def greeted(
        self, reply: HelloReply, our_head_at: Callable[[str, int], bytes | None], now: int
    ) -> list[Ack | Refusal]:
        """Take HQ's verified answer to our last question and go back to where HQ stands.

        What is returned as Ack may move the stored watermark. Reasons: HELLO_STALE, those of
        `acknowledge`, HQ_BEHIND (HQ lost rows that are no longer kept here) and HQ's own refusal.
        """
        if not self.asked_for(reply):
            return [self._refuse("HELLO_STALE", "an answer to another question")]
        self._nonce = ""
        self._heard(now)
        self._answered_at = now
        self._hurries, self._is_hurried = self._hurries + 1 if self._is_hurried else 0, False
        self._rate.opened(now)
        if reply.refused or reply.highest_epoch > self._epoch:
            self._ask_later(now)
            reason = reply.refused or "EPOCH_OLD"
            return [self._refuse(reason, f"HQ knows epoch {reply.highest_epoch}, this is {self._epoch}")]
        if self._may_go_on(reply):
            outcomes = [self._noted(ack, our_head_at(ack.stream, ack.seq), now) for ack in reply.acks()]
            self._asked = 0
            self._ask_at = now + self._spread(self._pace.quiet_ms)
            return outcomes
        for lane in self._lanes.values():
            lane.go_back(lane.acked)
        outcomes = [self._stand_at(ack, our_head_at(ack.stream, ack.seq), now) for ack in reply.acks()]
        self._asked = 0
        self._enter(Phase.ONLINE, now)
        self._ask_at = now + self._spread(self._pace.quiet_ms)
        return outcomes

    def asked_for(self, reply: HelloReply) -> bool:
        """It answers our last question: nobody kept it from an earlier day."""
        mine = (self._station, self._epoch, self._nonce)
        return (reply.station, reply.epoch, reply.nonce) == mine

    def ask_soon(self, now: int) -> None:
        """HQ should be asked again although it answers: of what it told us something is missing or unsure.

        Not sooner than a pause after its last answer, which grows while every answer leaves it so.
        """
        if self._phase is Phase.ONLINE and self._answered_at is not None and not self._is_hurried:
            self._is_hurried = True
            pause = min(self._pace.ask_again_ms << min(self._hurries, 16), self._pace.quiet_ms)
            spread = pause // 2 + self._draw(pause // 2 + 1)
            self._ask_at = min(self._ask_at, self._answered_at + spread)

    # ---- what to do ----------------------------------------------------------------------------

    def next_step(self, now: int) -> Step | None:
        """The next thing to do, or None until something happens or `next_timer` comes."""
        if self._phase is Phase.OFFLINE:
            return None
        leave = self._reason_to_leave(now)
        if leave:
            self._refused[leave] += 1
            return Leave(leave)
        if len(self._unconfirmed) >= self._receive_maximum:
            return None
        if self._state_due:
            self._state_due = False
            return SendState(self._register("state", now))
        self._notice_silence(now)
        if now >= self._ask_at:
            return self._hello(now)
        return self._next_online(now) if self._phase is Phase.ONLINE else None

    def batch(
        self,
        fetch: Fetch,
        rows: Sequence[OutboxRow],
        head_before: bytes | None,
        our_head_at: Callable[[str, int], bytes | None],
        now: int,
    ) -> Batch | Refusal:
        """The rows of a `Fetch` made ready. Their chain is checked before HQ sees it.

        Reasons, each of which halts the stream until the next hello: ROWS_MISSING, OUTBOX_CORRUPT; and
        RESEND_PRUNED, which only ends the repeating: what HQ has may be forgotten at any time.
        """
        expected = range(fetch.after_seq + 1, fetch.after_seq + 1 + len(rows))
        lane = self._lanes[fetch.stream]
        if not rows or head_before is None or [row.seq for row in rows] != list(expected):
            if fetch.after_seq < lane.acked and lane.repeats_left:
                lane.end_repeat()
                return self._refuse("RESEND_PRUNED", f"{fetch.stream}: seq {fetch.after_seq + 1} is gone")
            missing = Refusal("ROWS_MISSING", f"{fetch.stream}: no unbroken rows after seq {fetch.after_seq}")
            return self._halt(fetch.stream, missing)
        bodies = self._fitting(rows)
        head = head_before
        for body in bodies:
            head = next_head(head, body)
        last_seq = fetch.after_seq + len(bodies)
        if head != our_head_at(fetch.stream, last_seq):
            detail = f"{fetch.stream}: rows up to seq {last_seq} do not make their head"
            return self._halt(fetch.stream, Refusal("OUTBOX_CORRUPT", detail, "run `forecourt store verify`"))
        lane.sent(last_seq, now)
        ref = self._register("batch", now)
        return Batch(ref, fetch.stream, fetch.after_seq + 1, bodies, head_before)

    def next_timer(self) -> int | None:
        """When `next_step` may have something new to say although nothing happened; None while offline."""
        if self._phase is Phase.OFFLINE:
            return None
        times = [self._half_open_at(at) for _, at in self._unconfirmed.values()]
        if self._phase is Phase.ASKING:
            times.append(self._asking_since + self._patience_ms)
        if len(self._unconfirmed) < self._receive_maximum:
            times.append(self._ask_at)
            if self._phase is Phase.ONLINE:
                times.extend(self._silent_at(lane) for lane in self._lanes.values() if lane.unanswered)
                times.extend(self._next_online_at())
        return min(times)

    def count(self, reason: str) -> None:
        """A refusal that was seen outside (a forged ack, a torn reply), shown with the others."""
        self._refused[reason] += 1

    def items_per_hour(self, now: int) -> int:
        """What HQ acknowledged over the last minutes in which it answered; 0 while there is no connection."""
        return self._rate.items_per_hour(now)

    def snapshot(self) -> Snapshot:
        return Snapshot(
            phase=self._phase,
            since_ms=self._since,
            heard_at_ms=self._heard_at,
            answered_at_ms=self._answered_at,
            outstanding=self._outstanding(),
            refused=MappingProxyType(dict(self._refused)),
            halted=MappingProxyType({name: lane.halted for name, lane in self._lanes.items() if lane.halted}),
            repeating=MappingProxyType(
                {name: lane.repeats_left for name, lane in self._lanes.items() if lane.repeats_left}
            ),
        )

    # ---- inside --------------------------------------------------------------------------------

    def _enter(self, phase: Phase, now: int) -> None:
        if phase is not self._phase:
            self._phase, self._since = phase, now
            self._asking_since, self._patience_ms = now, self._spread(self._pace.give_up_ms)
        if phase is Phase.OFFLINE:
            self._rate.closed()

    def _refuse(self, reason: str, detail: str) -> Refusal:
        self._refused[reason] += 1
        return Refusal(reason, detail)

    def _halt(self, stream: str, refusal: Refusal) -> Refusal:
        self._lanes[stream].halt(refusal.reason)
        self._refused[refusal.reason] += 1
        return refusal

    def _heard(self, now: int) -> None:
        self._heard_at = now
        self._asking_since = now

    def _check(self, ack: Ack, our_head: bytes | None) -> Refusal | None:
        lane = self._lanes[ack.stream]
        where = f"{ack.stream} seq {ack.seq}"
        if ack.station != self._station:
            return Refusal("ACK_FOREIGN", f"for station {ack.station}")
        if ack.epoch != self._epoch:
            return Refusal("ACK_OTHER_EPOCH", f"for epoch {ack.epoch}, this is {self._epoch}")
        if ack.seq > lane.last_seq:
            return Refusal("ACK_BEYOND_END", f"{where}, our newest is {lane.last_seq}", _TWO_BOXES)
        if our_head is None:
            known = ack.seq <= lane.acked
            return None if known else Refusal("ACK_UNPROVEN", f"{where} is not kept here")
        if our_head != decode_head(ack.head):
            return Refusal("CHAIN_MISMATCH", f"{where}: HQ holds other rows than we do", _TWO_BOXES)
        return None

    def _may_go_on(self, reply: HelloReply) -> bool:
        """It was asked in passing, and HQ holds what it held then: nothing has to be sent again."""
        kept = all(mark.seq >= self._marks_at_asking[mark.stream] for mark in reply.streams)
        in_order = not any(lane.halted for lane in self._lanes.values())
        return self._phase is Phase.ONLINE and kept and in_order

    def _noted(self, ack: Ack, our_head: bytes | None, now: int) -> Ack | Refusal:
        """HQ's place in one stream, said in passing; a later ack may have overtaken it."""
        lane = self._lanes[ack.stream]
        if ack.seq > lane.acked:
            return self.acknowledge(ack, our_head, now) or ack
        refusal = self._check(ack, our_head)
        return ack if refusal is None else self._halt(ack.stream, refusal)

    def _stand_at(self, ack: Ack, our_head: bytes | None, now: int) -> Ack | Refusal:
        """HQ's place in one stream. It may be behind what it once acknowledged: then it lost rows."""
        refusal = self._check(ack, our_head)
        lane = self._lanes[ack.stream]
        if refusal is None and self._marks_at_asking[ack.stream] <= ack.seq < lane.acked:
            lane.stand_at(lane.acked, now)  # an ack of another worker has overtaken this reply
            return ack
        if refusal is None and our_head is None and ack.seq < lane.acked:
            refusal = Refusal(
                "HQ_BEHIND", f"{ack.stream}: HQ is at seq {ack.seq}, whose row is no longer kept"
            )
        if refusal is not None:
            return self._halt(ack.stream, refusal)
        if ack.seq < lane.acked:
            self._refused["HQ_WENT_BACK"] += 1
        else:
            self._rate.note(ack.seq - lane.acked, now)
        lane.stand_at(ack.seq, now)
        return ack

    def _reason_to_leave(self, now: int) -> str:
        if any(now >= self._half_open_at(at) for _, at in self._unconfirmed.values()):
            return "HALF_OPEN"
        if self._phase is Phase.ASKING and now - self._asking_since >= self._patience_ms:
            return "HQ_SILENT"
        return ""

    def _half_open_at(self, published_at: int) -> int:
        """Every PUBACK shows that the road moves: on a slow one the last message of a window waits long."""
        return max(published_at, self._confirmed_at) + self._pace.puback_ms

    def _silent_at(self, lane: Lane) -> int:
        return lane.silent_at(self._pace.silence_ms, self._pace.ask_max_ms)

    def _notice_silence(self, now: int) -> None:
        if self._phase is not Phase.ONLINE:
            return
        silent = [lane for lane in self._lanes.values() if lane.unanswered and now >= self._silent_at(lane)]
        for lane in silent:
            lane.fruitless += 1
        if silent:
            self._refused["SILENCE"] += 1
            self._enter(Phase.ASKING, now)
            self._ask_at = now

    def _ask_later(self, now: int) -> None:
        """Ask again after a pause that grows and is spread, so that stations do not come in step."""
        self._enter(Phase.ASKING, now)
        pause = min(self._pace.ask_again_ms << min(self._asked, 16), self._pace.ask_max_ms)
        self._ask_at = now + pause // 2 + self._draw(pause // 2 + 1)

    def _spread(self, pause_ms: int) -> int:
        """Between half of it and one and a half: who lost HQ together must not ask in step ever after."""
        return pause_ms // 2 + self._draw(pause_ms + 1)

    def _hello(self, now: int) -> SendHello:
        """While batches are out they go on: asking in passing must not send them twice."""
        if self._phase is not Phase.ONLINE or not self._outstanding():
            self._enter(Phase.ASKING, now)
        self._marks_at_asking = {name: lane.acked for name, lane in self._lanes.items()}
        self._asked += 1
        self._nonce = f"{self._draw(2**128):032x}"
        self._ask_at = now + min(self._pace.silence_ms << min(self._asked - 1, 16), self._pace.ask_max_ms)
        return SendHello(self._register("hello", now), self._nonce)

    def _register(self, what: str, now: int) -> int:
        self._refs += 1
        self._unconfirmed[self._refs] = (what, now)
        return self._refs

    def _outstanding(self) -> int:
        return sum(len(lane.unanswered) for lane in self._lanes.values())

    def _next_online(self, now: int) -> Fetch | SendMetrics | None:
        """From the first stream that has rows; figures only when no row could go."""
        stream = self._first_ready_stream()
        if stream:
            if not self._affords(stream, now):
                return None
            lane = self._lanes[stream]
            return Fetch(stream, lane.next_seq - 1, lane.most_rows(self._pace.batch_items))
        if self._pace.metrics_every_ms and now >= self._metrics_at and self._affords(METRICS, now):
            self._metrics_at = now + self._pace.metrics_every_ms
            return SendMetrics()
        return None

    def _next_online_at(self) -> list[int]:
        """When what waits for time or credit alone may go."""
        what = self._first_ready_stream() or METRICS
        times = [] if self._budget is None else [self._budget.ready_at(what)]
        if what == METRICS:
            return [max([self._metrics_at, *times])] if self._pace.metrics_every_ms else []
        return times

    def _affords(self, what: str, now: int) -> bool:
        return self._budget is None or self._budget.allows(what, now)

    def _first_ready_stream(self) -> str:
        """The first that has rows and room, "" if none. One place in the window is kept for `urgent`."""
        limit = min(self._pace.window, self._receive_maximum)
        outstanding = self._outstanding()
        for name, lane in self._lanes.items():
            room = limit - outstanding - (1 if name != URGENT and limit > 1 else 0)
            if room > 0 and lane.has_rows:
                return name
        return ""

    def _fitting(self, rows: Sequence[OutboxRow]) -> tuple[bytes, ...]:
        """As many bodies as fit, at least one: a single item is never held back for its size."""
        bodies: list[bytes] = []
        size = 0
        for row in rows:
            size += len(row.body) + 1
            if bodies and size > self._batch_bytes:
                break
            bodies.append(row.body)
        return tuple(bodies)
