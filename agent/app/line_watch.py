"""Looks at every line twice a minute and says when one becomes worse, before it stops working (S-025)."""

import logging
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from agent.till import Till, TillUnavailable
from drivers.events import Monotonic
from drivers.line import LineStatus
from drivers.quality import LineQuality, Quality

log = logging.getLogger("forecourt.lines")

LOOK_EVERY_MS = 30_000
KEEP_EVERY_MS = 3_600_000


class LineWatch:
    """`when_due` is called every second. `newest` is read from any thread, by the line's name.

    A line that becomes worse is an alarm `LINE_QUALITY`, counted once until it is good again, or until a
    restart. What is usual on a line is kept once an hour, and remembered from before the start.
    """

    def __init__(
        self,
        till: Till,
        lines: Callable[[], Iterable[LineStatus]],
        monotonic_ms: Callable[[], Monotonic],
    ) -> None:
        self._till = till
        self._lines = lines
        self._monotonic_ms = monotonic_ms
        self._watched: dict[str, LineQuality] = {}
        self._alarmed: set[str] = set()
        self._due_at_ms = Monotonic(0)
        self._keep_at_ms: Monotonic | None = None
        """None until what was kept has been read."""
        self.newest: Mapping[str, Quality] = MappingProxyType({})

    def when_due(self) -> None:
        now = self._monotonic_ms()
        if now < self._due_at_ms:
            return
        self._due_at_ms = Monotonic(now + LOOK_EVERY_MS)
        if self._keep_at_ms is None:
            self._remember(now)
        self.newest = MappingProxyType({line.name: self._look(line, now) for line in self._lines()})
        for name, quality in self.newest.items():
            self._tell(name, quality)
        if self._keep_at_ms is not None and now >= self._keep_at_ms:
            self._keep(now)

    def _remember(self, now: Monotonic) -> None:
        try:
            kept = self._till.submit(lambda tx, _: tx.line_usuals.all())
        except TillUnavailable:
            return  # at the next look
        self._keep_at_ms = Monotonic(now + KEEP_EVERY_MS)
        for name, usual in kept.items():
            self._watched.setdefault(name, LineQuality()).remember(usual, now)

    def _keep(self, now: Monotonic) -> None:
        usuals = {name: usual for name, each in self._watched.items() if (usual := each.usual()) is not None}
        try:
            self._till.submit(lambda tx, at: tx.line_usuals.keep(usuals, at.wall_ms))
        except TillUnavailable:
            return  # at the next look
        self._keep_at_ms = Monotonic(now + KEEP_EVERY_MS)

    def _look(self, line: LineStatus, now: Monotonic) -> Quality:
        watched = self._watched.setdefault(line.name, LineQuality())
        return watched.look(line.counters, now, all_are_there=line.port_open and not line.silent_addresses)

    def _tell(self, name: str, quality: Quality) -> None:
        if quality.is_worse == (name in self._alarmed):
            return
        if not quality.is_worse:
            self._alarmed.discard(name)
            log.info("LINE_QUALITY_GOOD", extra={"line": name, "quality": quality.told()})
            return
        detail = quality.told()
        try:
            self._till.submit(
                lambda tx, at: tx.alarms.count("LINE_QUALITY", f"line {name}", at.wall_ms, detail)
            )
        except TillUnavailable as unavailable:
            log.warning("ALARM_POSTPONED", extra={"line": name, "reason": unavailable.reason})
            return
        self._alarmed.add(name)
        log.warning("LINE_QUALITY", extra={"line": name, "quality": detail})
