"""Unit: does a start notice that the database is not the one that was left, and go on all the same?"""

import logging
import shutil
from pathlib import Path

import pytest

from agent.app.safekeeping import Safekeeping
from agent.store.heads import Heads, HeadsFile
from tests.world import GOLD, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "station.db").stock()


@pytest.fixture
def heads(tmp_path: Path) -> Path:
    return tmp_path / "station.heads"


def start(world: World, heads: Path) -> Safekeeping:
    """Open the store anew, and let it be compared."""
    world.reopen()
    safe = Safekeeping(heads, world.site)
    safe.check(world.store, world.now())
    return safe


def sell(world: World, sale_id: str, safe: Safekeeping) -> None:
    fuelling = world.fuel()
    assert world.pay(sale_id, fuelling.amount_fen, credential=GOLD).points_minor == 12_000
    safe.keep(world.store)


def kept(heads: Path) -> Heads:
    found = HeadsFile(heads).read()
    assert isinstance(found, Heads)
    return found


def test_what_is_kept_is_where_the_chains_end(world: World, heads: Path) -> None:
    safe = start(world, heads)
    sell(world, "R-1", safe)
    assert kept(heads) == world.store.heads()
    assert kept(heads).ledger[0] == 1


def test_the_same_file_goes_on_as_it_was(world: World, heads: Path) -> None:
    sell(world, "R-1", start(world, heads))
    before = world.alarms()
    safe = start(world, heads)
    sell(world, "R-2", safe)
    assert world.store.epoch == 1
    assert world.alarms() == before


def test_a_new_station_has_no_heads_file_and_no_alarm(tmp_path: Path) -> None:
    new = World(tmp_path / "new.db")
    Safekeeping(tmp_path / "new.heads", new.site).check(new.store, new.now())
    assert new.alarms() == {}
    assert kept(tmp_path / "new.heads") == new.store.heads()


@pytest.mark.parametrize(("harm", "reason"), [("gone", "HEADS_MISSING"), ("torn", "HEADS_DAMAGED")])
def test_a_file_that_is_gone_or_damaged_is_told_and_made_anew(
    world: World, heads: Path, harm: str, reason: str
) -> None:
    """It says nothing against the database: no new epoch."""
    sell(world, "R-1", start(world, heads))
    heads.unlink() if harm == "gone" else heads.write_bytes(heads.read_bytes()[:-1] + b"x")
    before = world.alarms().get((reason, "database"), 0)
    start(world, heads)
    assert world.store.epoch == 1
    assert world.alarms()[reason, "database"] == before + 1
    assert kept(heads) == world.store.heads()


def test_an_old_copy_goes_on_earning_under_a_new_epoch(
    world: World, heads: Path, caplog: pytest.LogCaptureFixture
) -> None:
    safe = start(world, heads)
    sell(world, "R-1", safe)
    world.store.close()
    shutil.copyfile(world.path, world.path.with_name("copy"))
    safe = start(world, heads)
    sell(world, "R-2", safe)
    world.store.close()
    shutil.copyfile(world.path.with_name("copy"), world.path)

    safe = start(world, heads)
    assert world.store.epoch == 2
    assert world.alarms()["LEDGER_CUT", "database"] == 1
    assert (logging.CRITICAL, "LEDGER_CUT") in [(r.levelno, r.getMessage()) for r in caplog.records]
    assert kept(heads).epoch == 2
    sell(world, "R-3", safe)
    start(world, heads)
    assert world.store.epoch == 2, "told once"
    assert world.alarms()["LEDGER_CUT", "database"] == 1


def test_the_copy_put_back_twice_never_takes_an_epoch_twice(world: World, heads: Path) -> None:
    safe = start(world, heads)
    world.store.close()
    shutil.copyfile(world.path, world.path.with_name("copy"))
    for epoch in (2, 3):
        safe = start(world, heads)
        sell(world, f"R-{epoch}", safe)
        world.store.close()
        shutil.copyfile(world.path.with_name("copy"), world.path)
        start(world, heads)
        assert world.store.epoch == epoch


def test_a_disk_that_fails_the_heads_file_stops_no_sale(
    world: World, heads: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The commit before it succeeded; if the disk is broken, the next commit says so."""
    safe = start(world, heads)
    heads.unlink()
    heads.mkdir()
    elsewhere = Safekeeping(heads, world.site)
    elsewhere.keep(world.store)
    elsewhere.sync()
    assert [r.getMessage() for r in caplog.records].count("HEADS_NOT_WRITTEN") == 2
    sell(world, "R-1", safe)
