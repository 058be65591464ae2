"""Station, broker and HQ on simulated time, with every fault the road can have. For tests; seeded."""

import heapq
from collections.abc import Callable
from random import Random

from sync import wire
from sync.budget import MESSAGE_BYTES, Budget
from sync.courier import Courier
from sync.envelope import GENESIS, Envelope, Header, decode_head, encode_head, next_head, open_, seal
from sync.keys import SigningKey
from sync.outbox import STREAMS
from sync.refusal import Refusal
from sync.steps import Fetch, Leave, Pace, SendHello, SendState
from tests.unit.sync.memory_outbox import MemoryOutbox

STATION = "cn-0001"


class SimulatedHq:
    """Takes only the contiguous next rows (duplicates and gaps are refused), commits, then acks."""

    def __init__(self, key: SigningKey, station_key: SigningKey) -> None:
        self.key = key
        self._verify = station_key.public.verify
        self.rows: dict[str, list[bytes]] = {stream: [] for stream in STREAMS}
        self.heads: dict[str, list[bytes]] = {stream: [GENESIS] for stream in STREAMS}
        self.batches: list[str] = []
        self.duplicates = 0
        self.gaps = 0
        self.again: set[tuple[str, int]] = set()
        self.sizes: list[int] = []
        self.came_at: dict[tuple[str, int], int] = {}

    def take_batch(self, payload: bytes, now: int) -> bytes:
        envelope = open_(payload, lambda station: self._verify)
        assert isinstance(envelope, Envelope)
        stream, first = envelope.header.stream, envelope.header.first_seq
        self.batches.append(stream)
        self.sizes.append(len(payload))
        held = len(self.rows[stream])
        if first > held + 1:
            self.gaps += 1
        else:
            assert decode_head(envelope.header.head_before) == self.heads[stream][first - 1]
            fresh = envelope.bodies[held + 1 - first :]
            self.duplicates += len(envelope.bodies) - len(fresh)
            self.again.update(
                (stream, seq) for seq in range(first, min(held, first + len(envelope.bodies) - 1) + 1)
            )
            for body in fresh:
                self.rows[stream].append(body)
                self.came_at[stream, len(self.rows[stream])] = now
                self.heads[stream].append(next_head(self.heads[stream][-1], body))
        return self.ack(stream, now)

    def ack(self, stream: str, now: int, **changed: object) -> bytes:
        fields: dict[str, object] = {
            "station": STATION,
            "epoch": 1,
            "stream": stream,
            "seq": len(self.rows[stream]),
            "head": encode_head(self.heads[stream][-1]),
            "hq_time_ms": now,
        }
        return wire.sign_ack(wire.Ack.model_validate(fields | changed), self.key.sign)

    def answer_hello(self, payload: bytes, now: int) -> bytes:
        ask = wire.open_hello_ask(payload, lambda station: self._verify)
        assert isinstance(ask, wire.HelloAsk)
        reply = wire.HelloReply(
            station=ask.station,
            epoch=ask.epoch,
            nonce=ask.nonce,
            highest_epoch=ask.epoch,
            streams=tuple(
                wire.StreamMark.model_validate(
                    {"stream": s, "seq": len(self.rows[s]), "head": encode_head(self.heads[s][-1])}
                )
                for s in STREAMS
            ),
            hq_time_ms=now,
        )
        return wire.sign_hello_reply(reply, self.key.sign)


class Storm:
    """`faults` is the chance in percent of each kind of fault; `calm()` ends them all.

    `road_bytes_per_s`: what the road carries upward, 0 for anything; `budget_bytes_per_s`: what may be sent.
    """

    def __init__(
        self,
        seed: int,
        faults: int,
        pace: Pace,
        receive_maximum: int,
        *,
        road_bytes_per_s: int = 0,
        budget_bytes_per_s: int = 0,
    ) -> None:
        self.rng = Random(seed)
        self.faults = faults
        self.pace = pace
        self.receive_maximum = receive_maximum
        self.now = 0
        self.key = SigningKey(bytes(range(32)))
        self.outbox = MemoryOutbox()
        self.hq = SimulatedHq(SigningKey(bytes(range(1, 33))), self.key)
        self.hq_up = True
        self.link_up = False
        self.link_black = False
        self.generation = 0
        self.most_outstanding = 0
        self.deaths = 0
        self.wishes = 0
        self._road_bytes_per_s = road_bytes_per_s
        self._budget_bytes_per_s = budget_bytes_per_s
        self._road_free_at = 0
        self.refused: dict[str, int] = {}
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._timer = -1
        self.courier = self._new_courier()
        self._connect()

    # ---- time

    def after(self, delay: int, do: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + delay, self._count, do))

    def run_until(self, end: int) -> None:
        self._pump()
        while self._events and self._events[0][0] <= end:
            self.now, _, do = heapq.heappop(self._events)
            do()
            self._pump()
        self.now = end

    def _chance(self, times: int = 1) -> bool:
        return self.rng.randrange(100 * times) < self.faults

    # ---- the station

    def _new_courier(self) -> Courier:
        marks = dict(self.outbox.watermarks)
        budget = Budget(self._budget_bytes_per_s, self.now) if self._budget_bytes_per_s else None
        return Courier(STATION, 1, marks, self.pace, self.rng.randrange, self.now, budget)

    def sell(self, stream: str) -> None:
        seq = self.outbox.last_seq(stream) + 1
        self.outbox.put(stream, b'{"kind":"fuelling","n":%d,"x":%d}' % (seq, self.rng.getrandbits(30)))

    def wish(self, stream: str, from_seq: int) -> None:
        """HQ wants rows again."""
        self.wishes += 1
        refused = self.courier.resend(stream, from_seq, self.outbox.head_at(stream, from_seq - 1))
        assert refused is None

    def die(self) -> None:
        """SIGKILL: the courier's memory is gone, the database is not."""
        self.deaths += 1
        self.note_refused()
        self.courier = self._new_courier()
        self._drop_link()

    def note_refused(self) -> None:
        for reason, count in self.courier.snapshot().refused.items():
            self.refused[reason] = self.refused.get(reason, 0) + count

    def _connect(self) -> None:
        if self.link_up:
            return
        self.generation += 1
        self.link_up, self.link_black = True, False
        self.courier.connected(self.receive_maximum, None, self.now)

    def lose_link(self) -> None:
        if self.link_up:
            self.courier.disconnected(self.now)
            self._drop_link()

    def _drop_link(self) -> None:
        self.link_up = False
        self.generation += 1
        self.after(self.rng.randrange(1, 5_000), self._connect)

    def _pump(self) -> None:
        for stream in STREAMS:
            self.courier.rows_until(stream, self.outbox.last_seq(stream))
        while (step := self.courier.next_step(self.now)) is not None:
            match step:
                case Leave():
                    self.lose_link()
                case SendState(ref=ref):
                    self._publish(ref, lambda: None)
                case SendHello(ref=ref, nonce=nonce):
                    ask = wire.HelloAsk(station=STATION, epoch=1, nonce=nonce, agent_version="0", streams=())
                    payload = wire.sign_hello_ask(ask, self.key.sign)
                    self._publish(ref, lambda payload=payload: self._hq_hello(payload), len(payload))
                case Fetch():
                    self._send(step)
            self.most_outstanding = max(self.most_outstanding, self.courier.snapshot().outstanding)
        timer = self.courier.next_timer()
        assert timer is None or timer > self.now, "a timer in the past would spin the loop"
        if timer is not None and timer != self._timer:
            self._timer = timer
            self.after(timer - self.now, lambda: None)

    def _send(self, fetch: Fetch) -> None:
        rows = self.outbox.rows(fetch.stream, fetch.after_seq, fetch.limit)
        head = self.outbox.head_at(fetch.stream, fetch.after_seq)
        batch = self.courier.batch(fetch, rows, head, self.outbox.head_at, self.now)
        assert not isinstance(batch, Refusal)
        header = Header.model_validate(
            {
                "station": STATION,
                "epoch": 1,
                "stream": batch.stream,
                "first_seq": batch.first_seq,
                "count": len(batch.bodies),
                "head_before": encode_head(batch.head_before),
            }
        )
        payload = seal(header, batch.bodies, self.key.sign)
        self._publish(batch.ref, lambda: self._hq_batch(payload), len(payload))

    # ---- the road

    def _publish(self, ref: int, deliver: Callable[[], None], size_bytes: int = 0) -> None:
        self.courier.spent(size_bytes, self.now)
        if self.link_black:
            return
        queued = self._queued(size_bytes)
        generation = self.generation
        code = 0
        if self._chance(4):
            code = 0x87
        elif not self.hq_up:
            code = 0x10
        elif not self._chance():
            self.after(queued + self._delay(), deliver)
            if self._chance():
                self.after(queued + self.rng.randrange(1, 4_000), deliver)
        self.after(queued + self.rng.randrange(1, 200), lambda: self._puback(generation, ref, code))

    def _queued(self, size_bytes: int) -> int:
        """How long the message waits and travels behind those before it."""
        if not self._road_bytes_per_s:
            return 0
        travels = (size_bytes + MESSAGE_BYTES) * 1_000 // self._road_bytes_per_s
        self._road_free_at = max(self.now, self._road_free_at) + travels
        return self._road_free_at - self.now

    def _delay(self) -> int:
        """Without faults messages keep their order, as they do on one topic of one connection."""
        return self.rng.randrange(1, 400) if self.faults else 200

    def _puback(self, generation: int, ref: int, code: int) -> None:
        if generation == self.generation and not self.link_black:
            self.courier.published(ref, code, self.now)

    def _hq_batch(self, payload: bytes) -> None:
        if self.hq_up:
            self._down(self.hq.take_batch(payload, self.now), self._take_ack)

    def _hq_hello(self, payload: bytes) -> None:
        if self.hq_up:
            self._down(self.hq.answer_hello(payload, self.now), self._take_reply)

    def _down(self, payload: bytes, take: Callable[[bytes], None]) -> None:
        if self._chance():
            return
        for _ in range(2 if self._chance() else 1):
            self.after(self._delay(), lambda: self._arrive(payload, take))

    def _arrive(self, payload: bytes, take: Callable[[bytes], None]) -> None:
        if self.link_up and not self.link_black:
            take(payload)

    # ---- what HQ says

    def _take_ack(self, payload: bytes) -> None:
        ack = wire.open_ack(payload, [self.hq.key.public.verify])
        if isinstance(ack, Refusal):
            self.courier.count(ack.reason)
            return
        our_head = self.outbox.head_at(ack.stream, ack.seq)
        if self.courier.acknowledge(ack, our_head, self.now) is None:
            self._store(ack)

    def _take_reply(self, payload: bytes) -> None:
        reply = wire.open_hello_reply(payload, [self.hq.key.public.verify])
        assert isinstance(reply, wire.HelloReply)
        for outcome in self.courier.greeted(reply, self.outbox.head_at, self.now):
            if isinstance(outcome, wire.Ack):
                self._store(outcome)

    def _store(self, ack: wire.Ack) -> None:
        """The watermark is written: from here on these rows may be pruned, so HQ must have them, exactly."""
        assert self.hq.rows[ack.stream][: ack.seq] == self.outbox.bodies[ack.stream][: ack.seq]
        assert len(self.hq.rows[ack.stream]) >= ack.seq
        self.outbox.watermarks[ack.stream] = max(self.outbox.watermarks[ack.stream], ack.seq)

    # ---- faults

    def trouble(self) -> None:
        """One of the things that happen on a forecourt."""
        match self.rng.randrange(7):
            case 0:
                self.lose_link()
            case 1:
                self.link_black = True
            case 2:
                self.hq_up = False
                self.after(self.rng.randrange(1_000, 90_000), self.hq_back)
            case 3:
                self.die()
            case 4:
                forger = SigningKey(bytes(32))
                ack = wire.Ack.model_validate(
                    {
                        "station": STATION,
                        "epoch": 1,
                        "stream": "ledger",
                        "seq": self.outbox.last_seq("ledger"),
                        "head": encode_head(self.outbox.heads["ledger"][-1]),
                        "hq_time_ms": 0,
                    }
                )
                self._take_ack(wire.sign_ack(ack, forger.sign))
            case 5:
                foreign = self.rng.choice(
                    [{"station": "cn-0002"}, {"epoch": 2}, {"seq": self.outbox.last_seq("urgent") + 7}]
                )
                self._take_ack(self.hq.ack("urgent", self.now, **foreign))
            case 6:
                stream = self.rng.choice(STREAMS)
                if acked := self.outbox.watermarks[stream]:
                    self.wish(stream, self.rng.randrange(acked) + 1)

    def hq_back(self) -> None:
        self.hq_up = True

    def calm(self) -> None:
        self.faults = 0
        self.hq_up = True

    @property
    def drained(self) -> bool:
        return self.outbox.watermarks == {s: self.outbox.last_seq(s) for s in STREAMS}
