"""The pump's TX numbers (devices.md 3.1): what they tell about frames that were not heard.

They count 0 after a start, then 1 to F and on to 1; to 0 was seen as well, so 0 behind F is no restart. A
number that comes twice is a duplicate only if the frame is the same one: a pump that restarts behind its very
first frame says 0 again, and fifteen missed frames lead back to the same number.
"""

from enum import Enum

from drivers.dart.codec import Frame

_LAST = 0xF


class Heard(Enum):
    FIRST = "first"
    """Nothing was heard before it, or what was heard before does not count any more."""
    NEXT = "next"
    DUPLICATE = "duplicate"
    """The same frame again: its acknowledgement was lost."""
    GAP = "gap"
    RESTARTED = "restarted"


class Sequence:
    """The numbers of one pump's data frames."""

    def __init__(self) -> None:
        self._last: Frame | None = None

    def hear(self, frame: Frame) -> Heard:
        last, self._last = self._last, frame
        if last is None:
            return Heard.FIRST
        if frame == last:
            return Heard.DUPLICATE
        if frame.tx_no == last.tx_no + 1 or (last.tx_no == _LAST and frame.tx_no in (0, 1)):
            return Heard.NEXT
        return Heard.RESTARTED if frame.tx_no == 0 else Heard.GAP

    def forget(self) -> None:
        self._last = None


def next_tx_no(last: int) -> int:
    """The number behind `last` (our own direction: F goes to 1)."""
    return 1 if last == _LAST else last + 1
