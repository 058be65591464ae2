"""What HQ decided about a member's points besides awards: given, taken, corrected (S-054, S-074)."""

import sqlite3
from dataclasses import dataclass, fields
from operator import attrgetter


@dataclass(frozen=True, slots=True)
class StoredAdjustment:
    """One row of `adjustment`; the fields stand in the order of the columns.

    `minor` is what the member has more or (negative) less; given points are a lot of the same id.
    `borne_minor` was given too much before and stays: the programme bears it. `fact_id`: whose award was
    corrected. `term_ends_on`: last day of what was given, "" never. `stream_seq`: its item in the ledger.
    """

    adjustment_id: bytes
    command: str
    cause: str
    member: str
    minor: int
    borne_minor: int
    fact_id: bytes | None
    term_ends_on: str
    reason: str
    case_id: str
    adjusted_at_ms: int
    stream_seq: int


_NAMES = tuple(field.name for field in fields(StoredAdjustment))
_ROW = attrgetter(*_NAMES)
_COLUMNS = ", ".join(_NAMES)
_ADD = f"INSERT INTO adjustment ({_COLUMNS}) VALUES ({', '.join('?' * len(_NAMES))})"
_GET = f"SELECT {_COLUMNS} FROM adjustment WHERE adjustment_id = ?"
_OF_FACT = f"SELECT {_COLUMNS} FROM adjustment WHERE fact_id = ? ORDER BY rowid"
_TAKEN = "SELECT coalesce(-sum(minor), 0) FROM adjustment WHERE fact_id = ? AND minor < 0"
_BORNE = "SELECT coalesce(sum(borne_minor), 0) FROM adjustment WHERE fact_id = ?"


class Adjustments:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, adjustment: StoredAdjustment) -> None:
        self._connection.execute(_ADD, _ROW(adjustment))

    def get(self, adjustment_id: bytes) -> StoredAdjustment | None:
        row = self._connection.execute(_GET, (adjustment_id,)).fetchone()
        return StoredAdjustment(*row) if row else None

    def of_fact(self, fact_id: bytes) -> list[StoredAdjustment]:
        """The corrections of this fact's award, oldest first."""
        return [StoredAdjustment(*row) for row in self._connection.execute(_OF_FACT, (fact_id,))]

    def taken_minor(self, fact_id: bytes) -> int:
        """What corrections have taken of this fact's award so far, minor units >= 0."""
        return int(self._connection.execute(_TAKEN, (fact_id,)).fetchone()[0])

    def borne_minor(self, fact_id: bytes) -> int:
        """What this fact's award gave too much and the programme bears, minor units >= 0."""
        return int(self._connection.execute(_BORNE, (fact_id,)).fetchone()[0])
