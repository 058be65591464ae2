"""Unit: does a start notice that the database is not the one that was left, and go on all the same?"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.handlers.reopen import reopen
from agent.store.heads import HEADS_DAMAGED, HEADS_MISSING, LEDGER_CUT, LEDGER_FORKED, Heads, HeadsFile
from tests.unit.agent.earning import FILL_MINOR, Station, accounts, fill, findings, items, kinds, stations
from tests.world import World


class Safe:
    """A station with its heads file, kept as the agent keeps it: written after every commit."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.file = HeadsFile(world.path.with_name("station.heads"))
        self.keep()

    def keep(self) -> None:
        self.file.write(self.world.store.heads())

    def sell(self, name: str) -> None:
        assert fill(self.world, name).points_minor == FILL_MINOR
        self.keep()

    def copy(self) -> Path:
        """Of the database as it is, its log included."""
        folder = self.world.path.with_name("copy")
        folder.mkdir()
        for file in self.world.path.parent.glob("station.db*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, folder)
        return folder

    def put_back(self, folder: Path) -> None:
        """While the agent is stopped."""
        self.world.store.close()
        for file in self.world.path.parent.glob("station.db*"):
            file.unlink()
        for file in folder.iterdir():
            shutil.copy(file, self.world.path.parent)
        self.world.__post_init__()

    def start(self) -> str:
        """What a start does; returns what comparing gave."""
        kept = self.file.read()
        reason = self.world.store.compare(kept)
        seen = kept.epoch if isinstance(kept, Heads) else 0
        self.world.run(lambda tx, now: reopen(reason, seen, "boot", tx, self.world.site, now))
        self.keep()
        return reason


@pytest.fixture
def safe(tmp_path: Path) -> Iterator[Safe]:
    for station in stations(tmp_path):
        yield made(station)


def made(station: Station) -> Safe:
    return Safe(station())


def alarms(safe: Safe) -> dict[str, str]:
    """code → detail"""
    return dict(safe.world.rows("SELECT code, detail FROM alarm"))


def test_a_start_on_the_file_that_was_left_says_nothing(safe: Safe) -> None:
    safe.sell("R-1")
    safe.world.reopen()
    assert safe.start() == ""
    assert (safe.world.store.epoch, alarms(safe), safe.world.count("fork")) == (1, {}, 0)
    assert safe.world.rows("SELECT started_at_ms, ended_at_ms FROM run") == [(safe.world.at_ms, None)]


def test_a_file_that_is_behind_after_a_power_cut_is_no_alarm(safe: Safe) -> None:
    safe.sell("R-1")
    fill(safe.world, "R-2")
    assert safe.start() == ""
    assert safe.world.store.epoch == 1


@pytest.mark.parametrize(
    ("content", "reason"), [(None, HEADS_MISSING), (b"", HEADS_DAMAGED), (b"x" * 4096, HEADS_DAMAGED)]
)
def test_without_the_heads_nothing_is_known_and_somebody_is_told(
    safe: Safe, content: bytes | None, reason: str
) -> None:
    """Alone it is no sign of another history: the epoch stays."""
    safe.sell("R-1")
    safe.file.close()
    safe.file.path.unlink()
    if content is not None:
        safe.file.path.write_bytes(content)
    assert safe.start() == reason
    assert (safe.world.store.epoch, alarms(safe)) == (1, {reason: ""})
    assert safe.start() == ""


def test_yesterdays_file_goes_on_as_a_new_incarnation(safe: Safe) -> None:
    safe.sell("R-1")
    folder = safe.copy()
    safe.world.wait(86_400)
    fill(safe.world, "R-2", 10_000)
    safe.keep()
    safe.put_back(folder)
    assert safe.start() == LEDGER_CUT
    assert safe.world.store.epoch == 2
    assert alarms(safe) == {LEDGER_CUT: "went on as epoch 2"}
    forks = safe.world.rows("SELECT epoch, chain, seq FROM fork ORDER BY chain")
    assert ("ledger_entry", 1) in [(chain, seq) for epoch, chain, seq in forks if epoch == 2]
    assert safe.start() == ""
    assert safe.world.store.epoch == 2


def test_earning_goes_on_and_every_number_is_used_once_in_its_epoch(safe: Safe) -> None:
    """What HQ had not acknowledged is sent again under the new epoch; the ledger goes on from its end.

    The fuelling that the copy lacks passed the meter all the same: its litres are a gap.
    """
    safe.sell("R-1")
    folder = safe.copy()
    safe.sell("R-2")
    safe.put_back(folder)
    safe.start()
    fill(safe.world, "R-3")
    assert kinds(safe.world) == ["award", "award"]
    assert accounts(safe.world)["member:m-basic:active"] == 2 * FILL_MINOR
    assert [item["minor"] for item in items(safe.world, "award")] == [FILL_MINOR, FILL_MINOR]
    told = safe.world.rows("SELECT seq, kind FROM outbox WHERE stream = 'ledger' ORDER BY seq")
    assert [kind for _, kind in told] == ["fuelling", "award", "gap", "fuelling", "award"]
    assert [seq for seq, _ in told] == [1, 2, 3, 4, 5]
    assert findings(safe.world) == []


def test_the_new_epoch_is_beyond_every_one_that_was_seen(safe: Safe) -> None:
    """Put back twice, the second time a copy from before the first: HQ has seen epoch 2 already."""
    safe.sell("R-1")
    folder = safe.copy()
    safe.sell("R-2")
    safe.put_back(folder)
    safe.start()
    safe.sell("R-3")
    safe.put_back(folder)
    assert safe.world.store.epoch == 1
    assert safe.start() == LEDGER_CUT
    assert safe.world.store.epoch == 3


def test_another_history_of_the_same_length_is_noticed(safe: Safe) -> None:
    safe.sell("R-1")
    folder = safe.copy()
    safe.sell("R-2")
    safe.put_back(folder)
    safe.world.wait(7)
    fill(safe.world, "R-2b")
    assert safe.start() == LEDGER_FORKED
    assert (safe.world.store.epoch, alarms(safe)[LEDGER_FORKED]) == (2, "went on as epoch 2")
