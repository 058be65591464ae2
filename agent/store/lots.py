"""Lots: points of one award or adjustment, what of them is left, which entries filled or took from them.

What remains is a cache of the moves: `moved` writes both the move and the new rest is written by
`change`, in the same transaction.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import date
from operator import attrgetter

from agent.points.ledger import active, pending
from agent.points.lots import Lot, LotState


@dataclass(frozen=True, slots=True)
class StoredLot:
    """One row of `lot`; the fields stand in the order of the columns.

    `lot_id`: that of its `source`, an award or an adjustment, 16 bytes. Days are 'YYYY-MM-DD', the last on
    which something holds: `lapses_on` is `term_ends_on` with the pauses and grace known today, "" for
    never; `honoured_until` is "" unless the lot lapsed while this station was dark. `ratio_version`: 0 if
    the rules do not say. `bucket_on`: the day under which HQ's snapshot has it, where pauses have moved
    `lapses_on` since, else "".
    """

    lot_id: bytes
    member: str
    minor: int
    remaining_minor: int
    lapsed_minor: int
    state: str
    earned_on: str
    spendable_at_ms: int
    term_ends_on: str
    lapses_on: str
    honoured_until: str
    ratio_version: int
    bucket_on: str = ""
    source: str = "award"

    def as_lot(self) -> Lot:
        """The same in the pure model, whose ids are hex."""
        return Lot(
            id=self.lot_id.hex(),
            minor=self.minor,
            remaining_minor=self.remaining_minor,
            lapsed_minor=self.lapsed_minor,
            state=LotState(self.state),
            earned_on=date.fromisoformat(self.earned_on),
            lapses_on=date.fromisoformat(self.lapses_on) if self.lapses_on else None,
        )

    def after(self, lot: Lot) -> "StoredLot":
        """This row with what the pure model has changed."""
        assert lot.id == self.lot_id.hex()
        return replace(
            self,
            remaining_minor=lot.remaining_minor,
            lapsed_minor=lot.lapsed_minor,
            state=lot.state.value,
            lapses_on=lot.lapses_on.isoformat() if lot.lapses_on else "",
        )


_NAMES = tuple(field.name for field in fields(StoredLot))
_ROW = attrgetter(*_NAMES)
_COLUMNS = ", ".join(_NAMES)
_OPEN = f"INSERT INTO lot ({_COLUMNS}) VALUES ({', '.join('?' * len(_NAMES))})"
_OF = f"SELECT {_COLUMNS} FROM lot WHERE lot_id = ?"
_WITH_REST = f"SELECT {_COLUMNS} FROM lot WHERE member = ? AND remaining_minor > 0 ORDER BY rowid"
_OF_MEMBER = f"""
SELECT {_COLUMNS} FROM lot WHERE lot_id IN (
    SELECT ref FROM ledger_entry WHERE kind IN ('award', 'goodwill') AND seq IN (
        SELECT seq FROM posting WHERE account IN (?, ?)))
ORDER BY rowid
"""
_UNKNOWN_TO_HQ = f"""
SELECT {_COLUMNS} FROM lot WHERE +remaining_minor > 0 AND lot_id IN (
    SELECT ref FROM ledger_entry WHERE kind IN ('award', 'goodwill') AND seq IN (
        SELECT seq FROM posting WHERE account IN (:active, :pending)
          AND seq > coalesce((SELECT included_seq FROM member WHERE member = :member), 0)))
ORDER BY rowid
"""
_EARNED_BEFORE = f"""
SELECT {_COLUMNS} FROM lot WHERE member = ? AND remaining_minor > 0 AND earned_on < ? ORDER BY rowid
"""
_TO_ACTIVATE = f"""
SELECT {_COLUMNS} FROM lot WHERE state = 'pending' AND spendable_at_ms <= ? ORDER BY spendable_at_ms LIMIT ?
"""
_TO_LAPSE = f"""
SELECT {_COLUMNS} FROM lot
WHERE state = 'active' AND lapses_on <> '' AND lapses_on < :today AND honoured_until < :today
ORDER BY lapses_on LIMIT :limit
"""
_ALIVE = f"""
SELECT rowid, {_COLUMNS} FROM lot WHERE remaining_minor > 0 AND rowid > ? ORDER BY rowid LIMIT 500
"""
_CHANGE = """
UPDATE lot SET remaining_minor = ?, lapsed_minor = ?, state = ?, lapses_on = ?, honoured_until = ?,
    bucket_on = ?
WHERE lot_id = ?
"""
_MOVED = "INSERT INTO lot_move (lot_id, seq, minor) VALUES (?, ?, ?)"


class Lots:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def open(self, lot: StoredLot, seq: int) -> None:
        """Write the lot that ledger entry `seq` opens, and its first move."""
        assert lot.remaining_minor == lot.minor, lot
        self._connection.execute(_OPEN, _ROW(lot))
        self.moved(lot.lot_id, seq, lot.minor)

    def of(self, lot_id: bytes) -> StoredLot | None:
        row = self._connection.execute(_OF, (lot_id,)).fetchone()
        return StoredLot(*row) if row else None

    def of_member(self, member: str, *, with_rest: bool) -> list[StoredLot]:
        """The member's lots, oldest first: all of them, or those in which something remains."""
        if with_rest:
            rows = self._connection.execute(_WITH_REST, (member,))
        else:
            rows = self._connection.execute(_OF_MEMBER, (active(member), pending(member)))
        return [StoredLot(*row) for row in rows]

    def unknown_to_hq(self, member: str) -> list[StoredLot]:
        """The member's lots with a rest that no bucket of HQ's has yet: opened after the watermark."""
        wanted = {"member": member, "active": active(member), "pending": pending(member)}
        return [StoredLot(*row) for row in self._connection.execute(_UNKNOWN_TO_HQ, wanted)]

    def earned_before(self, member: str, day: str) -> list[StoredLot]:
        """The member's lots with a rest that were earned before a business date, oldest first."""
        return [StoredLot(*row) for row in self._connection.execute(_EARNED_BEFORE, (member, day))]

    def moved(self, lot_id: bytes, seq: int, minor: int) -> None:
        """Note what ledger entry `seq` put into the lot or (negative) took from it: once per entry."""
        assert minor, "a move moves something"
        self._connection.execute(_MOVED, (lot_id, seq, minor))

    def change(self, lot: StoredLot) -> None:
        """Write the lot's rest, what of it lapsed, its state and its days; all else never changes."""
        self._connection.execute(
            _CHANGE,
            (
                *(lot.remaining_minor, lot.lapsed_minor, lot.state),
                *(lot.lapses_on, lot.honoured_until, lot.bucket_on, lot.lot_id),
            ),
        )

    def due_to_activate(self, now_ms: int, limit: int) -> list[StoredLot]:
        """At most `limit` pending lots whose points may be spent by now, the longest due first."""
        return [StoredLot(*row) for row in self._connection.execute(_TO_ACTIVATE, (now_ms, limit))]

    def due_to_lapse(self, today: str, limit: int) -> list[StoredLot]:
        """At most `limit` active lots whose last day, honoured or not, is before business date `today`."""
        wanted = {"today": today, "limit": limit}
        return [StoredLot(*row) for row in self._connection.execute(_TO_LAPSE, wanted)]

    def alive(self) -> Iterator[StoredLot]:
        """Every lot with a rest, oldest first; the lots may be changed while they are gone through."""
        last = 0
        while rows := self._connection.execute(_ALIVE, (last,)).fetchall():
            for rowid, *row in rows:
                last = rowid
                yield StoredLot(*row)
