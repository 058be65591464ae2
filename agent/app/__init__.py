"""The parts list of a station: everything that `forecourt run` starts, put together in one place."""

import fcntl
import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version

from agent.app import case_notes, metrics, standing
from agent.app.attested import AttestedClock
from agent.app.audit import Audit
from agent.app.chores import Chores
from agent.app.desk import Desk
from agent.app.disk import Disk, free_mib
from agent.app.line_watch import LineWatch
from agent.app.loading import load
from agent.app.parts import (
    DATABASE,
    HEADS,
    LOCK,
    STATION_KEY,
    Parts,
    StartRefused,
    port_spec,
    prepare,
    site_of,
    station_key,
)
from agent.app.road import Road
from agent.app.safekeeping import Safekeeping
from agent.clock import Clock, SystemClock, instant
from agent.control import Control
from agent.handlers import lifecycle
from agent.identity import jitter_source
from agent.notify import Notifier
from agent.store.database import Store
from agent.supervisor import Supervisor, Worker
from agent.till import Till, TillUnavailable
from drivers.events import Notice
from drivers.line import Line, LineStatus
from drivers.ports import open_port
from sync.connection import CourierStatus, FiguresNow
from sync.outbox import Backlog

__all__ = [
    "STATION_KEY",
    "Agent",
    "Parts",
    "StartRefused",
    "port_spec",
    "prepare",
    "site_of",
    "station_key",
]

log = logging.getLogger("forecourt.app")

STORE_EXIT = 4
GOODBYE_S = 10
"""For what is still in the inbox; systemd's TimeoutStopSec=20 leaves room for it and the workers."""


class Agent:
    """A running station. `run` blocks until `stop` is set or a part is beyond repair."""

    def __init__(self, parts: Parts, notifier: Notifier, clock: Clock | None = None) -> None:
        self._notifier = notifier
        self._clock = AttestedClock(clock or SystemClock(), lambda: self._road.hq_time_ms())
        self._state_dir = parts.settings.station.state_dir
        self._disk = Disk(
            self._state_dir / DATABASE,
            parts.settings.store.min_free_mib,
            partial(free_mib, self._state_dir),
        )
        site = replace(parts.site, refuses_redemptions=lambda: self._disk.refuses_redemptions)
        self._parts = parts = replace(parts, site=site)
        self._lock: int | None = None
        self._rng = jitter_source()
        self._started_at_ms = self._clock.wall_ms()
        self._safe = Safekeeping(self._state_dir / HEADS, parts.site)
        self._till = Till(self._open_store, self._clock, self._committed, _leave_at_once)
        self._road = Road(parts, self._till, self._clock, self._rng, self._figures)
        self._desk = Desk(self._till, parts.site, self._clock, parts.pos_lines, self._post)
        self._tally = metrics.Tally(self._clock.monotonic_ms)
        self._lines = {
            line.name: Line(
                line.name,
                partial(open_port, port_spec(line, listens=line.name in parts.listening_lines)),
                parts.sessions[line.name],
                self._tally.counting(partial(self._desk.report, line.name)),
                self._clock.monotonic_ms,
                self._rng,
                card_key=parts.card_key,
            )
            for line in parts.settings.line
        }
        self._line_watch = LineWatch(self._till, self._line_statuses, self._clock.monotonic_ms)
        self._control = Control(
            parts.settings.station.control_socket,
            {
                "status": lambda _: self.status(),
                "load": lambda request: load(request, site, self._till, self._road.keys),
                "case.note": lambda request: case_notes.note(request, self._till),
            },
            self._clock.monotonic_ms,
        )

    def claim_state(self) -> StartRefused | None:
        """Take the state directory for this process alone; a second agent on it would be a second writer."""
        try:
            self._state_dir.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._state_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return StartRefused(
                "ALREADY_RUNNING", f"another agent holds {self._state_dir}; stop that one first"
            )
        except OSError as error:
            return StartRefused("STATE_DIR", f"{self._state_dir}: {error.strerror}; check owner and mode")
        return None

    def run(self, stop: threading.Event) -> None:
        """Storage first and alone: it works before, and without, any network."""
        self._disk.reserve()
        till_stop = threading.Event()
        till = threading.Thread(target=self._till.run, args=(till_stop,), name="till", daemon=True)
        till.start()
        while not self._till.opened.wait(1) and till.is_alive():
            self._notifier.status("opening the database")
        audit = Audit(self._state_dir / DATABASE, self._till, self._clock.monotonic_ms)
        workers = [
            *(Worker(f"line:{line.name}", line.run, _ticked(line)) for line in self._lines.values()),
            self._road.open(stop),
            Worker("control", self._control.run, lambda: self._control.ticked_ms),
            Worker("audit", audit.run, lambda: audit.ticked),
        ]
        chores = Chores(
            self._till,
            self._parts,
            self._clock.monotonic_ms,
            self._road.hq_age_ms,
            self._safe.sync,
            self._disk,
        )

        def in_turn() -> None:
            chores.when_due()
            self._line_watch.when_due()
            self._road.when_due()

        supervisor = Supervisor(
            workers, self._clock.monotonic_ms, self._probe, self._notifier.watchdog, in_turn
        )
        self._notifier.ready(f"station {self._parts.site.station}")
        log.info("STARTED", extra={"station": self._parts.site.station})
        try:
            supervisor.run(stop)
        finally:
            self._notifier.stopping()
            self._say_goodbye()
            till_stop.set()
            till.join(timeout=GOODBYE_S)
        log.info("STOPPED")

    def status(self) -> dict[str, object]:
        """What `forecourt status` shows; `ok` says whether the station is healthy."""
        now, wall_ms = self._clock.monotonic_ms(), self._clock.wall_ms()
        lines = standing.lines_standing(self._line_statuses(), self._line_watch.newest, now)
        mode = standing.mode(bool(lines["ok"]), self._road.status())
        return {
            **lines,
            "ok": mode != "DEGRADED",
            "mode": mode,
            "version": version(standing.DISTRIBUTION),
            "pid": os.getpid(),
            "running_ms": wall_ms - self._started_at_ms,
            "clock": self._clock.quality(0).value,
            "free_disk_mib": free_mib(self._state_dir),
            "disk": self._disk.level.name,
            "redemptions_refused": self._disk.refuses_redemptions,
            **self._road.standing(),
            "control_refused": dict(self._control.refused),
            **standing.books_standing(self._state_dir / DATABASE, wall_ms),
        }

    def _open_store(self) -> Store:
        site = self._parts.site
        at = instant(self._clock, 0)
        store = Store.open(self._state_dir / DATABASE, site.station, site.programme, at)
        self._safe.check(store, instant(self._clock, store.newest_at_ms()))
        return store

    def _figures(self, road: CourierStatus, backlog: Mapping[str, Backlog]) -> FiguresNow | None:
        """What is published now and then; nothing while the disk is short."""
        if not self._disk.sends_figures:
            return None
        lines, qualities = self._line_statuses(), self._line_watch.newest
        gauges, counters = metrics.bounded(
            {
                **metrics.road_gauges(road, backlog, self._clock.wall_ms()),
                "disk.free_mib": free_mib(self._state_dir),
                "disk.level": self._disk.level,
                **metrics.process_gauges(),
                **metrics.line_gauges(lines),
                **metrics.quality_gauges(qualities),
            },
            {
                **self._tally.counts(),
                "till.commits": self._till.commits,
                **metrics.process_counters(),
                **metrics.road_counters(road),
                **{f"control.refused.{code}": times for code, times in self._control.refused.items()},
                **metrics.line_counters(lines),
            },
        )
        are_well = bool(standing.lines_standing(lines, qualities, self._clock.monotonic_ms())["ok"])
        return FiguresNow(standing.mode(are_well, road), counters, gauges)

    def _line_statuses(self) -> list[LineStatus]:
        return [line.status() for line in self._lines.values()]

    def _committed(self, store: Store) -> None:
        self._safe.keep(store)
        self._road.wake()

    def _post(self, line: str, notice: Notice) -> None:
        self._lines[line].post(notice)

    def _say_goodbye(self) -> None:
        """A run that ends without this was a crash."""
        try:
            self._till.submit(lambda tx, at: lifecycle.note_end(tx, at))
        except TillUnavailable as unavailable:
            log.warning("NO_GOODBYE", extra={"reason": unavailable.reason})

    def _probe(self) -> bool:
        """A no-op through the till: whether a sale would be booked now."""
        try:
            self._till.submit(lambda tx, at: None)
        except TillUnavailable:
            return False
        return True


def _leave_at_once(error: BaseException) -> None:
    """Nothing that the disk says can be believed any more: systemd starts afresh."""
    log.critical("STORE_BROKEN", exc_info=error)
    logging.shutdown()
    os._exit(STORE_EXIT)


def _ticked(line: Line) -> Callable[[], int | None]:
    return lambda: line.ticked
