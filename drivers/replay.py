"""Recordings: the bytes of a line with their times and direction, and a player into a session.

One JSON object a line: `{"at_ms": 1200, "from": "device", "hex": "283029"}`, times growing. `from` is
`device` or `host` (the asking side: us, or the controller that we listen to). Bytes that may not be kept
are told by their number: `{"at_ms": 1300, "from": "device", "left_out_bytes": 17}`. A recording of a real
device is the evidence behind grade silver.

The first line may be a header: `{"recording": 1, "driver": "companytec", "address": "1", "options": {},
"baud": 9600, "bytesize": 8, "parity": "none", "stopbits": 1, "asked": true, "redacted": true}`. `asked`
says that the driver's own session spoke, `redacted` that what could name a person or a card was replaced.
It says nothing of where it was made.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from drivers.events import Answer, DriverEvent, Monotonic
from drivers.ports import Parity
from drivers.session import Session

End = Literal["device", "host"]
FORMAT = 1
LONGEST_LINE = 65_536
"""Characters: a chunk is at most a few thousand bytes."""
LONGEST_MS = 7 * 86_400_000
"""A week: the player lets every timer of it run."""


class RecordingRefused(ValueError):
    """The text is not a recording. The message names the line and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that one end wrote at one time; `left_out_bytes` of them are not told (`data` is empty then)."""

    at_ms: Monotonic
    end: End
    data: bytes
    left_out_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """What a player must know: the driver, the options as they were typed, and how the port was set."""

    driver: str
    address: str
    options: Mapping[str, Any]
    baud: int
    bytesize: int
    parity: Parity
    stopbits: int
    asked: bool
    redacted: bool


@dataclass(frozen=True, slots=True)
class Recording:
    """`is_torn`: its last line was not written to its end, as after a power cut, and is left out."""

    header: Header | None
    chunks: list[Chunk] = field(default_factory=list)
    is_torn: bool = False


@dataclass(frozen=True, slots=True)
class Played:
    """What the session reported, and what it would have said, in order."""

    events: tuple[DriverEvent, ...]
    sent: tuple[bytes, ...]


def write_header(header: Header) -> str:
    """The first line of a recording, without the line end."""
    return json.dumps({"recording": FORMAT, **asdict(header)})


def write_chunk(chunk: Chunk) -> str:
    """One line of a recording, without the line end."""
    told = {"left_out_bytes": chunk.left_out_bytes} if chunk.left_out_bytes else {"hex": chunk.data.hex()}
    return json.dumps({"at_ms": chunk.at_ms, "from": chunk.end, **told})


def read_recording(lines: Iterable[str]) -> list[Chunk]:
    """The chunks of a recording, its header left aside. Raises `RecordingRefused`."""
    return load_recording(lines).chunks


def load_recording(lines: Iterable[str]) -> Recording:
    """A recording with its header, None where it has none; empty lines are skipped. Raises
    `RecordingRefused`, also for a line longer than `LONGEST_LINE` as soon as it is seen."""
    header: Header | None = None
    chunks: list[Chunk] = []
    torn: RecordingRefused | None = None
    for number, line in enumerate(lines, start=1):
        if torn is not None:
            raise torn
        if not line.strip():
            continue
        try:
            fields = _read_fields(number, line)
        except RecordingRefused as refused:
            if line.endswith("\n") or not (header or chunks):
                raise
            torn = refused  # only the last line has no end
            continue
        if "recording" in fields:
            if header is not None or chunks:
                raise RecordingRefused(f"line {number}: a header is the first line")
            header = _read_header(number, fields)
            continue
        chunk = _read_chunk(number, fields)
        if chunks and chunk.at_ms < chunks[-1].at_ms:
            raise RecordingRefused(f"line {number}: time runs backwards")
        chunks.append(chunk)
    if header is None and not chunks:
        raise RecordingRefused("there is nothing in it")
    return Recording(header, chunks, torn is not None)


def play(
    chunks: Iterable[Chunk],
    session: Session,
    answer: Callable[[DriverEvent], Answer],
    *,
    hears_host: bool = False,
) -> Played:
    """Feed what the device said, at its times, to `session`; its timers run between. What the host said
    in the recording is fed only to who listens to both (`hears_host`): any other session speaks for itself,
    and what it says is returned."""
    player = _Player(session, answer)
    for chunk in chunks:
        player.run_until(chunk.at_ms)
        if chunk.data and (hears_host or chunk.end == "device"):
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


def _read_fields(number: int, line: str) -> dict[str, Any]:
    if len(line) > LONGEST_LINE:
        raise RecordingRefused(f"line {number}: longer than any line of a recording")
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordingRefused(f"line {number}: not a chunk of a recording: {error}") from error
    if not isinstance(fields, dict):
        raise RecordingRefused(f"line {number}: not a chunk of a recording: no JSON object")
    return fields


def _read_header(number: int, fields: dict[str, Any]) -> Header:
    fields = dict(fields)
    written_in = fields.pop("recording")
    if type(written_in) is int and written_in > FORMAT:
        newer = f"format {written_in}, and this program reads {FORMAT}"
        raise RecordingRefused(f"line {number}: written by a newer version ({newer}): update this one")
    if type(written_in) is not int or written_in != FORMAT:
        raise RecordingRefused(f"line {number}: a recording of another format than {FORMAT}")
    kinds = {"driver": str, "address": str, "options": dict, "baud": int, "bytesize": int, "parity": str}
    kinds |= {"stopbits": int, "asked": bool, "redacted": bool}
    wrong = [name for name, kind in kinds.items() if type(fields.get(name)) is not kind]
    if wrong or fields.keys() != kinds.keys():
        names = ", ".join(sorted({*wrong, *(fields.keys() ^ kinds.keys())}))
        raise RecordingRefused(f"line {number}: wrong in the header: {names}")
    if fields["baud"] < 1 or fields["parity"] not in get_args(Parity):
        raise RecordingRefused(f"line {number}: wrong in the header: baud or parity")
    return Header(**fields)


def _read_chunk(number: int, fields: dict[str, Any]) -> Chunk:
    try:
        at_ms, end, left_out = fields["at_ms"], fields["from"], fields.get("left_out_bytes", 0)
        data = b"" if left_out else bytes.fromhex(fields["hex"])
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingRefused(f"line {number}: not a chunk of a recording: {error}") from error
    if type(at_ms) is not int or not 0 <= at_ms <= LONGEST_MS or end not in get_args(End):
        raise RecordingRefused(f"line {number}: at_ms or from is wrong")
    if type(left_out) is not int or left_out < 0:
        raise RecordingRefused(f"line {number}: left_out_bytes is wrong")
    return Chunk(Monotonic(at_ms), end, data, left_out)
