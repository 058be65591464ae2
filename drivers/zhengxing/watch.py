"""What the state bytes of one fuelling point tell: lifts, flow, ends, and whether a sale waits."""

from drivers.events import Monotonic
from drivers.zhengxing.words import CALLING, FLOWING, NOZZLE_LIFTED, SALE_WAITS

SIGHT_MS = 2_000
"""A fuelling that was seen flowing so long ago may have ended, and another one begun, unseen."""


class Watch:
    """Fed with every state byte of one fuelling point in order; `forget` when some may have been missed."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.is_known = self.is_pending = self.is_flowing = False
        self._is_up = self._is_running = self._has_started = False
        self._flowed_at: Monotonic | None = None
        self._ended: Monotonic | None = None

    def hear(self, state: int, now: Monotonic) -> bool:
        """One state byte. True if a fuelling begins: the nozzle is lifted, or the point calls or flows."""
        was_up, was_running, was_pending = self._is_up, self._is_running, self.is_pending
        self.is_known = True
        self.is_pending = bool(state & SALE_WAITS)
        self.is_flowing = state & 0x0F in FLOWING
        self._is_up = bool(state & NOZZLE_LIFTED)
        self._is_running = self.is_flowing or state & 0x0F == CALLING
        self._see_end(was_pending=was_pending, now=now)
        if not (self._is_up or self._is_running) or (self.is_pending and not was_pending):
            self._has_started = False
        rises = (self._is_up and not was_up) or (self._is_running and not was_running)
        starts = rises and not self._has_started
        self._has_started = self._has_started or starts
        return starts

    def take_ended(self) -> Monotonic | None:
        """When the fuelling ended whose sale waits first, if that was seen. For one sale only."""
        ended, self._ended = self._ended, None
        return ended

    def _see_end(self, *, was_pending: bool, now: Monotonic) -> None:
        if self.is_flowing:
            self._ended = None
            self._flowed_at = None if self.is_pending else now
        elif self.is_pending and not was_pending:
            is_seen = self._flowed_at is not None and now - self._flowed_at <= SIGHT_MS
            self._ended = now if is_seen else None
            self._flowed_at = None
