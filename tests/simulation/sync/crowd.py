"""Thousands of stations on simulated time: real couriers, real pauses between links, no rows. For tests."""

import heapq
from collections import Counter
from collections.abc import Callable
from random import Random

from sync.courier import Courier
from sync.dialing import LinkPace, Pauses
from sync.outbox import STREAMS
from sync.steps import Leave, Pace, Phase, SendHello, SendState
from sync.wire import HelloReply, StreamMark

_TRAVEL_MS = 40
_GENESIS_MARKS = tuple(
    StreamMark.model_validate({"stream": stream, "seq": 0, "head": "A" * 43}) for stream in STREAMS
)


class Crowd:
    """`broker_up` and `hq_up` are the test's. Loads are counted by second: connections, questions to HQ, and
    returns (the answers that bring a station back online)."""

    def __init__(self, stations: int, seed: int) -> None:
        self.rng = Random(seed)
        self.now = 0
        self.broker_up = self.hq_up = True
        self.connects: Counter[int] = Counter()
        self.hellos: Counter[int] = Counter()
        self.returns: Counter[int] = Counter()
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self.stations = [_Station(self, n) for n in range(stations)]

    def after(self, delay_ms: int, do: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + delay_ms, self._count, do))

    def run_until(self, end_ms: int) -> None:
        while self._events and self._events[0][0] <= end_ms:
            self.now, _, do = heapq.heappop(self._events)
            do()
        self.now = end_ms

    def stop_broker(self) -> None:
        self.broker_up = False
        for station in self.stations:
            station.lose_link()

    @property
    def online(self) -> int:
        return sum(station.answered for station in self.stations)

    def loads(self, counter: Counter[int], from_ms: int, until_ms: int) -> list[int]:
        """Per second, in order of time."""
        return [counter[second] for second in range(from_ms // 1_000, until_ms // 1_000)]


class _Station:
    def __init__(self, crowd: Crowd, number: int) -> None:
        self.crowd = crowd
        self.name = f"cn-{number:04d}"
        self.pauses = Pauses(LinkPace(), crowd.rng.randrange)
        self.courier = Courier(self.name, 1, dict.fromkeys(STREAMS, 0), Pace(), crowd.rng.randrange, 0)
        self.linked = False
        self.answered = False
        self._generation = 0
        crowd.after(crowd.rng.randrange(60_000), self.dial)

    def dial(self) -> None:
        """One round over the list of brokers; refused connections cost nothing."""
        if not self.crowd.broker_up:
            self.pauses.failed()
            self.crowd.after(self.pauses.next_ms(), self.dial)
            return
        self.crowd.connects[self.crowd.now // 1_000] += 1
        self.linked = True
        self._generation += 1
        self.courier.connected(20, None, self.crowd.now)
        self.pump()

    def lose_link(self) -> None:
        if not self.linked:
            return
        self.linked = self.answered = False
        self._generation += 1
        if self.courier.snapshot().phase is not Phase.ONLINE:
            self.pauses.failed()
        self.courier.disconnected(self.crowd.now)
        self.crowd.after(self.pauses.next_ms(), self.dial)

    def pump(self) -> None:
        now = self.crowd.now
        while self.linked and (step := self.courier.next_step(now)) is not None:
            if isinstance(step, Leave):
                self.lose_link()
            elif isinstance(step, SendState):
                self.courier.published(step.ref, 0, now)
            elif isinstance(step, SendHello):
                self.ask(step)
        timer = self.courier.next_timer()
        if timer is not None:
            generation = self._generation
            self.crowd.after(timer - now, lambda: self._wake(generation, timer))

    def _wake(self, generation: int, timer: int) -> None:
        if generation == self._generation and self.courier.next_timer() == timer:
            self.pump()

    def ask(self, step: SendHello) -> None:
        crowd, generation = self.crowd, self._generation
        if not crowd.hq_up:
            crowd.after(_TRAVEL_MS, lambda: self._hear(generation, lambda: self._puback(step, 0x10)))
            return
        crowd.hellos[crowd.now // 1_000] += 1
        crowd.after(_TRAVEL_MS, lambda: self._hear(generation, lambda: self._puback(step, 0)))
        crowd.after(2 * _TRAVEL_MS, lambda: self._hear(generation, lambda: self._greeted(step)))

    def _hear(self, generation: int, what: Callable[[], None]) -> None:
        if generation == self._generation:
            what()
            self.pump()

    def _puback(self, step: SendHello, code: int) -> None:
        self.answered = self.answered and code == 0
        self.courier.published(step.ref, code, self.crowd.now)

    def _greeted(self, step: SendHello) -> None:
        reply = HelloReply.model_construct(
            v=1,
            station=self.name,
            epoch=1,
            nonce=step.nonce,
            highest_epoch=1,
            streams=_GENESIS_MARKS,
            down_seq=0,
            hq_time_ms=0,
            refused="",
            mismatched=0,
        )
        self.courier.greeted(reply, lambda stream, seq: bytes(32), self.crowd.now)
        self.pauses.answered()
        if not self.answered:
            self.answered = True
            self.crowd.returns[self.crowd.now // 1_000] += 1
