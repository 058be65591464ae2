"""Integration: does the store open safely, keep what it committed, and take back what failed?"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.clock import Instant
from agent.points.ledger import Posting
from agent.store.database import Store, StoreBroken, StoreMismatch, Transaction
from agent.store.outbox import LEDGER, SERVICE
from tests.integration.agent.tills import AT_MS, bodies

AT = Instant(AT_MS)


def opened(path: Path, station: str = "station-0042", programme: str = "demo-cn") -> Store:
    return Store.open(path, station, programme, AT)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(opened(tmp_path / "station.db")) as found:
        yield found


def pragma(store: Store, name: str) -> object:
    [(value,)] = store._connection.execute(f"PRAGMA {name}")
    return value


def put(store: Store, body: bytes) -> int:
    with store.transaction() as tx:
        return tx.outbox.put(SERVICE, "adopted", body, AT_MS)


def put_and_fail(tx: Transaction) -> None:
    tx.outbox.put(SERVICE, "adopted", b"gone", AT_MS)
    raise ZeroDivisionError


def test_every_commit_is_synced(store: Store) -> None:
    """The values that the power cuts were survived with."""
    assert pragma(store, "journal_mode") == "wal"
    assert pragma(store, "synchronous") == 2  # FULL
    assert pragma(store, "foreign_keys") == 1
    assert pragma(store, "cell_size_check") == 1


def test_every_table_is_strict(store: Store) -> None:
    [(tables,)] = store._connection.execute("SELECT count(*) FROM pragma_table_list WHERE type = 'table'")
    [(strict,)] = store._connection.execute("SELECT count(*) FROM pragma_table_list WHERE strict = 1")
    assert tables - strict == 2  # SQLite's own sqlite_schema and sqlite_temp_schema
    assert strict >= 20


def test_what_was_committed_is_there_after_reopening(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "station.db")) as store:
        put(store, b"kept")
    with closing(opened(tmp_path / "station.db")) as store:
        assert store.epoch == 1
        assert put(store, b"next") == 2
    assert bodies(tmp_path / "station.db") == [b"kept", b"next"]


@pytest.mark.parametrize(("station", "programme"), [("station-0043", "demo-cn"), ("station-0042", "other")])
def test_a_file_of_somebody_else_is_refused_untouched(tmp_path: Path, station: str, programme: str) -> None:
    opened(tmp_path / "station.db").close()
    with pytest.raises(StoreMismatch, match="station-0042 of programme demo-cn"):
        opened(tmp_path / "station.db", station, programme)
    opened(tmp_path / "station.db").close()


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\x00" + bytes(4_080)])
def test_what_is_no_database_is_broken(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "station.db").write_bytes(content)
    with pytest.raises(StoreBroken):
        opened(tmp_path / "station.db")
    assert (tmp_path / "station.db").read_bytes() == content


def test_a_folder_that_is_not_there_is_broken(tmp_path: Path) -> None:
    with pytest.raises(StoreBroken):
        opened(tmp_path / "nowhere" / "station.db")


def test_an_exception_takes_back_the_transaction(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction() as tx:
        put_and_fail(tx)
    assert not store.in_transaction
    assert bodies(tmp_path / "station.db") == []
    assert put(store, b"kept") == 1


def test_a_savepoint_takes_back_its_verb_alone(store: Store, tmp_path: Path) -> None:
    with store.transaction() as tx:
        tx.outbox.put(SERVICE, "adopted", b"first", AT_MS)
        with pytest.raises(ZeroDivisionError), store.savepoint():
            put_and_fail(tx)
        tx.outbox.put(SERVICE, "adopted", b"second", AT_MS)
    assert bodies(tmp_path / "station.db") == [b"first", b"second"]


def test_another_writer_is_shut_out(store: Store, tmp_path: Path) -> None:
    """Finding 4 of reliability.md: one writer. Another one fails, it does not wait and corrupt."""
    with (
        closing(sqlite3.connect(tmp_path / "station.db", timeout=0)) as other,
        store.transaction(),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")


def test_a_connection_belongs_to_the_thread_that_made_it(store: Store) -> None:
    caught: list[BaseException] = []

    def use() -> None:
        try:
            put(store, b"x")
        except StoreBroken as error:
            caught.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert len(caught) == 1


def test_a_broken_promise_of_our_own_is_not_an_error_of_the_disk(store: Store) -> None:
    """A unique constraint: passed on as it is, so that the log names the constraint."""
    with store.transaction() as tx:
        tx.ledger.post("award", bytes(16), (Posting("a", -1), Posting("b", 1)), AT_MS)
    with pytest.raises(sqlite3.IntegrityError), store.transaction() as tx:
        tx.outbox._connection.execute("INSERT INTO ledger_entry SELECT * FROM ledger_entry")
    assert not store.in_transaction


def test_entries_that_do_not_sum_to_zero_cannot_be_written(store: Store) -> None:
    with pytest.raises(AssertionError), store.transaction() as tx:
        tx.ledger.post("award", bytes(16), (Posting("a", -1), Posting("b", 2)), AT_MS)
    with store.transaction() as tx:
        assert tx.ledger.tip()[0] == 0


def test_the_newest_time_that_was_written(store: Store) -> None:
    assert store.newest_at_ms() == 0
    with store.transaction() as tx:
        tx.outbox.put(LEDGER, "fuelling", b"1", AT_MS + 5_000)
        tx.outbox.put(SERVICE, "adopted", b"2", AT_MS + 3_000)
    assert store.newest_at_ms() == AT_MS + 5_000
