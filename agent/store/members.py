"""The members who fuel here, as HQ last told us: opaque ids, credential hashes, tier, balance, usage."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agent.points.inputs import AwardInputs
from agent.points.ledger import active, debt, pending
from agent.store.awards import Used, counted, periods
from agent.store.forks import Forks


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the snapshot. `balance_minor` has everything of ours up to ledger `included_seq`.

    `lapsed_through`: what lapsed up to this day is out of the balance already; "" says nothing of it.
    `profile`: JSON of what the handlers know besides (`agent/messages/snapshot.py`, `Profile`).
    """

    member: str
    status: str
    tier: str
    tier_valid_until: str
    cohort: str
    birthday: tuple[int, int] | None
    balance_minor: int
    included_seq: int
    version: int
    lapsed_through: str
    as_of_ms: int
    profile: str = "{}"


@dataclass(frozen=True, slots=True)
class Bucket:
    """The part of HQ's balance that is worth something up to `lapses_on` ("" for ever), or, where it
    lapsed while this station was dark, up to `honoured_until`. Minor units."""

    lapses_on: str
    minor: int
    honoured_until: str = ""


@dataclass(frozen=True, slots=True)
class LapsedBucket:
    """Whose bucket lapsed after `lapses_on`, and how much it was, minor units."""

    member: str
    lapses_on: str
    minor: int


@dataclass(frozen=True, slots=True)
class KnownMember:
    """One member as a snapshot names them. `usage`: (period, what was earned and bought in it anywhere).

    `included_epoch`: the incarnation of this station's ledger that `member.included_seq` counts in.
    """

    member: Member
    credentials: tuple[str, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    usage: tuple[tuple[str, Used], ...] = ()
    included_epoch: int = 1


@dataclass(frozen=True, slots=True)
class Balance:
    """What may be shown, never what may be spent: HQ's balance plus what we booked since."""

    minor: int
    as_of_ms: int
    provisional: bool


_COLUMNS = """
member, status, tier, tier_valid_until, cohort, birth_month, birth_day,
balance_minor, included_seq, version, lapsed_through, as_of_ms, profile
"""
_BY_CREDENTIAL = f"""
SELECT {_COLUMNS} FROM member WHERE member = (SELECT member FROM credential WHERE credential = ?)
"""
_BY_ID = f"SELECT {_COLUMNS} FROM member WHERE member = ?"
_ALL = f"SELECT {_COLUMNS} FROM member"
_SET_STATUS = "UPDATE member SET status = ? WHERE member = ?"
_SET_TIER = "UPDATE member SET tier = ?, tier_valid_until = ? WHERE member = ?"
_OWNER = "SELECT member FROM credential WHERE credential = ?"
_FORGET_CREDENTIALS = "DELETE FROM credential WHERE member = ?"
_FORGET_BUCKETS = "DELETE FROM bucket WHERE member = ?"
_FORGET_USAGE = "DELETE FROM usage_elsewhere WHERE member = ?"
_FORGET_MEMBER = "DELETE FROM member WHERE member = ?"
_FORGET_DAYS = "UPDATE lot SET bucket_on = '' WHERE member = ? AND bucket_on <> ''"
_HONOURED = "SELECT member, lapses_on, honoured_until FROM bucket WHERE honoured_until <> ''"
_CLEAR_CREDENTIALS = "DELETE FROM credential"
_CLEAR_BUCKETS = "DELETE FROM bucket"
_CLEAR_USAGE = "DELETE FROM usage_elsewhere"
_CLEAR_MEMBERS = "DELETE FROM member"
_CLEAR_DAYS = "UPDATE lot SET bucket_on = '' WHERE bucket_on <> ''"
_ADD = f"""
INSERT INTO member ({_COLUMNS}, included_minor)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
        (SELECT coalesce(sum(minor), 0) FROM posting WHERE account IN (?, ?, ?) AND seq <= ?))
"""
_ADD_CREDENTIAL = "INSERT INTO credential (credential, member) VALUES (?, ?)"
_ADD_BUCKET = "INSERT INTO bucket (member, lapses_on, minor, honoured_until) VALUES (?, ?, ?, ?)"
_ADD_USAGE = """
INSERT INTO usage_elsewhere (member, period, minor, fills, volume_ml, amount_fen) VALUES (?, ?, ?, ?, ?, ?)
"""
_ADD_SNAPSHOT = """
INSERT INTO snapshot (version, base, sha256, members, loaded_at_ms)
VALUES (?, ?, ?, (SELECT count(*) FROM member), ?)
"""
_LATEST_SNAPSHOT = "SELECT version, sha256 FROM snapshot ORDER BY version DESC LIMIT 1"
_OURS = "SELECT minor, fills, volume_ml, amount_fen FROM usage WHERE member = ? AND period = ?"
_FIRST_NOT_INCLUDED = """
SELECT award.stream_seq FROM ledger_entry JOIN award ON award.award_id = ledger_entry.ref
WHERE ledger_entry.kind = 'award' AND ledger_entry.seq > ? ORDER BY ledger_entry.seq LIMIT 1
"""
_AWARDS_SINCE = "SELECT inputs, minor, reason FROM award WHERE member = ? AND stream_seq >= ?"
_BUCKETS = (
    "SELECT lapses_on, minor, honoured_until FROM bucket WHERE member = ? ORDER BY lapses_on = '', lapses_on"
)
_HONOUR = "UPDATE bucket SET honoured_until = ? WHERE member = ? AND lapses_on = ?"
_TO_HONOUR = """
SELECT bucket.member, bucket.lapses_on, bucket.minor FROM bucket JOIN member ON member.member = bucket.member
WHERE bucket.lapses_on BETWEEN :first AND :last AND bucket.lapses_on > member.lapsed_through
  AND bucket.honoured_until < :today
ORDER BY bucket.lapses_on, bucket.member LIMIT :limit
"""
_BALANCE = """
SELECT balance_minor - included_minor
           + (SELECT coalesce(sum(minor), 0) FROM account WHERE account IN (?, ?, ?)),
       as_of_ms,
       EXISTS (SELECT 1 FROM posting WHERE account IN (?, ?, ?) AND seq > member.included_seq),
       included_seq, lapsed_through
FROM member WHERE member = ?
"""
_LAPSED = """
SELECT bucket.lapses_on, bucket.minor FROM bucket JOIN member ON member.member = bucket.member
WHERE bucket.member = :member AND bucket.lapses_on <> ''
  AND bucket.lapses_on > member.lapsed_through AND bucket.lapses_on < :today
  AND bucket.honoured_until < :today
"""
_ANYTHING_LAPSED = f"""
SELECT EXISTS ({_LAPSED})
    OR EXISTS (SELECT 1 FROM posting WHERE account = 'programme:expired' AND seq > :included_seq)
"""
_DRAWN = """
SELECT ledger_entry.kind, iif(lot.bucket_on = '', lot.lapses_on, lot.bucket_on), lot_move.minor
FROM ledger_entry JOIN lot_move ON lot_move.seq = ledger_entry.seq JOIN lot ON lot.lot_id = lot_move.lot_id
WHERE ledger_entry.seq IN (SELECT seq FROM posting WHERE account IN (?, ?) AND seq > ?)
  AND (SELECT min(seq) FROM lot_move AS first WHERE first.lot_id = lot.lot_id) <= ?
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

    def balance(self, member: str, today: str) -> Balance | None:
        """What is shown on business date `today`; None if the member is not known here (I20, I25).

            HQ's balance
          + our postings to active, pending and debt with seq > included_seq
          + what lapsed here (kind 'expiry') of lots whose award has seq <= included_seq
          - HQ's buckets that lapsed after lapsed_through and before today and are not honoured,
            each without what we took since from lots of that day whose award has seq <= included_seq
          + what we took since from such lots of a day up to lapsed_through

        Lots up to the watermark are in HQ's buckets. So a lapse of theirs counts there and not as our
        posting, and what left such a lot first does not lapse again, neither with its bucket nor with
        one that HQ has swept before it heard of us.
        """
        accounts = (active(member), pending(member), debt(member))
        row = self._connection.execute(_BALANCE, (*accounts, *accounts, member)).fetchone()
        if row is None:
            return None
        minor, as_of_ms, provisional, included_seq, lapsed_through = row
        wanted = {"member": member, "today": today, "included_seq": included_seq}
        swept = provisional and lapsed_through
        if swept or self._connection.execute(_ANYTHING_LAPSED, wanted).fetchone()[0]:
            minor += self._lapses(member, today, included_seq, lapsed_through)
        return Balance(minor, as_of_ms, bool(provisional))

    def _lapses(self, member: str, today: str, included_seq: int, lapsed_through: str) -> int:
        """The terms of `balance` from the third on."""
        expired_minor, drawn = self._drawn(member, included_seq)
        lapsed = self._connection.execute(_LAPSED, {"member": member, "today": today})
        gone = sum(max(0, int(minor) - drawn[lapses_on]) for lapses_on, minor in lapsed)
        swept = sum(minor for day, minor in drawn.items() if day and day <= lapsed_through)
        return int(expired_minor - gone + swept)

    def _drawn(self, member: str, included_seq: int) -> tuple[int, Counter[str]]:
        """What left lots that HQ knows since `included_seq`: by lapse; otherwise, by the last day."""
        expired_minor = 0
        drawn: Counter[str] = Counter()
        wanted = (active(member), pending(member), included_seq, included_seq)
        for kind, lapses_on, minor in self._connection.execute(_DRAWN, wanted):
            if kind == "expiry":
                expired_minor -= minor
            else:
                drawn[lapses_on] -= minor
        return expired_minor, drawn

    def drawn(self, member: str) -> Counter[str]:
        """By last day, what was taken here from points that are in HQ's buckets still, minor units."""
        known = self.get(member)
        return self._drawn(member, known.included_seq)[1] if known else Counter()

    def buckets(self, member: str) -> list[Bucket]:
        """HQ's balance by the day it lapses, the soonest first; what never lapses last."""
        return [Bucket(*row) for row in self._connection.execute(_BUCKETS, (member,))]

    def to_honour(self, first: str, last: str, today: str, limit: int) -> list[LapsedBucket]:
        """At most `limit` buckets whose last day lies between these days and that count no more."""
        wanted = {"first": first, "last": last, "today": today, "limit": limit}
        return [LapsedBucket(*row) for row in self._connection.execute(_TO_HONOUR, wanted)]

    def honour(self, member: str, lapses_on: str, until: str) -> None:
        """A bucket that lapsed while this station was dark counts until this day."""
        self._connection.execute(_HONOUR, (until, member, lapses_on))

    def latest_snapshot(self) -> tuple[int, bytes] | None:
        """(version, SHA-256 of what was signed) of the newest snapshot or delta that was taken in."""
        row = self._connection.execute(_LATEST_SNAPSHOT).fetchone()
        return (int(row[0]), bytes(row[1])) if row else None

    def all(self) -> dict[str, Member]:
        """Every member who is known here, by id."""
        return {row[0]: _member(row) for row in self._connection.execute(_ALL)}

    def owner(self, credential: str) -> str | None:
        """Whose credential this is; None if nobody's who is known here."""
        row = self._connection.execute(_OWNER, (credential,)).fetchone()
        return str(row[0]) if row else None

    def set_status(self, member: str, status: str) -> None:
        """ACTIVE, FROZEN or CLOSED until HQ's next word on the member."""
        self._connection.execute(_SET_STATUS, (status, member))

    def set_tier(self, member: str, tier: str, valid_until: str) -> None:
        """`valid_until`: the last day, "" without end."""
        self._connection.execute(_SET_TIER, (tier, valid_until, member))

    def replace_all(self, version: int, sha256: bytes, members: Sequence[KnownMember], at_ms: int) -> None:
        """Take a full snapshot; members not in it are gone.

        `included_seq` is kept as far as it reaches in this incarnation of the file. A bucket that was
        honoured stays so. Usage elsewhere is HQ's figure without what we had awarded by then.
        """
        taken = _Taking(self._connection, self._honoured())
        for clear in (_CLEAR_CREDENTIALS, _CLEAR_BUCKETS, _CLEAR_USAGE, _CLEAR_MEMBERS, _CLEAR_DAYS):
            self._connection.execute(clear)
        for known in members:
            taken.add(known)
        self._connection.execute(_ADD_SNAPSHOT, (version, 0, sha256, at_ms))

    def replace_some(
        self,
        version: int,
        base: int,
        sha256: bytes,
        members: Sequence[KnownMember],
        gone: Sequence[str],
        at_ms: int,
    ) -> None:
        """Take a delta to version `base`: these members anew, as in `replace_all`, without those `gone`."""
        taken = _Taking(self._connection, self._honoured())
        for name in (*gone, *(known.member.member for known in members)):
            for forget in (_FORGET_CREDENTIALS, _FORGET_BUCKETS, _FORGET_USAGE, _FORGET_MEMBER, _FORGET_DAYS):
                self._connection.execute(forget, (name,))
        for known in members:
            taken.add(known)
        self._connection.execute(_ADD_SNAPSHOT, (version, base, sha256, at_ms))

    def _honoured(self) -> dict[tuple[str, str], str]:
        rows = self._connection.execute(_HONOURED)
        return {(member, lapses_on): until for member, lapses_on, until in rows}


class _Taking:
    """One snapshot or delta being written."""

    def __init__(self, connection: sqlite3.Connection, honoured: dict[tuple[str, str], str]) -> None:
        self._connection = connection
        self._honoured = honoured
        self._forks = Forks(connection)
        self._reach: dict[tuple[int, int], int] = {}
        self._first_stream_seq: dict[int, int | None] = {}

    def add(self, known: KnownMember) -> None:
        name = known.member.member
        included_seq = self._included(known.included_epoch, known.member.included_seq)
        self._add_member(known.member, included_seq)
        for credential in known.credentials:
            self._connection.execute(_ADD_CREDENTIAL, (credential, name))
        for bucket in known.buckets:
            until = self._honoured.get((name, bucket.lapses_on), bucket.honoured_until)
            self._connection.execute(_ADD_BUCKET, (name, bucket.lapses_on, bucket.minor, until))
        if known.usage:
            self._add_usage(name, known.usage, included_seq)

    def _included(self, epoch: int, seq: int) -> int:
        if (epoch, seq) not in self._reach:
            self._reach[epoch, seq] = self._forks.included_seq(epoch, seq)
        return self._reach[epoch, seq]

    def _add_member(self, member: Member, included_seq: int) -> None:
        month, day = member.birthday or (None, None)
        name = member.member
        self._connection.execute(
            _ADD,
            (
                *(name, member.status, member.tier, member.tier_valid_until, member.cohort, month, day),
                *(member.balance_minor, included_seq, member.version),
                *(member.lapsed_through, member.as_of_ms, member.profile),
                *(active(name), pending(name), debt(name), included_seq),
            ),
        )

    def _add_usage(self, member: str, usage: tuple[tuple[str, Used], ...], included_seq: int) -> None:
        later = self._awarded_after(member, included_seq)
        for period, anywhere in usage:
            row = self._connection.execute(_OURS, (member, period)).fetchone()
            ours = Used(*row) if row else Used()
            elsewhere = anywhere.less(ours.less(later.get(period, Used())))
            self._connection.execute(
                _ADD_USAGE,
                (member, period, elsewhere.minor, elsewhere.fills, elsewhere.volume_ml, elsewhere.amount_fen),
            )

    def _awarded_after(self, member: str, included_seq: int) -> dict[str, Used]:
        """What we awarded the member, by period, that HQ's figures cannot have.

        An award without points has no ledger entry: up to the first award that HQ lacks it counts as
        included, for nothing may be counted twice.
        """
        later: dict[str, Used] = {}
        since = self._first_not_included(included_seq)
        if since is None:
            return later
        for text, minor, reason in self._connection.execute(_AWARDS_SINCE, (member, since)):
            inputs = AwardInputs.model_validate_json(text)
            for period in periods(inputs):
                later[period] = later.get(period, Used()) + counted(inputs, minor, reason)
        return later

    def _first_not_included(self, included_seq: int) -> int | None:
        if included_seq == 0:
            return 0
        if included_seq not in self._first_stream_seq:
            row = self._connection.execute(_FIRST_NOT_INCLUDED, (included_seq,)).fetchone()
            self._first_stream_seq[included_seq] = int(row[0]) if row else None
        return self._first_stream_seq[included_seq]


def _member(row: tuple[object, ...]) -> Member:
    member, status, tier, until, cohort, month, day, *rest = row
    birthday = None if month is None else (month, day)
    return Member(member, status, tier, until, cohort, birthday, *rest)  # type: ignore[arg-type]  # column order
