"""Everything that a session may say: five questions that read, two that let go of a safe sale, one receipt.

There is no other way to make a message here, and nothing here can release, stop, lock or price a pump:
a test decodes all that sessions said on every bad wire and compares it with this list.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from drivers.ifsf.codec import Kind, Message

FIRST_POINT = 0x20
"""Database address of fuelling point n is this plus n; 20 itself means all points [cap]."""
SALES, ALL_SALES = 0x21, 0x20
SLOTS = (0x22, 0x23)
"""The two buffers of a point, as a Millennium console asks for them at its start [cap]; meaning [cmp]."""
SALE_IDS = bytes((0x05, 0x06, 0x07, 0x08, 0x0C, 0x15))
ADDITION_IDS = bytes((0xCA, 0xCB, 0xCC, 0xCD))
NUMBER_ID = bytes((0x01,))
"""Asked last: it must equal the address, so a message that lost its end and took the beginning of the next
one for it is found out on a wire without check value."""
OFFLINE_SALE = 0xC8
CLEAR, REMOVE_OFFLINE = 0x1E, 0xC9
STATE_IDS = bytes((0x14, 0x15, 0x1D))
TOTAL_IDS = bytes((0x14, 0x15, 0x16))


class Aim(Enum):
    STATE = "state"
    LIST = "list"
    SLOT = "slot"
    SALE = "sale"
    OFFLINE = "offline"
    CLEAR = "clear"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and at which database address; answer or ack carry the same address, except where
    sales are listed: each has its own."""

    aim: Aim
    place: bytes
    kind: Literal[Kind.READ, Kind.WRITE]
    data: bytes

    def message(self, to: bytes, sender: bytes, token_no: int) -> Message:
        return Message(to, sender, self.kind, token_no, self.place, self.data)


def state(point_no: int) -> Question:
    return Question(Aim.STATE, bytes((FIRST_POINT + point_no,)), Kind.READ, STATE_IDS)


def unpaid(point_no: int, *, additions: bool) -> Question:
    """All unpaid sales of a point: an answer for each, then an ack for the whole list [cap]."""
    place = bytes((FIRST_POINT + point_no, ALL_SALES, 0, 0))
    return Question(Aim.LIST, place, Kind.READ, _sale_ids(additions))


def slot(point_no: int, buffer: int) -> Question:
    """Number and state of the sale in one buffer of a point."""
    return Question(Aim.SLOT, bytes((FIRST_POINT + point_no, buffer, 0, 0)), Kind.READ, b"\x01\x15")


def sale(place: bytes, *, additions: bool) -> Question:
    return Question(Aim.SALE, place, Kind.READ, _sale_ids(additions))


def offline(*, additions: bool) -> Question:
    """The oldest offline sale of the node, or an ack that there is none [cap]."""
    ids = bytes((OFFLINE_SALE,)) + _sale_ids(additions)
    return Question(Aim.OFFLINE, bytes((FIRST_POINT, SALES, 0, 0)), Kind.READ, ids)


def clear(place: bytes) -> Question:
    return Question(Aim.CLEAR, place, Kind.WRITE, bytes((CLEAR, 0)))


def remove_offline(place: bytes) -> Question:
    return Question(Aim.REMOVE, place, Kind.WRITE, bytes((REMOVE_OFFLINE, 0)))


def receipt(push: Message) -> Message:
    """The ack for a message that the device sent by itself and wants acknowledged."""
    return Message(push.sender, push.to, Kind.ACK, push.token_no, push.place, b"\0")


def totals(point_no: int, nozzle_no: int) -> Question:
    """The meters of one nozzle; for `device scan`, no session asks."""
    place = bytes((FIRST_POINT + point_no, 0x10 + nozzle_no))
    return Question(Aim.STATE, place, Kind.READ, TOTAL_IDS)


def _sale_ids(additions: bool) -> bytes:
    return SALE_IDS + (ADDITION_IDS if additions else b"") + NUMBER_ID
