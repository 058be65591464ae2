"""A station's courier, a small HQ and a cable to pull, on real sockets. For tests."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Protocol

from sync import topics, wire
from sync.connection import CourierLoop, FiguresNow, LinkPace, Pace, Taken, Vitals
from sync.envelope import decode_head
from sync.keys import SigningKey
from sync.mqtt import Arrived, Closed, Link, Opened, Outgoing
from sync.outbox import STREAMS, Outbox
from sync.refusal import Refusal
from sync.tls import BrokerAddress, TlsFiles, client_context, parse_broker
from tests.simulation.sync.storm import STATION, SimulatedHq

QUICK_LINK = LinkPace(connect_ms=1_000, backoff_ms=50, backoff_max_ms=400, keepalive_s=2)
QUICK = Pace(puback_ms=2_500, silence_ms=1_000, ask_again_ms=50, ask_max_ms=1_000, quiet_ms=1_000)


def clock() -> int:
    return time.monotonic_ns() // 1_000_000


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def until(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    """Poll until it holds; fails the test when it does not."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not come to be in time"
        time.sleep(0.01)


def address_of(url: str) -> BrokerAddress:
    address = parse_broker(url)
    assert isinstance(address, BrokerAddress)
    return address


class HqThread:
    """Reconnects as fast as it can, answers hello and batches. `mute` makes it silent.

    `hq`: one that listens on another broker, too.
    """

    _one_at_a_time = threading.Lock()

    def __init__(
        self, url: str, station_key: SigningKey, tls: TlsFiles | None = None, hq: SimulatedHq | None = None
    ) -> None:
        self.hq = hq or SimulatedHq(SigningKey.generate(), station_key)
        self.states: list[bytes] = []
        self.connections = 0
        self.mute = False
        self._address = address_of(url)
        self._tls = tls
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "HqThread":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            context = client_context(self._tls) if self._tls else None
            assert not isinstance(context, Refusal)
            link = Link(self._address, context, "hq-1", 10)
            link.open()
            while not self._stop.is_set():
                event = link.next_event(0.05)
                if isinstance(event, Closed):
                    break
                if isinstance(event, Opened):
                    self.connections += 1
                    link.subscribe(topics.HQ_UP, topics.HQ_RPC, topics.HQ_STATE)
                if isinstance(event, Arrived):
                    with self._one_at_a_time:
                        self._take(link, event)
                    link.accept(event)
            link.close(with_will=False)
            self._stop.wait(0.02)

    def _take(self, link: Link, message: Arrived) -> None:
        where = topics.parse(message.topic)
        assert where is not None
        if where.branch == "state":
            self.states.append(message.payload)
        elif self.mute:
            return
        elif where.branch == "up":
            link.publish(Outgoing(topics.ack(where.station), self.hq.take_batch(message.payload, wall_ms())))
        else:
            reply = self.hq.answer_hello(message.payload, wall_ms())
            link.publish(
                Outgoing(topics.down_rpc(where.station), reply, correlation=message.correlation, expiry_s=60)
            )


class TillsOutbox(Outbox, Protocol):
    """An outbox with the till's half: rows are put, watermarks raised."""

    def put(self, stream: str, body: bytes) -> int: ...

    def raise_watermark(self, stream: str, seq: int, head: bytes) -> None: ...


class Station:
    """A courier loop in its thread over an outbox of the test."""

    def __init__(
        self,
        urls: list[str],
        key: SigningKey,
        hq_key: SigningKey,
        outbox: TillsOutbox,
        tls: TlsFiles,
        pace: Pace = QUICK,
        link_pace: LinkPace = QUICK_LINK,
        figures: Callable[[], FiguresNow | None] | None = None,
        budget_bytes_per_s: int = 0,
    ) -> None:
        self.outbox = outbox
        self.acks: list[wire.Ack] = []
        self.down: list[tuple[str, bytes]] = []
        self.stop = threading.Event()
        self.loop = CourierLoop(
            station=STATION,
            outbox=outbox,
            key=key,
            hq_keys=lambda: [hq_key.public],
            brokers=[address_of(url) for url in urls],
            tls=tls,
            rng=Random(7),
            clock=clock,
            wall_ms=wall_ms,
            vitals=lambda: Vitals(agent_version="0.1.0", clock_quality="SYNCED"),
            submit_ack=self._store,
            on_down=self._take_down,
            stop=self.stop,
            pace=pace,
            link_pace=link_pace,
            figures=figures,
            budget_bytes_per_s=budget_bytes_per_s,
        )
        self.most_ms_between_ticks = 0
        self._thread = threading.Thread(target=self.loop.run)

    def _take_down(self, topic: str, payload: bytes) -> Taken:
        self.down.append((topic, payload))
        return Taken()

    def _store(self, ack: wire.Ack) -> None:
        self.acks.append(ack)
        self.outbox.raise_watermark(ack.stream, ack.seq, decode_head(ack.head))

    def __enter__(self) -> "Station":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.loop.wake()
        self._thread.join(5)
        assert not self._thread.is_alive()

    def sell(self, stream: str, count: int) -> None:
        for _ in range(count):
            n = self.outbox.last_seq(stream) + 1
            self.outbox.put(stream, b'{"kind":"fuelling","n":%d}' % n)
        self.loop.wake()

    @property
    def drained(self) -> bool:
        self.most_ms_between_ticks = max(self.most_ms_between_ticks, clock() - self.loop.ticked)
        return all(self.outbox.watermark(s) >= self.outbox.last_seq(s) for s in STREAMS)


class Cable:
    """A TCP proxy that can go black: sockets stay open, nothing passes (a modem that lost its bearer).

    `up_bytes_per_s`: what it carries towards the broker, 0 for anything; `up_bytes` is what it has carried.
    """

    def __init__(self, port: int, up_bytes_per_s: int = 0) -> None:
        self._target = port
        self._up_bytes_per_s = up_bytes_per_s
        self.up_bytes = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.05)
        self.port = self._server.getsockname()[1]
        self.black = False
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> "Cable":
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()
        self._server.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                near, _ = self._server.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._target), timeout=2)
                except OSError:
                    near.close()
                    continue
                for one, other, rate in ((near, far, self._up_bytes_per_s), (far, near, 0)):
                    thread = threading.Thread(target=self._carry, args=(one, other, rate))
                    thread.start()
                    self._threads.append(thread)

    def _carry(self, one: socket.socket, other: socket.socket, bytes_per_s: int) -> None:
        one.settimeout(0.05)
        while not self._stop.is_set():
            try:
                data = one.recv(min(4096, bytes_per_s // 10 or 4096))
                if not data:
                    break
                if bytes_per_s:
                    self.up_bytes += len(data)
                    self._stop.wait(len(data) / bytes_per_s)
                while self.black and not self._stop.is_set():
                    self._stop.wait(0.02)  # also what was read just as it went black
                other.sendall(data)
            except TimeoutError:
                continue
            except OSError:
                break
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)
        one.close()
