"""Integration: do four workers on one PostgreSQL keep exact books while they are killed?"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from sync.broker import start_broker
from sync.envelope import encode_head
from sync.hq.store import HqStore
from sync.hq.store.member_tables import member_account
from sync.hq.store.tables import item, watermark
from tests.integration.hq.road import Publisher, wait_until
from tests.integration.hq.storm_rows import points, rows
from tests.integration.hq.storm_stage import HQ, Part
from tests.unit.hq.stand import Station

SEED = 20261122
STATIONS, WORKERS, KILLS = 20, 4, 8
ROWS = 1_000
"""Of each station."""


class Region:
    """Twenty stations that send at once, and the workers that share them."""

    def __init__(self, directory: Path, url: str, undo: ExitStack) -> None:
        self.store = HqStore(url)
        undo.callback(self.store.close)
        self.stations = [Station(f"cn-{n:04}", bytes([n])) for n in range(1, STATIONS + 1)]
        for station in self.stations:
            station.write(*(row.body for row in rows(station.name, "ledger", ROWS)))
            assert self.store.add_station(station.name, station.key.public.raw, 0)
        broker = undo.enter_context(start_broker("mosquitto", directory / "broker"))
        self.workers = [Part(directory, HQ, f"hq-{n}", [broker.url, url]) for n in range(1, WORKERS + 1)]
        for worker in self.workers:
            undo.callback(worker.end)
            worker.start()
        self.publishers = [Publisher(one, broker.url, batch=50) for one in self.stations]
        for publisher in self.publishers:
            undo.callback(publisher.close)

    def wait_for(self, acknowledged: int) -> None:
        wait_until(lambda: sum(one.acked for one in self.publishers) >= acknowledged, 120)

    def has_no_gap(self) -> None:
        """In one look: each watermark is the number of rows behind it, and the number of the last."""
        w, i = watermark.c, item.c
        same = sa.and_(i.station == w.station, i.epoch == w.epoch, i.stream == w.stream)
        query = sa.select(w.station, w.seq, sa.func.count(i.seq), sa.func.max(i.seq))
        query = query.select_from(watermark.outerjoin(item, same)).group_by(w.station, w.seq)
        with self.store._engine.connect() as connection:
            for station, seq, count, last_seq in connection.execute(query):
                assert (count, last_seq or 0) == (seq, seq), station


@pytest.fixture
def region(tmp_path: Path, postgres_url: str) -> Iterator[Region]:
    with ExitStack() as undo:
        yield Region(tmp_path, postgres_url, undo)


def test_killed_workers_leave_no_gap_and_the_balance_of_all_stations_is_exact(region: Region) -> None:
    chance, share = Random(SEED), STATIONS * ROWS // (KILLS + 1)
    for number in range(KILLS):
        region.wait_for(number * share + chance.randrange(share))
        victim = chance.choice(region.workers)
        victim.kill()
        region.has_no_gap()
        victim.start()
    region.wait_for(STATIONS * ROWS)
    region.has_no_gap()
    for station in region.stations:
        mark = region.store.chains(station.name).marks(1)["ledger"]
        assert (mark.seq, encode_head(mark.head)) == (ROWS, encode_head(station.heads[-1]))
        facts, awards = (
            region.store.bodies(station.name, "fuelling"),
            region.store.bodies(station.name, "award"),
        )
        assert list(facts) == station.bodies[::2]
        assert list(awards) == station.bodies[1::2]
    balance = member_account.c
    with region.store._engine.connect() as connection:
        held = connection.execute(sa.select(balance.member, balance.balance_minor)).all()
    assert {row.member: row.balance_minor for row in held} == {
        member: STATIONS * minor for member, minor in points(ROWS).items()
    }
    with region.store.read() as tx:
        assert tx.members.imbalances() == []
    assert region.store.alarms() == ()
    counted = sum((worker.counted for worker in region.workers), Counter[str]())
    assert all(worker.counted["ITEMS"] for worker in region.workers), "each had its share"
    print(dict(counted))  # noqa: T201  for the reader of a run
