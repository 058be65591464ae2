"""Bytes and words of Gilbarco Two-Wire (devices.md 6). Pure: no time, no state of the conversation.

A word is one byte. A question is one word, `command << 4 | pump`; a state is one word, `state << 4 | pump`.
A block is `FF`, words of which Fx are markers and Ex digits, then `FB`, the LRC, `F0`. The LRC has four bits:
with it the low halves of all words from FF on add up to 0 mod 16. What the words mean is in `words.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

PUMPS = 16
BEGIN, CHECK_NEXT, END = 0xFF, 0xFB, 0xF0
LONGEST_BLOCK_WORDS = 300
"""Totals of six grades with twelve digits are 256."""
SHORTEST_BLOCK_WORDS = 5
FIRST_BLOCK_WORD = 0xE0
"""No word of a block is below it, and no question or state is from it on, except `ALL_STOP`."""
ALL_STOP = 0xFC


class Command(IntEnum):
    """What a host says to a pump. Only `READING` is ever said by us."""

    STATE = 0x0
    AUTHORISE = 0x1
    DATA_NEXT = 0x2
    STOP = 0x3
    SALE = 0x4
    TOTALS = 0x5
    MONEY = 0x6


READING = frozenset((Command.STATE, Command.SALE, Command.TOTALS))


class State(IntEnum):
    """What a pump says of itself."""

    ERROR = 0x0
    IDLE = 0x6
    CALL = 0x7
    AUTHORISED = 0x8
    BUSY = 0x9
    PEOT = 0xA
    FEOT = 0xB
    STOPPED = 0xC
    SEND_DATA = 0xD


@dataclass(frozen=True, slots=True)
class Word:
    """One word outside a block. `high` and `pump` are what it says if it is a question or a state."""

    code: int

    @property
    def high(self) -> int:
        return self.code >> 4

    @property
    def pump(self) -> int:
        return self.code & 0x0F or PUMPS


@dataclass(frozen=True, slots=True)
class Block:
    """A whole block whose LRC holds, from FF to F0."""

    data: bytes


def question(command: Command, pump: int) -> bytes:
    """The word that asks pump 1 to 16 (pump 16 has the id 0). Commands that do anything cannot be said."""
    assert command in READING
    assert 1 <= pump <= PUMPS
    return bytes((command << 4 | pump % PUMPS,))


def is_whole(data: bytes) -> bool:
    """True if `data` is one block from FF to F0 and its LRC holds."""
    return (
        SHORTEST_BLOCK_WORDS <= len(data) <= LONGEST_BLOCK_WORDS
        and (data[0], data[-3], data[-2] >> 4, data[-1]) == (BEGIN, CHECK_NEXT, 0xE, END)
        and all(word >= FIRST_BLOCK_WORD for word in data)
        and sum(data[:-1]) & 0x0F == 0
    )


class Reader:
    """Cuts what is heard into words and blocks. Any bytes, any pieces; memory is bounded."""

    def __init__(self) -> None:
        self._block = bytearray()
        self.bad_blocks = 0

    @property
    def is_inside_block(self) -> bool:
        return bool(self._block)

    def feed(self, data: bytes) -> Iterator[Word | Block]:
        """What `data` completes, in order. A block that is torn or wrong is counted and dropped."""
        for byte in data:
            if byte == BEGIN:
                self.bad_blocks += self.is_inside_block
                self._block = bytearray((byte,))
            elif not self._block:
                yield Word(byte)
            elif byte < FIRST_BLOCK_WORD:
                self._drop()
                yield Word(byte)
            else:
                yield from self._take(byte)

    def forget(self) -> None:
        """Drop a half-heard block."""
        self._block.clear()

    def _take(self, byte: int) -> Iterator[Block]:
        self._block.append(byte)
        if byte == END and is_whole(bytes(self._block)):
            block, self._block = bytes(self._block), bytearray()
            yield Block(block)
        elif byte == END or len(self._block) >= LONGEST_BLOCK_WORDS:
            self._drop()

    def _drop(self) -> None:
        self.bad_blocks += 1
        self._block.clear()
