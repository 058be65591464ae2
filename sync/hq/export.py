"""What HQ has booked, handed on: lines of JSON, in the order of each chain, each at least once.

A consumer has a name and one cursor per chain (station, epoch, stream). It moves only after the sink
said that the lines are safe; whoever dies in between gives them again, and (station, epoch, stream, seq)
tells which those are.
"""

import base64
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TextIO

from sync.hq.store import HqStore, StreamKey
from sync.hq.store.export import Behind, Booking
from sync.refusal import Refusal

BATCH = 500
"""Rows of one chain that are handed over, and acknowledged, together."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Rows `first_seq` to `last_seq` of one chain as lines of JSON, a newline behind each."""

    consumer: str
    chain: StreamKey
    first_seq: int
    last_seq: int
    lines: bytes

    @property
    def name(self) -> str:
        """The same for the same rows to the same consumer."""
        chain = f"{self.chain.station}/{self.chain.epoch}/{self.chain.stream}"
        return f"{self.consumer}/{chain}/{self.first_seq}-{self.last_seq}"


class Sink(Protocol):
    """Takes parcels; what it has taken is safe when `take` returns None."""

    def take(self, parcel: Parcel) -> Refusal | None: ...


class FileSink:
    """Appends to a file, on disk before it says so. A line that a power cut tore off is taken away first."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._file = path.open("ab+")
        self._cut_torn_line()

    def take(self, parcel: Parcel) -> None:
        self._file.write(parcel.lines)
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def _cut_torn_line(self) -> None:
        end = self._file.seek(0, os.SEEK_END)
        keep = end
        while keep > 0:
            start = max(0, keep - 65_536)
            self._file.seek(start)
            newline = self._file.read(keep - start).rfind(b"\n")
            keep = start + newline + 1
            if newline >= 0:
                break
            keep = start
        if keep < end:
            self._file.truncate(keep)


class StreamSink:
    """Writes to a pipe or a terminal; what is behind it is not ours to keep."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def take(self, parcel: Parcel) -> None:
        self._stream.write(parcel.lines.decode())
        self._stream.flush()


class Exporter:
    """Hands everything that is behind to one consumer. One exporter per consumer: a second is refused."""

    def __init__(self, store: HqStore, consumer: str, sink: Sink, is_stopped: Callable[[], bool]) -> None:
        self._store = store
        self._consumer = consumer
        self._sink = sink
        self._is_stopped = is_stopped

    def run(self) -> int | Refusal:
        """Until the consumer has all that was booked when it was looked; how many rows it got.

        Reasons: those of the sink, and EXPORT_TAKEN (another exporter moves the same cursors).
        """
        rows = 0
        with self._store.read() as asked:
            behind = asked.export.behind(self._consumer)
        for chain in behind:
            handed = self._chain(chain)
            if isinstance(handed, Refusal):
                return handed
            rows += handed
        return rows

    def _chain(self, behind: Behind) -> int | Refusal:
        at, rows = behind.fetched_seq, 0
        while at < behind.held_seq and not self._is_stopped():
            with self._store.read() as asked:
                bookings = asked.export.bookings(behind.chain, at, BATCH)
            lines = b"".join(line(behind.chain, one) for one in bookings)
            until = bookings[-1].seq
            refusal = self._sink.take(Parcel(self._consumer, behind.chain, at + 1, until, lines))
            if refusal:
                return refusal
            with self._store.write() as tx:
                if not tx.export.move(self._consumer, behind.chain, at, until):
                    text = f"the cursor of {self._consumer} was moved by somebody else"
                    return Refusal("EXPORT_TAKEN", text, "give each exporter a name of its own")
            rows += len(bookings)
            at = until
        return rows


def line(chain: StreamKey, booking: Booking) -> bytes:
    """One row. `body` is the text that the station signed, letter for letter; base64 where it is no UTF-8."""
    row: dict[str, object] = {
        "v": 1,
        "station": chain.station,
        "epoch": chain.epoch,
        "stream": chain.stream,
        "seq": booking.seq,
        "kind": booking.kind,
        "entity": booking.entity_id,
        "member": booking.member,
        "minor": booking.minor,
        "verdict": booking.verdict,
        "counted": booking.counted == 1,
        "received_at_ms": booking.received_at_ms,
    }
    try:
        row["body"] = booking.body.decode()
    except UnicodeDecodeError:
        row["body_base64"] = base64.b64encode(booking.body).decode()
    return json.dumps(row, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
