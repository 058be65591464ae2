"""What a session remembers of each fuelling point: its state, lifted nozzles, the sale that flows, and when
to look for unpaid sales again."""

from dataclasses import dataclass, field

from drivers.events import Monotonic
from drivers.ifsf.questions import Question
from drivers.ifsf.reading import nozzle_name

FLOWING = frozenset((6, 7, 8, 9))
"""Started, suspended (7, 9), fuelling."""
READY_TO_FLOW = frozenset((4, 5)) | FLOWING
"""Calling and authorised come before fuel flows."""
WATCHED_WITHIN_MS = 2_000
"""An end counts as seen only if the sale was seen flowing at most this long before."""


@dataclass(slots=True)
class PointWatch:
    """One fuelling point. `finding` are the questions of the present look for unpaid sales; `was_away`: none
    was begun since the wire was there (again)."""

    point_no: int
    state_at: Monotonic
    find_at: Monotonic
    was_away: bool = True
    finding: list[Question] = field(default_factory=list)
    _lifted_bits: int = 0
    _was_busy: bool = False
    _flowing: bytes = b""
    _flow_seen: Monotonic | None = None
    _ended: tuple[bytes, Monotonic] | None = None

    def look(self, found: dict[int, bytes], now: Monotonic) -> list[str]:
        """Take state (14), lifted nozzles (15, a bit each) and running sale (1D) from an answer or push.

        Returns the nozzles whose fuelling has now begun.
        """
        state_bytes, lifted_bytes = found.get(0x14, b""), found.get(0x15, b"")
        if len(state_bytes) != 1 or len(lifted_bytes) != 1:
            return []
        state, lifted = state_bytes[0], lifted_bytes[0]
        newly = lifted & ~self._lifted_bits if state in READY_TO_FLOW else 0
        self._lifted_bits = lifted if state in READY_TO_FLOW else 0
        if state in FLOWING:
            self._sees_flow(found.get(0x1D, b""), now)
        elif state not in READY_TO_FLOW:
            self.hears_of_sale(self._flowing, now)
            self.find_at = now if self._was_busy else self.find_at
        self._was_busy = state in FLOWING
        return [nozzle_name(self.point_no, bit + 1) for bit in range(8) if newly >> bit & 1]

    def hears_of_sale(self, sequence: bytes, now: Monotonic) -> None:
        """The device speaks of this sale as finished: if it was seen flowing, it has just ended."""
        if not self._flowing or sequence != self._flowing:
            return
        assert self._flow_seen is not None
        if now - self._flow_seen <= WATCHED_WITHIN_MS:
            self._ended = (self._flowing, now)
        self._flowing = b""

    def ended(self, sequence: bytes) -> Monotonic | None:
        """When the sale of this number was seen to end, if it was."""
        return self._ended[1] if self._ended is not None and self._ended[0] == sequence else None

    def booked(self, sequence: bytes) -> None:
        """The till has it: a later sale of the same number has an end of its own."""
        if self._ended is not None and self._ended[0] == sequence:
            self._ended = None

    def forget_flow(self) -> None:
        """The wire was gone: what flowed may have ended at any time."""
        self._flowing, self._flow_seen, self._lifted_bits, self._was_busy = b"", None, 0, False

    def _sees_flow(self, sequence: bytes, now: Monotonic) -> None:
        if len(sequence) == 2 and any(sequence):
            self._flowing, self._flow_seen = sequence, now
