"""Our side of a printer's line: receipts are read as they are printed, and reported when they are cut off.

As the second printer we answer the POS's questions with "ready", or it would stop. In the printer's cable
(`drivers/passthrough.py`) the printer answers, and we say nothing.
"""

from collections.abc import Mapping

from drivers.escpos_tap.codec import Cutter, Piece, Row
from drivers.escpos_tap.commands import Kind
from drivers.escpos_tap.options import EscposTapOptions
from drivers.escpos_tap.receipt import Dropped, Template
from drivers.events import Answer, DriverEvent, Monotonic, Notice
from drivers.feed import FeedDesk

GAP_MS = 2_000
"""A command that stands unfinished for so long is given up: some of it was lost."""
MOST_LINES = 300
MOST_REPLY_BYTES = 64

READY = 0x12
"""The answer to DLE EOT n: the two fixed bits, and nothing is the matter (NOTES.md, "Questions")."""


class EscposTapSession:
    """See `drivers/session.py` for what every method promises; `address` names the printer."""

    def __init__(self, address: str, options: EscposTapOptions) -> None:
        self._options = options
        self._desk = FeedDesk(address)
        self._counters = self._desk.counters
        self._template = Template(options)
        self._cutter = Cutter()
        self._row = Row()
        self._lines: list[bytes] = []
        self._has_picture = self._is_too_long = False
        self._replies = bytearray()
        self._gap_at: Monotonic | None = None
        self._end_at: Monotonic | None = None

    def receive(self, data: bytes, now: Monotonic) -> None:
        for piece in self._cutter.feed(data):
            self._take(piece, now)
        if data:
            self._gap_at = Monotonic(now + GAP_MS) if self._cutter.inside_command else None
            quiet_ms = self._options.quiet_end_ms
            self._end_at = Monotonic(now + quiet_ms) if quiet_ms and (self._row.text or self._lines) else None

    def next_event(self) -> DriverEvent | None:
        return self._desk.next_event()

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        self._desk.confirm(event, answer, now)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """The receipt is printed when we know it; nothing can be added to it."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        replies = bytes(self._replies)
        self._replies.clear()
        return replies

    def next_timer(self) -> Monotonic | None:
        timers = (self._desk.next_timer(), self._gap_at, self._end_at)
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, now: Monotonic) -> None:
        self._desk.handle_timer(now)
        if self._gap_at is not None and now >= self._gap_at:
            self._gap_at = None
            self._cutter.forget()
            self._counters["BAD_FRAME"] += 1
        if self._end_at is not None and now >= self._end_at:
            self._end_at = None
            self._end_receipt(now)

    def awaiting(self) -> bool:
        return False

    def disconnected(self, now: Monotonic) -> None:
        self._cutter.forget()
        self._forget_receipt()
        self._replies.clear()
        self._gap_at = self._end_at = None

    def counters(self) -> Mapping[str, int]:
        return self._counters

    def _take(self, piece: Piece, now: Monotonic) -> None:
        match piece.kind:
            case Kind.TEXT | Kind.MOVE:
                self._row.take(piece)
            case Kind.LINE_END:
                self._end_line()
            case Kind.PICTURE:
                self._has_picture = True
            case Kind.CUT:
                self._end_receipt(now)
            case Kind.QUESTION:
                self._asked(piece.data, now)
            case Kind.UNKNOWN:
                self._counters["UNKNOWN_COMMAND"] += 1

    def _end_line(self) -> None:
        if self._row.text.strip():
            self._is_too_long |= len(self._lines) >= MOST_LINES
            if not self._is_too_long:
                self._lines.append(bytes(self._row.text))
        self._row = Row()

    def _end_receipt(self, now: Monotonic) -> None:
        self._end_line()
        lines, has_picture, is_too_long = self._lines, self._has_picture, self._is_too_long
        self._forget_receipt()
        if is_too_long:
            self._counters["RECEIPT_TOO_LONG"] += 1
        elif lines:
            self._desk.heard(now)
            self._read([line.decode(self._options.encoding, "replace") for line in lines])
        elif has_picture:
            self._desk.heard(now)
            self._counters["RECEIPT_UNREADABLE"] += 1

    def _read(self, lines: list[str]) -> None:
        reading = self._template.read(lines)
        if isinstance(reading, Dropped):
            self._counters[reading.code] += 1
            return
        for request in reading:
            self._desk.put(request)

    def _forget_receipt(self) -> None:
        self._row = Row()
        self._lines = []
        self._has_picture = self._is_too_long = False

    def _asked(self, question: bytes, now: Monotonic) -> None:
        self._desk.heard(now)
        if self._options.form == "pass_through":
            return
        reply = reply_to(question)
        if not reply:
            self._counters["UNANSWERED_QUESTION"] += 1
        elif len(self._replies) + len(reply) <= MOST_REPLY_BYTES:
            self._replies += reply


def reply_to(question: bytes) -> bytes:
    """What a printer that is ready says; b"" to what we do not know."""
    match question[:2]:
        case b"\x10\x04" if question[2] in (1, 2, 3, 4):
            return bytes([READY])
        case b"\x1dr" if question[2] in b"\x01\x02\x0412":
            return b"\x00"
        case b"\x1bu" | b"\x1bv":
            return b"\x00"
        case b"\x1da" if question[2]:
            return b"\x10\x00\x00\x00"
    return b""
