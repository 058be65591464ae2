"""Unit: is it given up in the order that is written down, and does nothing flutter at a limit?"""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.app.disk import BALLAST, BALLAST_MIB, Disk, Level, free_mib

LIMIT_MIB = 100


class Stand:
    def __init__(self, directory: Path) -> None:
        self.free_mib = 1_000
        self.database = directory / "station.db"
        self.copy = directory / "station.db.before-0002"
        self.copy.write_bytes(b"copy")
        self.database.write_bytes(b"database")
        self.ballast = directory / BALLAST
        self.disk = Disk(self.database, LIMIT_MIB, lambda: self.free_mib)
        self.disk.reserve()

    def at(self, free_mib: int) -> Level:
        self.free_mib = free_mib
        self.disk.look()
        return self.disk.level


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    yield Stand(tmp_path)
    logging.getLogger("forecourt").setLevel(logging.NOTSET)


def test_the_order_of_sacrifice(stand: Stand) -> None:
    disk = stand.disk
    assert (stand.at(400), disk.sends_figures) == (Level.FINE, True)
    assert (stand.at(399), disk.sends_figures, disk.keeps_spares) == (Level.NO_FIGURES, False, True)
    assert stand.copy.exists()
    assert (stand.at(199), disk.keeps_spares, disk.refuses_redemptions) == (Level.NO_SPARES, False, False)
    assert not stand.copy.exists()
    assert (stand.at(99), disk.refuses_redemptions) == (Level.NO_REDEMPTIONS, True)
    assert stand.ballast.exists()
    assert stand.at(1) == Level.NO_BALLAST
    assert not stand.ballast.exists()
    assert stand.database.read_bytes() == b"database"


def test_a_disk_that_fills_in_one_go_gives_up_everything(stand: Stand) -> None:
    assert stand.at(0) == Level.NO_BALLAST
    assert not stand.copy.exists()
    assert not stand.ballast.exists()
    assert stand.disk.refuses_redemptions


@pytest.mark.parametrize(
    ("limit_mib", "level"),
    [(400, Level.NO_FIGURES), (200, Level.NO_SPARES), (100, Level.NO_REDEMPTIONS)],
)
def test_a_level_ends_a_quarter_above_its_limit(stand: Stand, limit_mib: int, level: Level) -> None:
    assert stand.at(limit_mib - 1) == level
    for free in (limit_mib, limit_mib * 5 // 4 - 1):
        assert stand.at(free) == level
    assert stand.at(limit_mib * 5 // 4) < level


def test_a_change_is_said_once(stand: Stand) -> None:
    stand.free_mib = 150
    assert [stand.disk.look() for _ in range(3)] == [Level.NO_SPARES, None, None]


def test_small_talk_of_the_log_is_given_up_and_comes_back(stand: Stand) -> None:
    chatty = logging.getLogger("forecourt.desk")
    stand.at(399)
    assert not chatty.isEnabledFor(logging.INFO)
    assert chatty.isEnabledFor(logging.WARNING)
    stand.at(500)
    assert chatty.getEffectiveLevel() == logging.getLogger().getEffectiveLevel()


def test_the_ballast_is_room_that_is_really_taken_and_laid_down_again(stand: Stand) -> None:
    assert stand.ballast.stat().st_blocks * 512 >= BALLAST_MIB << 20
    stand.at(1)
    assert stand.at(300) == Level.NO_FIGURES
    assert not stand.ballast.exists(), "not before the disk is fine"
    stand.at(600)
    assert stand.ballast.exists()


def test_no_ballast_where_it_would_do_harm(tmp_path: Path) -> None:
    tight = Disk(tmp_path / "station.db", LIMIT_MIB, lambda: 2 * LIMIT_MIB + BALLAST_MIB - 1)
    tight.reserve()
    assert not tight.has_ballast


def test_a_ballast_that_was_refused_to_sqlite_is_not_laid_down_again(stand: Stand) -> None:
    """A quota, or a file system that lies about free space: laying it down again would take the room back."""
    stand.disk.refused()
    assert not stand.disk.has_ballast
    stand.at(50)
    stand.at(1_000)
    assert not stand.disk.has_ballast


def test_free_space_is_of_the_real_disk(tmp_path: Path) -> None:
    assert 0 < free_mib(tmp_path) < 1 << 40
