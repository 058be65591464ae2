"""When a counter that only grows has told of one fuelling: the judgement of `counter.py`.

A fuelling is what the counter moved between two rests of `stopped_ms`. Only what was watched counts as
one: what moved while nobody read (longer than a rest) may be one fuelling, several, or a part of one. It is
left to the pair of totals, in which the till sees litres without a record (devices.md 0, class C). Where a
rest may have hidden between too few readings, what flowed before it and after it is told apart.
"""

from dataclasses import dataclass

from drivers.events import Monotonic

FASTEST_ML_PER_MS = 5
"""300 litres a minute; a fast lorry pump does 130. Faster is another counter, or a torn reading."""
SLACK_ML = 1_000


@dataclass(frozen=True, slots=True)
class Flow:
    """One fuelling in raw counts. `began` and `ended` are when movement was first and last seen."""

    before_count: int
    after_count: int
    began: Monotonic
    ended: Monotonic
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    count: int
    at: Monotonic


@dataclass(slots=True)
class _Running:
    """It moved last between `moved_after` and `moved`, two readings."""

    before_count: int
    began: Monotonic
    moved_after: Monotonic
    moved: Monotonic
    flags: tuple[str, ...]


class FlowWatch:
    """Fed with every reading of one counter in order.

    A reading that cannot follow the last one (the counter was reset or replaced, or its two words were read
    on both sides of a carry) is believed only when the next one follows it; `jumps` counts those.
    """

    def __init__(self, modulus: int, stopped_ms: int, pulses_per_litre_milli: int) -> None:
        self.jumps = 0
        self._modulus = modulus
        self._stopped_ms = stopped_ms
        self._pulses_per_litre_milli = pulses_per_litre_milli
        self._known: _Seen | None = None
        self._doubted: _Seen | None = None
        self._still_since = Monotonic(0)
        self._running: _Running | None = None

    @property
    def flows(self) -> bool:
        return self._running is not None

    def see(self, count: int, now: Monotonic) -> Flow | None:
        """The fuelling that this reading ends, if it ends one."""
        known, seen = self._known, _Seen(count, now)
        if known is None:
            return self._start_at(seen)
        if not self._follows(known, seen):
            return self._doubt(seen)
        self._doubted = None
        if count == known.count:
            self._known = seen
            return self._end() if self._has_stopped(now) else None
        if now - known.at > self._stopped_ms:
            return self._start_at(seen)
        return self._move(known, seen)

    def _follows(self, known: _Seen, seen: _Seen) -> bool:
        most_ml = SLACK_ML + FASTEST_ML_PER_MS * (seen.at - known.at)
        most = most_ml * self._pulses_per_litre_milli // 1_000_000 + 1
        return (seen.count - known.count) % self._modulus <= most

    def _doubt(self, seen: _Seen) -> Flow | None:
        doubted, self._doubted = self._doubted, seen
        if doubted is None or not self._follows(doubted, seen):
            return None
        self.jumps += 1
        return self._start_at(seen)

    def _start_at(self, seen: _Seen) -> Flow | None:
        """Count from here; what moved since the last reading is nobody's."""
        ended = self._end("END_UNSEEN") if self._running else None
        self._known, self._doubted, self._still_since = seen, None, seen.at
        return ended

    def _move(self, known: _Seen, seen: _Seen) -> Flow | None:
        ended = self._end("END_UNSEEN") if self._may_have_rested(seen.at) else None
        if self._running is None:
            was_at_rest = known.at - self._still_since >= self._stopped_ms
            flags = () if was_at_rest else ("BEGAN_UNSEEN",)
            self._running = _Running(known.count, seen.at, known.at, seen.at, flags)
        self._running.moved_after, self._running.moved = known.at, seen.at
        self._known = seen
        return ended

    def _may_have_rested(self, now: Monotonic) -> bool:
        """Too few readings to know: a rest and a half would be missed, and two customers made one."""
        return self._running is not None and 2 * (now - self._running.moved_after) >= 3 * self._stopped_ms

    def _has_stopped(self, now: Monotonic) -> bool:
        return self._running is not None and now - self._running.moved >= self._stopped_ms

    def _end(self, *flags: str) -> Flow:
        running, known = self._running, self._known
        assert running is not None
        assert known is not None
        self._running, self._still_since = None, running.moved
        return Flow(running.before_count, known.count, running.began, running.moved, running.flags + flags)
