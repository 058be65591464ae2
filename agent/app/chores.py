"""What has to be done now and then: sales that waited long enough, rows that HQ has, the free disk."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from agent.app.parts import Parts
from agent.handlers.apply_ack import prune
from agent.handlers.bind_sale import let_lapse
from agent.till import Till, TillUnavailable
from sync.outbox import STREAMS

log = logging.getLogger("forecourt.chores")

EVERY_MS = 30_000
"""A sale lapses after half an hour and rows are kept for days: half a minute more is nothing to either."""
DAY_MS = 86_400_000


class Chores:
    """`when_due` is called every second and does something every `EVERY_MS`."""

    def __init__(self, till: Till, parts: Parts, monotonic_ms: Callable[[], int]) -> None:
        self._till = till
        self._parts = parts
        self._monotonic_ms = monotonic_ms
        self._due_at_ms = 0

    def when_due(self) -> None:
        now = self._monotonic_ms()
        if now < self._due_at_ms:
            return
        self._due_at_ms = now + EVERY_MS
        try:
            self._do()
        except TillUnavailable as unavailable:
            log.warning("CHORES_POSTPONED", extra={"reason": unavailable.reason})

    def _do(self) -> None:
        site, settings = self._parts.site, self._parts.settings
        self._till.submit(lambda tx, at: let_lapse(tx, site, at))
        for stream in STREAMS:
            self._prune(stream, settings.store.keep_acknowledged_days * DAY_MS)
        if free_mib(settings.station.state_dir) < settings.store.min_free_mib:
            self._till.submit(lambda tx, at: tx.alarms.count("DISK_LOW", "state directory", at.wall_ms))

    def _prune(self, stream: str, keep_ms: int) -> None:
        self._till.submit(lambda tx, at: prune(stream, keep_ms, tx, at))


def free_mib(directory: Path) -> int:
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize // (1 << 20)
