"""Schema changes: numbered files, forward only, each in one transaction, checksummed, a backup first.

Our own runner, because sqlite-utils' keeps no checksum, reads its own clock and uses a deferred
BEGIN (decisions.md 10).
"""

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

_NAME = re.compile(r"(\d{4})_\w+\.sql")

_RECORD_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number        INTEGER PRIMARY KEY,
    name          TEXT NOT NULL,
    sha256        BLOB NOT NULL,
    applied_at_ms INTEGER NOT NULL
) STRICT
"""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.sql.encode()).digest()


class SchemaError(Exception):
    """This file was made by another, newer or changed version of the agent. Nothing was written."""


def shipped() -> list[Migration]:
    """The migrations of this version, in order, without gaps."""
    found = [
        Migration(int(match[1]), entry.name, entry.read_text("utf-8"))
        for entry in files("agent.store").joinpath("schema").iterdir()
        if (match := _NAME.fullmatch(entry.name))
    ]
    found.sort(key=lambda migration: migration.number)
    assert [m.number for m in found] == list(range(1, len(found) + 1)), "schema files have a gap"
    return found


def statements(sql: str) -> Iterator[str]:
    """Split at the semicolons that end a statement, not at those inside one."""
    statement = ""
    *pieces, rest = sql.split(";")
    for piece in pieces:
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    assert not (statement + rest).strip(), "the last statement of a schema file is not finished"


def migrate(connection: sqlite3.Connection, database: Path, at_ms: int, known: list[Migration]) -> list[str]:
    """Bring the database up to `known`; returns the names applied. A file with data is copied aside first."""
    connection.execute(_RECORD_TABLE)
    applied = _applied(connection)
    _check_history(applied, known)
    todo = known[len(applied) :]
    if applied and todo:
        _back_up(connection, database.with_name(f"{database.name}.before-{todo[0].number:04d}"))
    for migration in todo:
        _apply(connection, migration, at_ms)
    return [migration.name for migration in todo]


_SCHEMA = "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' AND sql IS NOT NULL"


def schema(connection: sqlite3.Connection) -> dict[str, str]:
    """Name and SQL of every table, index, view and trigger."""
    return dict(connection.execute(_SCHEMA))


def schema_like(connection: sqlite3.Connection) -> dict[str, str]:
    """Name and SQL of everything that a file with as many migrations as this one has, as shipped."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.execute(_RECORD_TABLE)
        for migration in shipped()[: len(_applied(connection))]:
            for statement in statements(migration.sql):
                fresh.execute(statement)
        return schema(fresh)


_APPLIED = "SELECT number, name, sha256 FROM schema_migration ORDER BY number"


def _applied(connection: sqlite3.Connection) -> list[tuple[int, str, bytes]]:
    return connection.execute(_APPLIED).fetchall()


def _check_history(applied: list[tuple[int, str, bytes]], known: list[Migration]) -> None:
    if len(applied) > len(known):
        raise SchemaError(f"the database has schema {applied[-1][1]}, which is newer than this agent")
    for (number, name, sha256), migration in zip(applied, known, strict=False):
        if (number, sha256) != (migration.number, migration.sha256):
            raise SchemaError(f"the database was made with another {name} than this agent ships")


def _back_up(connection: sqlite3.Connection, target: Path) -> None:
    target.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(target),))


_RECORD = "INSERT INTO schema_migration (number, name, sha256, applied_at_ms) VALUES (?, ?, ?, ?)"


def _apply(connection: sqlite3.Connection, migration: Migration, at_ms: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements(migration.sql):
            connection.execute(statement)
        connection.execute(_RECORD, (migration.number, migration.name, migration.sha256, at_ms))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
