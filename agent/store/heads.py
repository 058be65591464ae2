"""The ends of the chains, kept outside the database: what a cut tail or an old copy put back cannot hide.

`station.heads` is one record of fixed size, written over itself after every commit and synced by a
chore: it is never ahead of the database, and after a power cut a little behind at most.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from sync.chain import GENESIS

RECORD_BYTES = 4096
_MAGIC = b"forecourt/heads/1\n"
_CHECKSUM_BYTES = 32
_ROOM_BYTES = RECORD_BYTES - len(_MAGIC) - _CHECKSUM_BYTES

LEDGER_CUT = "LEDGER_CUT"
"""The database ends before the file says: its tail was cut, or an old copy was put back."""
LEDGER_FORKED = "LEDGER_FORKED"
"""At the seq that the file names the database has another head: another history."""
HEADS_MISSING = "HEADS_MISSING"
HEADS_DAMAGED = "HEADS_DAMAGED"

Tip = tuple[int, bytes]
"""last seq, head after it (32 bytes); (0, GENESIS) before the first"""


@dataclass(frozen=True, slots=True)
class Heads:
    """`streams`: the tip of each outbox stream."""

    epoch: int
    ledger: Tip
    streams: Mapping[str, Tip] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Damaged:
    """There is a file, and it is not what was written."""

    path: Path


class HeadsFile:
    """Used by the thread that commits. Raises `OSError` where the disk fails."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def write(self, heads: Heads) -> None:
        """Overwrite the record with one write, not synced. Call it after the commit has returned."""
        written = os.pwrite(self._open(), _record(heads), 0)
        if written != RECORD_BYTES:
            raise OSError(f"{self.path}: {written} of {RECORD_BYTES} bytes were written")

    def sync(self) -> None:
        """Put the record on the disk."""
        os.fdatasync(self._open())

    def read(self) -> Heads | Damaged | None:
        """What was written last; None if there is no file."""
        try:
            return _heads(self.path.read_bytes()) or Damaged(self.path)
        except FileNotFoundError:
            return None

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _open(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        return self._descriptor


def _record(heads: Heads) -> bytes:
    """Magic, SHA-256 of the rest, JSON padded with spaces."""
    content = {
        "epoch": heads.epoch,
        "ledger": _written(heads.ledger),
        "streams": {stream: _written(tip) for stream, tip in heads.streams.items()},
    }
    text = json.dumps(content, separators=(",", ":")).encode()
    assert len(text) <= _ROOM_BYTES, "more streams than a record has room for"
    text = text.ljust(_ROOM_BYTES)
    return _MAGIC + hashlib.sha256(text).digest() + text


def _heads(record: bytes) -> Heads | None:
    checksum, text = record[len(_MAGIC) :][:_CHECKSUM_BYTES], record[len(_MAGIC) + _CHECKSUM_BYTES :]
    if not record.startswith(_MAGIC) or hashlib.sha256(text).digest() != checksum:
        return None
    content = json.loads(text)
    return Heads(
        epoch=content["epoch"],
        ledger=_tip(content["ledger"]),
        streams={stream: _tip(tip) for stream, tip in content["streams"].items()},
    )


def _written(tip: Tip) -> list[int | str]:
    return [tip[0], tip[1].hex()]


def _tip(written: tuple[int, str]) -> Tip:
    return written[0], bytes.fromhex(written[1])


_EPOCH = "SELECT epoch FROM station"
_LEDGER_TIP = "SELECT seq, head FROM ledger_entry ORDER BY seq DESC LIMIT 1"
_NEXT_STREAM = "SELECT min(stream) FROM outbox WHERE stream > ?"
_STREAM_TIP = "SELECT seq, head FROM outbox WHERE stream = ? ORDER BY seq DESC LIMIT 1"
_LEDGER_HEAD = "SELECT head FROM ledger_entry WHERE seq = ?"
_STREAM_HEAD = "SELECT head FROM outbox WHERE stream = ? AND seq = ?"


def of(connection: sqlite3.Connection) -> Heads:
    """The ends of all chains as this connection sees them. A few index lookups."""
    streams = {}
    stream = connection.execute(_NEXT_STREAM, ("",)).fetchone()[0]
    while stream is not None:
        seq, head = connection.execute(_STREAM_TIP, (stream,)).fetchone()
        streams[stream] = (int(seq), bytes(head))
        stream = connection.execute(_NEXT_STREAM, (stream,)).fetchone()[0]
    seq, head = connection.execute(_LEDGER_TIP).fetchone() or (0, GENESIS)
    return Heads(int(connection.execute(_EPOCH).fetchone()[0]), (int(seq), bytes(head)), streams)


def compare(heads: Heads | Damaged | None, connection: sqlite3.Connection) -> str:
    """ "" if the database has everything the file saw, else a reason code.

    A database that goes on beyond the file is fine: a power cut may take the file's last writes. So
    is an empty one without a file. Rows of a stream that were acknowledged and pruned are not asked for.
    """
    now = of(connection)
    if heads is None:
        return HEADS_MISSING if now.ledger[0] or now.streams else ""
    if isinstance(heads, Damaged):
        return HEADS_DAMAGED
    if now.epoch < heads.epoch:
        return LEDGER_CUT
    ledger = connection.execute(_LEDGER_HEAD, (heads.ledger[0],)).fetchone()
    reasons = {_compare(heads.ledger, now.ledger, ledger or (b"",))}
    for stream, then in heads.streams.items():
        row = connection.execute(_STREAM_HEAD, (stream, then[0])).fetchone()
        reasons.add(_compare(then, now.streams.get(stream, (0, GENESIS)), row or (then[1],)))
    return next((reason for reason in (LEDGER_FORKED, LEDGER_CUT) if reason in reasons), "")


def _compare(then: Tip, end: Tip, found: tuple[bytes]) -> str:
    """`found`: the head that the database has at the seq of `then`."""
    if end[0] < then[0]:
        return LEDGER_CUT
    return "" if then[0] == 0 or bytes(found[0]) == then[1] else LEDGER_FORKED
