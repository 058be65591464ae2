"""Integration: does what HQ issues reach every station in order and in time, whoever of the workers dies?"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.broker import Broker, start_broker
from sync.hq import editions
from sync.hq.publisher import Order, Publisher
from sync.hq.store import HqStore
from sync.hq.store.documents import Edition
from sync.hq.view import STALE_MS, lags
from sync.refusal import Refusal
from tests.integration.hq.obedient import DeliveringWorker, Obedient, wall_ms
from tests.integration.hq.road import wait_until
from tests.unit.hq.down_stand import DOWN_KEY, HOUR_MS
from tests.unit.hq.stand import NOW_MS, Station

STATIONS = [Station(f"cn-{n:04}", bytes([n])) for n in range(1, 5)]


class Scene:
    """One database, one broker, workers and stations that are ended together."""

    def __init__(self, url: str, broker: Broker) -> None:
        self.url, self.broker = url, broker
        self.store = HqStore(url)
        self.stations = [Station(one.name, one.key.seed[:1]) for one in STATIONS]
        for station in self.stations:
            assert self.store.add_station(station.name, station.key.public.raw, NOW_MS)
        self.publisher = Publisher(self.store, [DOWN_KEY], wall_ms)
        self.workers: list[DeliveringWorker] = []
        self.obedient: list[Obedient] = []

    def worker(self) -> DeliveringWorker:
        self.workers.append(DeliveringWorker(self.url, self.broker.url))
        return self.workers[-1]

    def connect(self) -> None:
        self.obedient = [Obedient(station, self.broker.url) for station in self.stations]

    def issue(self, count: int, what: str) -> None:
        for n in range(count):
            body = {"member": f"m-{n}", "reason": what}
            order = Order("freeze", body, wall_ms() + HOUR_MS, f"{what}-{n}")
            issued = self.publisher.issue([station.name for station in self.stations], order)
            assert not isinstance(issued, Refusal)

    def unheard(self) -> int:
        return sum(lag.waiting for lag in lags(self.store, wall_ms()))

    def close(self) -> None:
        for station in self.obedient:
            station.close()
        for worker in self.workers:
            worker.end(kill=True)
        self.store.close()


@pytest.fixture
def scene(tmp_path: Path, hq_url: str) -> Iterator[Scene]:
    with start_broker("mosquitto", tmp_path / "broker") as broker:
        scene = Scene(hq_url, broker)
        yield scene
        scene.close()


def test_a_word_is_everywhere_within_ninety_seconds(scene: Scene) -> None:
    scene.worker()
    scene.worker()
    scene.connect()
    scene.issue(10, "first")
    wait_until(lambda: all(len(one.obeyed) == 10 for one in scene.obedient), seconds=60)
    scene.issue(15, "later")
    wait_until(lambda: scene.unheard() == 0, seconds=60)
    for one in scene.obedient:
        assert [down.down_seq for down in one.obeyed] == list(range(1, 26))
    for lag in lags(scene.store, wall_ms()):
        assert (lag.issued_seq, lag.obeyed_seq, lag.refused, lag.is_stale) == (25, 25, 0, False)
        assert lag.p95_ms is not None
        assert lag.p95_ms < STALE_MS
    assert scene.store.alarms() == ()


def test_workers_that_are_killed_while_they_deliver_lose_nothing_and_mix_nothing_up(scene: Scene) -> None:
    scene.worker()
    doomed = scene.worker()
    scene.connect()
    for round_no in range(3):
        scene.issue(12, f"round-{round_no}")
        doomed.end(kill=True)
        doomed = scene.worker()
    wait_until(lambda: scene.unheard() == 0, seconds=60)
    for one in scene.obedient:
        assert [down.down_seq for down in one.obeyed] == list(range(1, 37))
        assert len({down.id for down in one.obeyed}) == 36
    assert scene.store.alarms() == ()


def test_a_broker_that_forgot_is_given_the_rules_again(scene: Scene) -> None:
    edition = Edition("bundle", "2026-07", 7, "", "ab" * 32)
    with scene.store.write() as tx:
        assert editions.publish(tx, edition, b"the rules", NOW_MS, "demo-cn") is None
    scene.worker()
    scene.connect()
    wait_until(lambda: all(one.retained for one in scene.obedient), seconds=60)
    for one in scene.obedient:
        one.retained.clear()
    scene.broker.kill()
    scene.broker.restart()
    wait_until(lambda: all(b"the rules" in one.retained for one in scene.obedient), seconds=60)
