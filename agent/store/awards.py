"""Awards, the lots they opened, and what each member has earned per day and month."""

import sqlite3
from dataclasses import dataclass, fields
from operator import attrgetter

from agent.points.lots import Lot, LotState


@dataclass(frozen=True, slots=True)
class StoredAward:
    """One row of `award`; the fields stand in the order of the columns. `inputs`, `result`: JSON."""

    fact_id: bytes
    award_id: bytes
    member: str
    bundle: str
    version: int
    minor: int
    reason: str
    inputs: str
    result: str
    settled_at_ms: int
    stream_seq: int


_NAMES = tuple(field.name for field in fields(StoredAward))
_ROW = attrgetter(*_NAMES)
_COLUMNS = ", ".join(_NAMES)
_OF_FACT = f"SELECT {_COLUMNS} FROM award WHERE fact_id = ?"
_ADD = f"INSERT INTO award ({_COLUMNS}) VALUES ({', '.join('?' * len(_NAMES))})"
_USED = "SELECT minor FROM usage WHERE member = ? AND period = ?"
_USE = """
INSERT INTO usage (member, period, minor) VALUES (?, ?, ?)
ON CONFLICT (member, period) DO UPDATE SET minor = minor + excluded.minor
"""
_OPEN_LOT = "INSERT INTO lot (award_id, member, minor, remaining_minor, state) VALUES (?, ?, ?, ?, ?)"
_LOT = "SELECT award_id, minor, remaining_minor, state FROM lot WHERE award_id = ?"
_OTHER_LOTS = """
SELECT award_id, minor, remaining_minor, state FROM lot
WHERE member = ? AND award_id <> ? AND remaining_minor > 0 ORDER BY rowid
"""
_CHANGE_LOT = "UPDATE lot SET remaining_minor = ?, state = ? WHERE award_id = ?"


class Awards:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def of_fact(self, fact_id: bytes) -> StoredAward | None:
        row = self._connection.execute(_OF_FACT, (fact_id,)).fetchone()
        return StoredAward(*row) if row else None

    def add(self, award: StoredAward) -> None:
        self._connection.execute(_ADD, _ROW(award))

    def used_minor(self, member: str, period: str) -> int:
        """Points this station awarded the member in a business day or month, refunds not given back."""
        row = self._connection.execute(_USED, (member, period)).fetchone()
        return int(row[0]) if row else 0

    def use(self, member: str, period: str, minor: int) -> None:
        self._connection.execute(_USE, (member, period, minor))

    def open_lot(self, lot: Lot, member: str) -> None:
        self._connection.execute(
            _OPEN_LOT, (bytes.fromhex(lot.id), member, lot.minor, lot.remaining_minor, lot.state)
        )

    def lot_of(self, award_id: bytes) -> Lot:
        return _lot(self._connection.execute(_LOT, (award_id,)).fetchone())

    def other_lots(self, member: str, award_id: bytes) -> list[Lot]:
        """The member's lots with something left, besides this award's, oldest first."""
        return [_lot(row) for row in self._connection.execute(_OTHER_LOTS, (member, award_id))]

    def change_lot(self, lot: Lot) -> None:
        self._connection.execute(_CHANGE_LOT, (lot.remaining_minor, lot.state, bytes.fromhex(lot.id)))


def _lot(row: tuple[bytes, int, int, str]) -> Lot:
    """A lot's id in the pure model is its award's, in hex."""
    award_id, minor, remaining_minor, state = row
    return Lot(award_id.hex(), minor, remaining_minor, LotState(state))
