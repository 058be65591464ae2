"""The baseline: the very statements of a run, replayed in one thread into a fresh database.

A recording connection writes down every statement with its parameters, selects included. The replay
executes them one after another, reads every row, and does nothing else: no handlers, no rules, no
JSON, no hashes, no threads. Statements keep their parameters, so SQLite's compiled statements are
reused as in our own run; expanded texts would be compiled anew each time and make the baseline slow.
"""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Statement = tuple[str, Any]


class RecordingConnection(sqlite3.Connection):
    """Notes what is executed. Its cost counts against us."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.statements: list[Statement] = []

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        self.statements.append((sql, parameters))
        return super().execute(sql, parameters)


class Recorder:
    """`connect` goes into `Store.open`; `statements` is what its connection was asked so far."""

    def __init__(self) -> None:
        self._connection: RecordingConnection | None = None

    def connect(self, path: Path) -> sqlite3.Connection:
        self._connection = sqlite3.connect(path, isolation_level=None, factory=RecordingConnection)
        return self._connection

    @property
    def connection(self) -> RecordingConnection:
        assert self._connection is not None
        return self._connection

    @property
    def statements(self) -> list[Statement]:
        return self.connection.statements


class Replay:
    """A fresh database with the statements before the measured ones in it."""

    def __init__(self, path: Path, before: Sequence[Statement]) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for statement in before:
            self._run(statement)

    def transactions_s(self, statements: Sequence[Statement]) -> list[float]:
        """Seconds of each transaction in `statements`, BEGIN to COMMIT."""
        times: list[float] = []
        began = 0.0
        for statement in statements:
            if statement[0].startswith("BEGIN"):
                began = time.perf_counter()
            self._run(statement)
            if statement[0] == "COMMIT":
                times.append(time.perf_counter() - began)
        return times

    def all_s(self, statements: Sequence[Statement]) -> float:
        began = time.perf_counter()
        for statement in statements:
            self._run(statement)
        return time.perf_counter() - began

    def close(self) -> None:
        self._connection.close()

    def _run(self, statement: Statement) -> None:
        self._connection.execute(*statement).fetchall()


def regrouped(statements: Sequence[Statement], verbs_in_transaction: int) -> list[Statement]:
    """The same statements with so many verbs in each transaction, whatever the run had."""
    out: list[Statement] = []
    verbs = 0
    for sql, parameters in statements:
        if sql.startswith("BEGIN") or sql == "COMMIT":
            continue
        if verbs == 0 and sql.startswith("SAVEPOINT"):
            out.append(("BEGIN IMMEDIATE", ()))
        out.append((sql, parameters))
        if sql.startswith("RELEASE"):
            verbs += 1
            if verbs == verbs_in_transaction:
                out.append(("COMMIT", ()))
                verbs = 0
    if verbs:
        out.append(("COMMIT", ()))
    return out
