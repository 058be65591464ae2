"""How long each command of a receipt printer is, and of what kind (NOTES.md, "Commands").

Only lengths matter here, so that a command's own bytes are not taken for text. What is not in the table is
two bytes long.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

HT, LF, FF, CR, DLE, ESC, FS, GS = 0x09, 0x0A, 0x0C, 0x0D, 0x10, 0x1B, 0x1C, 0x1D
LARGEST_PICTURE_BYTES = 262_144
"""More than a metre of paper; a larger number is damage, and believing it would make us deaf."""


class Kind(Enum):
    TEXT = auto()
    LINE_END = auto()
    CUT = auto()
    PICTURE = auto()
    BARCODE = auto()
    DRAWER = auto()
    MOVE = auto()
    """To another column of the same line: what follows does not belong to the word before."""
    QUESTION = auto()
    """The printer is expected to answer at once; `data` is the whole command."""
    COMMAND = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Size:
    """`head_bytes` of the command itself, then `payload_bytes` more; None: up to and with the next NUL."""

    kind: Kind
    head_bytes: int
    payload_bytes: int | None = 0


_PLAIN = {
    ESC: {
        b"@2SLm<\x0c": 0,
        b"!atEGJKRM-3 =Vr{TU%?uv": 1,
        b"e": 1,
        b"$\\Bc": 2,
        b"p": 3,
        b"W": 8,
        b"i": 0,
        b"d": 1,
    },
    GS: {b":c": 0, b"!hwHfB/arIEbT": 1, b"LW$\\P": 2, b"^": 3, b"g": 4},
    FS: {b"&.": 0, b"!-CW": 1, b"Sp?": 2},
}
_ARGUMENTS = {
    (lead, code): count for lead, sizes in _PLAIN.items() for codes, count in sizes.items() for code in codes
}
_KINDS = {
    (ESC, ord("i")): Kind.CUT,
    (ESC, ord("m")): Kind.CUT,
    (ESC, ord("p")): Kind.DRAWER,
    (ESC, ord("d")): Kind.LINE_END,
    (ESC, ord("J")): Kind.LINE_END,
    (ESC, ord("e")): Kind.LINE_END,
    (ESC, ord("K")): Kind.LINE_END,
    (ESC, ord("@")): Kind.LINE_END,
    (ESC, FF): Kind.LINE_END,
    (ESC, ord("$")): Kind.MOVE,
    (ESC, ord("\\")): Kind.MOVE,
    (ESC, ord("u")): Kind.QUESTION,
    (ESC, ord("v")): Kind.QUESTION,
    (GS, ord("r")): Kind.QUESTION,
    (GS, ord("a")): Kind.QUESTION,
    (GS, ord("I")): Kind.QUESTION,
    (FS, ord("p")): Kind.PICTURE,
}
_QUESTION_WITHOUT_ARGUMENT = (ESC, ord("v"))


def size_of(data: bytes) -> Size | None:
    """How long the command is whose first bytes these are; None if more of them are needed."""
    if len(data) < 2:
        return None
    lead, code = data[0], data[1]
    if lead == DLE:
        return _real_time(data)
    special = _SPECIAL.get((lead, code))
    if special is not None:
        return special(data)
    count = _ARGUMENTS.get((lead, code))
    if count is None:
        return Size(Kind.UNKNOWN, 2)
    if (lead, code) == _QUESTION_WITHOUT_ARGUMENT:
        return Size(Kind.QUESTION, 2)
    return Size(_KINDS.get((lead, code), Kind.COMMAND), 2 + count)


def _real_time(data: bytes) -> Size | None:
    """DLE EOT n and DLE ENQ n ask, DLE DC4 fn commands (drawer, buffer) or asks too (7)."""
    code = data[1]
    if code not in (0x04, 0x05, 0x14):
        return Size(Kind.UNKNOWN, 1)
    if len(data) < 3:
        return None
    if code == 0x04:
        return Size(Kind.QUESTION, 4 if data[2] in (7, 8) else 3)
    if code == 0x05:
        return Size(Kind.QUESTION, 3)
    return Size(Kind.QUESTION if data[2] == 7 else Kind.COMMAND, {1: 5, 2: 5, 7: 4, 8: 10}.get(data[2], 3))


def _cut(data: bytes) -> Size | None:
    if len(data) < 3:
        return None
    return Size(Kind.CUT, 4 if data[2] in b"ABabgh" else 3)


def _barcode(data: bytes) -> Size | None:
    if len(data) < 3:
        return None
    if data[2] <= 6:
        return Size(Kind.BARCODE, 3, None)
    return Size(Kind.BARCODE, 4, data[3]) if len(data) > 3 else None


def _raster(data: bytes) -> Size | None:
    """GS v 0 m xL xH yL yH: x bytes in a row, y rows; GS Q 0 likewise in columns."""
    if len(data) < 3:
        return None
    if data[2] != ord("0"):
        return Size(Kind.UNKNOWN, 2)
    if len(data) < 8:
        return None
    return _picture(8, (data[4] | data[5] << 8) * (data[6] | data[7] << 8))


def _bit_image(data: bytes) -> Size | None:
    """ESC * m nL nH: n columns of one byte, or of three."""
    if len(data) < 5:
        return None
    return _picture(5, (data[3] | data[4] << 8) * (3 if data[2] in (32, 33) else 1))


def _downloaded_image(data: bytes) -> Size | None:
    """GS * x y: 8 x y bytes."""
    return None if len(data) < 4 else _picture(4, 8 * data[2] * data[3])


def _counted(data: bytes) -> Size | None:
    """GS ( fn pL pH and its kin: the length is said. GS ( H wants to be told when all is printed."""
    if len(data) < 5:
        return None
    kinds = {b"\x1d(L": Kind.PICTURE, b"\x1d(H": Kind.QUESTION}
    return Size(kinds.get(data[:3], Kind.COMMAND), 5, data[3] | data[4] << 8)


def _long_counted(data: bytes) -> Size | None:
    """GS 8 L p1 p2 p3 p4."""
    return None if len(data) < 7 else _picture(7, int.from_bytes(data[3:7], "little"))


def _tabs(data: bytes) -> Size:
    """ESC D n1 .. nk NUL."""
    return Size(Kind.COMMAND, 2, None)


def _own_letter(data: bytes) -> Size:
    """FS 2 c1 c2, then 24 by 24 dots."""
    return Size(Kind.COMMAND, 4, 72)


def _picture(head_bytes: int, payload_bytes: int) -> Size:
    if payload_bytes > LARGEST_PICTURE_BYTES:
        return Size(Kind.UNKNOWN, 2)
    return Size(Kind.PICTURE, head_bytes, payload_bytes)


_SPECIAL: dict[tuple[int, int], Callable[[bytes], Size | None]] = {
    (GS, ord("V")): _cut,
    (GS, ord("k")): _barcode,
    (GS, ord("v")): _raster,
    (GS, ord("Q")): _raster,
    (ESC, ord("*")): _bit_image,
    (GS, ord("*")): _downloaded_image,
    (GS, ord("(")): _counted,
    (ESC, ord("(")): _counted,
    (FS, ord("(")): _counted,
    (GS, ord("8")): _long_counted,
    (ESC, ord("D")): _tabs,
    (FS, ord("2")): _own_letter,
}
