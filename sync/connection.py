"""The courier's thread: committed rows in, bytes over one link after another, HQ's acks to the till.

It owns nothing that could be lost: rows are SQLite's, watermarks are written by the till. Whether HQ
is there is judged by HQ's signed words alone, never by a library's idea of being connected.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from sync import topics, wire
from sync.backlog import clears_in_ms
from sync.budget import Budget
from sync.chain import GENESIS
from sync.courier import Courier
from sync.dialing import Dialer, LinkPace
from sync.envelope import Verify
from sync.keys import PublicKey, SigningKey
from sync.mqtt import Arrived, Closed, Link, LinkEvent, Outgoing, Published
from sync.outbox import STREAMS, Outbox
from sync.refusal import Refusal
from sync.speech import HELLO_CORRELATION, FiguresNow, Speech, Vitals
from sync.steps import Breaker, Fetch, Leave, Pace, Phase, SendHello, SendMetrics, SendState
from sync.tls import BrokerAddress, Credentials
from sync.waiting import Waiting

__all__ = [
    "Breaker",
    "CourierLoop",
    "CourierStatus",
    "FiguresNow",
    "LinkPace",
    "Pace",
    "Phase",
    "Taken",
    "Vitals",
]

_STEPS_PER_ROUND = 64
_EVENTS_PER_ROUND = 64
_GOODBYE_S = 0.5


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a message of HQ's: counted under `reason` unless that is "".

    `ask_again`: HQ should be asked where it stands, for something of its word is missing.
    """

    reason: str = ""
    ask_again: bool = False


@dataclass(frozen=True, slots=True)
class CourierStatus:
    """`hq_age_ms` is the age of HQ's last verified word (None: never heard), the health of the road.

    `hq_answer_age_ms` is the age of its last answer to a question of ours, which nobody can have kept from
    another day; `down_seq` is the newest of its numbered items by that answer.
    `broker` is where the link goes, "" without one; `trouble` is the last thing that went wrong, for a
    person to read. `refused` counts by reason code. `halted` names streams that stopped, and why.
    `items` and `payload_bytes` count what was published, repeats included. `breaker` is the road as a circuit
    breaker; open, it tries again in `next_try_ms`. `items_per_hour`: acknowledged over the last minutes in
    which HQ answered; at that rate nothing waits any more in `clears_in_ms` (None: it cannot be told).
    `repeating`: items that go again because HQ asked for them, by stream.
    """

    mode: Phase
    mode_for_ms: int
    hq_age_ms: int | None
    hq_answer_age_ms: int | None
    down_seq: int
    hq_clock_offset_ms: int | None
    outstanding: int
    refused: Mapping[str, int]
    halted: Mapping[str, str]
    broker: str
    trouble: str
    items: int
    payload_bytes: int
    breaker: Breaker
    next_try_ms: int | None
    items_per_hour: int
    clears_in_ms: int | None
    repeating: Mapping[str, int]


class CourierLoop:
    """`run` in its own thread until `stop` is set; `wake` after every commit that wrote outbox rows.

    `clock` is monotonic, `wall_ms` UTC, both in milliseconds. `outbox` and `vitals` are used by the thread
    that calls `run` only. `submit_ack` stores a watermark: it may be called again with the same or a
    lower one, and a call that came to nothing is repeated later. `on_down(topic, payload)` gets
    everything from HQ that is neither an ack nor the answer to a hello, unopened, and returns when
    it is safe with us. `hq_keys()` are those that sign acks and answers, asked for each: they may change.
    `figures()` is asked every `pace.metrics_every_ms`; None: nothing now. `budget_bytes_per_s`: what may
    be sent; 0: anything.
    """

    def __init__(
        self,
        *,
        station: str,
        outbox: Outbox,
        key: SigningKey,
        hq_keys: Callable[[], Sequence[PublicKey]],
        brokers: Sequence[BrokerAddress],
        tls: Credentials,
        rng: Random,
        clock: Callable[[], int],
        wall_ms: Callable[[], int],
        vitals: Callable[[], Vitals],
        submit_ack: Callable[[wire.Ack], None],
        on_down: Callable[[str, bytes], Taken],
        stop: threading.Event,
        pace: Pace | None = None,
        link_pace: LinkPace | None = None,
        figures: Callable[[], FiguresNow | None] | None = None,
        budget_bytes_per_s: int = 0,
    ) -> None:
        link_pace = link_pace or LinkPace()
        self._station = station
        self._outbox = outbox
        self._hq_keys = hq_keys
        self._clock = clock
        self._wall_ms = wall_ms
        self._submit_ack = submit_ack
        self._on_down = on_down
        self._waiting = Waiting(clock, stop)
        self._speech = Speech(station, outbox, key, wall_ms, vitals)
        self._dialer = Dialer(
            brokers,
            tls,
            client_id=f"forecourt-{station}",
            filters=topics.station_filters(station),
            will=self._speech.will,
            on_trouble=self._note,
            waiting=self._waiting,
            rng=rng,
            pace=link_pace,
        )
        self._forks = outbox.forks()
        self._courier = Courier(
            station,
            outbox.epoch(),
            {stream: outbox.watermark(stream) for stream in STREAMS},
            pace or Pace(puback_ms=link_pace.keepalive_s * 1_500),
            rng.randrange,
            clock(),
            Budget(budget_bytes_per_s, clock()) if budget_bytes_per_s else None,
        )
        self._figures = figures
        self._wanted_again: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        self._waiting_items = 0
        self._seen = self._courier.snapshot()
        self._link: Link | None = None
        self._leave: Closed | None = None
        self._refs: dict[int, int] = {}
        self._newest_acks: dict[str, wire.Ack] = {}
        self._broker = ""
        self._trouble = ""
        self._offset_ms: int | None = None
        self._hq_said: tuple[int, int] | None = None
        self._down_seq = 0
        self._items = 0
        self._payload_bytes = 0
        self._items_per_hour = 0

    @property
    def ticked(self) -> int:
        """When the thread last showed that it moves, on `clock`."""
        return self._waiting.ticked

    def wake(self) -> None:
        """There may be new rows. From any thread, at any time."""
        link = self._link
        if link is not None:
            link.wake()

    def reconnect(self, reason: str, key: SigningKey | None = None) -> None:
        """Leave the link and make another one: there is a new certificate, or `key` signs from now on.

        From any thread. `reason` is counted like the end of any link.
        """
        if key is not None:
            self._speech.use_key(key)
        self._leave = Closed(reason, "the next link has it")
        self.wake()

    def resend(self, stream: str, from_seq: int) -> None:
        """HQ wants the rows from `from_seq` on again. From any thread; what is pruned meanwhile is counted.

        Whether they are still kept is asked before, of `Outbox.first_resendable`. It lives until the process
        ends: HQ asks again if it did not see what it asked for.
        """
        self._wanted_again.put((stream, from_seq))
        self.wake()

    def hq_time_ms(self) -> int | None:
        """HQ's wall time, by its last answer to a question of ours and what passed since. From any thread.

        Too early by at most the time that the answer took; None if it never answered.
        """
        said = self._hq_said
        return None if said is None else said[0] + self._clock() - said[1]

    def status(self) -> CourierStatus:
        """From any thread."""
        now, seen, resumes_at = self._clock(), self._seen, self._dialer.resumes_at
        per_hour = self._items_per_hour if seen.phase is Phase.ONLINE else 0
        return CourierStatus(
            mode=seen.phase,
            mode_for_ms=now - seen.since_ms,
            hq_age_ms=None if seen.heard_at_ms is None else now - seen.heard_at_ms,
            hq_answer_age_ms=None if seen.answered_at_ms is None else now - seen.answered_at_ms,
            down_seq=self._down_seq,
            hq_clock_offset_ms=self._offset_ms,
            outstanding=seen.outstanding,
            refused=seen.refused,
            halted=seen.halted,
            broker=self._broker,
            trouble=self._trouble,
            items=self._items,
            payload_bytes=self._payload_bytes,
            breaker=_breaker(seen.phase, resumes_at),
            next_try_ms=None if resumes_at is None else max(0, resumes_at - now),
            items_per_hour=per_hour,
            clears_in_ms=clears_in_ms(self._waiting_items, per_hour),
            repeating=seen.repeating,
        )

    def run(self) -> None:
        """Connect, serve, and again, until `stop`. The last link is closed with its will."""
        while not self._waiting.stopped:
            dialled = self._dialer.dial()
            if dialled is None:
                return
            link, opened = dialled
            self._link, self._broker = link, link.address.url
            self._refs.clear()
            self._courier.connected(opened.receive_maximum, opened.maximum_packet_bytes, self._clock())
            end = self._serve(link)
            self._link, self._broker = None, ""
            self._courier.disconnected(self._clock())
            if end is None:
                link.close(with_will=True, wait_s=_GOODBYE_S)
            else:
                self._note(end, link.address)
            self._dialer.put_away(link)
            self._seen = self._courier.snapshot()
            self._dialer.pause()

    def _serve(self, link: Link) -> Closed | None:
        """Until the link ends, the courier leaves it (why), or `stop` (None)."""
        end: Closed | None = None
        while end is None and not self._waiting.stopped:
            self._look_at_outbox()
            end, self._leave = self._leave, None
            end = end or self._take_steps(link)
            timer = self._courier.next_timer()
            if end is None and timer is not None:
                end = self._hear(link, self._waiting.slice_s(timer - self._clock()))
            self._seen = self._courier.snapshot()
            self._items_per_hour = self._courier.items_per_hour(self._clock())
            if self._seen.phase is Phase.ONLINE:
                self._dialer.answered()
        if self._seen.phase is not Phase.ONLINE:
            self._dialer.led_nowhere()
        return end

    def _take_steps(self, link: Link) -> Closed | None:
        """Everything that may be sent now, but bounded: acks that came in meanwhile have their turn."""
        for _ in range(_STEPS_PER_ROUND):
            match self._courier.next_step(self._clock()):
                case None:
                    return None
                case Leave(reason=reason):
                    return Closed(reason, "left by the courier")
                case SendState(ref=ref):
                    self._publish(link, self._speech.birth(), ref)
                case SendHello(ref=ref, nonce=nonce):
                    self._publish(link, self._speech.hello(nonce), ref)
                case SendMetrics():
                    self._send_metrics(link)
                case Fetch() as fetch:
                    self._send_batch(link, fetch)
        link.wake()
        return None

    def _send_batch(self, link: Link, fetch: Fetch) -> None:
        rows = self._outbox.rows(fetch.stream, fetch.after_seq, fetch.limit)
        head = self._head_at(fetch.stream, fetch.after_seq)
        batch = self._courier.batch(fetch, rows, head, self._head_at, self._clock())
        if isinstance(batch, Refusal):
            self._trouble = f"{batch.reason} {batch.detail}"
            return
        self._items += len(batch.bodies)
        self._publish(link, self._speech.envelope(batch), batch.ref)

    def _send_metrics(self, link: Link) -> None:
        """Lost is lost: no ref, no answer awaited."""
        figures = self._figures() if self._figures else None
        if figures is None:
            return
        message = self._speech.metrics(figures)
        if message is None:
            self._courier.count("METRICS_TOO_LONG")
            return
        self._courier.spent(len(message.payload) + len(message.topic), self._clock())
        link.publish(message)

    def _look_at_outbox(self) -> None:
        """Which rows there are, and which of them HQ wants again."""
        waiting = 0
        for stream in STREAMS:
            last_seq = self._last_seq(stream)
            self._courier.rows_until(stream, last_seq)
            waiting += last_seq - min(last_seq, self._outbox.watermark(stream))
        self._waiting_items = waiting
        while not self._wanted_again.empty():
            stream, from_seq = self._wanted_again.get_nowait()
            first = self._outbox.first_resendable(stream)
            head = self._head_at(stream, from_seq - 1) if 0 < first <= from_seq else None
            refusal = self._courier.resend(stream, from_seq, head)
            if refusal is not None:
                self._trouble = f"{refusal.reason} {refusal.detail}; the first that can go is {first}"

    def _last_seq(self, stream: str) -> int:
        """Where the rows end: at the fork, if the former rows before it were lost and none came after."""
        return max(self._outbox.last_seq(stream), self._forks.get(stream, (0, b""))[0])

    def _head_at(self, stream: str, seq: int) -> bytes | None:
        """The stream head after `seq`; known at the fork also where its row was lost or is pruned."""
        fork_seq, fork_head = self._forks.get(stream, (0, GENESIS))
        return fork_head if seq == fork_seq else self._outbox.head_at(stream, seq)

    def _publish(self, link: Link, message: Outgoing, ref: int) -> None:
        """A link that is down says so by an event of its own; the courier resumes after it."""
        self._payload_bytes += len(message.payload)
        self._courier.spent(len(message.payload) + len(message.topic), self._clock())
        mid = link.publish(message)
        if mid >= 0:
            self._refs[mid] = ref

    def _hear(self, link: Link, patience_s: float) -> Closed | None:
        """What comes in time and what has come with it: acks that came together are stored as one."""
        event = link.next_event(patience_s)
        end = self._handle(link, event)
        for _ in range(_EVENTS_PER_ROUND):
            if event is None or end is not None:
                break
            event = link.next_event(0)
            end = self._handle(link, event)
        for ack in self._newest_acks.values():
            if ack.seq > self._outbox.watermark(ack.stream):
                self._submit_ack(ack)
        self._newest_acks.clear()
        return end

    def _handle(self, link: Link, event: LinkEvent | None) -> Closed | None:
        match event:
            case Closed():
                return event
            case Published(mid=mid, code=code) if mid in self._refs:
                self._courier.published(self._refs.pop(mid), code, self._clock())
            case Arrived():
                self._take(event)
                link.accept(event)
        return None

    def _take(self, message: Arrived) -> None:
        if message.topic == topics.ack(self._station):
            self._take_ack(message.payload)
        elif message.correlation.startswith(HELLO_CORRELATION):
            self._take_reply(message.payload)
        else:
            taken = self._on_down(message.topic, message.payload)
            if taken.reason:
                self._courier.count(taken.reason)
            if taken.ask_again:
                self._courier.ask_soon(self._clock())

    def _take_ack(self, payload: bytes) -> None:
        ack = wire.open_ack(payload, self._trusted())
        if isinstance(ack, Refusal):
            self._courier.count(f"ACK_{ack.reason}")
            return
        our_head = self._head_at(ack.stream, ack.seq)
        self._settle(self._courier.acknowledge(ack, our_head, self._clock()) or ack)

    def _take_reply(self, payload: bytes) -> None:
        reply = wire.open_hello_reply(payload, self._trusted())
        if isinstance(reply, Refusal):
            self._courier.count(f"HELLO_{reply.reason}")
            return
        if self._courier.asked_for(reply):
            self._hq_said, self._down_seq = (reply.hq_time_ms, self._clock()), reply.down_seq
        for outcome in self._courier.greeted(reply, self._head_at, self._clock()):
            self._settle(outcome)

    def _trusted(self) -> list[Verify]:
        return [key.verify for key in self._hq_keys()]

    def _settle(self, outcome: wire.Ack | Refusal) -> None:
        """Only an ack that the courier took goes to the till, the newest of each stream."""
        if isinstance(outcome, Refusal):
            self._trouble = f"{outcome.reason} {outcome.detail}"
            return
        self._offset_ms = outcome.hq_time_ms - self._wall_ms()
        known = self._newest_acks.get(outcome.stream)
        if known is None or outcome.seq > known.seq:
            self._newest_acks[outcome.stream] = outcome

    def _note(self, end: Closed, address: BrokerAddress) -> None:
        self._courier.count(end.reason)
        self._trouble = f"{end.reason} {end.detail} ({address.url})"
        self._seen = self._courier.snapshot()


def _breaker(phase: Phase, resumes_at: int | None) -> Breaker:
    if phase is Phase.ONLINE:
        return Breaker.CLOSED
    return Breaker.HALF_OPEN if resumes_at is None else Breaker.OPEN
