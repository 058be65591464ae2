"""What HQ holds, as values: the lines of `hq status` and `hq reconcile`."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamStanding:
    """One stream of one station: everything up to `watermark` is here, `waiting` items came ahead of it."""

    station: str
    epoch: int
    stream: str
    watermark: int
    head: bytes
    at_ms: int
    waiting: int


@dataclass(frozen=True, slots=True)
class AlarmLine:
    """How often something went wrong with a station; `detail` is of the last time.

    `station` is "" for messages that name no station known here.
    """

    station: str
    code: str
    detail: str
    first_at_ms: int
    last_at_ms: int
    count: int


@dataclass(frozen=True, slots=True)
class StationLine:
    """A known station. `state` is the last birth or death message as it came, unverified."""

    station: str
    public_key: bytes
    added_at_ms: int
    state: bytes | None
    state_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Total:
    """All items of one kind and verdict; duplicates, conflicts and malformed items are not counted."""

    kind: str
    verdict: str
    counted: bool
    items: int
    minor: int


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Everything HQ holds of one station, over all epochs."""

    station: str
    streams: tuple[StreamStanding, ...]
    totals: tuple[Total, ...]
    alarms: tuple[AlarmLine, ...]
    imbalances: int
    """Accounts of members seen here that are not opening balance plus counted items of all stations."""

    def items(self, *kinds: str) -> int:
        """Counted items of these kinds: `items("fuelling", "basket")` are the facts."""
        return self._sum(lambda total: total.items, kinds)

    def minor(self, *kinds: str) -> int:
        """Points of these kinds, minor units."""
        return self._sum(lambda total: total.minor, kinds)

    def verdicts(self, verdict: str) -> int:
        """Items with this verdict, counted or not."""
        return sum(total.items for total in self.totals if total.verdict == verdict)

    def _sum(self, figure: Callable[[Total], int], kinds: tuple[str, ...]) -> int:
        return sum(figure(total) for total in self.totals if total.counted and total.kind in kinds)
