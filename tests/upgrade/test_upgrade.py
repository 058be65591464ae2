"""Upgrade: does every database that a release has left behind open, migrate, verify and go on?"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.clock import Instant
from agent.store import migrations
from agent.store.database import Store, StoreBroken
from agent.store.integrity import verify
from agent.store.migrations import Migration, SchemaError, migrate, shipped, statements
from tests.world import BASIC, WEDNESDAY_MS, World

DUMPS = sorted(Path(__file__).parent.glob("[0-9][0-9][0-9][0-9].sql"))
STATION, PROGRAMME = "station-0042", "demo-cn"
AT = Instant(WEDNESDAY_MS + 86_400_000)


def restored(path: Path, dump: Path) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(dump.read_text(encoding="utf-8"))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The newest released database."""
    return restored(tmp_path / "station.db", DUMPS[-1])


def contents(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def next_migration(sql: str) -> list[Migration]:
    known = shipped()
    return [*known, Migration(len(known) + 1, f"{len(known) + 1:04d}_next.sql", sql)]


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as found:
        yield found


def test_every_released_schema_has_a_dump() -> None:
    assert [dump.stem for dump in DUMPS] == [f"{number:04d}" for number in range(1, len(shipped()) + 1)]


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_an_old_database_opens_verifies_and_goes_on_selling(tmp_path: Path, dump: Path) -> None:
    world = World(restored(tmp_path / "station.db", dump), at_ms=AT.wall_ms)
    with closing(world.store):
        assert verify(world.store._connection) == []
        facts, entries = world.count("fact"), world.count("ledger_entry")
        assert facts >= 6
        assert entries >= 4
        before = world.balance_minor("m-basic")
        world.totalizer_ml["08"], world.sequence_no = 9_000_000, 1_000
        answer = world.pay("R-100", world.fuel(10_000).amount_fen, credential=BASIC)
        assert answer.points_minor is not None
        assert answer.balance_minor == before + answer.points_minor
        assert world.count("fact") == facts + 2  # the meter had moved without a record: a gap, too
        assert world.count("ledger_entry") == entries + 1
        assert verify(world.store._connection) == []


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_what_was_heard_before_the_upgrade_is_still_known(tmp_path: Path, dump: Path) -> None:
    world = World(restored(tmp_path / "station.db", dump), at_ms=AT.wall_ms)
    with closing(world.store):
        [(fen, minor)] = world.rows(
            "SELECT fuel_amount_fen, minor FROM pos_sale JOIN award USING (fact_id) WHERE pos_sale_id = 'R-0'"
        )
        assert isinstance(fen, int)
        again = world.pay("R-0", fen)
        assert (again.outcome, again.points_minor) == ("repeated", minor)


def test_every_table_of_the_dump_has_a_row(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        empty = [
            name for name in tables if not connection.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone()
        ]
    assert empty == []


class TestNextMigration:
    SQL = """
    -- a comment; with a semicolon
    CREATE TABLE extra (word TEXT NOT NULL DEFAULT 'a;b') STRICT;
    INSERT INTO extra DEFAULT VALUES;
    CREATE TRIGGER noted AFTER INSERT ON extra BEGIN
        UPDATE extra SET word = 'noted'; DELETE FROM extra WHERE word = 'never';
    END;
    """

    def test_it_is_applied_once_after_a_backup(self, path: Path, connection: sqlite3.Connection) -> None:
        before = contents(path)
        known = next_migration(self.SQL)
        assert migrate(connection, path, AT.wall_ms, known) == [known[-1].name]
        assert connection.execute("SELECT word FROM extra").fetchall() == [("a;b",)]
        assert contents(path.with_name(f"station.db.before-{known[-1].number:04d}")) == before
        assert migrate(connection, path, AT.wall_ms, known) == []

    def test_a_failing_one_leaves_the_file_as_before_and_the_backup(
        self, path: Path, connection: sqlite3.Connection
    ) -> None:
        before = contents(path)
        known = next_migration(self.SQL + "INSERT INTO no_such_table VALUES (1);")
        with pytest.raises(sqlite3.OperationalError, match="no_such_table"):
            migrate(connection, path, AT.wall_ms, known)
        assert not connection.in_transaction
        assert contents(path) == before
        assert contents(path.with_name(f"station.db.before-{known[-1].number:04d}")) == before

    def test_a_backup_left_by_a_failed_attempt_is_replaced(
        self, path: Path, connection: sqlite3.Connection
    ) -> None:
        known = next_migration(self.SQL)
        path.with_name(f"station.db.before-{known[-1].number:04d}").write_bytes(b"half a backup")
        assert migrate(connection, path, AT.wall_ms, known) == [known[-1].name]

    def test_the_store_says_so_and_closes_the_file(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            migrations, "shipped", lambda: next_migration("INSERT INTO no_such_table VALUES (1);")
        )
        with pytest.raises(StoreBroken, match="no_such_table"):
            Store.open(path, STATION, PROGRAMME, AT)
        monkeypatch.undo()
        Store.open(path, STATION, PROGRAMME, AT).close()

    def test_a_new_file_needs_no_backup(self, tmp_path: Path) -> None:
        Store.open(tmp_path / "new.db", STATION, PROGRAMME, AT).close()
        assert [file.name for file in tmp_path.iterdir()] == ["new.db"]


class TestRefusals:
    def test_a_newer_schema_is_not_touched(self, path: Path, connection: sqlite3.Connection) -> None:
        migrate(connection, path, AT.wall_ms, next_migration("CREATE TABLE extra (word TEXT) STRICT;"))
        before = contents(path)
        with pytest.raises(SchemaError, match="newer than this agent"):
            Store.open(path, STATION, PROGRAMME, AT)
        assert contents(path) == before

    def test_a_changed_migration_is_not_believed(self, path: Path, connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE schema_migration SET sha256 = zeroblob(32) WHERE number = 1")
        before = contents(path)
        with pytest.raises(SchemaError, match="another 0001"):
            Store.open(path, STATION, PROGRAMME, AT)
        assert contents(path) == before

    def test_a_migration_that_was_skipped_is_not_believed(
        self, path: Path, connection: sqlite3.Connection
    ) -> None:
        connection.execute("UPDATE schema_migration SET number = 2 WHERE number = 1")
        with pytest.raises(SchemaError):
            Store.open(path, STATION, PROGRAMME, AT)


def test_statements_are_split_where_they_end() -> None:
    found = list(statements(TestNextMigration.SQL))
    assert [text.strip().splitlines()[-1].split()[0] for text in found] == ["CREATE", "INSERT", "END;"]


def test_an_unfinished_statement_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        list(statements("CREATE TABLE a (b TEXT) STRICT; CREATE TABLE"))
