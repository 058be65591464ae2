"""Awards, and what each member has earned and bought in a business day and month."""

import sqlite3
from dataclasses import dataclass, fields
from operator import attrgetter

from agent.points.inputs import AwardInputs


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


@dataclass(frozen=True, slots=True)
class Used:
    """What a member earned and bought in one period: points in minor units, sales with fuel, ml, fen."""

    minor: int = 0
    fills: int = 0
    volume_ml: int = 0
    amount_fen: int = 0

    def __add__(self, other: "Used") -> "Used":
        return Used(
            self.minor + other.minor,
            self.fills + other.fills,
            self.volume_ml + other.volume_ml,
            self.amount_fen + other.amount_fen,
        )

    def less(self, other: "Used") -> "Used":
        """Without `other`, and never below nothing."""
        return Used(
            max(0, self.minor - other.minor),
            max(0, self.fills - other.fills),
            max(0, self.volume_ml - other.volume_ml),
            max(0, self.amount_fen - other.amount_fen),
        )


def counted(inputs: AwardInputs, minor: int, reason: str) -> Used:
    """What one award adds to the usage of its day and of its month: nothing if it has a reason.

    A sale with fuel is one fill, also if a cap left it without points; ml and fen are of all lines.
    """
    if reason:
        return Used()
    volume_ml = sum(line.volume_ml for line in inputs.lines)
    amount_fen = sum(line.amount_fen for line in inputs.lines)
    return Used(minor, int(volume_ml > 0), volume_ml, amount_fen)


def periods(inputs: AwardInputs) -> tuple[str, str]:
    """The business day 'YYYY-MM-DD' and the month 'YYYY-MM' that an award counts in."""
    return inputs.local.business_date, inputs.local.business_date[:7]


_NAMES = tuple(field.name for field in fields(StoredAward))
_ROW = attrgetter(*_NAMES)
_COLUMNS = ", ".join(_NAMES)
_OF_FACT = f"SELECT {_COLUMNS} FROM award WHERE fact_id = ?"
_BY_ID = f"SELECT {_COLUMNS} FROM award WHERE award_id = ?"
_NEWEST = f"SELECT {_COLUMNS} FROM award ORDER BY rowid DESC LIMIT ?"
_ADD = f"INSERT INTO award ({_COLUMNS}) VALUES ({', '.join('?' * len(_NAMES))})"
_USED = """
SELECT coalesce(sum(minor), 0), coalesce(sum(fills), 0),
       coalesce(sum(volume_ml), 0), coalesce(sum(amount_fen), 0)
FROM (SELECT minor, fills, volume_ml, amount_fen FROM usage WHERE member = :member AND period = :period
      UNION ALL
      SELECT minor, fills, volume_ml, amount_fen FROM usage_elsewhere
      WHERE member = :member AND period = :period)
"""
_USE = """
INSERT INTO usage (member, period, minor, fills, volume_ml, amount_fen) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (member, period) DO UPDATE
SET minor = minor + excluded.minor, fills = fills + excluded.fills,
    volume_ml = volume_ml + excluded.volume_ml, amount_fen = amount_fen + excluded.amount_fen
"""


class Awards:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def of_fact(self, fact_id: bytes) -> StoredAward | None:
        row = self._connection.execute(_OF_FACT, (fact_id,)).fetchone()
        return StoredAward(*row) if row else None

    def get(self, award_id: bytes) -> StoredAward | None:
        """The award that opened the lot of the same id."""
        row = self._connection.execute(_BY_ID, (award_id,)).fetchone()
        return StoredAward(*row) if row else None

    def newest(self, limit: int) -> list[StoredAward]:
        """The awards that were settled last, the last one first."""
        return [StoredAward(*row) for row in self._connection.execute(_NEWEST, (limit,))]

    def add(self, award: StoredAward) -> None:
        self._connection.execute(_ADD, _ROW(award))

    def used(self, member: str, period: str) -> Used:
        """In a business day or month, here and (by HQ's word) elsewhere; refunds are not given back."""
        row = self._connection.execute(_USED, {"member": member, "period": period}).fetchone()
        return Used(*row)

    def use(
        self, member: str, period: str, *, minor: int, fills: int, volume_ml: int, amount_fen: int
    ) -> None:
        """Add what one award `counted` to one of its `periods`; call it once for each of them."""
        self._connection.execute(_USE, (member, period, minor, fills, volume_ml, amount_fen))
