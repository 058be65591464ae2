"""Keeps the station's threads alive, feeds the watchdog with proof of progress, and knows when to give up.

A thread that dies is started again with a growing pause; one that keeps dying ends the process, and
systemd starts everything afresh. The watchdog is fed only when every worker has shown a turn of its
loop lately and a no-op went through the till (decisions.md 10).
"""

import logging
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

log = logging.getLogger("forecourt.supervisor")

LOOK_EVERY_S = 1.0
STALE_AFTER_MS = 10_000
"""decisions.md 10. No single wait of a worker is longer than 2 s."""
RESTART_FIRST_MS, RESTART_LIMIT_MS = 500, 30_000
DEATHS_ALLOWED = 8
"""Within `DEATHS_WINDOW_MS`: a worker that dies more often will not be cured by being started again."""
DEATHS_WINDOW_MS = 300_000


class TooManyDeaths(Exception):
    """A worker keeps dying; the process must start afresh."""


@dataclass(slots=True)
class Worker:
    """A thread with a loop. `ticked_ms` is when it last turned, None before its first turn."""

    name: str
    run: Callable[[threading.Event], None]
    ticked_ms: Callable[[], int | None]
    thread: threading.Thread | None = None
    deaths_ms: list[int] = field(default_factory=list)
    restart_at_ms: int = 0
    trouble: str = ""

    @property
    def alive(self) -> bool:
        return self.thread is not None and self.thread.is_alive()


class Supervisor:
    def __init__(
        self,
        workers: list[Worker],
        monotonic_ms: Callable[[], int],
        probe: Callable[[], bool],
        feed: Callable[[], object],
        chores: Callable[[], None],
    ) -> None:
        """`probe` sends a no-op through the till; `feed` tells the watchdog; `chores` runs every second."""
        self.workers = workers
        self._monotonic_ms = monotonic_ms
        self._probe = probe
        self._feed = feed
        self._chores = chores

    def run(self, stop: threading.Event) -> None:
        """Until `stop`; then waits for the workers. Raises `TooManyDeaths`."""
        for worker in self.workers:
            self._start(worker, stop)
        while not stop.wait(LOOK_EVERY_S):
            self.look(stop)
        for worker in self.workers:
            if worker.thread is not None:
                worker.thread.join(timeout=5)

    def look(self, stop: threading.Event) -> None:
        """One round: revive who died, do what is due, feed the watchdog if everything moves."""
        now = self._monotonic_ms()
        for worker in self.workers:
            if not worker.alive:
                self._revive(worker, now, stop)
        self._chores()
        if not self.stale(now) and self._probe():
            self._feed()

    def stale(self, now: int) -> list[str]:
        """Workers that have not shown a turn of their loop lately."""
        return [
            worker.name
            for worker in self.workers
            if not worker.alive or now - (worker.ticked_ms() or 0) > STALE_AFTER_MS
        ]

    def _start(self, worker: Worker, stop: threading.Event) -> None:
        worker.thread = threading.Thread(
            target=self._guarded, args=(worker, stop), name=worker.name, daemon=True
        )
        worker.thread.start()

    def _guarded(self, worker: Worker, stop: threading.Event) -> None:
        """The one place where any exception is caught: it ends the worker, is written down, and counted."""
        try:
            worker.run(stop)
        except Exception as error:  # a worker may die of anything; the others must not
            worker.trouble = "".join(traceback.format_exception_only(error)).strip()
            log.error("WORKER_DIED", extra={"worker": worker.name}, exc_info=error)

    def _revive(self, worker: Worker, now: int, stop: threading.Event) -> None:
        if worker.restart_at_ms == 0:
            worker.deaths_ms = [at for at in worker.deaths_ms if now - at < DEATHS_WINDOW_MS] + [now]
            if len(worker.deaths_ms) > DEATHS_ALLOWED:
                raise TooManyDeaths(f"{worker.name}: {worker.trouble}")
            pause_ms = RESTART_FIRST_MS << (len(worker.deaths_ms) - 1)  # old deaths are forgotten
            worker.restart_at_ms = now + min(pause_ms, RESTART_LIMIT_MS)
        elif now >= worker.restart_at_ms:
            worker.restart_at_ms = 0
            self._start(worker, stop)
