"""Integration: an old copy of the database is put back, or it is edited by hand. Who notices, what is lost?

points.md 9.12, reliability.md S5: agent, broker and headquarters are the processes of production. The
concentrator has released the records that the copy lacks, so only headquarters still has them.
"""

import random
import shutil
import sqlite3
import time
from collections import Counter
from contextlib import closing

import pytest

from agent.app.audit import FIRST_AFTER_MS
from agent.cli.demo.reconcile import books_of_hq
from agent.cli.demo.visits import MEMBERS
from agent.store import integrity, reading
from drivers.events import Outcome
from sync.hq.store import HqStore
from tests.integration.station.odd_station import until
from tests.integration.station_storm import PRICE_MILLI, Station


class Trading(Station):
    """Sells one car after the other, and remembers what each was told."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.told_minor: list[int] = []
        self._rng = random.Random(9_12)

    def trade(self, sales: int) -> None:
        for _ in range(sales):
            self.sold += 1
            nozzle, point = self._rng.choice((("08", "3"), ("09", "4")))
            volume_ml = 5_000 + 10 * self.sold
            amount_fen = (volume_ml * PRICE_MILLI + 5_000) // 10_000
            self.forecourt.concentrator.act(
                lambda device, n=nozzle, ml=volume_ml, fen=amount_fen: device.sell(n, ml, fen, PRICE_MILLI)
            )
            card = self._rng.choice(MEMBERS)[2]
            answer = self.cashier.pay(f"s{self.sold:05d}", point, amount_fen, card)
            assert answer is not None
            assert answer.outcome is Outcome.DONE
            self.told_minor.append(answer.points_minor or 0)

    def stop(self) -> None:
        self.stage.end("agent")

    def copy_files(self, folder) -> None:
        """The database and its log; what maps the log is made anew."""
        folder.mkdir()
        for path in self._files():
            shutil.copy(path, folder)

    def put_back(self, folder) -> None:
        for path in self._files():
            path.unlink()
        for path in folder.iterdir():
            shutil.copy(path, self.stage.database.parent)

    def _files(self):
        database = self.stage.database
        return [path for path in database.parent.glob(f"{database.name}*") if not path.name.endswith("-shm")]

    def alarms(self) -> dict[tuple[str, str], str]:
        return {(a["code"], a["subject"]): a["detail"] for a in self.stage.status()["alarms"]}

    def hq_alarms(self) -> dict[str, int]:
        store = HqStore(self.stage.hq_url, create=False)
        with closing(store):
            return {alarm.code: alarm.count for alarm in store.alarms(self.stage.plan.station)}


@pytest.fixture
def station(tmp_path):
    station = Trading(tmp_path)
    yield station
    station.close()


def test_item_12_an_old_copy_goes_on_earning_under_a_new_epoch(station, tmp_path):
    stage = station.stage
    stage.open()
    station.trade(6)
    assert stage.drain(20)
    stage.relay.cut()
    station.trade(3)  # in the copy, and not acknowledged there
    station.stop()
    station.copy_files(tmp_path / "yesterday")
    stage.relay.mend()
    stage.start_agent()
    station.trade(5)
    assert stage.drain(20)
    held = books_of_hq(stage.hq_url, stage.plan.station)
    assert (held.facts, held.points_minor) == (14, sum(station.told_minor))

    station.stop()
    station.put_back(tmp_path / "yesterday")
    stage.start_agent()
    assert stage.status()["epoch"] == 2
    assert station.alarms()["LEDGER_CUT", "database"] == "went on as epoch 2"
    station.trade(7)
    assert stage.drain(20)

    hq = books_of_hq(stage.hq_url, stage.plan.station)
    assert Counter(hq.fuellings) == Counter(station.forecourt.sold())
    assert hq.facts == hq.awards == station.sold == 21
    assert hq.points_minor == sum(station.told_minor)
    assert hq.mismatches == 0
    assert station.hq_alarms()["EPOCH_NEW"] == 1
    assert not stage.status()["road"]["halted"]
    with closing(reading.connect(stage.database)) as connection:
        own = reading.books(connection)
        assert integrity.verify(connection) == []
    assert own["awards"] == 21 - 5, "the five sales that the copy lacks are with headquarters alone"
    assert own["points_minor"] == sum(station.told_minor) - sum(station.told_minor[9:14])


def test_a_row_edited_by_hand_is_found_after_the_start(station):
    stage = station.stage
    stage.open(with_hq=False)
    station.trade(3)
    station.stop()
    with closing(sqlite3.connect(stage.database)) as connection:
        connection.execute("UPDATE award SET minor = minor + 100000 WHERE stream_seq = 2")
        connection.commit()
        assert connection.total_changes == 1
    stage.start_agent()
    began = time.monotonic()
    station.trade(1)
    assert ("BOOKS_DISAGREE", "AWARD") not in station.alarms(), "sales come first"
    until(
        lambda: ("BOOKS_DISAGREE", "AWARD") in station.alarms(),
        "the edited award to be found",
        within_s=FIRST_AFTER_MS / 1000 + 20,
    )
    assert time.monotonic() - began < FIRST_AFTER_MS / 1000 + 20
    assert station.alarms()["BOOKS_DISAGREE", "AWARD"].startswith("award ")
    station.trade(1)
