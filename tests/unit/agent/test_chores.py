"""Unit: which chores are done when, and when is it dark?"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.app.chores import DARK_AFTER_MS, EVERY_MS, Chores
from agent.app.disk import Disk
from agent.clock import ClockQuality
from agent.handlers.apply_ack import apply_ack
from agent.till import TillUnavailable
from tests.world import DAY_MS, GOLD, World


@dataclass
class Stand:
    """Chores on a real store; the clock, headquarters' silence and the till's refusals are the test's."""

    world: World
    now_ms: int = 5_000_000
    hq_age_ms: int | None = None
    refusal: str = ""
    quality: ClockQuality = ClockQuality.SYNCED
    free_mib: int = 1_000
    submitted: int = 0
    synced: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        parts: Any = SimpleNamespace(
            site=self.world.site,
            settings=SimpleNamespace(
                store=SimpleNamespace(keep_acknowledged_days=7),
                station=SimpleNamespace(state_dir=self.world.path.parent),
            ),
        )
        self.disk = Disk(self.world.path, 10, lambda: self.free_mib)
        self.disk.reserve()
        till: Any = SimpleNamespace(submit=self.submit)
        self.chores = Chores(
            till,
            parts,
            lambda: self.now_ms,
            lambda: self.hq_age_ms,
            lambda: self.synced.append(self.now_ms),
            self.disk,
        )

    def submit(self, verb: Any) -> object:
        if self.refusal:
            raise TillUnavailable(self.refusal)
        self.submitted += 1
        return self.world.run(lambda tx, at: verb(tx, replace(at, quality=self.quality)))

    def pass_time(self, ms: int) -> None:
        """And look whether something is due."""
        self.now_ms += ms
        self.world.at_ms += ms
        self.chores.when_due()

    def spells(self) -> list[tuple[int, int | None]]:
        """Began and ended, from the start of the world."""
        found = self.world.rows("SELECT began_at_ms, ended_at_ms FROM dark_spell ORDER BY 1")
        return [(began - BEGAN_MS, ended if ended is None else ended - BEGAN_MS) for began, ended in found]

    def kept(self, stream: str) -> int:
        found = self.world.rows(f"SELECT count(*) FROM outbox WHERE stream = '{stream}'")
        return int(found[0][0])


def _head(stand: Stand, seq: int) -> bytes:
    found = stand.world.rows(f"SELECT head FROM outbox WHERE stream = 'service' AND seq = {seq}")
    return bytes(found[0][0])


BEGAN_MS = World.at_ms


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(World(tmp_path / "station.db").stock())


def test_they_are_done_at_once_and_then_twice_a_minute(stand: Stand) -> None:
    stand.pass_time(0)
    done = stand.submitted
    assert done > 5
    stand.pass_time(EVERY_MS - 1)
    assert stand.submitted == done
    stand.pass_time(1)
    assert stand.submitted == 2 * done
    assert stand.synced == [5_000_000, 5_000_000 + EVERY_MS]


def test_a_busy_till_postpones_them_all(stand: Stand) -> None:
    stand.refusal = "TILL_BUSY"
    stand.pass_time(0)
    assert stand.synced == []
    stand.refusal = ""
    stand.pass_time(EVERY_MS)
    assert len(stand.synced) == 1


def test_darkness_is_not_noted_twice_nor_lost_while_the_till_is_busy(stand: Stand) -> None:
    stand.refusal = "DISK_FULL"
    stand.pass_time(DARK_AFTER_MS)
    assert stand.spells() == []
    stand.refusal = ""
    stand.pass_time(EVERY_MS)
    assert stand.spells() == [(0, None)]
    stand.pass_time(EVERY_MS)
    assert stand.spells() == [(0, None)]


def test_who_was_never_heard_is_away_since_the_start(stand: Stand) -> None:
    stand.pass_time(DARK_AFTER_MS - EVERY_MS)
    stand.pass_time(EVERY_MS - 1)
    assert stand.spells() == []
    stand.pass_time(EVERY_MS)
    assert stand.spells() == [(0, None)]


def test_it_is_dark_since_the_last_word_and_until_the_next(stand: Stand) -> None:
    stand.hq_age_ms = 0
    stand.pass_time(EVERY_MS)
    stand.hq_age_ms = DARK_AFTER_MS - 1
    stand.pass_time(DARK_AFTER_MS - 1)
    assert stand.spells() == []
    stand.hq_age_ms = DARK_AFTER_MS + EVERY_MS - 1
    stand.pass_time(EVERY_MS)
    assert stand.spells() == [(EVERY_MS, None)]
    stand.hq_age_ms = 1_000
    stand.pass_time(EVERY_MS)
    assert stand.spells() == [(EVERY_MS, DARK_AFTER_MS + 3 * EVERY_MS - 1)]


def test_a_spell_that_a_former_run_left_open_ends_with_the_first_word(stand: Stand) -> None:
    """Not at the start: whether headquarters is there is known when it is heard."""
    stand.world.run(lambda tx, at: tx.darkness.begin(at.wall_ms))
    stand.pass_time(EVERY_MS)
    assert stand.spells() == [(0, None)]
    stand.hq_age_ms = 0
    stand.pass_time(EVERY_MS)
    assert stand.spells() == [(0, 2 * EVERY_MS)]


def test_a_clock_that_was_set_back_does_not_end_a_spell_before_it_began(
    stand: Stand,
) -> None:
    stand.pass_time(DARK_AFTER_MS)
    stand.world.at_ms = BEGAN_MS - 60_000
    stand.hq_age_ms = 0
    stand.now_ms += EVERY_MS
    stand.chores.when_due()
    assert stand.spells() == [(0, 0)]


def test_a_disk_that_fills_up_is_told_at_once(stand: Stand) -> None:
    stand.pass_time(0)
    assert ("DISK_LOW", "state directory") not in stand.world.alarms()
    stand.free_mib = 9
    stand.pass_time(1_000)
    assert stand.world.alarms()["DISK_LOW", "state directory"] == 1
    stand.free_mib = 1
    stand.pass_time(1_000)
    assert stand.world.alarms()["BALLAST_RELEASED", "state directory"] == 1


def test_a_write_that_was_refused_gives_the_ballast_back(stand: Stand) -> None:
    """Whatever the file system says: the station may have a quota."""
    stand.refusal = "DISK_FULL"
    stand.pass_time(0)
    assert not stand.disk.has_ballast
    stand.refusal = ""
    stand.pass_time(EVERY_MS)
    assert stand.world.alarms()["BALLAST_RELEASED", "state directory"] == 1


def test_what_headquarters_has_goes_before_anything_that_is_needed(stand: Stand) -> None:
    for _ in range(700):
        stand.world.run(lambda tx, at: tx.outbox.put("service", "adopted", b"{}", at.wall_ms))
    last = stand.world.rows("SELECT max(seq) FROM outbox WHERE stream = 'service'")[0][0]
    head = stand.world.rows("SELECT head FROM outbox WHERE stream = 'service' ORDER BY seq DESC")[0][0]
    stand.world.run(lambda tx, at: apply_ack("service", last - 10, _head(stand, last - 10), tx, at))
    stand.pass_time(0)
    assert stand.kept("service") == last, "younger than a week"
    stand.free_mib = 19
    stand.pass_time(1_000)
    assert stand.kept("service") == 11, "in one go; what waits stays, and so does the row of the watermark"
    assert (
        stand.world.rows("SELECT head FROM outbox WHERE stream = 'service' ORDER BY seq DESC")[0][0] == head
    )


def test_by_a_clock_that_nobody_set_the_date_waits_for_the_first_word_of_headquarters(stand: Stand) -> None:
    """Ten minutes at most: then it is dark, and the clock is all there is."""
    stand.quality = ClockQuality.HOLDOVER
    fuelling = stand.world.fuel()
    assert stand.world.pay("R-1", fuelling.amount_fen, credential=GOLD).points_minor == 12_000
    stand.world.at_ms += 3 * DAY_MS
    stand.pass_time(0)
    stand.pass_time(DARK_AFTER_MS - EVERY_MS)
    assert stand.world.rows("SELECT count(*) FROM daily_close") == [(0,)]
    stand.hq_age_ms = 0
    stand.pass_time(EVERY_MS)
    assert stand.world.rows("SELECT count(*) > 0 FROM daily_close") == [(1,)]


def test_days_are_closed_by_themselves(stand: Stand) -> None:
    stand.hq_age_ms = 0
    fuelling = stand.world.fuel()
    assert stand.world.pay("R-1", fuelling.amount_fen, credential=GOLD).points_minor == 12_000
    stand.pass_time(0)
    assert stand.world.rows("SELECT business_date FROM daily_close") == []
    stand.pass_time(DAY_MS)
    assert stand.world.rows("SELECT business_date FROM daily_close") == [("2026-07-08",)]
