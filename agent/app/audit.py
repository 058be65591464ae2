"""The books are checked from their rows after every start and once a day, beside the sales.

Whoever changed a row by hand is found at the next start at the latest (reliability.md S5). It reads
on a connection of its own and rests between rows, so that no sale waits for it.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from agent.store import integrity, reading
from agent.till import Till, TillUnavailable

log = logging.getLogger("forecourt.audit")

FIRST_AFTER_MS = 20_000
"""A station that has just started has better things to do."""
AGAIN_AFTER_MS = 86_400_000
REST_S = 0.002
TOLD = 20
"""So many findings say enough; `forecourt store verify` has them all."""


class _Stopped(Exception):
    """The agent is asked to end in the middle of a check."""


class Audit:
    """`run` in its own thread until `stop` is set."""

    def __init__(self, database: Path, till: Till, monotonic_ms: Callable[[], int]) -> None:
        self._database = database
        self._till = till
        self._monotonic_ms = monotonic_ms
        self.ticked: int | None = None

    def run(self, stop: threading.Event) -> None:
        due_at = self._monotonic_ms() + FIRST_AFTER_MS
        while not stop.wait(1):
            self.ticked = self._monotonic_ms()
            if self.ticked >= due_at:
                self._check(stop)
                due_at = self._monotonic_ms() + AGAIN_AFTER_MS

    def _check(self, stop: threading.Event) -> None:
        def rest(done: int, total: int) -> None:
            self.ticked = self._monotonic_ms()
            if stop.wait(REST_S):
                raise _Stopped

        try:
            with closing(reading.connect(self._database)) as connection:
                findings = integrity.verify(connection, rest)
        except _Stopped:
            return
        log.info("BOOKS_CHECKED", extra={"findings": len(findings)})
        try:
            for finding in findings[:TOLD]:
                self._tell(finding)
        except TillUnavailable as unavailable:
            log.warning("CHECK_POSTPONED", extra={"reason": unavailable.reason})

    def _tell(self, finding: integrity.Finding) -> None:
        detail = f"{finding.where}: {finding.detail}"
        self._till.submit(lambda tx, at: tx.alarms.count("BOOKS_DISAGREE", finding.code, at.wall_ms, detail))
