"""Integration: do workers and publishers that race on one database give every number, and every row, once?"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from sync.hq.export import Exporter, Parcel
from sync.hq.publisher import Issued
from sync.keys import SigningKey
from sync.refusal import Refusal
from tests.unit.hq.down_stand import Headquarters, item, items_of, numbers
from tests.unit.hq.stand import NOW_MS, Station

STATIONS = [Station(f"cn-{n:04}", bytes([n])) for n in range(1, 4)]
RACERS = 3


@pytest.fixture
def stations() -> list[Station]:
    return [Station(one.name, one.key.seed[:1]) for one in STATIONS]


@pytest.fixture
def racers(hq_url: str, stations: list[Station]) -> Iterator[list[Headquarters]]:
    racers = [Headquarters(hq_url, *stations), *(Headquarters(hq_url) for _ in range(RACERS - 1))]
    yield racers
    for hq in racers:
        hq.store.close()


def race(*runs: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def run(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=run, args=(one,)) for one in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_publishers_that_race_leave_no_gap_and_issue_each_id_once(
    racers: list[Headquarters], stations: list[Station]
) -> None:
    issued: list[Issued] = []

    def publish(hq: Headquarters) -> None:
        for n in range(12):
            issued.extend(hq.issue(*stations, id=f"shared-{n}"))
            issued.extend(hq.issue(*stations, id=f"{id(hq)}-{n}"))

    race(*(lambda hq=hq: publish(hq) for hq in racers))
    total = 12 + 12 * RACERS
    for station in stations:
        new = [one for one in issued if one.station == station.name and one.is_new]
        assert sorted(one.down_seq for one in new) == list(range(1, total + 1))
        assert len({one.id for one in new}) == total
        assert len(items_of(racers[0].hello(station, down_seq=total - 5), station)) == 5


def test_of_several_workers_one_takes_what_was_issued(
    racers: list[Headquarters], stations: list[Station]
) -> None:
    taken: Counter[tuple[str, int]] = Counter()
    done = threading.Event()

    def deliver(hq: Headquarters) -> None:
        while not done.is_set():
            replies = hq.receiver.due()
            for station in stations:
                taken.update((station.name, seq) for seq in numbers(replies, station))

    def publish() -> None:
        try:
            for n in range(15):
                racers[0].issue(*stations, id=f"i{n}")
            while sum(taken.values()) < 15 * len(stations):
                done.wait(0.01)
        finally:
            done.set()

    race(publish, *(lambda hq=hq: deliver(hq) for hq in racers))
    assert set(taken.values()) == {1}
    assert len(taken) == 15 * len(stations)


def test_the_same_stories_on_every_database(racers: list[Headquarters], stations: list[Station]) -> None:
    first, second, _ = racers
    here, there, _ = stations
    first.issue(here, id="one")
    [down] = items_of(second.hello(here), here)
    second.apply(here, down, verdict="DOWN_EXPIRED")
    first.hello(here, down_seq=9)
    new = SigningKey(b"N" * 32)
    with first.store.write() as tx:
        tx.documents.announce_key(here.name, new.public.raw, NOW_MS)
    second.take(here, item("fuelling", id="f1"), signed_by=new)
    assert first.store.public_key(here.name) == new.public.raw
    same = {"what": "bundle", "name": "2026-07", "version": 7}
    first.take(there, item("adopted", **same, sha256="a" * 64))
    second.take(there, item("adopted", **same, sha256="b" * 64))
    assert first.alarms(here) == {"DOWN_REFUSED": 1, "DOWN_BEHIND": 1}
    assert first.alarms(there) == {"EQUIVOCATION": 1}


def test_exporters_that_race_for_one_name_never_skip_a_row(
    racers: list[Headquarters], stations: list[Station]
) -> None:
    for station in stations:
        for n in range(10):
            racers[0].take(station, item("fuelling", id=f"{station.name}-{n}"))
    rows: Counter[tuple[str, int]] = Counter()

    class Counting:
        def take(self, parcel: Parcel) -> None:
            rows.update((parcel.chain.station, seq) for seq in range(parcel.first_seq, parcel.last_seq + 1))

    def export(hq: Headquarters) -> None:
        handed = Exporter(hq.store, "gateway", Counting(), lambda: False).run()
        assert not isinstance(handed, Refusal) or handed.reason == "EXPORT_TAKEN"

    race(*(lambda hq=hq: export(hq) for hq in racers))
    assert not isinstance(Exporter(racers[0].store, "gateway", Counting(), lambda: False).run(), Refusal)
    assert set(rows) == {(station.name, n) for station in stations for n in range(1, 11)}
