"""Integration: do members' accounts over all stations stay exact, whatever comes twice, late or at once?"""

import random
import threading
from collections.abc import Callable, Iterator

import pytest

from sync.hq.store import HqStore
from tests.integration.hq import points
from tests.integration.hq.points import activated, award, refund
from tests.unit.hq.stand import Hq, Station

MEMBERS = [f"m{n}" for n in range(12)]


@pytest.fixture
def open_hq(hq_url: str) -> Iterator[Callable[..., Hq]]:
    """As everywhere, with the judge who knows members."""
    opened: list[Hq] = []

    def open_one(*stations: Station) -> Hq:
        opened.append(Hq(hq_url, *stations, judge=points.judge))
        return opened[-1]

    yield open_one
    for hq in opened:
        hq.store.close()


def balance(store: HqStore, member: str) -> tuple[int, int] | None:
    """(balance, pending of it), or None for nobody."""
    with store.read() as tx:
        account = tx.members.account(member)
        return (account.balance_minor, account.pending_minor) if account else None


def imbalances(store: HqStore, station: str | None = None) -> list[object]:
    with store.read() as tx:
        return list(tx.members.imbalances(station))


def test_points_of_all_stations_are_one_balance(open_hq: Callable[..., Hq]) -> None:
    one, two = Station("cn-0001", b"A"), Station("cn-0002", b"B")
    one.write(award("a", "m1", 500), award("b", "m2", 40), refund("r", "m1", 200))
    two.write(award("a", "m1", 70))
    hq = open_hq(one, two)
    hq.take(one, one.seal(1, 3))
    hq.take(two, two.seal(1, 1))
    assert balance(hq.store, "m1") == (370, 0)
    assert balance(hq.store, "m2") == (40, 0)
    assert balance(hq.store, "m3") is None
    with hq.store.read() as tx:
        visits = [(one.station, one.minor, one.moves) for one in tx.members.visits("m1")]
    assert visits == [("cn-0001", 300, 2), ("cn-0002", 70, 1)]
    assert imbalances(hq.store) == []


def test_what_waits_is_in_the_balance_and_not_confirmed(open_hq: Callable[..., Hq]) -> None:
    station = Station()
    station.write(award("a", "m1", 500, waits=500), award("b", "m1", 90))
    station.write(refund("r", "m1", 100), activated("a", "m1"), activated("a", "m1"), activated("b", "m1"))
    hq = open_hq(station)
    seen = []
    for seq in range(1, 7):
        hq.take(station, station.seal(seq, seq))
        seen.append(balance(hq.store, "m1"))
    assert seen == [(500, 500), (590, 500), (490, 500), (490, 0), (490, 0), (490, 0)]
    assert imbalances(hq.store) == []


def test_an_award_and_its_activation_in_one_batch_leave_nothing_waiting(open_hq: Callable[..., Hq]) -> None:
    station = Station()
    station.write(award("a", "m1", 5, waits=5), activated("a", "m1"), award("b", "m2", 7, waits=7))
    hq = open_hq(station)
    hq.take(station, station.seal(1, 3))
    assert (balance(hq.store, "m1"), balance(hq.store, "m2")) == ((5, 0), (7, 7))
    assert imbalances(hq.store) == []


def test_what_comes_twice_counts_once_and_what_differs_not_at_all(open_hq: Callable[..., Hq]) -> None:
    station = Station()
    station.write(award("a", "m1", 500), award("a", "m1", 500), award("a", "m1", 900), b"rubbish")
    hq = open_hq(station)
    for _ in range(2):
        hq.take(station, station.seal(1, 4))
    assert balance(hq.store, "m1") == (500, 0)
    restored = station.restored(2, kept=4, watermark=1)
    assert hq.hello(restored) is not None
    restored.write(award("a", "m1", 1), award("c", "m1", 3))
    hq.take(restored, restored.seal(2, 6))
    assert balance(hq.store, "m1") == (503, 0)
    assert imbalances(hq.store, station.name) == []


def test_a_changed_account_or_item_is_found(open_hq: Callable[..., Hq]) -> None:
    station, other = Station("cn-0001", b"A"), Station("cn-0002", b"B")
    station.write(award("a", "m1", 500, waits=500), award("b", "m2", 1))
    other.write(award("a", "m3", 5))
    hq = open_hq(station, other)
    hq.take(station, station.seal(1, 2))
    hq.take(other, other.seal(1, 1))
    report = hq.store.reconcile("cn-0001")
    assert report is not None
    assert report.imbalances == 0
    with hq.store.write() as tx:
        for change in (
            "update member_account set balance_minor = 501 where member = 'm1'",
            "update member_account set pending_minor = 1 where member = 'm2'",
            "update item set minor = 6 where member = 'm3'",
        ):
            tx._connection.exec_driver_sql(change)
    with hq.store.read() as tx:
        found = [
            (one.member, one.what, one.stored_minor, one.computed_minor) for one in tx.members.imbalances()
        ]
        assert sorted(found) == [("m1", "balance", 501, 500), ("m2", "pending", 1, 0), ("m3", "items", 5, 6)]
    reports = [hq.store.reconcile(name) for name in ("cn-0001", "cn-0002")]
    assert [report.imbalances for report in reports if report] == [2, 1]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_storm_of_repeats_epochs_and_conflicts_leaves_exact_accounts(
    open_hq: Callable[..., Hq], seed: int
) -> None:
    """What a plain reading of the chains in the order of their epochs comes to."""
    rng = random.Random(seed)
    stations = [Station(f"cn-{n:04}", bytes([65 + n])) for n in range(3)]
    hq = open_hq(*stations)
    counted: dict[tuple[str, str], tuple[str, int]] = {}
    for station in stations:
        live = station
        for epoch in (1, 2, 3):
            if epoch > 1:
                kept = rng.randint(0, len(live.bodies))
                live = live.restored(epoch, kept=kept, watermark=rng.randint(0, kept))
                assert hq.hello(live) is not None
            first = live.fork[0] + 1
            live.write(*(some_award(rng) for _ in range(60)))
            batches = [(n, min(n + 9, len(live.bodies))) for n in range(first, len(live.bodies) + 1, 10)]
            for one, last in rng.sample(batches * 2, len(batches) * 2):
                hq.take(live, live.seal(one, last))
            for one, last in batches:
                hq.take(live, live.seal(one, last))
            for body in live.bodies[first - 1 :]:
                read = points.judge(None, "award", body)  # type: ignore[arg-type]
                assert read.entity_id is not None
                assert read.member is not None
                counted.setdefault((station.name, read.entity_id), (read.member, read.minor))
    expected = dict.fromkeys(MEMBERS, 0)
    for member, minor in counted.values():
        expected[member] += minor
    found = {member: (balance(hq.store, member) or (0, 0))[0] for member in MEMBERS}
    assert found == expected
    assert imbalances(hq.store) == []
    conflicts = [line.count for line in hq.store.alarms() if line.code == "ENTITY_CONFLICT"]
    assert sum(conflicts) > 20, "the storm was one"


def some_award(rng: random.Random) -> bytes:
    """Few names, so that many come again with the same or with other bytes."""
    return award(f"a{rng.randint(1, 90)}", rng.choice(MEMBERS), rng.choice((100, 100, 350)))


def test_workers_that_book_the_same_members_at_once_lose_nothing(open_hq: Callable[..., Hq]) -> None:
    """The same members in another order in each batch: booked so, they would lock each other out."""
    rng = random.Random(5)
    stations = [Station(f"cn-{n:04}", bytes([65 + n])) for n in range(6)]
    for station in stations:
        for n in range(150):
            station.write(award(f"a{n}", rng.choice(MEMBERS), 10, waits=10 * (n % 2)))
    first = open_hq(*stations)
    workers = [open_hq() for _ in stations]
    failures: list[BaseException] = []
    together = threading.Barrier(len(stations))

    def take(hq: Hq, station: Station) -> None:
        try:
            together.wait(20)
            for n in range(1, 150, 15):
                assert hq.take(station, station.seal(n, n + 14)) is not None
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=take, args=pair) for pair in zip(workers, stations, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    sums = [balance(first.store, member) or (0, 0) for member in MEMBERS]
    assert [sum(column) for column in zip(*sums, strict=True)] == [6 * 150 * 10, 6 * 75 * 10]
    assert imbalances(first.store) == []
