"""Integration: is HQ the same on SQLite and on PostgreSQL, and with workers that race each other?

PostgreSQL runs where its programs are installed, as a cluster of this test on a socket in a folder.
"""

import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.hq.road import wait_until
from tests.unit.hq.stand import NOW_MS, Hq, Station, award, fuelling, seal


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of an empty database."""
    programs = [shutil.which(name) for name in ("initdb", "postgres", "psql")]
    if None in programs:
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("psycopg")
    initdb, server, psql = (str(program) for program in programs)
    folder = Path(tempfile.mkdtemp(prefix="hq-pg-"))
    user = None
    if os.geteuid() == 0:
        user = "postgres"
        shutil.chown(folder, user)
    subprocess.run(
        [initdb, "-D", folder / "db", "-U", "hq", "-A", "trust", "--no-sync", "-E", "UTF8"],
        user=user,
        check=True,
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    process = subprocess.Popen(
        [server, "-D", folder / "db", "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
        user=user,
        cwd=folder,
        stderr=subprocess.DEVNULL,
    )
    probe = [psql, "-h", folder, "-U", "hq", "-d", "postgres", "-c", "select 1"]
    try:
        wait_until(lambda: subprocess.run(probe, capture_output=True).returncode == 0)
        yield f"postgresql+psycopg://hq@/postgres?host={folder}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/hq.db"
    postgres: str = request.getfixturevalue("postgres")
    return postgres


@pytest.fixture
def open_hq(url: str) -> Iterator[Callable[..., Hq]]:
    """Opens as many workers on the database as wanted, and closes them."""
    opened: list[Hq] = []

    def open_one(*stations: Station) -> Hq:
        opened.append(Hq(url, *stations))
        return opened[-1]

    yield open_one
    for hq in opened:
        hq.store.close()


def rows(name: str, seed: bytes, count: int) -> Station:
    station = Station(name, seed)
    for n in range(1, count, 2):
        station.write(fuelling(f"{name}-f{n}"), award(f"{name}-a{n}", of=n))
    return station


def test_every_kind_of_batch_comes_to_the_same(open_hq: Callable[..., Hq]) -> None:
    station = rows("cn-0001", b"S", 10)
    station.write(b"rubbish", fuelling("cn-0001-f1"), fuelling("cn-0001-f3", amount_fen=1))
    station.write(award("cn-0001-a99", of=1, minor=7))
    hq = open_hq(station)
    hq.take(station, station.seal(7, 14))
    hq.take(station, station.seal(3, 8))
    hq.take(station, seal(station, 4, [fuelling("forked")], station.heads[3]))
    hq.take(station, station.seal(1, 1, head_before=b"x" * 32))
    ack = hq.take(station, station.seal(1, 2))
    assert (ack.seq if ack else None) == 14
    hq.take(station, station.seal(1, 14))
    restored = Station(epoch=2)
    restored.write(fuelling("new"))
    hq.hello(restored)
    hq.take(restored, restored.seal(1, 1))
    hq.take(station, station.seal(1, 1))
    hq.take(Station("xx-9999", b"X"), b"\x00\x01")
    assert hq.totals(station) == {
        "? malformed": 1,
        "award mismatch": 1,
        "award ok": 5,
        "fuelling duplicate": 1,
        "fuelling entity_conflict": 1,
        "fuelling ok": 6,
    }
    assert hq.alarms(station) == {
        "FORKED": 1,
        "BROKEN_LINK": 1,
        "MALFORMED": 1,
        "ENTITY_CONFLICT": 1,
        "MISMATCH": 1,
        "EPOCH_NEW": 1,
        "EPOCH_OLD": 1,
    }
    assert hq.alarms() == {"NOT_ZLIB": 1}
    report = hq.store.reconcile(station.name)
    assert report is not None
    assert (report.items("fuelling"), report.items("award"), report.minor("award")) == (6, 6, 5_007)
    ledgers = [s for s in report.streams if s.stream == "ledger"]
    assert [(s.epoch, s.watermark, s.head, s.waiting) for s in ledgers] == [
        (1, 14, station.heads[14], 0),
        (2, 1, restored.heads[1], 0),
    ]
    assert [line.station for line in hq.store.stations()] == [station.name]


def test_a_restored_station_goes_on_and_everything_counts_once(open_hq: Callable[..., Hq]) -> None:
    station = rows("cn-0005", b"R", 20)
    hq = open_hq(station)
    hq.take(station, station.seal(1, 20))
    restored = station.restored(2, kept=14, watermark=11)
    assert hq.hello(restored) is not None
    restored.write(award("late", of=11), fuelling("new"), award("newer", of=16, minor=3))
    ack = hq.take(restored, restored.seal(12, 17))
    assert ack is not None
    assert (ack.seq, ack.mismatched) == (17, 1)
    report = hq.store.reconcile(station.name)
    assert report is not None
    assert (report.items("fuelling"), report.items("award"), report.minor("award")) == (11, 12, 11_003)
    assert (report.verdicts("duplicate"), report.verdicts("mismatch")) == (3, 1)


def test_several_workers_bring_up_a_database_of_the_first_schema(
    open_hq: Callable[..., Hq], url: str
) -> None:
    station = rows("cn-0006", b"U", 8)
    station.write(award("wrong", of=1, minor=1))
    first = open_hq(station)
    first.take(station, station.seal(1, 9))
    _take_back_to_1(first)
    failures: list[BaseException] = []

    def start() -> None:
        try:
            open_hq()
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    restored = station.restored(2, kept=9, watermark=5)
    hq = open_hq()
    assert hq.store.mismatched(station.name, 1) == 1
    reply = hq.hello(restored)
    assert reply is not None
    assert [one.seq for one in reply.streams] == [0, 5, 0]


def _take_back_to_1(hq: Hq) -> None:
    """What the second schema added, removed."""
    with hq.store.write() as tx:
        for column in ("fork_seq", "fork_epoch", "mismatched"):
            tx._connection.exec_driver_sql(f"alter table watermark drop column {column}")
        tx._connection.exec_driver_sql("drop table landmark")
        tx._connection.exec_driver_sql("update hq_schema set version = 1")


def test_three_workers_that_race_leave_one_chain_per_station(open_hq: Callable[..., Hq]) -> None:
    stations = [rows("cn-0011", b"A", 200), rows("cn-0012", b"B", 200)]
    first = open_hq(*stations)
    workers = [open_hq() for _ in range(3)]
    rng = random.Random(11)
    work = [(station, n) for station in stations for n in range(1, 200, 5)] * 2
    rng.shuffle(work)
    failures: list[BaseException] = []

    def take(hq: Hq, share: list[tuple[Station, int]]) -> None:
        try:
            for station, n in share:
                assert hq.take(station, station.seal(n, n + 4)) is not None
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=take, args=(hq, work[n::3])) for n, hq in enumerate(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    for station in stations:
        report = first.store.reconcile(station.name)
        assert report is not None
        [standing] = report.streams
        assert (standing.watermark, standing.head, standing.waiting) == (200, station.heads[200], 0)
        assert (report.items("fuelling"), report.items("award")) == (100, 100)
        assert report.alarms == ()


def test_workers_that_meet_the_same_stranger_count_together(open_hq: Callable[..., Hq]) -> None:
    workers = [open_hq() for _ in range(3)]

    def refuse(hq: Hq) -> None:
        for _ in range(20):
            with hq.store.write() as tx:
                tx.alarm("", "TRIED", "", NOW_MS)

    threads = [threading.Thread(target=refuse, args=(hq,)) for hq in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert workers[0].alarms()["TRIED"] == 60
