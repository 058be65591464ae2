"""A station's end of the road for HQ's tests, and HQ workers as processes that can be killed."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sync import topics, wire
from sync.envelope import encode_head
from sync.mqtt import Arrived, Closed, Link, Opened, Outgoing, Published, Subscribed
from sync.tls import BrokerAddress, parse_broker
from tests.unit.hq.stand import HQ_KEY, Station

ROOT = Path(__file__).parents[3]


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def address(url: str) -> BrokerAddress:
    parsed = parse_broker(url)
    assert isinstance(parsed, BrokerAddress)
    return parsed


class Worker:
    """An HQ worker in a process of its own; returns from the constructor when it is ready."""

    def __init__(self, database: Path, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.hq.worker", str(database), url],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline().decode()
        assert self.ready.startswith("HQ ready on mqtt://127.0.0.1:"), self.ready

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self._reap()

    def _reap(self) -> int:
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(10)


class Road:
    """Starts workers and publishers on one broker and one database, and ends them all."""

    def __init__(self, database: Path, url: str, station: Station) -> None:
        self.database, self.url, self.station = database, url, station
        self._workers: list[Worker] = []
        self._publishers: list[Publisher] = []

    def worker(self) -> Worker:
        self._workers.append(Worker(self.database, self.url))
        return self._workers[-1]

    def publisher(self) -> "Publisher":
        self._publishers.append(Publisher(self.station, self.url))
        return self._publishers[-1]

    def close(self) -> None:
        for publisher in self._publishers:
            publisher.close()
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.kill()


class Publisher:
    """Sends a station's rows in batches, goes back to HQ's watermark on silence, reconnects.

    `acked` is the highest seq in an ack of HQ whose head is the station's own.
    """

    def __init__(self, station: Station, url: str, *, batch: int = 10, window: int = 4) -> None:
        self.station, self.url, self.batch, self.window = station, url, batch, window
        self.acked = 0
        self.hellos: list[tuple[bytes, wire.HelloReply]] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.is_set():
            link = Link(address(self.url), None, f"station-{self.station.name}", 5)
            link.open()
            self._talk(link)
            link.close(with_will=False)
            self._end.wait(0.05)

    def _talk(self, link: Link) -> None:
        sent, heard, live = 0, time.monotonic(), False
        while not self._end.is_set():
            event = link.next_event(0.02)
            match event:
                case Closed():
                    return
                case Opened():
                    link.subscribe(*topics.station_filters(self.station.name))
                case Subscribed():
                    live, sent = True, self.acked
                    self._hello(link)
                case Arrived():
                    self._hear(event)
                    link.accept(event)
                    heard = time.monotonic()
                case Published() | None:
                    pass
            if time.monotonic() - heard > 0.4:
                sent, heard = self.acked, time.monotonic()
            while live and sent < min(len(self.station.bodies), self.acked + self.window * self.batch):
                last = min(sent + self.batch, len(self.station.bodies))
                payload = self.station.seal(sent + 1, last)
                link.publish(Outgoing(topics.up(self.station.name, "ledger"), payload))
                sent = last

    def _hello(self, link: Link) -> None:
        name, epoch = self.station.name, self.station.epoch
        ask = wire.HelloAsk(station=name, epoch=epoch, nonce="a" * 32, agent_version="1", streams=())
        payload = wire.sign_hello_ask(ask, self.station.key.sign)
        reply_to = topics.down_rpc(name)
        question = topics.rpc(name, topics.HELLO)
        link.publish(Outgoing(question, payload, response_topic=reply_to, correlation=b"hello-1"))

    def _hear(self, message: Arrived) -> None:
        if message.topic == topics.ack(self.station.name):
            ack = wire.open_ack(message.payload, [HQ_KEY.public.verify])
            assert isinstance(ack, wire.Ack)
            assert ack.head == encode_head(self.station.heads[ack.seq])
            self.acked = max(self.acked, ack.seq)
        elif message.topic == topics.down_rpc(self.station.name):
            reply = wire.open_hello_reply(message.payload, [HQ_KEY.public.verify])
            assert isinstance(reply, wire.HelloReply)
            self.hellos.append((message.correlation, reply))
