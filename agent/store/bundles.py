"""Rule bundles as their signed bytes, the states of their life, and which one judges an instant.

VERIFIED and SHADOW wait; one is ACTIVE; RETIRED ones still judge what ended while they were in force;
a REJECTED one judges nothing any more. `in_force_from_ms` is set when a bundle becomes ACTIVE.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Literal

from agent.points.rules import Bundle, BundleRefused, parse_bundle
from agent.points.terms import Ratio

State = Literal["VERIFIED", "SHADOW", "ACTIVE", "RETIRED", "REJECTED"]


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """One row of `bundle`; the fields stand in the order of the columns.

    `body`: the signed bytes. `reason`: why it is in this state, or "". Event times from
    `in_force_from_ms` on are its, None before it is ACTIVE; nothing was settled by it before
    `activated_at_ms`.
    """

    bundle: str
    version: int
    sha256: bytes
    effective_from_ms: int
    body: bytes
    received_at_ms: int
    state: State
    state_at_ms: int
    reason: str = ""
    in_force_from_ms: int | None = None
    activated_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """HQ's word on how many stations a bundle is for: `percent` 0 to 100, or that it is `withdrawn`."""

    serial: int
    rollout: str
    version: int
    percent: int
    withdrawn: bool
    received_at_ms: int


@dataclass(frozen=True, slots=True)
class ShadowFigures:
    """What a candidate would have given on live sales: `more` and `fewer` of them with other points."""

    sales: int = 0
    more: int = 0
    fewer: int = 0
    active_minor: int = 0
    candidate_minor: int = 0


@dataclass(frozen=True, slots=True)
class GuardFigures:
    """What the guardrails look at, since the bundle became ACTIVE."""

    sales: int = 0
    declined: int = 0
    mismatched: int = 0
    crashes: int = 0


@dataclass(frozen=True, slots=True)
class GuardMarks:
    """Seqs of the ledger stream: its end when the bundle became ACTIVE, and up to where it was checked."""

    since_seq: int = 0
    checked_seq: int = 0


_NAMES = tuple(field.name for field in fields(StoredBundle))
_ROW = attrgetter(*_NAMES)
_COLUMNS = ", ".join(_NAMES)
_ADD = f"INSERT INTO bundle ({_COLUMNS}) VALUES ({', '.join('?' * len(_NAMES))})"
_HASH = "SELECT sha256 FROM bundle WHERE bundle = ? AND version = ?"
_NEWEST_VERSION = "SELECT max(version) FROM bundle"
_GET = f"SELECT {_COLUMNS} FROM bundle WHERE version = ?"
_ALL = f"SELECT {_COLUMNS} FROM bundle ORDER BY version"
_IN_FORCE = """
SELECT in_force_from_ms, version FROM bundle
WHERE state IN ('ACTIVE', 'RETIRED') AND in_force_from_ms IS NOT NULL
ORDER BY version DESC
"""
_JUDGED = "SELECT version FROM bundle WHERE state IN ('ACTIVE', 'RETIRED') ORDER BY version"
_CANDIDATE = "SELECT version FROM bundle WHERE state IN ('VERIFIED', 'SHADOW') ORDER BY version DESC LIMIT 1"
_ACTIVE = f"SELECT {_COLUMNS} FROM bundle WHERE state = 'ACTIVE' ORDER BY version DESC LIMIT 1"
_ACTIVE_VERSION = "SELECT version FROM bundle WHERE state = 'ACTIVE' ORDER BY version DESC LIMIT 1"
_PREVIOUS_GOOD = f"""
SELECT {_COLUMNS} FROM bundle WHERE state = 'RETIRED' AND reason = '' ORDER BY version DESC LIMIT 1
"""
_BODY = "SELECT body FROM bundle WHERE version = ?"
_MOVE = """
UPDATE bundle SET state = :state, state_at_ms = :at_ms, reason = :reason,
    in_force_from_ms = coalesce(:in_force_from_ms, in_force_from_ms),
    activated_at_ms = iif(:state = 'ACTIVE', coalesce(activated_at_ms, :at_ms), activated_at_ms)
WHERE version = :version
"""
_ROLLOUT_COLUMNS = "serial, rollout, version, percent, withdrawn, received_at_ms"
_ROLLOUT = f"SELECT {_ROLLOUT_COLUMNS} FROM rollout ORDER BY serial DESC LIMIT 1"
_ROLLOUT_OF = f"SELECT {_ROLLOUT_COLUMNS} FROM rollout WHERE version = ? ORDER BY serial DESC LIMIT 1"
_WITHDRAWN = "SELECT 1 FROM rollout WHERE version = ? AND withdrawn LIMIT 1"
_ADD_ROLLOUT = f"INSERT INTO rollout ({_ROLLOUT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
_SHADOW = "SELECT sales, more, fewer, active_minor, candidate_minor FROM shadow WHERE version = ?"
_COUNT_SHADOW = """
INSERT INTO shadow (version, sales, more, fewer, active_minor, candidate_minor) VALUES (?, 1, ?, ?, ?, ?)
ON CONFLICT (version) DO UPDATE
SET sales = sales + 1, more = more + excluded.more, fewer = fewer + excluded.fewer,
    active_minor = active_minor + excluded.active_minor,
    candidate_minor = candidate_minor + excluded.candidate_minor
"""
_GUARD = "SELECT sales, declined, mismatched, crashes FROM guard WHERE version = ?"
_COUNT_GUARD = """
INSERT INTO guard (version, sales, declined, mismatched, crashes) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (version) DO UPDATE
SET sales = sales + excluded.sales, declined = declined + excluded.declined,
    mismatched = mismatched + excluded.mismatched, crashes = crashes + excluded.crashes
"""
_BEGIN_GUARD = """
INSERT OR REPLACE INTO guard (version, sales, declined, mismatched, crashes, since_seq, checked_seq)
VALUES (?, 0, 0, 0, 0, ?, ?)
"""
_FORGIVE_CRASHES = "UPDATE guard SET crashes = 0 WHERE version = ?"
_GUARD_MARKS = "SELECT since_seq, checked_seq FROM guard WHERE version = ?"
_CHECKED = "UPDATE guard SET checked_seq = ? WHERE version = ?"


class Bundles:
    """What was parsed is kept between transactions: parsing a bundle costs more than a sale."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._parsed: dict[int, Bundle] = {}
        self._judging: list[tuple[int, int]] | None = None
        self._ratios: dict[int, Ratio] | None = None
        self._candidate: int | None = None
        self._candidate_is_known = False
        self._active: int | None = None
        self._active_is_known = False

    def forget(self) -> None:
        """A change was taken back: what was read may never have been stored."""
        self._parsed.clear()
        self._changed()

    def in_force(self, at_ms: int) -> Bundle | None:
        """The bundle that judges what happened at `at_ms`, however late the question is asked (I22)."""
        if self._judging is None:
            self._judging = self._connection.execute(_IN_FORCE).fetchall()
        for in_force_from_ms, version in self._judging:  # the newest first: it goes before older ones
            if in_force_from_ms <= at_ms:
                return self.parsed(version)
        return None

    def candidate(self) -> Bundle | None:
        """The newest bundle that waits for its rollout or is judged in shadow."""
        if not self._candidate_is_known:
            row = self._connection.execute(_CANDIDATE).fetchone()
            self._candidate, self._candidate_is_known = (int(row[0]) if row else None), True
        return None if self._candidate is None else self.parsed(self._candidate)

    def active_version(self) -> int | None:
        """Of the bundle that judges now: asked at every sale, so without its bytes."""
        if not self._active_is_known:
            row = self._connection.execute(_ACTIVE_VERSION).fetchone()
            self._active, self._active_is_known = (int(row[0]) if row else None), True
        return self._active

    def active(self) -> StoredBundle | None:
        row = self._connection.execute(_ACTIVE).fetchone()
        return StoredBundle(*row) if row else None

    def previous_good(self) -> StoredBundle | None:
        """The bundle to go back to: the newest RETIRED one that nothing was said against."""
        row = self._connection.execute(_PREVIOUS_GOOD).fetchone()
        return StoredBundle(*row) if row else None

    def get(self, version: int) -> StoredBundle | None:
        row = self._connection.execute(_GET, (version,)).fetchone()
        return StoredBundle(*row) if row else None

    def parsed(self, version: int) -> Bundle:
        """A stored bundle, parsed. It must be here."""
        if version not in self._parsed:
            body = bytes(self._connection.execute(_BODY, (version,)).fetchone()[0])
            bundle = parse_bundle(body)
            assert not isinstance(bundle, BundleRefused), f"stored bundle version {version} does not parse"
            self._parsed[version] = bundle
        return self._parsed[version]

    def ratios(self) -> Mapping[int, Ratio]:
        """What points could be redeemed at, by version: of every bundle that ever judged here."""
        if self._ratios is None:
            versions = [version for (version,) in self._connection.execute(_JUDGED)]
            terms = [bundle.redemption for bundle in map(self.parsed, versions)]
            self._ratios = {ratio.version: ratio for one in terms if one for ratio in one.ratio}
        return self._ratios

    def all_rows(self) -> list[StoredBundle]:
        """Every bundle that was ever received, by version."""
        return [StoredBundle(*row) for row in self._connection.execute(_ALL)]

    def hash_of(self, bundle: str, version: int) -> bytes | None:
        row = self._connection.execute(_HASH, (bundle, version)).fetchone()
        return bytes(row[0]) if row else None

    def newest_version(self) -> int:
        """0 before the first bundle."""
        return int(self._connection.execute(_NEWEST_VERSION).fetchone()[0] or 0)

    def add(self, stored: StoredBundle) -> None:
        self._connection.execute(_ADD, _ROW(stored))
        self._changed()

    def move(
        self, version: int, state: State, at_ms: int, reason: str = "", in_force_from_ms: int | None = None
    ) -> None:
        """Write a bundle's next state; `in_force_from_ms` None leaves it as it was.

        Who makes a bundle ACTIVE retires or rejects the former one first, in the same transaction.
        """
        self._connection.execute(
            _MOVE,
            {
                "version": version,
                "state": state,
                "at_ms": at_ms,
                "reason": reason,
                "in_force_from_ms": in_force_from_ms,
            },
        )
        self._changed()

    def newest_rollout(self) -> Rollout | None:
        return _rollout(self._connection.execute(_ROLLOUT).fetchone())

    def rollout_of(self, version: int) -> Rollout | None:
        """HQ's newest word on this version, whatever it said of others since."""
        return _rollout(self._connection.execute(_ROLLOUT_OF, (version,)).fetchone())

    def was_withdrawn(self, version: int) -> bool:
        """Whether HQ has ever taken this version back, also before it came."""
        return self._connection.execute(_WITHDRAWN, (version,)).fetchone() is not None

    def add_rollout(self, word: Rollout) -> None:
        """Keep HQ's word; a serial that is here already is a mistake of the caller's."""
        row = (word.serial, word.rollout, word.version, word.percent, int(word.withdrawn))
        self._connection.execute(_ADD_ROLLOUT, (*row, word.received_at_ms))

    def shadow(self, version: int) -> ShadowFigures:
        row = self._connection.execute(_SHADOW, (version,)).fetchone()
        return ShadowFigures(*row) if row else ShadowFigures()

    def count_shadow(
        self, version: int, *, more: int, fewer: int, active_minor: int, candidate_minor: int
    ) -> None:
        """One more sale judged by the candidate: `more` or `fewer` is 1 if it gave other points."""
        self._connection.execute(_COUNT_SHADOW, (version, more, fewer, active_minor, candidate_minor))

    def guard(self, version: int) -> GuardFigures:
        row = self._connection.execute(_GUARD, (version,)).fetchone()
        return GuardFigures(*row) if row else GuardFigures()

    def count_guard(
        self, version: int, *, sales: int = 0, declined: int = 0, mismatched: int = 0, crashes: int = 0
    ) -> None:
        """Add to what the guardrails look at."""
        self._connection.execute(_COUNT_GUARD, (version, sales, declined, mismatched, crashes))

    def begin_guard(self, version: int, ledger_seq: int) -> None:
        """Count anew for a bundle that becomes ACTIVE; `ledger_seq`: the end of the ledger stream now."""
        self._connection.execute(_BEGIN_GUARD, (version, ledger_seq, ledger_seq))

    def forgive_crashes(self, version: int) -> None:
        self._connection.execute(_FORGIVE_CRASHES, (version,))

    def guard_marks(self, version: int) -> GuardMarks:
        row = self._connection.execute(_GUARD_MARKS, (version,)).fetchone()
        return GuardMarks(*row) if row else GuardMarks()

    def checked(self, version: int, ledger_seq: int) -> None:
        """Awards up to this seq of the ledger stream were computed again."""
        self._connection.execute(_CHECKED, (ledger_seq, version))

    def _changed(self) -> None:
        self._judging = None
        self._ratios = None
        self._candidate_is_known = False
        self._active_is_known = False


def _rollout(row: tuple[Any, ...] | None) -> Rollout | None:
    if row is None:
        return None
    serial, rollout, version, percent, withdrawn, received_at_ms = row
    return Rollout(serial, rollout, version, percent, bool(withdrawn), received_at_ms)
