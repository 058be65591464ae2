"""Integration: do HQ's workers keep what they acknowledge, on real brokers, when they are killed?"""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sync import topics
from sync.broker import Broker, Kind, start_broker
from sync.mqtt import Link, Opened, Outgoing, Published
from tests.integration.hq.road import Road, address, wait_until
from tests.unit.hq.stand import Hq, Station, award, fuelling

ROWS = 1_200


@pytest.fixture(params=["mosquitto", "iotcore"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    kind: Kind = request.param
    with start_broker(kind, tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def station() -> Station:
    station = Station()
    for n in range(1, ROWS + 1, 2):
        station.write(fuelling(f"f{n}"), award(f"a{n}", of=n))
    return station


@pytest.fixture
def database(tmp_path: Path, station: Station) -> Path:
    Hq(tmp_path / "hq.db", station).store.close()
    return tmp_path / "hq.db"


@pytest.fixture
def road(broker: Broker, database: Path, station: Station) -> Iterator[Road]:
    road = Road(database, broker.url, station)
    yield road
    road.close()


def assert_kept(database: Path, station: Station, acknowledged: int) -> int:
    """Everything acknowledged is in the file, gap-free and byte for byte; returns the watermark."""
    with closing(sqlite3.connect(database)) as file:
        bodies = [row[0] for row in file.execute("select body from item order by seq")]
        seqs = [row[0] for row in file.execute("select seq from item order by seq")]
        [(mark, head)] = file.execute("select seq, head from watermark").fetchall() or [(0, station.heads[0])]
        assert file.execute("pragma integrity_check").fetchone() == ("ok",)
    assert seqs == list(range(1, mark + 1))
    assert bodies == station.bodies[:mark]
    assert head == station.heads[mark]
    assert mark >= acknowledged
    return int(mark)


def assert_all_counted(database: Path, station: Station) -> None:
    hq = Hq(database, station)
    report = hq.store.reconcile(station.name)
    hq.store.close()
    assert report is not None
    assert (report.items("fuelling"), report.items("award")) == (ROWS // 2, ROWS // 2)
    assert report.minor("award") == ROWS // 2 * 1_000
    assert report.alarms == ()


def test_five_sigkills_of_hq_lose_nothing_that_was_acknowledged(
    road: Road, broker: Broker, station: Station, database: Path
) -> None:
    rng = random.Random(5)
    worker = road.worker()
    publisher = road.publisher()
    kept = [0]
    for kill in range(1, 6):
        target = (kill * 2 - 1) * ROWS // 12 + rng.randrange(ROWS // 12)
        wait_until(lambda target=target: publisher.acked >= target)
        worker.kill()
        kept.append(assert_kept(database, station, publisher.acked))
        worker = road.worker()
    wait_until(lambda: publisher.acked == ROWS)
    publisher.close()
    assert worker.stop() == 0
    assert kept == sorted(kept)
    assert kept[-1] < ROWS, "the last kill came too late to mean anything"
    assert assert_kept(database, station, ROWS) == ROWS
    assert_all_counted(database, station)


def test_five_sigkills_of_the_broker_lose_nothing(
    road: Road, broker: Broker, station: Station, database: Path
) -> None:
    worker = road.worker()
    publisher = road.publisher()
    for kill in range(1, 6):
        wait_until(lambda kill=kill: publisher.acked >= kill * ROWS // 6)
        broker.kill()
        broker.restart()
    wait_until(lambda: publisher.acked == ROWS, seconds=60)
    publisher.close()
    assert worker.stop() == 0
    assert assert_kept(database, station, ROWS) == ROWS
    assert_all_counted(database, station)


def test_two_workers_share_the_stations_and_one_may_die(
    road: Road, broker: Broker, station: Station, database: Path
) -> None:
    workers = [road.worker(), road.worker()]
    assert "shared" in workers[0].ready
    publisher = road.publisher()
    wait_until(lambda: publisher.acked >= ROWS // 2)
    workers[0].kill()
    wait_until(lambda: publisher.acked == ROWS)
    publisher.close()
    assert workers[1].stop() == 0
    assert assert_kept(database, station, ROWS) == ROWS
    assert_all_counted(database, station)


def test_hello_is_answered_with_its_correlation(
    road: Road, broker: Broker, station: Station, database: Path
) -> None:
    worker = road.worker()
    publisher = road.publisher()
    wait_until(lambda: publisher.acked == ROWS and publisher.hellos != [])
    publisher.close()
    again = road.publisher()
    wait_until(lambda: again.hellos != [])
    again.close()
    correlation, reply = again.hellos[0]
    assert correlation == b"hello-1"
    assert {one.stream: one.seq for one in reply.streams} == {"urgent": 0, "ledger": ROWS, "service": 0}
    assert worker.stop() == 0


def test_rubbish_on_every_topic_stops_nothing(
    road: Road, broker: Broker, station: Station, database: Path
) -> None:
    worker = road.worker()
    link = Link(address(broker.url), None, "vandal", 5)
    link.open()
    wait_until(lambda: isinstance(link.next_event(0.1), Opened))
    rng = random.Random(6)
    for leaf in ("up/ledger", "up/nothing", "rpc/hello", "rpc/member.lookup", "state"):
        for size in (0, 1, 100, 20_000):
            link.publish(Outgoing(f"fs/v1/{station.name}/{leaf}", rng.randbytes(size)))
    link.publish(Outgoing(topics.up(station.name, "ledger"), rng.randbytes(250_000)))
    taken = 0
    while taken < 21:
        taken += isinstance(link.next_event(5), Published)
    link.close(with_will=False)
    publisher = road.publisher()
    wait_until(lambda: publisher.acked == ROWS)
    publisher.close()
    assert worker.stop() == 0
    assert assert_kept(database, station, ROWS) == ROWS
    hq = Hq(database, station)
    assert hq.alarms(station) == {"NOT_ZLIB": 9, "MALFORMED": 8, "TOO_LARGE": 3}
    hq.store.close()


def test_sigterm_ends_a_worker_that_waits_for_its_broker(
    road: Road, broker: Broker, station: Station, database: Path
) -> None:
    worker = road.worker()
    broker.kill()
    assert worker.stop() == 0
