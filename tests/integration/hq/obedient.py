"""HQ workers that deliver, as processes; and stations that obey what HQ issues, in order, on a broker.

As a program it is one worker: python -m tests.integration.hq.obedient DATABASE_URL BROKER_URL.
"""

import random
import subprocess
import sys
import threading
import time

from sync import topics, wire
from sync.down import Down, open_down
from sync.hq.receiver import Receiver
from sync.hq.server import HqServer
from sync.hq.store import HqStore
from sync.keys import PublicKey
from sync.mqtt import Arrived, Closed, Link, Opened, Outgoing, Subscribed
from sync.tls import TlsFiles
from tests.integration.hq.road import ROOT, address
from tests.unit.hq.down_stand import DOWN_KEY, item, judge
from tests.unit.hq.stand import HQ_KEY, Station

ASKS_EVERY_S = 2


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class DeliveringWorker:
    """Returns from the constructor when it is ready."""

    def __init__(self, database_url: str, broker_url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.hq.obedient", database_url, broker_url],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith(b"HQ ready on mqtt://127.0.0.1:")

    def end(self, *, kill: bool = False) -> int:
        if self.process.poll() is None:
            self.process.kill() if kill else self.process.terminate()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(10)


class Obedient:
    """A station in a thread: takes items that follow the last one, says so, asks again after a gap.

    `obeyed` are the items in the order in which they were taken; `heard` counts what arrived at all.
    """

    def __init__(self, station: Station, url: str) -> None:
        self.station, self.url = station, url
        self.obeyed: list[Down] = []
        self.retained: list[bytes] = []
        self.heard = 0
        self._acked = 0
        self._asked = 0.0
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
        while not self._end.is_set():
            event = link.next_event(0.02)
            match event:
                case Closed():
                    return
                case Opened():
                    link.subscribe(*topics.station_filters(self.station.name))
                case Subscribed():
                    self._hello(link)
                    self._say(link, self._acked)
                case Arrived():
                    self._hear(link, event)
                    link.accept(event)
            if time.monotonic() - self._asked > ASKS_EVERY_S:
                self._hello(link)
                self._say(link, self._acked)

    def _hello(self, link: Link) -> None:
        self._asked = time.monotonic()
        name = self.station.name
        seq = len(self.obeyed)
        ask = wire.HelloAsk(
            station=name, epoch=1, nonce="a" * 32, agent_version="1", streams=(), down_seq=seq
        )
        payload = wire.sign_hello_ask(ask, self.station.key.sign)
        question = topics.rpc(name, topics.HELLO)
        link.publish(Outgoing(question, payload, response_topic=topics.down_rpc(name), correlation=b"h"))

    def _say(self, link: Link, after: int) -> None:
        """Send the rows behind `after` (again): HQ knows what it has."""
        if after < len(self.station.bodies):
            payload = self.station.seal(after + 1, len(self.station.bodies), stream="urgent")
            link.publish(Outgoing(topics.up(self.station.name, "urgent"), payload))

    def _hear(self, link: Link, message: Arrived) -> None:
        if message.topic == topics.bundle("demo-cn"):
            self.retained.append(message.payload)
        if message.topic == topics.ack(self.station.name):
            ack = wire.open_ack(message.payload, [HQ_KEY.public.verify])
            assert isinstance(ack, wire.Ack)
            self._acked = max(self._acked, ack.seq)
        if message.topic != topics.down_items(self.station.name):
            return
        self.heard += 1
        down = open_down(message.payload, [DOWN_KEY.public], 1)
        assert isinstance(down, Down)
        if down.down_seq == len(self.obeyed) + 1:
            self.obeyed.append(down)
            self.station.write(item("applied", seq=down.down_seq, id=down.id))
            self._say(link, len(self.station.bodies) - 1)
        elif down.down_seq > len(self.obeyed) and time.monotonic() - self._asked > ASKS_EVERY_S / 4:
            self._hello(link)


def main(database_url: str, broker_url: str) -> None:
    def announce(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def monotonic_ms() -> int:
        return time.monotonic_ns() // 1_000_000

    store = HqStore(database_url)
    receiver = Receiver(store, judge, HQ_KEY.sign, lambda raw: PublicKey(raw).verify, wall_ms)
    server = HqServer(receiver, address(broker_url), TlsFiles(), random.Random(), monotonic_ms, announce)
    server.stop_on_signals()
    server.serve()
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
