"""Unit: which chores are done when, and when is it dark?"""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.app.chores import DARK_AFTER_MS, EVERY_MS, Chores
from agent.till import TillUnavailable
from tests.world import DAY_MS, GOLD, World


@dataclass
class Stand:
    """Chores on a real store; the clock, headquarters' silence and the till's refusals are the test's."""

    world: World
    now_ms: int = 5_000_000
    hq_age_ms: int | None = None
    refusal: str = ""
    submitted: int = 0
    synced: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        parts: Any = SimpleNamespace(
            site=self.world.site,
            settings=SimpleNamespace(
                store=SimpleNamespace(keep_acknowledged_days=7, min_free_mib=0),
                station=SimpleNamespace(state_dir=self.world.path.parent),
            ),
        )
        self.settings = parts.settings
        till: Any = SimpleNamespace(submit=self.submit)
        self.chores = Chores(
            till,
            parts,
            lambda: self.now_ms,
            lambda: self.hq_age_ms,
            lambda: self.synced.append(self.now_ms),
        )

    def submit(self, verb: Any) -> object:
        if self.refusal:
            raise TillUnavailable(self.refusal)
        self.submitted += 1
        return self.world.run(verb)

    def pass_time(self, ms: int) -> None:
        """And look whether something is due."""
        self.now_ms += ms
        self.world.at_ms += ms
        self.chores.when_due()

    def spells(self) -> list[tuple[int, int | None]]:
        """Began and ended, from the start of the world."""
        found = self.world.rows("SELECT began_at_ms, ended_at_ms FROM dark_spell ORDER BY 1")
        return [(began - BEGAN_MS, ended if ended is None else ended - BEGAN_MS) for began, ended in found]


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


def test_a_disk_that_fills_up_is_told(stand: Stand) -> None:
    stand.settings.store.min_free_mib = 1 << 40
    stand.pass_time(0)
    assert stand.world.alarms()["DISK_LOW", "state directory"] == 1


def test_days_are_closed_by_themselves(stand: Stand) -> None:
    stand.hq_age_ms = 0
    fuelling = stand.world.fuel()
    assert stand.world.pay("R-1", fuelling.amount_fen, credential=GOLD).points_minor == 12_000
    stand.pass_time(0)
    assert stand.world.rows("SELECT business_date FROM daily_close") == []
    stand.pass_time(DAY_MS)
    assert stand.world.rows("SELECT business_date FROM daily_close") == [("2026-07-08",)]
