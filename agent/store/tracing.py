"""Where a member's points came from and went, and the books of days past: for commands, read only."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from agent.store.awards import Used
from agent.store.bundles import Bundles, GuardFigures, ShadowFigures, StoredBundle
from agent.store.closes import Close, close_of
from agent.store.lots import Lots, StoredLot
from agent.store.members import Bucket, Member, Members
from agent.store.notices import StoredNotice


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One member as known here. `used`: (period, what they earned and bought in it here)."""

    member: Member
    buckets: tuple[Bucket, ...]
    used: tuple[tuple[str, Used], ...]
    elsewhere: tuple[tuple[str, Used], ...]


@dataclass(frozen=True, slots=True)
class TracedMove:
    """What an entry of the ledger did to a lot. `ref`: the award the entry is about, maybe another one's."""

    seq: int
    kind: str
    ref: bytes
    at_ms: int
    minor: int


@dataclass(frozen=True, slots=True)
class TracedLot:
    """A lot with what opened it and everything that moved it, oldest first.

    `fact_id`: the sale that earned it, by rules of that `version`, or whose award was corrected; b"" and 0
    where HQ gave it otherwise. `command`: HQ's item that gave it, "" for an award.
    """

    lot: StoredLot
    fact_id: bytes
    version: int
    command: str
    moves: tuple[TracedMove, ...]


@dataclass(frozen=True, slots=True)
class PastAward:
    """An award as it can be computed again: `inputs` is JSON; `event_time_ms` is when the sale ended."""

    fact_id: bytes
    member: str
    event_time_ms: int
    inputs: str
    minor: int


_USED = "SELECT period, minor, fills, volume_ml, amount_fen FROM usage WHERE member = ? ORDER BY period"
_ELSEWHERE = """
SELECT period, minor, fills, volume_ml, amount_fen FROM usage_elsewhere WHERE member = ? ORDER BY period
"""
_AWARD = "SELECT fact_id, version, '' FROM award WHERE award_id = ?"
_ADJUSTMENT = "SELECT coalesce(fact_id, x''), 0, command FROM adjustment WHERE adjustment_id = ?"
_MOVES = """
SELECT lot_move.seq, ledger_entry.kind, ledger_entry.ref, ledger_entry.at_ms, lot_move.minor
FROM lot_move JOIN ledger_entry ON ledger_entry.seq = lot_move.seq
WHERE lot_move.lot_id = ? ORDER BY lot_move.seq
"""
_CLOSES = """
SELECT business_date, first_seq, last_seq, head, figures, closed_at_ms FROM daily_close
ORDER BY business_date DESC LIMIT ?
"""
_AWARDS_BETWEEN = """
SELECT award.fact_id, award.member, fact.event_time_ms, award.inputs, award.minor
FROM award JOIN fact ON fact.fact_id = award.fact_id
WHERE fact.event_time_ms >= ? AND fact.event_time_ms < ? ORDER BY award.stream_seq
"""
_NOTICES = """
SELECT notice_id, member, code, minor, at_ms, shown_at_ms FROM notice
WHERE :member = '' OR member = :member ORDER BY notice_id DESC LIMIT :last
"""
_WITH_CODE = "SELECT fact_id FROM fact WHERE fact_id BETWEEN ? AND ? ORDER BY fact_id"


def member_row(connection: sqlite3.Connection, member: str) -> MemberRow | None:
    members = Members(connection)
    known = members.get(member)
    if known is None:
        return None
    used, elsewhere = (
        tuple((period, Used(*row)) for period, *row in connection.execute(sql, (member,)))
        for sql in (_USED, _ELSEWHERE)
    )
    return MemberRow(known, tuple(members.buckets(member)), used, elsewhere)


def lots_of(connection: sqlite3.Connection, member: str) -> list[StoredLot]:
    """All lots of the member, oldest first."""
    return Lots(connection).of_member(member, with_rest=False)


def trace(connection: sqlite3.Connection, member: str) -> list[TracedLot]:
    """Every lot of the member and what became of it, oldest first."""
    return [_traced(connection, lot) for lot in lots_of(connection, member)]


def _traced(connection: sqlite3.Connection, lot: StoredLot) -> TracedLot:
    source = _AWARD if lot.source == "award" else _ADJUSTMENT
    fact_id, version, command = connection.execute(source, (lot.lot_id,)).fetchone()
    moves = tuple(TracedMove(*row) for row in connection.execute(_MOVES, (lot.lot_id,)))
    return TracedLot(lot, bytes(fact_id), version, command, moves)


def closes(connection: sqlite3.Connection, *, last: int) -> list[Close]:
    """The last daily closes, newest first."""
    return [close_of(row) for row in connection.execute(_CLOSES, (last,))]


def bundles(connection: sqlite3.Connection) -> list[StoredBundle]:
    """Every bundle that was ever received, by version."""
    return Bundles(connection).all_rows()


def shadow(connection: sqlite3.Connection, version: int) -> ShadowFigures:
    return Bundles(connection).shadow(version)


def guard(connection: sqlite3.Connection, version: int) -> GuardFigures:
    return Bundles(connection).guard(version)


def awards_between(connection: sqlite3.Connection, from_ms: int, to_ms: int) -> Iterator[PastAward]:
    """Awards of sales that ended in [from_ms, to_ms), in the order in which they were settled."""
    for row in connection.execute(_AWARDS_BETWEEN, (from_ms, to_ms)):
        yield PastAward(*row)


def notices(connection: sqlite3.Connection, *, last: int, member: str = "") -> list[StoredNotice]:
    """The last notices of one member, or of everybody, newest first."""
    wanted = {"member": member, "last": last}
    return [StoredNotice(*row) for row in connection.execute(_NOTICES, wanted)]


def fact_with_code(connection: sqlite3.Connection, ids: tuple[bytes, bytes]) -> list[bytes]:
    """Facts whose id a slip's code stands for, `ids` being the lowest and the highest: almost always one."""
    return [bytes(row[0]) for row in connection.execute(_WITH_CODE, ids)]
