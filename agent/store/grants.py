"""Grants: what may be spent here without asking HQ, epoch by epoch (points.md 6)."""

import json
import sqlite3
from dataclasses import dataclass

from agent.points.rights import Grant, GrantState


@dataclass(frozen=True, slots=True)
class StoredGrant:
    """One row of `rights_grant`. `buckets`: (last day or "", minor units), which points they are.

    `statements`: how many of its statements HQ was sent.
    """

    grant: Grant
    buckets: tuple[tuple[str, int], ...]
    statements: int
    granted_at_ms: int
    closed_at_ms: int | None


_COLUMNS = """
grant_id, grant_epoch, member, minor, spent_minor, valid_until_ms, state,
buckets, statements, granted_at_ms, closed_at_ms
"""
_ADD = f"INSERT INTO rights_grant ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_NEWEST = f"SELECT {_COLUMNS} FROM rights_grant WHERE grant_id = ? ORDER BY grant_epoch DESC LIMIT 1"
_OF_MEMBER = (
    f"SELECT {_COLUMNS} FROM rights_grant WHERE member = ? ORDER BY granted_at_ms, grant_id, grant_epoch"
)
_OVER = f"""
SELECT {_COLUMNS} FROM rights_grant
WHERE state = 'ACTIVE' AND valid_until_ms <= ? ORDER BY valid_until_ms LIMIT ?
"""
_CLOSE = """
UPDATE rights_grant SET state = ?, statements = ?, closed_at_ms = coalesce(closed_at_ms, ?)
WHERE grant_id = ? AND grant_epoch = ?
"""


class Grants:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, grant: Grant, buckets: tuple[tuple[str, int], ...], at_ms: int) -> None:
        """Keep a new grant or a new epoch of one, not closed and without statements."""
        self._connection.execute(
            _ADD,
            (
                *(grant.grant, grant.epoch, grant.member, grant.minor, grant.spent_minor),
                *(grant.valid_until_ms, grant.state.value),
                *(json.dumps(buckets, separators=(",", ":")), 0, at_ms, None),
            ),
        )

    def newest(self, grant: str) -> StoredGrant | None:
        """The grant as of its highest epoch."""
        row = self._connection.execute(_NEWEST, (grant,)).fetchone()
        return _stored(row) if row else None

    def of_member(self, member: str) -> list[StoredGrant]:
        """Every epoch of every grant of the member, oldest first, closed ones too."""
        return [_stored(row) for row in self._connection.execute(_OF_MEMBER, (member,))]

    def over(self, now_ms: int, limit: int) -> list[StoredGrant]:
        """At most `limit` open grants whose time is over by now, the longest over first."""
        return [_stored(row) for row in self._connection.execute(_OVER, (now_ms, limit))]

    def close(self, grant: Grant, state: GrantState, statements: int, at_ms: int) -> None:
        """Nothing is spent under this epoch any more; `statements` HQ was sent, this closing included."""
        self._connection.execute(_CLOSE, (state.value, statements, at_ms, grant.grant, grant.epoch))


def _stored(row: tuple[object, ...]) -> StoredGrant:
    name, epoch, member, minor, spent_minor, valid_until_ms, state, buckets, *rest = row
    grant = Grant(name, epoch, member, minor, spent_minor, valid_until_ms, GrantState(state))  # type: ignore[arg-type]  # column order
    parts = tuple((day, part) for day, part in json.loads(str(buckets)))
    return StoredGrant(grant, parts, *rest)  # type: ignore[arg-type]  # column order
