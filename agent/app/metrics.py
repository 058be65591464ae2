"""The figures a station publishes now and then: what was done, how long it took, what waits, what is broken.

Names are dotted words, the unit last. `step.NAME.ok`, `.waiting` and `.failed` count what devices and tills
reported; `latency.report_ms.le_50` and the like, how long each waited for its answer; `breaker.hq` and
`breaker.line.NAME` are 0 closed, 1 half open, 2 open; `line.NAME.worse` is 1 while a line has more errors or
slower answers than was usual (drivers/quality.py). Nothing in here is about a person.
"""

import os
import re
import resource
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from drivers.events import Answer, DriverEvent, Monotonic, Outcome
from drivers.line import LineStatus
from drivers.quality import Quality
from sync.connection import Breaker, CourierStatus
from sync.outbox import Backlog
from sync.wire import MAX_FIGURES

_BOUNDS_MS = (10, 50, 200, 1_000)
_ROOM_BYTES = 7_000
"""For names and numbers, of the 8 KiB that a message may have."""
_COUNTED = {
    Outcome.DONE: "ok",
    Outcome.REPEATED: "ok",
    Outcome.WAITING: "waiting",
    Outcome.AMBIGUOUS: "waiting",
    Outcome.REFUSED: "failed",
    Outcome.UNAVAILABLE: "failed",
}
_BREAKERS = {Breaker.CLOSED: 0, Breaker.HALF_OPEN: 1, Breaker.OPEN: 2}

Report = Callable[[DriverEvent, Monotonic], Answer]
Figures = dict[str, int]


class Tally:
    """What the lines reported and what became of it. Counted in their threads, read in any."""

    def __init__(self, monotonic_ms: Callable[[], int]) -> None:
        self._monotonic_ms = monotonic_ms
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def counting(self, report: Report) -> Report:
        """The same report, counted by kind of event and outcome, and by how long it took."""

        def counted(event: DriverEvent, heard: Monotonic) -> Answer:
            began_ms = self._monotonic_ms()
            answer = report(event, heard)
            took_ms = self._monotonic_ms() - began_ms
            with self._lock:
                self._counts[f"step.{_snake(type(event).__name__)}.{_COUNTED[answer.outcome]}"] += 1
                for bound_ms in _BOUNDS_MS:
                    self._counts[f"latency.report_ms.le_{bound_ms}"] += took_ms <= bound_ms
                self._counts["latency.report_ms.le_inf"] += 1
            return answer

        return counted

    def counts(self) -> Figures:
        with self._lock:
            return dict(self._counts)


def road_counters(road: CourierStatus) -> Figures:
    sent = {"road.items": road.items, "road.payload_bytes": road.payload_bytes}
    return sent | {f"road.refused.{code}": times for code, times in road.refused.items()}


def line_counters(lines: Iterable[LineStatus]) -> Figures:
    """Checksum errors, late answers, openings of the port: whatever the line and its session count."""
    return {
        f"line.{line.name}.{code}": times for line in lines for code, times in line.counters.items() if times
    }


def process_counters() -> Figures:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"process.cpu_ms": int((used.ru_utime + used.ru_stime) * 1_000)}


def road_gauges(road: CourierStatus, backlog: Mapping[str, Backlog], wall_ms: int) -> Figures:
    """Depth of every queue by class, when they will be empty, and the breaker (S-004, S-017, S-140)."""
    gauges = {
        "breaker.hq": _BREAKERS[road.breaker],
        "road.outstanding": road.outstanding,
        "road.items_per_hour": road.items_per_hour,
    }
    for stream, waiting in backlog.items():
        gauges[f"backlog.{stream}.items"] = waiting.items
        gauges[f"backlog.{stream}.bytes"] = waiting.size_bytes
        if waiting.oldest_at_ms is not None:
            gauges[f"backlog.{stream}.age_ms"] = max(0, wall_ms - waiting.oldest_at_ms)
    known = {"road.hq_age_ms": road.hq_age_ms, "backlog.clears_in_ms": road.clears_in_ms}
    return gauges | {name: value for name, value in known.items() if value is not None}


def line_gauges(lines: Iterable[LineStatus]) -> Figures:
    gauges: Figures = {}
    for line in lines:
        breaker = Breaker.HALF_OPEN if line.silent_addresses else Breaker.CLOSED
        gauges[f"breaker.line.{line.name}"] = _BREAKERS[breaker if line.port_open else Breaker.OPEN]
        gauges[f"line.{line.name}.silent_devices"] = len(line.silent_addresses)
    return gauges


def quality_gauges(qualities: Mapping[str, Quality]) -> Figures:
    """Of each line's last hour; shares and times only where enough was heard to say."""
    gauges: Figures = {}
    for name, quality in qualities.items():
        gauges[f"line.{name}.worse"] = int(quality.is_worse)
        known = {"error_bp": quality.error_bp, "answer_ms": quality.answer_ms}
        gauges |= {f"line.{name}.{word}": value for word, value in known.items() if value is not None}
    return gauges


def process_gauges() -> Figures:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "process.rss_bytes": pages * os.sysconf("SC_PAGE_SIZE"),
        "process.threads": threading.active_count(),
    }


def bounded(gauges: Figures, counters: Figures) -> tuple[Figures, Figures]:
    """As many as a message may carry, gauges first, each in its order."""
    room_bytes, names = _ROOM_BYTES, MAX_FIGURES
    kept: tuple[Figures, Figures] = ({}, {})
    for into, figures in zip(kept, (gauges, counters), strict=True):
        for name, value in figures.items():
            size_bytes = len(name) + len(str(value)) + 4
            if names > 0 and size_bytes <= room_bytes and len(name) <= 64:
                into[name] = value
                names, room_bytes = names - 1, room_bytes - size_bytes
    return kept


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
