"""What has to be done now and then: what falls due or lapses, a day to close, rows that HQ has, the disk."""

import logging
from collections.abc import Callable
from functools import partial

from agent.app.disk import Disk
from agent.app.parts import Parts
from agent.clock import ClockQuality, Instant
from agent.handlers import lifecycle
from agent.handlers.apply_ack import prune
from agent.handlers.bind_sale import let_lapse
from agent.handlers.daily_close import close_days
from agent.handlers.delay_report import end_darkness
from agent.handlers.passing_days import pass_days
from agent.store.database import Transaction
from agent.till import Till, TillUnavailable
from sync.outbox import STREAMS

log = logging.getLogger("forecourt.chores")

EVERY_MS = 30_000
"""A sale lapses after half an hour and rows are kept for days: half a minute more is nothing to either."""
DAY_MS = 86_400_000
PRUNED_AT_ONCE = 500
"""Rows that one transaction of `prune` takes at most."""
DARK_AFTER_MS = 600_000
"""Headquarters is asked at least every 45 s: who has not answered for ten minutes is not there."""


class Chores:
    """`when_due` is called every second, looks at the disk, and does the rest every `EVERY_MS`.

    `hq_age_ms` is the age of headquarters' last word, None if it was not heard since the start.
    """

    def __init__(
        self,
        till: Till,
        parts: Parts,
        monotonic_ms: Callable[[], int],
        hq_age_ms: Callable[[], int | None],
        sync_heads: Callable[[], None],
        disk: Disk,
    ) -> None:
        self._till = till
        self._parts = parts
        self._monotonic_ms = monotonic_ms
        self._hq_age_ms = hq_age_ms
        self._sync_heads = sync_heads
        self._disk = disk
        self._had_ballast = disk.has_ballast
        self._started_at_ms = monotonic_ms()
        self._due_at_ms = 0
        self._was_dark: bool | None = None

    def when_due(self) -> None:
        now = self._monotonic_ms()
        level = self._disk.look()
        if now < self._due_at_ms and level is None:
            return
        self._due_at_ms = now + EVERY_MS
        try:
            self._do(now)
        except TillUnavailable as unavailable:
            log.warning("CHORES_POSTPONED", extra={"reason": unavailable.reason})
            if unavailable.reason == "DISK_FULL":
                self._disk.refused()

    def _do(self, now: int) -> None:
        site, settings = self._parts.site, self._parts.settings
        self._till.submit(lambda tx, at: let_lapse(tx, site, at))
        self._till.submit(lambda tx, at: lifecycle.advance(tx, site, at))
        self._note_darkness(now)
        if self._may_go_by_the_date(now):
            self._till.submit(lambda tx, at: pass_days(tx, site, at))
            self._till.submit(lambda tx, at: close_days(tx, at))
        self._prune(settings.store.keep_acknowledged_days * DAY_MS if self._disk.keeps_spares else 0)
        self._till.submit(lambda tx, at: self._sync_heads())
        self._note_disk()

    def _may_go_by_the_date(self, now: int) -> bool:
        """After a start headquarters has its say on the date first, unless a time service had it."""
        is_awaited = self._hq_age_ms() is None and now - self._started_at_ms < DARK_AFTER_MS
        return not is_awaited or self._till.submit(lambda tx, at: at.quality is ClockQuality.SYNCED)

    def _note_darkness(self, now: int) -> None:
        """When headquarters went away and came back: points that lapse meanwhile are honoured."""
        age_ms = self._hq_age_ms()
        silent_ms = now - self._started_at_ms if age_ms is None else age_ms
        is_dark = silent_ms >= DARK_AFTER_MS
        if is_dark == self._was_dark or (age_ms is None and not is_dark):
            return

        def note(tx: Transaction, at: Instant) -> None:
            if is_dark:
                tx.darkness.begin(at.wall_ms - silent_ms)
            else:
                end_darkness(tx, self._parts.site, at)

        self._till.submit(note)
        self._was_dark = is_dark

    def _prune(self, keep_ms: int) -> None:
        """Once a round and stream; where the room is needed, until there is nothing left to give up."""
        for stream in STREAMS:
            verb = partial(prune, stream, keep_ms)
            while self._till.submit(verb) == PRUNED_AT_ONCE and not keep_ms:
                continue

    def _note_disk(self) -> None:
        had, self._had_ballast = self._had_ballast, self._disk.has_ballast
        if self._disk.refuses_redemptions:
            self._till.submit(lambda tx, at: tx.alarms.count("DISK_LOW", "state directory", at.wall_ms))
        if had and not self._had_ballast:
            self._till.submit(
                lambda tx, at: tx.alarms.count("BALLAST_RELEASED", "state directory", at.wall_ms)
            )
