"""The commands of a Zhengxing line and the fixed lengths of their frames (devices.md 4.1, [one])."""

from enum import IntEnum
from typing import Literal

Side = Literal["host", "device"]
BOTH: frozenset[Side] = frozenset(("host", "device"))
DEVICE: frozenset[Side] = frozenset(("device",))


class Command(IntEnum):
    """The second byte. A reply repeats its question's, but for NOTHING, which answers SALE."""

    PRESET_AMOUNT = 0x01
    PRESET_VOLUME = 0x02
    SET_PRICE = 0x03
    STOP = 0x05
    AUTHORISE = 0x06
    MODE = 0x08
    TOTALS = 0x0C
    STATE = 0x0D
    PRICE = 0x12
    HISTORIC = 0x13
    SALE = 0x15
    NOTHING = 0x16
    ACKNOWLEDGE = 0x17
    RUNNING = 0x18


HARMLESS = frozenset(
    (
        Command.STATE,
        Command.SALE,
        Command.ACKNOWLEDGE,
        Command.HISTORIC,
        Command.TOTALS,
        Command.RUNNING,
        Command.PRICE,
    )
)
"""What a session of ours may say: questions, and "we have it"."""

_QUESTION_BYTES: dict[Command, int] = {
    **{command: 4 for command in Command if command is not Command.NOTHING},
    Command.PRESET_AMOUNT: 10,
    Command.PRESET_VOLUME: 9,
    Command.SET_PRICE: 6,
    Command.MODE: 5,
    Command.ACKNOWLEDGE: 6,
}
_REPLY_BYTES: dict[Command, tuple[int, ...]] = {
    Command.PRESET_AMOUNT: (6,),
    Command.PRESET_VOLUME: (6,),
    Command.SET_PRICE: (6,),
    Command.STOP: (5,),
    Command.AUTHORISE: (5,),
    Command.MODE: (5,),
    Command.TOTALS: (17,),
    Command.STATE: (5,),
    Command.PRICE: (18,),
    Command.HISTORIC: (36,),
    Command.SALE: (36,),
    Command.NOTHING: (5, 36),
    Command.ACKNOWLEDGE: (5,),
    Command.RUNNING: (13,),
}


def question_bytes(command: Command) -> int | None:
    """How long the question is; None for what only a dispenser says."""
    return _QUESTION_BYTES.get(command)


def reply_bytes(command: Command) -> tuple[int, ...]:
    """How long the reply is; of "no sale" it is not known whether it is padded [?]."""
    return _REPLY_BYTES[command]


def lengths(command: int, sides: frozenset[Side]) -> tuple[int, ...]:
    """How long a frame with this command byte can be, ascending; () for an unknown command."""
    if command not in _REPLY_BYTES:
        return ()
    known = Command(command)
    replies = _REPLY_BYTES[known] if "device" in sides else ()
    question = _QUESTION_BYTES.get(known) if "host" in sides else None
    return tuple(sorted({*replies, *(() if question is None else (question,))}))
