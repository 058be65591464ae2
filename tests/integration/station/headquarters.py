"""A headquarters that signs and numbers orders by hand, and an agent on a real broker. For tests.

The agent runs in this process, so that its clock is the test's; broker, sockets and disk are real.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.app import Agent, StartRefused, prepare
from agent.clock import ClockQuality
from agent.notify import Notifier
from agent.store import integrity, reading
from config.load import load_settings
from config.settings import Settings
from drivers.events import Monotonic
from sync import topics, wire
from sync.broker import Broker, start_broker
from sync.chain import GENESIS, next_head
from sync.down import Down, sign_down
from sync.envelope import Envelope, encode_head, open_
from sync.keys import SigningKey, write_key
from sync.mqtt import Arrived, Closed, Link, Opened, Outgoing, Published
from sync.outbox import STREAMS
from sync.tls import BrokerAddress, parse_broker

STATION, PROGRAMME = "cn-0007", "demo-cn"
NOW_MS = 1_783_476_000_000
"""2026-07-08 10:00 in Shanghai."""
MINUTE_MS, DAY_MS = 60_000, 86_400_000


def until(holds: Callable[[], object], what: str, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.02)


def address_of(url: str) -> BrokerAddress:
    address = parse_broker(url)
    assert isinstance(address, BrokerAddress)
    return address


class TestClock:
    """Monotonic time is real; wall time is that plus what the test says, and as good as it says."""

    __test__ = False

    def __init__(self, wall_ms: int = NOW_MS) -> None:
        self._skipped_ms = 0
        self._offset_ms = wall_ms - self.monotonic_ms()
        self.said = ClockQuality.SYNCED

    def step(self, ms: int) -> None:
        """Somebody sets the wall clock."""
        self._offset_ms += ms

    def pass_time(self, ms: int) -> None:
        """So much time passes at once."""
        self._skipped_ms += ms

    def wall_ms(self) -> int:
        return self.monotonic_ms() + self._offset_ms

    def monotonic_ms(self) -> Monotonic:
        return Monotonic(time.monotonic_ns() // 1_000_000 + self._skipped_ms)

    def quality(self, floor_ms: int) -> ClockQuality:
        return ClockQuality.UNTRUSTED if self.wall_ms() < floor_ms else self.said


@dataclass
class Headquarters:
    """Answers hello, acknowledges rows, sends what was issued behind the station's number after each hello.

    `wall_ms` is its clock. `mute`: it hears and says nothing. `drops`: orders are lost on the way.
    """

    broker_url: str
    station_key: SigningKey
    wall_ms: Callable[[], int]
    key: SigningKey = field(default_factory=SigningKey.generate)
    signers: list[SigningKey] = field(default_factory=list)
    issued: list[bytes] = field(default_factory=list)
    key_lists: list[bytes] = field(default_factory=list)
    asks: list[wire.HelloAsk] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)
    acks: list[bytes] = field(default_factory=list)
    mute: bool = False
    drops: bool = False

    def __post_init__(self) -> None:
        self.signers = self.signers or [self.key]
        self.rows: dict[str, list[bytes]] = {stream: [] for stream in STREAMS}
        self._heads = {stream: [GENESIS] for stream in STREAMS}
        self._outbox: list[Outgoing] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="headquarters")
        self._ready = threading.Event()
        self.epoch = 1

    def __enter__(self) -> "Headquarters":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def order(self, kind: str, body: Mapping[str, object], **changes: object) -> Down:
        """The next order, not signed yet."""
        said: dict[str, object] = {
            "station": STATION,
            "down_seq": len(self.issued) + 1,
            "id": f"o-{len(self.issued) + 1}",
            "kind": kind,
            "issued_at_ms": self.wall_ms(),
            "not_after_ms": self.wall_ms() + 10 * MINUTE_MS,
            "body": dict(body),
        }
        return Down.model_validate(said | changes)

    def issue(self, kind: str, body: Mapping[str, object], **changes: object) -> Down:
        """Sign and send the next order."""
        down = self.order(kind, body, **changes)
        self.issued.append(sign_down(down, *self.signers))
        if not self.drops:
            self.say(topics.down_items(STATION), self.issued[-1])
        return down

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._outbox.append(Outgoing(topic, payload, retain=retain))

    def heard(self, kind: str) -> list[dict[str, Any]]:
        """The items of this kind that were acknowledged."""
        items = [json.loads(body) for stream in STREAMS for body in self.rows[stream]]
        return [item for item in items if item["kind"] == kind]

    def verdict(self, down: Down) -> str | None:
        """What the station said it became of; None while it said nothing."""
        said = [item for item in self.heard("applied") if item["seq"] == down.down_seq]
        assert len(said) <= 1, "told once"
        return said[0].get("verdict", "") if said else None

    def _run(self) -> None:
        link = Link(address_of(self.broker_url), None, "headquarters", 10)
        link.open()
        while not self._stop.is_set():
            event = link.next_event(0.02)
            assert not isinstance(event, Closed), event
            if isinstance(event, Opened):
                link.subscribe(topics.HQ_UP, topics.HQ_RPC)
                self._ready.set()
            if isinstance(event, Arrived):
                if not self.mute:
                    self._take(link, event)
                link.accept(event)
            while self._outbox:
                link.publish(self._outbox.pop(0))
        link.close(with_will=False)

    def _take(self, link: Link, message: Arrived) -> None:
        where = topics.parse(message.topic)
        assert where is not None
        if where.branch == "up":
            self.acks.append(self._book(message.payload))
            link.publish(Outgoing(topics.ack(STATION), self.acks[-1]))
        elif where.leaf == topics.HELLO:
            self._answer(link, message)

    def _book(self, payload: bytes) -> bytes:
        envelope = open_(payload, lambda _: self.station_key.public.verify)
        assert isinstance(envelope, Envelope)
        stream, first = envelope.header.stream, envelope.header.first_seq
        held = len(self.rows[stream])
        for body in envelope.bodies[max(0, held + 1 - first) :] if first <= held + 1 else ():
            self.rows[stream].append(body)
            self._heads[stream].append(next_head(self._heads[stream][-1], body))
        head = encode_head(self._heads[stream][-1])
        said = {
            "station": STATION,
            "epoch": self.epoch,
            "stream": stream,
            "seq": len(self.rows[stream]),
            "head": head,
        }
        return wire.sign_ack(wire.Ack.model_validate(said | {"hq_time_ms": self.wall_ms()}), self.key.sign)

    def _fork(self, ask: wire.HelloAsk) -> None:
        """The station's database was put back: it goes on behind what it knew to be here."""
        self.epoch = ask.epoch
        for end in ask.streams:
            del self.rows[end.stream][end.fork_seq :]
            del self._heads[end.stream][end.fork_seq + 1 :]

    def _answer(self, link: Link, message: Arrived) -> None:
        ask = wire.open_hello_ask(message.payload, lambda _: self.station_key.public.verify)
        assert isinstance(ask, wire.HelloAsk)
        self.asks.append(ask)
        if ask.epoch > self.epoch:
            self._fork(ask)
        for document in self.key_lists[ask.keys_version - 1 :]:
            link.publish(Outgoing(topics.down_keys(STATION), document))
        marks = tuple(
            wire.StreamMark.model_validate(
                {"stream": s, "seq": len(self.rows[s]), "head": encode_head(self._heads[s][-1])}
            )
            for s in STREAMS
        )
        reply = wire.HelloReply(
            station=STATION,
            epoch=ask.epoch,
            nonce=ask.nonce,
            highest_epoch=ask.epoch,
            streams=marks,
            down_seq=len(self.issued),
            hq_time_ms=self.wall_ms(),
        )
        self.replies.append(wire.sign_hello_reply(reply, self.key.sign))
        link.publish(Outgoing(topics.down_rpc(STATION), self.replies[-1], correlation=message.correlation))
        for document in [] if self.drops else self.issued[ask.down_seq :]:
            link.publish(Outgoing(topics.down_items(STATION), document))


class Station:
    """An agent in a thread; `stop` and `start` make it a new one on the same disk."""

    def __init__(self, folder: Path, broker_url: str, hq: str, station_key: SigningKey) -> None:
        self.folder, self.clock = folder, TestClock()
        self.state = folder / "state"
        self.state.mkdir(exist_ok=True)
        write_key(self.state / "station.key", station_key)
        secret = folder / "k1"
        secret.write_text("A" * 43)
        secret.chmod(0o600)
        self._toml = _TOML.format(folder=folder, broker=broker_url, hq=hq)
        self.agent: Agent | None = None

    def start(self, *, wait: bool = True) -> None:
        path = self.folder / "station.toml"
        path.write_text(self._toml, encoding="utf-8")
        settings = load_settings(path, secrets_needed=True)
        assert isinstance(settings, Settings), settings
        parts = prepare(settings)
        assert not isinstance(parts, StartRefused), parts
        self.agent = Agent(parts, Notifier(None), self.clock)
        assert self.agent.claim_state() is None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.agent.run, args=(self._stop,), name="agent")
        self._thread.start()
        assert self.agent._till.opened.wait(20)
        if wait:
            until(lambda: self.road.get("mode") == "online", "the station to be online")

    def stop(self) -> None:
        if self.agent is not None:
            self._stop.set()
            self._thread.join(20)
            assert not self._thread.is_alive()
            assert self.agent._lock is not None
            os.close(self.agent._lock)  # another agent of this process may have the state directory
            self.agent = None

    def status(self) -> dict[str, Any]:
        assert self.agent is not None
        return dict(self.agent.status())

    @property
    def road(self) -> dict[str, Any]:
        return dict(self.status()["road"] or {})  # type: ignore[call-overload]

    def alarms(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for code, times in self.rows("SELECT code, times FROM alarm"):
            found[code] = found.get(code, 0) + times
        return found

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with reading.look(self.state / "station.db") as connection:
            return [tuple(row.values()) for row in reading.query(connection, sql)]

    def untouched(self) -> list[object]:
        """Everything that a refused message must leave as it is."""
        tables = ("bundle", "member", "snapshot", "coupon", "ledger_entry", "fact", "trust", "down_item")
        return [self.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables]

    def is_sound(self) -> None:
        with closing(reading.connect(self.state / "station.db")) as connection:
            assert integrity.verify(connection) == []


@dataclass
class Scene:
    broker: Broker
    hq: Headquarters
    station: Station


@contextmanager
def scene(folder: Path, *, down_threshold: int = 1, threshold: int = 1, others: int = 0) -> Iterator[Scene]:
    """Broker, headquarters and station, connected. `others`: more keys of HQ's that are pinned."""
    folder.mkdir(exist_ok=True)
    broker = start_broker("mosquitto", folder / "broker")
    station_key = SigningKey.generate()
    try:
        hq = Headquarters(broker.url, station_key, lambda: station.clock.wall_ms())
        more = [SigningKey.generate() for _ in range(others)]
        hq.signers += more
        pins = ", ".join(f'hq-{n} = "{key.public.text}"' for n, key in enumerate([hq.key, *more]))
        settings = f"public_keys = {{ {pins} }}\ndown_threshold = {down_threshold}\nthreshold = {threshold}"
        station = Station(folder, broker.url, settings, station_key)
        with hq:
            try:
                station.start()
                yield Scene(broker, hq, station)
                station.is_sound()
            finally:
                station.stop()
    finally:
        broker.stop()


def stranger_says(broker: Broker, topic: str, payload: bytes, correlation: bytes = b"") -> None:
    """Somebody at the broker with the right to write anywhere."""
    link = Link(address_of(broker.url), None, "stranger", 30)
    link.open()
    wait_for(link, Opened)
    link.publish(Outgoing(topic, payload, correlation=correlation))
    wait_for(link, Published)
    link.close(with_will=False)


def wait_for(link: Link, kind: type) -> None:
    deadline = time.monotonic() + 10
    while not isinstance(event := link.next_event(0.1), kind):
        assert not isinstance(event, Closed), event
        assert time.monotonic() < deadline


_TOML = """\
language = "en"
credential_key_k1_file = "{folder}/k1"

[station]
id = "cn-0007"
programme = "demo-cn"
timezone = "Asia/Shanghai"
state_dir = "{folder}/state"
control_socket = "{folder}/control.sock"

[hq]
brokers = ["{broker}"]
{hq}

[[line]]
name = "island-1"
driver = "modbus"
port = "socket://127.0.0.1:9"
  [[line.device]]
  key = "disp-1"
  address = "1"
  options = {{ map = "ring-buffer", transport = "tcp" }}

[[point]]
id = "1"
nozzle = [{{ device = "disp-1", nozzle = "1", product = "petrol-92" }}]
"""
