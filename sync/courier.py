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

from sync.envelope import decode_head, next_head
from sync.lane import Lane
from sync.outbox import STREAMS, URGENT, OutboxRow
from sync.refusal import Refusal
from sync.steps import Batch, Fetch, Leave, Pace, Phase, SendHello, SendState, Snapshot, Step
from sync.wire import Ack, HelloReply

_NO_MATCHING_SUBSCRIBERS = 0x10
_REFUSED_FROM = 0x80
_REASON_NAMES = {0x87: "NOT_AUTHORIZED", 0x90: "TOPIC_NAME_INVALID", 0x95: "PACKET_TOO_LARGE", 0x97: "QUOTA"}
_ENVELOPE_OVERHEAD_BYTES = 1_024
_TWO_BOXES = "two controllers may be using this station's name, or a backup was restored without a new epoch"


class Courier:
    """Feed it what happened, then take `next_step` until it gives None; wake it again at `next_timer`.

    `watermarks` are the stored ones. `draw(n)` gives a random integer in [0, n): it makes nonces and
    spreads the questions of many stations.
    """

    def __init__(
        self,
        station: str,
        epoch: int,
        watermarks: Mapping[str, int],
        pace: Pace,
        draw: Callable[[int], int],
        now: int,
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

    # ---- what happened -------------------------------------------------------------------------

    def connected(self, receive_maximum: int, maximum_packet_bytes: int | None, now: int) -> None:
        """A broker said yes and took our subscriptions."""
        assert self._phase is Phase.OFFLINE
        assert receive_maximum >= 1
        self._receive_maximum = receive_maximum
        self._batch_bytes = self._pace.batch_bytes
        if maximum_packet_bytes is not None:
            self._batch_bytes = min(
                self._batch_bytes, max(0, maximum_packet_bytes - _ENVELOPE_OVERHEAD_BYTES)
            )
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

    def published(self, ref: int, code: int, now: int) -> None:
        """The broker's PUBACK. It only says that a broker heard it; some codes say that nobody will."""
        what, _ = self._unconfirmed.pop(ref, ("", 0))
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
            lane.advance(ack.seq, now)
        return None

    def greeted(
        self, reply: HelloReply, our_head_at: Callable[[str, int], bytes | None], now: int
    ) -> list[Ack | Refusal]:
        """Take HQ's verified answer to our last question and go back to where HQ stands.

        What is returned as Ack may move the stored watermark. Reasons: HELLO_STALE, those of
        `acknowledge`, HQ_BEHIND (HQ lost rows that are no longer kept here) and HQ's own refusal.
        """
        if reply.station != self._station or reply.epoch != self._epoch or reply.nonce != self._nonce:
            return [self._refuse("HELLO_STALE", "an answer to another question")]
        self._nonce = ""
        self._heard(now)
        if reply.refused or reply.highest_epoch > self._epoch:
            self._ask_later(now)
            reason = reply.refused or "EPOCH_OLD"
            return [self._refuse(reason, f"HQ knows epoch {reply.highest_epoch}, this is {self._epoch}")]
        for lane in self._lanes.values():
            lane.go_back(lane.acked)
        outcomes = [self._stand_at(ack, our_head_at(ack.stream, ack.seq), now) for ack in reply.acks()]
        self._asked = 0
        self._enter(Phase.ONLINE, now)
        self._ask_at = now + self._pace.quiet_ms
        return outcomes

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
        return self._next_fetch() if self._phase is Phase.ONLINE else None

    def batch(
        self,
        fetch: Fetch,
        rows: Sequence[OutboxRow],
        head_before: bytes | None,
        our_head_at: Callable[[str, int], bytes | None],
        now: int,
    ) -> Batch | Refusal:
        """The rows of a `Fetch` made ready. Their chain is checked before HQ sees it.

        Reasons, each of which halts the stream until the next hello: ROWS_MISSING, OUTBOX_CORRUPT.
        """
        expected = range(fetch.after_seq + 1, fetch.after_seq + 1 + len(rows))
        if not rows or head_before is None or [row.seq for row in rows] != list(expected):
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
        self._lanes[fetch.stream].sent(last_seq, now)
        ref = self._register("batch", now)
        return Batch(ref, fetch.stream, fetch.after_seq + 1, bodies, head_before)

    def next_timer(self) -> int | None:
        """When `next_step` may have something new to say although nothing happened; None while offline."""
        if self._phase is Phase.OFFLINE:
            return None
        times = [at + self._pace.puback_ms for _, at in self._unconfirmed.values()]
        if self._phase is Phase.ASKING:
            times.append(self._asking_since + self._pace.give_up_ms)
        if len(self._unconfirmed) < self._receive_maximum:
            times.append(self._ask_at)
            if self._phase is Phase.ONLINE:
                times.extend(self._silent_at(lane) for lane in self._lanes.values() if lane.unanswered)
        return min(times)

    def count(self, reason: str) -> None:
        """A refusal that was seen outside (a forged ack, a torn reply), shown with the others."""
        self._refused[reason] += 1

    def snapshot(self) -> Snapshot:
        return Snapshot(
            phase=self._phase,
            since_ms=self._since,
            heard_at_ms=self._heard_at,
            outstanding=self._outstanding(),
            refused=MappingProxyType(dict(self._refused)),
            halted=MappingProxyType({name: lane.halted for name, lane in self._lanes.items() if lane.halted}),
        )

    # ---- inside --------------------------------------------------------------------------------

    def _enter(self, phase: Phase, now: int) -> None:
        if phase is not self._phase:
            self._phase, self._since = phase, now
            self._asking_since = now

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
        if self._phase is Phase.ONLINE:
            self._ask_at = now + self._pace.quiet_ms

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

    def _stand_at(self, ack: Ack, our_head: bytes | None, now: int) -> Ack | Refusal:
        """HQ's place in one stream. It may be behind what it once acknowledged: then it lost rows."""
        refusal = self._check(ack, our_head)
        lane = self._lanes[ack.stream]
        if refusal is None and our_head is None and ack.seq < lane.acked:
            refusal = Refusal(
                "HQ_BEHIND", f"{ack.stream}: HQ is at seq {ack.seq}, whose row is no longer kept"
            )
        if refusal is not None:
            return self._halt(ack.stream, refusal)
        if ack.seq < lane.acked:
            self._refused["HQ_WENT_BACK"] += 1
        lane.stand_at(ack.seq, now)
        return ack

    def _reason_to_leave(self, now: int) -> str:
        if any(now - at >= self._pace.puback_ms for _, at in self._unconfirmed.values()):
            return "HALF_OPEN"
        if self._phase is Phase.ASKING and now - self._asking_since >= self._pace.give_up_ms:
            return "HQ_SILENT"
        return ""

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

    def _hello(self, now: int) -> SendHello:
        self._enter(Phase.ASKING, now)
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

    def _next_fetch(self) -> Fetch | None:
        """From the first stream that has rows. One place in the window is kept for the urgent one."""
        limit = min(self._pace.window, self._receive_maximum)
        outstanding = self._outstanding()
        for name, lane in self._lanes.items():
            room = limit - outstanding - (1 if name != URGENT and limit > 1 else 0)
            if room > 0 and lane.has_rows:
                return Fetch(name, lane.next_seq - 1, self._pace.batch_items)
        return None

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
