"""Integration: a station's database is put back while it trades. Does HQ take what follows, each thing once?

Courier, broker and HQ are the real ones; the outbox is an SQLite file that is copied, put back and cut.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import get_args

import pytest

from sync.broker import Broker, Kind, start_broker
from sync.hq.report import Reconciliation
from sync.hq.store import HqStore
from sync.keys import SigningKey
from sync.outbox import LEDGER
from sync.tls import TlsFiles
from tests.integration.hq.road import Worker
from tests.integration.sync.sqlite_outbox import SqliteOutbox
from tests.integration.sync.stage import Station, until
from tests.simulation.sync.storm import STATION
from tests.unit.hq.stand import HQ_KEY, award, fuelling

KEY = SigningKey(bytes(range(32)))


@pytest.fixture(params=get_args(Kind))
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    started = start_broker(request.param, tmp_path)
    yield started
    started.stop()


class Forecourt:
    """A station over one database file after another, and HQ."""

    def __init__(self, folder: Path, broker: Broker, ending: ExitStack) -> None:
        self.folder, self.broker, self._ending = folder, broker, ending
        self.store = HqStore(f"sqlite:///{folder}/hq.sqlite")
        ending.callback(self.store.close)
        self.store.add_station(STATION, KEY.public.raw, 0)
        self.worker = self.start_hq()
        self.sold: dict[str, int] = {}
        """Minor units of every award that was ever written; fuellings and awards share the numbers."""

    def start_hq(self) -> Worker:
        worker = Worker(self.folder / "hq.sqlite", self.broker.url)
        self._ending.callback(self._end, worker)
        return worker

    def _end(self, worker: Worker) -> None:
        if worker.process.poll() is None:
            worker.kill()

    def outbox(self, name: str) -> SqliteOutbox:
        outbox = SqliteOutbox(self.folder / name)
        self._ending.callback(outbox.close)
        return outbox

    def station(self, outbox: SqliteOutbox) -> Station:
        return Station([self.broker.url], KEY, HQ_KEY, outbox, TlsFiles())

    def sell(self, outbox: SqliteOutbox, count: int) -> None:
        """Fuellings, each with its award behind it."""
        for n in range(len(self.sold), len(self.sold) + count):
            seq = outbox.put(LEDGER, fuelling(f"f{n}", amount_fen=100 * n))
            outbox.put(LEDGER, award(f"a{n}", of=seq, minor=10 * n))
            self.sold[f"a{n}"] = 10 * n

    def report(self) -> Reconciliation:
        report = self.store.reconcile(STATION)
        assert report is not None
        return report


@pytest.fixture
def forecourt(tmp_path: Path, broker: Broker) -> Iterator[Forecourt]:
    with ExitStack() as ending:
        yield Forecourt(tmp_path, broker, ending)


def drained(station: Station) -> Callable[[], bool]:
    return lambda: station.drained


def test_yesterdays_copy_goes_on_under_a_new_epoch(forecourt: Forecourt) -> None:
    live = forecourt.outbox("station.db")
    with forecourt.station(live) as station:
        forecourt.sell(live, 30)
        station.loop.wake()
        until(drained(station))
        forecourt.worker.stop()
        forecourt.sell(live, 5)
        live.copy_to(forecourt.folder / "yesterday.db")
        forecourt.start_hq()
        forecourt.sell(live, 20)
        station.loop.wake()
        until(drained(station))
    assert (live.watermark(LEDGER), live.last_seq(LEDGER)) == (110, 110)

    copy = forecourt.outbox("yesterday.db")
    copy.raise_epoch()
    assert (copy.epoch(), copy.watermark(LEDGER), copy.last_seq(LEDGER)) == (2, 60, 70)
    with forecourt.station(copy) as station:
        copy.put(LEDGER, award("late", of=59, minor=290))
        copy.put(LEDGER, award("wrong", of=57, minor=1))
        forecourt.sell(copy, 15)
        station.loop.wake()
        until(drained(station))
        assert station.acks[-1].mismatched == 1
        assert {ack.epoch for ack in station.acks} == {2}
        assert station.loop.status().halted == {}

    report = forecourt.report()
    assert report.items("fuelling") == len(forecourt.sold) == 70
    assert report.items("award") == 72
    assert report.minor("award") == sum(forecourt.sold.values()) + 290 + 1
    assert report.verdicts("duplicate") == 10, "what the copy held and HQ had not acknowledged to it"
    assert (report.verdicts("malformed"), report.verdicts("entity_conflict")) == (0, 0)
    assert report.verdicts("mismatch") == 1
    assert {line.code: line.count for line in report.alarms} == {"EPOCH_NEW": 1, "MISMATCH": 1}
    held = [json.loads(body)["id"] for body in forecourt.store.bodies(STATION, "fuelling")]
    assert sorted(held) == sorted(f"f{n}" for n in range(70))

    with forecourt.station(live) as station:
        until(lambda: "EPOCH_OLD" in station.loop.status().refused)
        forecourt.sell(live, 1)
    assert forecourt.report().items("fuelling") == 70, "the database that was replaced is heard no more"


def test_a_tail_that_was_cut_off_goes_on_behind_what_hq_holds(forecourt: Forecourt) -> None:
    outbox = forecourt.outbox("station.db")
    with forecourt.station(outbox) as station:
        forecourt.sell(outbox, 30)
        station.loop.wake()
        until(drained(station))
    outbox.cut(LEDGER, after_seq=41)
    outbox.raise_epoch()
    with forecourt.station(outbox) as station:
        until(lambda: bool(station.loop.status().hq_age_ms is not None))
        assert station.loop.status().halted == {}
        assert outbox.put(LEDGER, award("late", of=41, minor=200)) == 61
        forecourt.sell(outbox, 10)
        station.loop.wake()
        until(drained(station))
        assert station.loop.status().halted == {}
    report = forecourt.report()
    assert (report.items("fuelling"), report.items("award")) == (40, 41)
    assert report.minor("award") == sum(forecourt.sold.values()) + 200
    assert (report.verdicts("duplicate"), report.verdicts("mismatch")) == (0, 0)
    assert {line.code: line.count for line in report.alarms} == {"EPOCH_NEW": 1}


def test_a_database_that_hq_never_acknowledged_is_taken_from_its_beginning(forecourt: Forecourt) -> None:
    outbox = forecourt.outbox("station.db")
    outbox.copy_to(forecourt.folder / "empty.db")
    with forecourt.station(outbox) as station:
        forecourt.sell(outbox, 3)
        station.loop.wake()
        until(drained(station))
    empty = forecourt.outbox("empty.db")
    empty.raise_epoch()
    with forecourt.station(empty) as station:
        forecourt.sell(empty, 3)
        station.loop.wake()
        until(drained(station))
    report = forecourt.report()
    assert (report.items("fuelling"), report.minor("award")) == (6, sum(forecourt.sold.values()))
