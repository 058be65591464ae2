"""Any bytes cut into frames of both protocols and what lies between them, for views and redaction."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from drivers.companytec.codec import LONGEST_BODY
from drivers.companytec.horustech import HEAD, LONGEST_DATA

_CBC = re.compile(rb"\([ -'*-~]{1,%d}\)" % LONGEST_BODY)
_HORUSTECH = re.compile(rb">[?!]([0-9A-F]{4})")
_PRINTABLE = re.compile(rb"[ -=?-~]*")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of bytes: one frame as far as its outline tells, or something else."""

    kind: Literal["cbc", "horustech", "noise"]
    data: bytes

    @property
    def text(self) -> str:
        """What the frame's check value is made of, with the check value."""
        ends = (1, -1) if self.kind == "cbc" else (1, len(self.data))
        return self.data[slice(*ends)].decode("ascii")


def pieces(data: bytes) -> Iterator[Piece]:
    """All of `data`, in order."""
    at = noise_from = 0
    while at < len(data):
        piece = _frame(data, at)
        if piece is None:
            at += 1
            continue
        if noise_from < at:
            yield Piece("noise", data[noise_from:at])
        yield piece
        at = noise_from = at + len(piece.data)
    if noise_from < at:
        yield Piece("noise", data[noise_from:at])


def _frame(data: bytes, at: int) -> Piece | None:
    if found := _CBC.match(data, at):
        return Piece("cbc", found.group())
    head = _HORUSTECH.match(data, at)
    if head is None or int(head.group(1), 16) > LONGEST_DATA:
        return None
    end = at + 1 + HEAD + int(head.group(1), 16) + 2
    is_whole = end <= len(data) and _PRINTABLE.fullmatch(data, at + 1, end)
    return Piece("horustech", data[at:end]) if is_whole else None
