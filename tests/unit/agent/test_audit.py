"""Unit: when are the books checked beside the sales, and who hears of what is found?"""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.app import audit
from agent.app.audit import AGAIN_AFTER_MS, FIRST_AFTER_MS, TOLD, Audit
from agent.till import TillUnavailable
from tests.world import GOLD, World

TURN_MS = 1_000


class Turns(threading.Event):
    """A `stop` that is set after so many turns of the loop; each turn takes `TURN_MS` of the test's clock."""

    def __init__(self, turns: int) -> None:
        super().__init__()
        self.left = turns
        self.now_ms = 0

    def wait(self, timeout: float | None = None) -> bool:
        if timeout == audit.REST_S:
            return self.is_set()
        self.now_ms += TURN_MS
        self.left -= 1
        return self.left < 0


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "station.db").stock()
    for number in range(3):
        fuelling = world.fuel()
        assert world.pay(f"R-{number}", fuelling.amount_fen, credential=GOLD).points_minor
    return world


def edit(world: World, sql: str) -> None:
    world.store.close()
    with closing(sqlite3.connect(world.path)) as connection, connection:
        connection.execute(sql)
    world.reopen()


def run(world: World, turns: int, submit: Any = None) -> Audit:
    stop = Turns(turns)
    till: Any = SimpleNamespace(submit=submit or world.run)
    checked = Audit(world.path, till, lambda: stop.now_ms)
    checked.run(stop)
    return checked


def test_it_lets_the_station_start_first(world: World) -> None:
    edit(world, "UPDATE award SET minor = minor + 1")
    run(world, FIRST_AFTER_MS // TURN_MS - 1)
    assert world.alarms() == {}
    run(world, FIRST_AFTER_MS // TURN_MS)
    assert world.alarms()["BOOKS_DISAGREE", "AWARD"] == 3


def test_sound_books_are_no_news(world: World) -> None:
    ticked = run(world, FIRST_AFTER_MS // TURN_MS + 1).ticked
    assert ticked == FIRST_AFTER_MS + TURN_MS
    assert world.alarms() == {}


def test_it_checks_again_a_day_later_and_not_before(world: World) -> None:
    edit(world, "UPDATE lot SET remaining_minor = remaining_minor - 1 WHERE rowid = 1")
    turns = (FIRST_AFTER_MS + AGAIN_AFTER_MS) // TURN_MS
    run(world, turns - 1)
    assert world.alarms()["BOOKS_DISAGREE", "LOT_STATE"] == 1
    run(world, turns)
    assert world.alarms()["BOOKS_DISAGREE", "LOT_STATE"] == 1 + 2


def test_the_alarm_names_the_row(world: World) -> None:
    edit(world, "UPDATE ledger_entry SET at_ms = at_ms + 1 WHERE seq = 2")
    run(world, FIRST_AFTER_MS // TURN_MS)
    [(detail,)] = world.rows("SELECT detail FROM alarm WHERE subject = 'LEDGER_ROWS'")
    assert detail.startswith("ledger entry 2:")


def test_many_findings_are_told_in_part(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit.integrity, "verify", lambda *_: [audit.integrity.Finding("X", "y", "z")] * 50)
    run(world, FIRST_AFTER_MS // TURN_MS)
    assert world.alarms() == {("BOOKS_DISAGREE", "X"): TOLD}


def test_a_busy_till_is_not_waited_for(world: World, caplog: pytest.LogCaptureFixture) -> None:
    edit(world, "UPDATE award SET minor = minor + 1")

    def busy(verb: object) -> None:
        raise TillUnavailable("TILL_BUSY")

    run(world, FIRST_AFTER_MS // TURN_MS, busy)
    assert "CHECK_POSTPONED" in [record.getMessage() for record in caplog.records]
    assert world.alarms() == {}


def test_a_stop_ends_it_in_the_middle(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(connection: object, rest: Any) -> list[object]:
        while True:
            rest(1, 2)

    monkeypatch.setattr(audit.integrity, "verify", endless)
    stop = Turns(FIRST_AFTER_MS // TURN_MS)
    stop.set()
    till: Any = SimpleNamespace(submit=world.run)
    Audit(world.path, till, lambda: stop.now_ms).run(stop)
    assert world.alarms() == {}
