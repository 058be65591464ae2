"""What is seen of the customer at one point: the nozzle goes up, fuel flows, it ends."""

from drivers.events import Monotonic

WATCHED_WITHIN_MS = 2_000
"""An end counts as seen only if fuel was seen flowing at most this long before."""


class CustomerWatch:
    """One fuelling after the other. Nozzles are digits; "0" is none."""

    def __init__(self) -> None:
        self._lifted = ""
        self._flow: tuple[str, Monotonic] | None = None
        self._ended: tuple[str, Monotonic] | None = None
        self._is_stopped = False

    def begins(self, nozzle: str) -> bool:
        """This nozzle is out. True if that is news."""
        if nozzle in ("0", self._lifted):
            return False
        self._lifted = nozzle
        return True

    def flows(self, nozzle: str, now: Monotonic) -> None:
        self._flow, self._ended, self._is_stopped = (nozzle, now), None, False

    def rests(self, now: Monotonic) -> None:
        """No fuel flows (any more)."""
        if self._flow is not None:
            nozzle, seen_at = self._flow
            self._flow = None
            self._ended = (nozzle, now) if now - seen_at <= WATCHED_WITHIN_MS else None

    def stopped(self) -> None:
        """The controller calls the transaction stopped, not completed."""
        self._is_stopped = True

    def done(self) -> None:
        """The nozzle hangs, or the transaction is shown: the next lift is another fuelling's."""
        self._lifted = ""

    def take_end(self, nozzle: str) -> tuple[Monotonic | None, bool]:
        """When the fuelling at `nozzle` was seen to end, None if it was not, and whether it was stopped;
        told once."""
        ended = self._ended[1] if self._ended is not None and self._ended[0] == nozzle else None
        is_stopped, self._ended, self._is_stopped = self._is_stopped, None, False
        return ended, is_stopped

    def forget_end(self) -> None:
        """Another customer is here, or we or the pump were away: what ended is not what comes."""
        self._flow = self._ended = None
