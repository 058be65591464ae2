"""Recordings: the bytes of a line with their times and direction, and a player into a session.

One JSON object a line: `{"at_ms": 1200, "from": "device", "hex": "283029"}`, times growing. `from` is
`device` or `host` (us). A recording of a real device is the evidence behind grade silver.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from drivers.events import Answer, DriverEvent, Monotonic
from drivers.session import Session

End = Literal["device", "host"]


class RecordingRefused(ValueError):
    """The text is not a recording. The message names the line and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that one end wrote at one time."""

    at_ms: Monotonic
    end: End
    data: bytes


@dataclass(frozen=True, slots=True)
class Played:
    """What the session reported, and what it would have said, in order."""

    events: tuple[DriverEvent, ...]
    sent: tuple[bytes, ...]


def write_chunk(chunk: Chunk) -> str:
    """One line of a recording, without the line end."""
    return json.dumps({"at_ms": chunk.at_ms, "from": chunk.end, "hex": chunk.data.hex()})


def read_recording(lines: Iterable[str]) -> list[Chunk]:
    """The chunks of a recording; empty lines are skipped. Raises `RecordingRefused`."""
    chunks: list[Chunk] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        chunk = _read_chunk(number, line)
        if chunks and chunk.at_ms < chunks[-1].at_ms:
            raise RecordingRefused(f"line {number}: time runs backwards")
        chunks.append(chunk)
    return chunks


def play(chunks: Iterable[Chunk], session: Session, answer: Callable[[DriverEvent], Answer]) -> Played:
    """Feed what the device said, at its times, to `session`; its timers run between. What the host said
    in the recording is not fed: the session speaks for itself, and what it says is returned."""
    player = _Player(session, answer)
    for chunk in chunks:
        player.run_until(chunk.at_ms)
        if chunk.end == "device":
            session.receive(chunk.data, chunk.at_ms)
            player.turn(chunk.at_ms)
    return Played(tuple(player.events), tuple(player.sent))


class _Player:
    def __init__(self, session: Session, answer: Callable[[DriverEvent], Answer]) -> None:
        self._session = session
        self._answer = answer
        self.events: list[DriverEvent] = []
        self.sent: list[bytes] = []

    def run_until(self, end: Monotonic) -> None:
        now = Monotonic(0)
        while (timer := self._session.next_timer()) is not None and timer <= end:
            now = max(now, timer)
            self._session.handle_timer(now)
            self.turn(now)
            if self._session.next_timer() == timer:
                return  # overdue with nothing to do before the device speaks

    def turn(self, now: Monotonic) -> None:
        while (event := self._session.next_event()) is not None:
            self.events.append(event)
            self._session.confirm(event, self._answer(event), now)
        while data := self._session.bytes_to_send(now):
            self.sent.append(data)


def _read_chunk(number: int, line: str) -> Chunk:
    try:
        fields = json.loads(line)
        at_ms, end, data = fields["at_ms"], fields["from"], bytes.fromhex(fields["hex"])
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingRefused(f"line {number}: not a chunk of a recording: {error}") from error
    if not isinstance(at_ms, int) or at_ms < 0 or end not in ("device", "host"):
        raise RecordingRefused(f"line {number}: at_ms or from is wrong")
    return Chunk(Monotonic(at_ms), end, data)
