"""Integration: does a backlog reach HQ row for row while station, broker and HQ die again and again?

Real processes: the agent's till, courier and pruning over a station's database, a mosquitto that remembers
nothing, and HQ's workers, which compute every award anew. Whoever dies is started again. The seed says who
dies when; a failing run prints its figures.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from getpass import getuser
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from sync.hq.store.member_tables import member_account
from sync.hq.store.tables import item
from tests.integration.hq.storm_stage import BROKER, HQ, STATION, Storm

SEED = 20261122
ANYBODY = (STATION, STATION, HQ, HQ, BROKER)
Raise = Callable[..., Storm]


@pytest.fixture
def raised(tmp_path: Path) -> Iterator[Raise]:
    """Storms on SQLite, which end with the test."""
    with ExitStack() as undo:

        def begin(ledger_rows: int, **more: object) -> Storm:
            storm = Storm(tmp_path, f"sqlite:///{tmp_path}/hq.db", ledger_rows, **more)  # type: ignore[arg-type]
            undo.callback(storm.close)
            storm.start()
            return storm

        yield begin


def _weathered(storm: Storm, kills: int) -> Storm:
    storm.rage(kills, Random(SEED), ANYBODY)
    storm.until_drained()
    print(storm.figures())  # noqa: T201  for the reader of a run
    assert storm.differences() == []
    assert storm.nowhere("cn-0001") == 0
    assert storm.store.alarms() == ()
    counted = storm.stations[0].counted
    assert counted["pruned"] > storm.ledger_rows // 2, "rows were forgotten meanwhile"
    assert storm.kills.total() == kills
    assert len(storm.kills) == 3, "of all three"
    return storm


def test_twenty_thousand_rows_and_eight_kills(raised: Raise) -> None:
    storm = _weathered(raised(20_000, workers=2), kills=8)
    _tampering_is_noticed(storm)


def _tampering_is_noticed(storm: Storm) -> None:
    """What the comparison is worth: one byte, one row, one point."""
    half = storm.ledger_rows // 2
    row, account = item.c, member_account.c
    here = (row.station == "cn-0001", row.stream == "ledger", row.seq == half)
    changes: dict[str, sa.Executable] = {
        f"ledger {half}: HQ holds": item.update().where(*here).values(body=b"{}"),
        "balances are not": member_account.update().values(balance_minor=account.balance_minor + 1),
        "awards, points and": item.delete().where(*here),
    }
    for said, change in changes.items():
        with storm.store._engine.begin() as connection:
            connection.execute(change)
        assert any(said in one for one in storm.differences()), said


@pytest.mark.parametrize("remembers", [False, True], ids=["forgetful", "persistent"])
def test_a_broker_that_is_stopped_and_killed_in_turn(raised: Raise, tmp_path: Path, remembers: bool) -> None:
    """SIGTERM and SIGKILL; a broker that keeps messages on its disk may also bring old ones back."""
    storm, config = raised(20_000, workers=1), tmp_path / "broker/mosquitto.conf"
    if remembers:
        kept = f"user {getuser()}\npersistence_location {config.parent}/\nautosave_interval 1\n"
        config.write_text(config.read_text().replace("persistence false", "persistence true") + kept)
    for number in range(1, 9):
        (storm.broker.stop if number % 2 else storm.broker.kill)()
        storm.broker.restart()
        storm.until_acknowledged(number * 2_000)
    storm.until_drained()
    print(storm.figures())  # noqa: T201  for the reader of a run
    assert (config.parent / "mosquitto.db").exists() == remembers
    assert storm.differences() == []
    assert storm.store.alarms() == ()


def test_who_takes_a_puback_for_delivery_loses_rows_in_the_same_storm(raised: Raise) -> None:
    """The control: the same rows, broker, workers and station, with the one cure taken away."""
    storm = raised(20_000, workers=1, role="trusting")
    chance, lost = Random(SEED), 0
    for number in range(8):
        storm.until_acknowledged(min(2_000 * (number + 1), storm.acknowledged() + 1))
        storm.strike(HQ if number % 2 == 0 else BROKER, chance)
        _settle(storm)
        lost = storm.nowhere("cn-0001")
        if lost:
            break
    print(f"{lost:,} of 20,000 rows are nowhere; {storm.figures()}")  # noqa: T201
    assert lost > 0


def _settle(storm: Storm) -> None:
    """Until HQ has held the same for three seconds: what is on its way has come."""
    held, since_s = storm.store.chains("cn-0001").marks(1), time.monotonic()
    while time.monotonic() < since_s + 3:
        time.sleep(0.1)
        if (now := storm.store.chains("cn-0001").marks(1)) != held:
            held, since_s = now, time.monotonic()


@pytest.mark.drain
@pytest.mark.timeout(1_800)
def test_a_million_rows_and_sixty_kills(raised: Raise) -> None:
    _weathered(raised(1_000_000, workers=1), kills=60)


@pytest.mark.storm
@pytest.mark.timeout(7_200)
def test_a_million_rows_and_five_hundred_kills_with_two_workers(raised: Raise) -> None:
    _weathered(raised(1_000_000, workers=2), kills=500)
