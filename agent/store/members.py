"""The members who fuel here, as HQ last told us: opaque ids, credential hashes, tier, balance."""

import sqlite3
from dataclasses import dataclass

from agent.points.ledger import active, debt, pending


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the snapshot. `balance_minor` has everything of ours up to ledger `included_seq`."""

    member: str
    status: str
    tier: str
    tier_valid_until: str
    cohort: str
    birthday: tuple[int, int] | None
    balance_minor: int
    included_seq: int
    version: int
    as_of_ms: int


@dataclass(frozen=True, slots=True)
class Balance:
    """What may be shown, never what may be spent: HQ's balance plus what we booked since."""

    minor: int
    as_of_ms: int
    provisional: bool


_COLUMNS = """
member, status, tier, tier_valid_until, cohort, birth_month, birth_day,
balance_minor, included_seq, version, as_of_ms
"""
_BY_CREDENTIAL = f"""
SELECT {_COLUMNS} FROM member WHERE member = (SELECT member FROM credential WHERE credential = ?)
"""
_BY_ID = f"SELECT {_COLUMNS} FROM member WHERE member = ?"
_CLEAR_CREDENTIALS = "DELETE FROM credential"
_CLEAR_MEMBERS = "DELETE FROM member"
_ADD = """
INSERT INTO member (member, status, tier, tier_valid_until, cohort, birth_month, birth_day,
                    balance_minor, included_seq, version, as_of_ms, included_minor)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
        (SELECT coalesce(sum(minor), 0) FROM posting WHERE account IN (?, ?, ?) AND seq <= ?))
"""
_ADD_CREDENTIAL = "INSERT INTO credential (credential, member) VALUES (?, ?)"
_ADD_SNAPSHOT = "INSERT INTO snapshot (version, sha256, members, loaded_at_ms) VALUES (?, ?, ?, ?)"
_LATEST_SNAPSHOT = "SELECT version, sha256 FROM snapshot ORDER BY version DESC LIMIT 1"
_BALANCE = """
SELECT balance_minor - included_minor
           + (SELECT coalesce(sum(minor), 0) FROM account WHERE account IN (?, ?, ?)),
       as_of_ms,
       EXISTS (SELECT 1 FROM posting WHERE account IN (?, ?, ?) AND seq > member.included_seq)
FROM member WHERE member = ?
"""


class Members:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def with_credential(self, credential: str) -> Member | None:
        row = self._connection.execute(_BY_CREDENTIAL, (credential,)).fetchone()
        return _member(row) if row else None

    def get(self, member: str) -> Member | None:
        row = self._connection.execute(_BY_ID, (member,)).fetchone()
        return _member(row) if row else None

    def balance(self, member: str) -> Balance | None:
        accounts = _accounts(member)
        row = self._connection.execute(_BALANCE, (*accounts, *accounts, member)).fetchone()
        return Balance(row[0], row[1], bool(row[2])) if row else None

    def latest_snapshot(self) -> tuple[int, bytes] | None:
        """(version, SHA-256 of the signed payload) of the newest snapshot that was taken in."""
        row = self._connection.execute(_LATEST_SNAPSHOT).fetchone()
        return (int(row[0]), bytes(row[1])) if row else None

    def replace_all(
        self, version: int, sha256: bytes, members: list[tuple[Member, tuple[str, ...]]], at_ms: int
    ) -> None:
        """Take a full snapshot: each member with its credential hashes. Members not in it are gone."""
        self._connection.execute(_CLEAR_CREDENTIALS)
        self._connection.execute(_CLEAR_MEMBERS)
        for member, credentials in members:
            self._add(member)
            for credential in credentials:
                self._connection.execute(_ADD_CREDENTIAL, (credential, member.member))
        self._connection.execute(_ADD_SNAPSHOT, (version, sha256, len(members), at_ms))

    def _add(self, member: Member) -> None:
        month, day = member.birthday or (None, None)
        self._connection.execute(
            _ADD,
            (
                *(
                    member.member,
                    member.status,
                    member.tier,
                    member.tier_valid_until,
                    member.cohort,
                    month,
                    day,
                ),
                *(member.balance_minor, member.included_seq, member.version, member.as_of_ms),
                *(*_accounts(member.member), member.included_seq),
            ),
        )


def _accounts(member: str) -> tuple[str, str, str]:
    return active(member), pending(member), debt(member)


def _member(row: tuple[object, ...]) -> Member:
    member, status, tier, until, cohort, month, day, *rest = row
    birthday = None if month is None else (month, day)
    return Member(member, status, tier, until, cohort, birthday, *rest)  # type: ignore[arg-type]  # column order
