"""The courier's thread: committed rows in, bytes over one link after another, HQ's acks to the till.

It owns nothing that could be lost: rows are SQLite's, watermarks are written by the till. Whether HQ
is there is judged by HQ's signed words alone, never by a library's idea of being connected.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from sync import topics, wire
from sync.chain import GENESIS
from sync.courier import Courier
from sync.dialing import Dialer, LinkPace
from sync.keys import PublicKey, SigningKey
from sync.mqtt import Arrived, Closed, Link, LinkEvent, Outgoing, Published
from sync.outbox import STREAMS, Outbox
from sync.refusal import Refusal
from sync.speech import HELLO_CORRELATION, Speech, Vitals
from sync.steps import Fetch, Leave, Pace, Phase, SendHello, SendState
from sync.tls import BrokerAddress, TlsFiles
from sync.waiting import Waiting

__all__ = ["CourierLoop", "CourierStatus", "LinkPace", "Pace", "Phase", "Vitals"]

_STEPS_PER_ROUND = 64
_GOODBYE_S = 0.5


@dataclass(frozen=True, slots=True)
class CourierStatus:
    """`hq_age_ms` is the age of HQ's last verified word (None: never heard), the health of the road.

    `broker` is where the link goes, "" without one; `trouble` is the last thing that went wrong, for a
    person to read. `refused` counts by reason code. `halted` names streams that stopped, and why.
    `items` and `payload_bytes` count what was published, repeats included.
    """

    mode: Phase
    mode_for_ms: int
    hq_age_ms: int | None
    hq_clock_offset_ms: int | None
    outstanding: int
    refused: Mapping[str, int]
    halted: Mapping[str, str]
    broker: str
    trouble: str
    items: int
    payload_bytes: int


class CourierLoop:
    """`run` in its own thread until `stop` is set; `wake` after every commit that wrote outbox rows.

    `clock` is monotonic, `wall_ms` UTC, both in milliseconds. `outbox` and `vitals` are used by the thread
    that calls `run` only. `submit_ack` stores a watermark: it may be called again with the same or a
    lower one, and a call that came to nothing is repeated later. `on_down(topic, payload)` gets
    everything from HQ that is neither an ack nor the answer to a hello, unopened, and returns when
    it is safe with us: "", or the code under which it is counted because nothing came of it.
    """

    def __init__(
        self,
        *,
        station: str,
        outbox: Outbox,
        key: SigningKey,
        hq_keys: Sequence[PublicKey],
        brokers: Sequence[BrokerAddress],
        tls: TlsFiles,
        rng: Random,
        clock: Callable[[], int],
        wall_ms: Callable[[], int],
        vitals: Callable[[], Vitals],
        submit_ack: Callable[[wire.Ack], None],
        on_down: Callable[[str, bytes], str],
        stop: threading.Event,
        pace: Pace | None = None,
        link_pace: LinkPace | None = None,
    ) -> None:
        link_pace = link_pace or LinkPace()
        self._station = station
        self._outbox = outbox
        self._trusted = [each.verify for each in hq_keys]
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
        )
        self._seen = self._courier.snapshot()
        self._link: Link | None = None
        self._refs: dict[int, int] = {}
        self._broker = ""
        self._trouble = ""
        self._offset_ms: int | None = None
        self._items = 0
        self._payload_bytes = 0

    @property
    def ticked(self) -> int:
        """When the thread last showed that it moves, on `clock`."""
        return self._waiting.ticked

    def wake(self) -> None:
        """There may be new rows. From any thread, at any time."""
        link = self._link
        if link is not None:
            link.wake()

    def status(self) -> CourierStatus:
        """From any thread."""
        now, seen = self._clock(), self._seen
        return CourierStatus(
            mode=seen.phase,
            mode_for_ms=now - seen.since_ms,
            hq_age_ms=None if seen.heard_at_ms is None else now - seen.heard_at_ms,
            hq_clock_offset_ms=self._offset_ms,
            outstanding=seen.outstanding,
            refused=seen.refused,
            halted=seen.halted,
            broker=self._broker,
            trouble=self._trouble,
            items=self._items,
            payload_bytes=self._payload_bytes,
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
            for stream in STREAMS:
                self._courier.rows_until(stream, self._last_seq(stream))
            end = self._take_steps(link)
            timer = self._courier.next_timer()
            if end is None and timer is not None:
                end = self._handle(link, link.next_event(self._waiting.slice_s(timer - self._clock())))
            self._seen = self._courier.snapshot()
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
        mid = link.publish(message)
        if mid >= 0:
            self._refs[mid] = ref

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
        elif reason := self._on_down(message.topic, message.payload):
            self._courier.count(reason)

    def _take_ack(self, payload: bytes) -> None:
        ack = wire.open_ack(payload, self._trusted)
        if isinstance(ack, Refusal):
            self._courier.count(f"ACK_{ack.reason}")
            return
        our_head = self._head_at(ack.stream, ack.seq)
        self._settle(self._courier.acknowledge(ack, our_head, self._clock()) or ack)

    def _take_reply(self, payload: bytes) -> None:
        reply = wire.open_hello_reply(payload, self._trusted)
        if isinstance(reply, Refusal):
            self._courier.count(f"HELLO_{reply.reason}")
            return
        for outcome in self._courier.greeted(reply, self._head_at, self._clock()):
            self._settle(outcome)

    def _settle(self, outcome: wire.Ack | Refusal) -> None:
        """Only an ack that the courier took goes to the till, and only if it says something new."""
        if isinstance(outcome, Refusal):
            self._trouble = f"{outcome.reason} {outcome.detail}"
            return
        self._offset_ms = outcome.hq_time_ms - self._wall_ms()
        if outcome.seq > self._outbox.watermark(outcome.stream):
            self._submit_ack(outcome)

    def _note(self, end: Closed, address: BrokerAddress) -> None:
        self._courier.count(end.reason)
        self._trouble = f"{end.reason} {end.detail} ({address.url})"
        self._seen = self._courier.snapshot()
