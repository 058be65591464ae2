"""Integration: is HQ the same on SQLite and on PostgreSQL, and with workers that race each other?"""

import random
import threading
from collections.abc import Callable

from tests.unit.hq.stand import NOW_MS, Hq, Station, award, fuelling, seal


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
