"""Integration: does the file beside the database keep the ends of the chains, and notice what rows cannot?"""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.clock import Instant
from agent.points.ledger import Posting
from agent.store.database import Store
from agent.store.heads import RECORD_BYTES, Damaged, Heads, HeadsFile, compare
from agent.store.outbox import LEDGER, SERVICE
from sync.chain import GENESIS
from tests.integration.agent.tills import AT_MS

AT = Instant(AT_MS)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path / "station.db", "station-0042", "demo-cn", AT)) as found:
        yield found


@pytest.fixture
def file(tmp_path: Path) -> Iterator[HeadsFile]:
    with HeadsFile(tmp_path / "station.heads") as found:
        yield found


def book(store: Store, stream: str = LEDGER) -> None:
    with store.transaction() as tx:
        tx.ledger.post("award", bytes(16), (Posting("a", -1), Posting("b", 1)), AT_MS)
        tx.outbox.put(stream, "adopted", b"x", AT_MS)


def reason(file: HeadsFile, store: Store) -> str:
    return compare(file.read(), store._connection)


def test_what_was_written_is_read(file: HeadsFile) -> None:
    heads = Heads(2, (7, b"h" * 32), {LEDGER: (9, b"i" * 32)})
    file.write(heads)
    file.sync()
    assert file.read() == heads
    assert file.path.stat().st_size == RECORD_BYTES


def test_a_shorter_record_leaves_nothing_of_the_longer_one(file: HeadsFile) -> None:
    file.write(Heads(1, (10**9, b"h" * 32), {"x" * 200: (1, GENESIS)}))
    file.write(Heads(1, (1, b"h" * 32)))
    assert file.read() == Heads(1, (1, b"h" * 32))


def test_the_store_says_its_heads(store: Store) -> None:
    assert store.heads() == Heads(1, (0, GENESIS))
    book(store)
    book(store, SERVICE)
    heads = store.heads()
    with store.transaction() as tx:
        assert heads.ledger == tx.ledger.tip()
        assert heads.streams == {stream: (1, tx.outbox.head_at(stream, 1)) for stream in (LEDGER, SERVICE)}


def test_a_database_that_went_on_is_fine(store: Store, file: HeadsFile) -> None:
    """A power cut may take the file's last writes, never the database's commits."""
    book(store)
    file.write(store.heads())
    book(store)
    assert reason(file, store) == ""


def test_an_old_copy_put_back_is_cut(store: Store, file: HeadsFile, tmp_path: Path) -> None:
    book(store)
    store._connection.execute("VACUUM INTO ?", (str(tmp_path / "old.db"),))
    book(store)
    file.write(store.heads())
    with closing(Store.open(tmp_path / "old.db", "station-0042", "demo-cn", AT)) as old:
        assert reason(file, old) == "LEDGER_CUT"
        with old.transaction() as tx:
            tx.forks.raise_epoch(AT_MS, beyond=store.epoch)
        file.write(old.heads())
        assert reason(file, old) == ""


def test_an_old_copy_that_went_another_way_is_forked(store: Store, file: HeadsFile, tmp_path: Path) -> None:
    store._connection.execute("VACUUM INTO ?", (str(tmp_path / "old.db"),))
    book(store)
    file.write(store.heads())
    with closing(Store.open(tmp_path / "old.db", "station-0042", "demo-cn", AT)) as old:
        with old.transaction() as tx:
            tx.ledger.post("award", bytes(16), (Posting("a", -2), Posting("b", 2)), AT_MS)
            tx.outbox.put(LEDGER, "adopted", b"x", AT_MS)
        assert reason(file, old) == "LEDGER_FORKED"


def test_an_epoch_below_the_files_is_an_old_copy(store: Store, file: HeadsFile) -> None:
    file.write(Heads(2, (0, GENESIS)))
    assert reason(file, store) == "LEDGER_CUT"


def test_a_file_that_is_gone_is_missed_once_there_was_something_to_keep(
    store: Store, file: HeadsFile
) -> None:
    assert reason(file, store) == ""
    book(store)
    assert reason(file, store) == "HEADS_MISSING"


@pytest.mark.parametrize("position", [0, 20, 60, RECORD_BYTES - 1])
def test_a_changed_byte_is_damage(store: Store, file: HeadsFile, position: int) -> None:
    book(store)
    file.write(store.heads())
    record = bytearray(file.path.read_bytes())
    record[position] ^= 1
    file.path.write_bytes(record)
    assert file.read() == Damaged(file.path)
    assert reason(file, store) == "HEADS_DAMAGED"


@pytest.mark.parametrize("size", [0, 10, 60, RECORD_BYTES - 1])
def test_a_torn_file_is_damage(store: Store, file: HeadsFile, size: int) -> None:
    book(store)
    file.write(store.heads())
    os.truncate(file.path, size)
    assert reason(file, store) == "HEADS_DAMAGED"


def test_pruned_rows_are_not_asked_for(store: Store, file: HeadsFile) -> None:
    book(store)
    file.write(store.heads())
    book(store)
    store._connection.execute("DELETE FROM outbox WHERE seq = 1")
    assert reason(file, store) == ""
