"""Cases as HQ last told of them, and what staff wrote on them here (features S-060, S-085, S-133)."""

import sqlite3
from dataclasses import dataclass, fields
from operator import attrgetter


@dataclass(frozen=True, slots=True)
class StoredCase:
    """One row of `support_case`. `owner` keeps it to the end, `handler` works on it; `eta_ms`: 0 unknown."""

    case_id: str
    version: int
    state: str
    owner: str
    handler: str
    eta_ms: int
    urgency: str
    fact_id: bytes | None
    zh: str
    en: str
    at_ms: int

    def text(self, language: str) -> str:
        """What HQ has the station say of it: in this language if HQ said it, else in the other."""
        first, second = (self.zh, self.en) if language == "zh" else (self.en, self.zh)
        return first or second


@dataclass(frozen=True, slots=True)
class StoredNote:
    """What somebody here wrote on a case; `stream_seq` is its item in the service stream."""

    case_id: str
    note_no: int
    author: str
    note: str
    at_ms: int
    stream_seq: int


_NAMES = tuple(field.name for field in fields(StoredCase))
_ROW = attrgetter(*_NAMES)
_COLUMNS = ", ".join(_NAMES)
_GET = f"SELECT {_COLUMNS} FROM support_case WHERE case_id = ?"
_NEWEST = f"SELECT {_COLUMNS} FROM support_case ORDER BY at_ms DESC, case_id LIMIT ?"
_KEEP = f"""
INSERT INTO support_case ({_COLUMNS}) VALUES ({", ".join("?" * len(_NAMES))})
ON CONFLICT (case_id) DO UPDATE
SET version = excluded.version, state = excluded.state, owner = excluded.owner, handler = excluded.handler,
    eta_ms = excluded.eta_ms, urgency = excluded.urgency, fact_id = excluded.fact_id,
    zh = excluded.zh, en = excluded.en, at_ms = excluded.at_ms
"""
_NOTES = """
SELECT case_id, note_no, author, note, at_ms, stream_seq FROM case_note WHERE case_id = ? ORDER BY note_no
"""
_LAST_NOTE = "SELECT coalesce(max(note_no), 0) FROM case_note WHERE case_id = ?"
_ADD_NOTE = """
INSERT INTO case_note (case_id, note_no, author, note, at_ms, stream_seq) VALUES (?, ?, ?, ?, ?, ?)
"""


class Cases:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, case_id: str) -> StoredCase | None:
        row = self._connection.execute(_GET, (case_id,)).fetchone()
        return StoredCase(*row) if row else None

    def newest(self, limit: int) -> list[StoredCase]:
        """At most `limit`, what was told of last first."""
        return [StoredCase(*row) for row in self._connection.execute(_NEWEST, (limit,))]

    def keep(self, case: StoredCase) -> None:
        """As HQ tells of it now, whatever was known before."""
        self._connection.execute(_KEEP, _ROW(case))

    def notes(self, case_id: str) -> list[StoredNote]:
        """Oldest first."""
        return [StoredNote(*row) for row in self._connection.execute(_NOTES, (case_id,))]

    def next_note_no(self, case_id: str) -> int:
        return int(self._connection.execute(_LAST_NOTE, (case_id,)).fetchone()[0]) + 1

    def add_note(self, note: StoredNote) -> None:
        self._connection.execute(
            _ADD_NOTE, (note.case_id, note.note_no, note.author, note.note, note.at_ms, note.stream_seq)
        )
