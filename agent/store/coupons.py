"""Coupons: what members hold, the pool of which sales are given new ones, and what is used up for ever."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Coupon:
    """One serial. `member` and `valid_from` are "" in the pool; days are YYYY-MM-DD, both included."""

    serial: str
    member: str
    kind: str
    valid_from: str
    valid_until: str


_COLUMNS = "serial, member, kind, valid_from, valid_until"
_VALID = f"""
SELECT {_COLUMNS} FROM coupon
WHERE member = :member AND valid_until >= :on AND valid_from <= :on AND used_fact_id IS NULL
ORDER BY valid_until, serial
"""
_OUTSIDE = f"""
SELECT {_COLUMNS} FROM coupon
WHERE member = :member AND (valid_until < :on OR valid_from > :on) AND used_fact_id IS NULL
ORDER BY valid_until, serial
"""
_IN_POOL = f"""
SELECT {_COLUMNS} FROM coupon
WHERE member = '' AND kind = :kind AND valid_until >= :on AND used_fact_id IS NULL
ORDER BY valid_until, serial LIMIT 1
"""
_USE = "UPDATE coupon SET used_fact_id = ?, used_at_ms = ? WHERE serial = ? AND used_fact_id IS NULL"
_ISSUE = """
UPDATE coupon SET member = ?, valid_from = ?, valid_until = ?, issued_fact_id = ?, issued_at_ms = ?
WHERE serial = ? AND issued_fact_id IS NULL
"""
_ISSUED = f"SELECT {_COLUMNS} FROM coupon WHERE issued_fact_id = ? ORDER BY serial"
_USED = f"SELECT {_COLUMNS} FROM coupon WHERE used_fact_id = ? ORDER BY serial"
_CLEAR = "DELETE FROM coupon WHERE used_fact_id IS NULL AND issued_fact_id IS NULL"
_ADD = f"INSERT INTO coupon ({_COLUMNS}) VALUES (?, ?, ?, ?, ?) ON CONFLICT (serial) DO NOTHING"
_ADD_DOCUMENT = """
INSERT INTO coupon_document (version, sha256, coupons, pool, loaded_at_ms) VALUES (?, ?, ?, ?, ?)
"""
_LATEST = "SELECT version, sha256 FROM coupon_document ORDER BY version DESC LIMIT 1"


class Coupons:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def valid(self, member: str, on: str) -> list[Coupon]:
        """What the member can use on this day, the soonest to lapse first."""
        return self._found(_VALID, {"member": member, "on": on})

    def outside(self, member: str, on: str) -> list[Coupon]:
        """What the member holds that is not valid on this day."""
        return self._found(_OUTSIDE, {"member": member, "on": on})

    def in_pool(self, kind: str, on: str) -> Coupon | None:
        """The serial to be given next: the soonest to lapse of those that are valid on this day."""
        found = self._found(_IN_POOL, {"kind": kind, "on": on})
        return found[0] if found else None

    def use(self, serial: str, fact_id: bytes, at_ms: int) -> None:
        """Once and for ever."""
        done = self._connection.execute(_USE, (fact_id, at_ms, serial))
        assert done.rowcount == 1, f"coupon {serial} is used already"

    def issue(self, coupon: Coupon, fact_id: bytes, at_ms: int) -> None:
        """From the pool to the member, with the days that the coupon has now."""
        row = (coupon.member, coupon.valid_from, coupon.valid_until, fact_id, at_ms, coupon.serial)
        done = self._connection.execute(_ISSUE, row)
        assert done.rowcount == 1, f"coupon {coupon.serial} is no longer in the pool"

    def issued_after(self, fact_id: bytes) -> list[Coupon]:
        """What was given after this sale."""
        return self._found(_ISSUED, (fact_id,))

    def used_by(self, fact_id: bytes) -> list[Coupon]:
        return self._found(_USED, (fact_id,))

    def latest_document(self) -> tuple[int, bytes] | None:
        """(version, SHA-256 of the signed payload) of the newest document that was taken in."""
        row = self._connection.execute(_LATEST).fetchone()
        return (int(row[0]), bytes(row[1])) if row else None

    def replace_all(
        self, version: int, sha256: bytes, held: Iterable[Coupon], pool: Iterable[Coupon], at_ms: int
    ) -> None:
        """Take a document: it replaces what is unused and not given here; what is, stays as it is."""
        self._connection.execute(_CLEAR)
        counts = [self._add(coupons) for coupons in (held, pool)]
        self._connection.execute(_ADD_DOCUMENT, (version, sha256, *counts, at_ms))

    def _add(self, coupons: Iterable[Coupon]) -> int:
        rows = [(c.serial, c.member, c.kind, c.valid_from, c.valid_until) for c in coupons]
        return self._connection.executemany(_ADD, rows).rowcount if rows else 0

    def _found(self, sql: str, wanted: dict[str, str] | tuple[object, ...]) -> list[Coupon]:
        return [Coupon(*row) for row in self._connection.execute(sql, wanted)]
