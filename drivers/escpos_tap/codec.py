"""ESC/POS, the printer's language, taken apart: text, line ends, cuts, questions. Any bytes in any pieces.

Memory stays below a kilobyte, whatever comes.
"""

from dataclasses import dataclass

from drivers.escpos_tap.commands import CR, DLE, ESC, FF, FS, GS, HT, LF, Kind, Size, size_of

LONGEST_TEXT_BYTES = 256
LONGEST_LINE_BYTES = 512


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of the stream, `size_bytes` of them. `data` are they, or the first of many."""

    kind: Kind
    size_bytes: int
    data: bytes


class Row:
    """One printed line, as its pieces come. A move to another column is one blank, tabs are blanks.

    `places` says where in the stream each byte of `text` stood, if `take` is told; -1 for a blank of ours.
    """

    def __init__(self) -> None:
        self.text = bytearray()
        self.places: list[int] = []
        self._has_moved = False

    def take(self, piece: Piece, at: int = 0) -> None:
        if piece.kind is Kind.MOVE:
            self._has_moved = bool(self.text)
        elif piece.kind is Kind.TEXT:
            words, places = piece.data.replace(b"\t", b" "), [*range(at, at + len(piece.data))]
            if self._has_moved:
                words, places = b" " + words, [-1, *places]
            room = LONGEST_LINE_BYTES - len(self.text)
            self.text += words[:room]
            self.places += places[:room]
            self._has_moved = False


class Cutter:
    """Cuts a stream into pieces: any bytes in any pieces."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._open: Size | None = None
        self._open_data = b""
        self._taken_bytes = 0

    @property
    def inside_command(self) -> bool:
        return self._open is not None or bool(self._held)

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces that these bytes complete, in order. Text may come in several pieces."""
        self._held += data
        pieces = []
        while self._held:
            piece = self._pass_payload() if self._open is not None else self._begin()
            if piece is None:
                break
            pieces.append(piece)
        return pieces

    def forget(self) -> None:
        """Give up a command that was not finished."""
        self._held.clear()
        self._open = None

    def _begin(self) -> Piece | None:
        first = self._held[0]
        if first >= 0x20 or first == HT:
            return self._text()
        if first in (LF, CR, FF):
            return self._take(Kind.LINE_END, 1)
        if first not in (DLE, ESC, FS, GS):
            return self._take(Kind.COMMAND, 1)
        size = size_of(bytes(self._held[:16]))
        if size is None or len(self._held) < size.head_bytes:
            return None
        if size.payload_bytes == 0:
            return self._take(size.kind, size.head_bytes)
        self._open, self._taken_bytes = size, size.head_bytes
        self._open_data = bytes(self._held[: size.head_bytes])
        del self._held[: size.head_bytes]
        return self._pass_payload()

    def _text(self) -> Piece:
        end = 1
        longest = min(len(self._held), LONGEST_TEXT_BYTES)
        while end < longest and (self._held[end] >= 0x20 or self._held[end] == HT):
            end += 1
        return self._take(Kind.TEXT, end)

    def _take(self, kind: Kind, size_bytes: int) -> Piece:
        data = bytes(self._held[:size_bytes])
        del self._held[:size_bytes]
        return Piece(kind, size_bytes, data)

    def _pass_payload(self) -> Piece | None:
        size = self._open
        assert size is not None
        if size.payload_bytes is None:
            end = self._held.find(0)
            passed_bytes, is_over = (len(self._held), False) if end < 0 else (end + 1, True)
            is_over |= self._taken_bytes > LONGEST_TEXT_BYTES
        else:
            left_bytes = size.payload_bytes - (self._taken_bytes - size.head_bytes)
            passed_bytes = min(left_bytes, len(self._held))
            is_over = passed_bytes == left_bytes
        del self._held[:passed_bytes]
        self._taken_bytes += passed_bytes
        if not is_over:
            return None
        self._open = None
        return Piece(size.kind, self._taken_bytes, self._open_data)
