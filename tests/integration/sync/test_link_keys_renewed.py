"""Integration: are certificate and signing key renewed over the link itself, without a sale waiting for it?

A real broker with the shipped configuration, the station's till on a real database, its courier in its
thread; headquarters is played and signs with the authority of `forecourt hq ca`.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from agent.app.certificate_files import ASKED_FOR, IN_USE, ON_TRIAL
from agent.app.certificates import Certificates
from agent.app.link_keys import LinkKeys
from agent.app.station_keys import StationKeys
from agent.clock import ClockQuality, Instant, SystemClock
from agent.handlers.apply_ack import apply_ack
from agent.handlers.renew_certificate import renew_certificate
from agent.handlers.rotate_key import rotate_key
from agent.handlers.verdict import Verdict
from agent.messages.down import Certificate
from agent.store import reading
from agent.store.database import Store
from agent.store.outbox import OutboxReader
from agent.till import Till
from sync import topics
from sync.authority_folder import AuthorityFolder
from sync.certificates import DAY_MS, Identity, read_identity
from sync.connection import CourierLoop, Phase, Taken, Vitals
from sync.down import Down, open_down, sign_down
from sync.envelope import decode_head
from sync.keys import PublicKey, SigningKey, write_key
from sync.mqtt import Arrived, Link, Outgoing
from sync.outbox import STREAMS
from sync.tls import TlsFiles
from sync.wire import Ack
from tests.integration.sync.guarded import Guarded, guarded_broker, issued
from tests.integration.sync.stage import QUICK, QUICK_LINK, HqThread, address_of, clock, until, wall_ms
from tests.simulation.sync.storm import STATION


class SigningHq(HqThread):
    """Answers `certificate.request` by a certificate, and believes a `station.key` beside the present one."""

    def __init__(self, guarded: Guarded, station_key: SigningKey) -> None:
        super().__init__(guarded.broker.url, station_key, guarded.hq)
        self._authority = guarded.authority
        self.requests = 0
        self.last_key = ""
        self._down_seq = 0
        self._keys = [station_key.public]
        self.hq._verify = self._verify

    def _verify(self, data: bytes, signature: bytes) -> bool:
        for key in self._keys:
            if key.verify(data, signature):
                self.last_key = key.text
                return True
        return False

    def _take(self, link: Link, message: Arrived) -> None:
        held = len(self.hq.rows["urgent"])
        super()._take(link, message)
        for body in self.hq.rows["urgent"][held:]:
            item = json.loads(body)
            if item["kind"] == "certificate.request":
                self._answer(link, item)
            elif item["kind"] == "station.key":
                key = PublicKey.from_text(item["key"])
                assert isinstance(key, PublicKey)
                self._keys.append(key)

    def _answer(self, link: Link, item: dict[str, str]) -> None:
        self.requests += 1
        chain = self._authority.sign(item["csr"].encode(), lambda name: name == STATION, wall_ms())
        assert isinstance(chain, bytes)
        self._down_seq += 1
        down = Down(
            station=STATION,
            down_seq=self._down_seq,
            id=item["id"],
            kind="certificate",
            issued_at_ms=wall_ms(),
            not_after_ms=wall_ms() + DAY_MS,
            body={"chain": chain.decode()},
        )
        link.publish(Outgoing(topics.down_items(STATION), sign_down(down, self.hq.key)))


@dataclass
class RunningStation:
    """Everything of a station that its keys need, as `agent/app` puts it together."""

    folder: Path
    till: Till
    loop: CourierLoop
    certificates: Certificates
    ring: StationKeys
    verdicts: list[Verdict]

    def keys(self) -> LinkKeys:
        """One more round of the chores."""
        return LinkKeys(
            self.certificates,
            self.ring,
            STATION,
            self.till,
            clock,
            use_key=lambda key: self.loop.reconnect("KEY_ROTATED", key),
        )

    @property
    def serial(self) -> int:
        identity = read_identity((self.folder / IN_USE).read_bytes())
        assert isinstance(identity, Identity)
        return identity.serial

    @property
    def drained(self) -> bool:
        with closing(reading.connect(self.folder / "station.db")) as connection:
            outbox = OutboxReader(connection)
            is_empty = all(outbox.watermark(stream) == outbox.last_seq(stream) for stream in STREAMS)
        return is_empty and self.loop.status().mode is Phase.ONLINE


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    with guarded_broker(tmp_path) as guarded:
        yield guarded


@pytest.fixture
def station(guarded: Guarded, tmp_path: Path) -> Iterator[tuple[RunningStation, SigningHq]]:
    """Online, with ten days left."""
    folder = tmp_path / "state"
    folder.mkdir()
    key = SigningKey.generate()
    write_key(folder / "station.key", key)
    (folder / IN_USE).write_bytes(issued(guarded.authority, STATION, begins_days=-355))
    hq = SigningHq(guarded, key)
    with hq, _running(guarded, folder, key, hq.hq.key.public) as running:
        until(lambda: running.loop.status().mode is Phase.ONLINE)
        yield running, hq


class _running:
    """Starts till and courier, and ends them."""

    def __init__(self, guarded: Guarded, folder: Path, key: SigningKey, hq_key: PublicKey) -> None:
        database = folder / "station.db"
        at = Instant(wall_ms(), ClockQuality.SYNCED)
        self._stop, self._broken = threading.Event(), []  # type: tuple[threading.Event, list[BaseException]]
        till = Till(
            lambda: Store.open(database, STATION, "demo-cn", at),
            SystemClock(),
            lambda store: loop.wake(),
            self._broken.append,
        )
        self._till_thread = threading.Thread(target=till.run, args=(self._stop,))
        verdicts: list[Verdict] = []

        def submit_ack(ack: Ack) -> None:
            till.submit(lambda tx, at: apply_ack(ack.stream, ack.seq, decode_head(ack.head), tx, at))

        def on_down(topic: str, payload: bytes) -> Taken:
            down = open_down(payload, [hq_key], 1)
            assert isinstance(down, Down)
            body = Certificate.model_validate_json(down.body_json)
            verdicts.append(till.submit(lambda tx, at: renew_certificate(body, certificates, STATION, at)))
            return Taken()

        certificates = Certificates(
            folder,
            STATION,
            TlsFiles(guarded.folder / "ca.pem"),
            SystemClock(),
            lambda: 0,
            on_trial=lambda: loop.reconnect("CERTIFICATE_RENEWED"),
        )
        self._till_thread.start()
        assert till.opened.wait(10)
        loop = CourierLoop(
            station=STATION,
            outbox=OutboxReader(reading.connect(database)),
            key=key,
            hq_keys=lambda: [hq_key],
            brokers=[address_of(guarded.broker.url)],
            tls=certificates,
            rng=Random(7),
            clock=clock,
            wall_ms=wall_ms,
            vitals=lambda: Vitals(agent_version="0.1.0", clock_quality="SYNCED"),
            submit_ack=submit_ack,
            on_down=on_down,
            stop=self._stop,
            pace=QUICK,
            link_pace=QUICK_LINK,
        )
        self._loop_thread = threading.Thread(target=loop.run)
        ring = StationKeys(folder, is_ours=True)
        self._station = RunningStation(folder, till, loop, certificates, ring, verdicts)

    def __enter__(self) -> RunningStation:
        self._loop_thread.start()
        return self._station

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._station.loop.wake()
        self._loop_thread.join(10)
        self._till_thread.join(10)
        assert not self._loop_thread.is_alive()
        assert self._broken == []


def _counted(station: RunningStation, reason: str) -> Callable[[], bool]:
    return lambda: station.loop.status().refused.get(reason, 0) >= 1


def test_a_certificate_with_ten_days_left_is_renewed_over_the_link_and_used(
    station: tuple[RunningStation, SigningHq],
) -> None:
    running, hq = station
    former = running.serial
    running.keys().when_due()
    until(lambda: running.verdicts == [Verdict()])
    until(_counted(running, "CERTIFICATE_RENEWED"))
    until(lambda: not (running.folder / ON_TRIAL).exists())
    until(lambda: running.drained)
    assert running.serial != former
    assert not (running.folder / ASKED_FOR).exists()
    told = running.certificates.standing()
    assert told is not None
    assert (told["days_left"], told["trouble"]) == (364, "")
    running.keys().when_due()
    until(lambda: running.drained)
    assert hq.requests == 1


def test_the_former_certificate_is_not_needed_any_more(
    station: tuple[RunningStation, SigningHq], guarded: Guarded
) -> None:
    """The broker is told to refuse the former one: the station comes back with the new one alone."""
    running, _ = station
    former = (running.folder / IN_USE).read_bytes()
    running.keys().when_due()
    until(lambda: (running.folder / IN_USE).read_bytes() != former)
    for path in (guarded.folder / "issued").iterdir():
        if former.endswith(path.read_bytes()):
            path.rename(path.with_name(f"former@{path.name}"))
    assert guarded.authority.revoke(f"former@{STATION}", wall_ms()) == 1
    guarded.broker.restart()
    until(_counted(running, "CONNECTION_LOST"))
    until(lambda: running.drained)


def test_a_new_certificate_that_the_broker_refuses_does_not_lock_the_station_out(
    station: tuple[RunningStation, SigningHq], tmp_path: Path
) -> None:
    """It is of another authority: tried, refused, and the former one takes its turn."""
    running, hq = station
    stranger = AuthorityFolder.create(tmp_path / "stranger", "somebody else", wall_ms())
    assert isinstance(stranger, AuthorityFolder)
    hq._authority = stranger
    former = running.serial
    running.keys().when_due()
    until(_counted(running, "CERTIFICATE_RENEWED"))
    until(_counted(running, "CERTIFICATE_UNTRUSTED"))
    until(lambda: running.drained)
    assert running.serial == former
    assert (running.folder / ON_TRIAL).exists()


def test_a_signing_key_is_rotated_and_headquarters_follows(
    station: tuple[RunningStation, SigningHq],
) -> None:
    running, hq = station
    old = hq.last_key
    verdict = running.till.submit(lambda tx, at: rotate_key("down-1", running.ring, STATION, tx, at))
    assert verdict == Verdict()
    following = running.ring.next_key()
    assert following is not None
    until(lambda: len(hq.hq.rows["urgent"]) == 1)
    until(lambda: running.drained)
    assert hq.last_key == old, "until headquarters has acknowledged it, the old one signs"
    running.keys().when_due()
    until(_counted(running, "KEY_ROTATED"))
    until(lambda: hq.last_key == following.public.text)
    hq._keys.remove(hq._keys[0])
    running.till.submit(lambda tx, at: tx.outbox.put("service", "notice.shown", b'{"kind":"x"}', at.wall_ms))
    until(lambda: len(hq.hq.rows["service"]) == 1)
    until(lambda: running.drained)
