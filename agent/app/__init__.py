"""The parts list of a station: everything that `forecourt run` starts, put together in one place."""

import fcntl
import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

from agent.app import standing
from agent.app.audit import Audit
from agent.app.chores import Chores, free_mib
from agent.app.desk import Desk
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
from agent.app.safekeeping import Safekeeping
from agent.clock import Clock, SystemClock, instant
from agent.control import Control
from agent.handlers import lifecycle
from agent.handlers.apply_ack import apply_ack
from agent.identity import jitter_source
from agent.notify import Notifier
from agent.store import reading
from agent.store.database import Store
from agent.store.outbox import OutboxReader
from agent.supervisor import Supervisor, Worker
from agent.till import Till, TillUnavailable
from drivers.events import Notice
from drivers.line import Line
from drivers.ports import open_port
from sync.connection import CourierLoop, LinkPace, Pace
from sync.envelope import decode_head
from sync.tls import TlsFiles
from sync.wire import Ack

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
        self._parts = parts
        self._notifier = notifier
        self._clock = clock or SystemClock()
        self._state_dir = parts.settings.station.state_dir
        self._lock: int | None = None
        self._rng = jitter_source()
        self._started_at_ms = self._clock.wall_ms()
        self._courier: CourierLoop | None = None
        self._mismatched = 0
        self._safe = Safekeeping(self._state_dir / HEADS)
        self._till = Till(self._open_store, self._clock, self._committed, _leave_at_once)
        self._desk = Desk(self._till, parts.site, self._clock, parts.pos_lines, self._post)
        self._lines = {
            line.name: Line(
                line.name,
                partial(open_port, port_spec(line)),
                parts.sessions[line.name],
                partial(self._desk.report, line.name),
                self._clock.monotonic_ms,
                self._rng,
            )
            for line in parts.settings.line
        }
        self._control = Control(
            parts.settings.station.control_socket,
            {
                "status": lambda _: self.status(),
                "load": lambda request: load(request, self._parts, self._till),
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
        till_stop = threading.Event()
        till = threading.Thread(target=self._till.run, args=(till_stop,), name="till", daemon=True)
        till.start()
        while not self._till.opened.wait(1) and till.is_alive():
            self._notifier.status("opening the database")
        courier = self._courier = self._open_courier(stop)
        audit = Audit(self._state_dir / DATABASE, self._till, self._clock.monotonic_ms)
        workers = [
            *(Worker(f"line:{line.name}", line.run, _ticked(line)) for line in self._lines.values()),
            Worker("courier", lambda _: courier.run(), lambda: courier.ticked),
            Worker("control", self._control.run, lambda: self._control.ticked_ms),
            Worker("audit", audit.run, lambda: audit.ticked),
        ]
        chores = Chores(self._till, self._parts, self._clock.monotonic_ms, self._hq_age_ms, self._safe.sync)
        supervisor = Supervisor(
            workers, self._clock.monotonic_ms, self._probe, self._notifier.watchdog, chores.when_due
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
        road = self._courier.status() if self._courier else None
        lines = standing.lines_standing([line.status() for line in self._lines.values()], now)
        mode = standing.mode(bool(lines["ok"]), road)
        return {
            **lines,
            "ok": mode != "DEGRADED",
            "mode": mode,
            "version": version(standing.DISTRIBUTION),
            "pid": os.getpid(),
            "running_ms": wall_ms - self._started_at_ms,
            "clock": self._clock.quality(0).value,
            "free_disk_mib": free_mib(self._state_dir),
            "road": standing.road_standing(road),
            "control_refused": dict(self._control.refused),
            **standing.books_standing(self._state_dir / DATABASE, wall_ms),
        }

    def _open_store(self) -> Store:
        site = self._parts.site
        at = instant(self._clock, 0)
        store = Store.open(self._state_dir / DATABASE, site.station, site.programme, at)
        self._safe.check(store, instant(self._clock, store.newest_at_ms()))
        return store

    def _open_courier(self, stop: threading.Event) -> CourierLoop:
        hq = self._parts.settings.hq
        database = self._state_dir / DATABASE
        return CourierLoop(
            station=self._parts.site.station,
            outbox=OutboxReader(reading.connect(database)),
            key=self._parts.key,
            hq_keys=self._parts.hq_keys,
            brokers=self._parts.brokers,
            tls=TlsFiles(hq.ca_file, hq.cert_file, hq.key_file),
            rng=self._rng,
            clock=self._clock.monotonic_ms,
            wall_ms=self._clock.wall_ms,
            vitals=lambda: standing.vitals(database, self._clock),
            submit_ack=self._apply_ack,
            on_down=_ignore_down,
            stop=stop,
            pace=Pace(window=hq.window, puback_ms=hq.keepalive_s * 1500),
            link_pace=LinkPace(keepalive_s=hq.keepalive_s),
        )

    def _committed(self, store: Store) -> None:
        self._safe.keep(store)
        if self._courier is not None:
            self._courier.wake()

    def _hq_age_ms(self) -> int | None:
        return self._courier.status().hq_age_ms if self._courier else None

    def _post(self, line: str, notice: Notice) -> None:
        self._lines[line].post(notice)

    def _apply_ack(self, ack: Ack) -> None:
        try:
            self._till.submit(lambda tx, at: apply_ack(ack.stream, ack.seq, decode_head(ack.head), tx, at))
            if ack.mismatched != self._mismatched:
                self._till.submit(lambda tx, at: lifecycle.note_mismatches(ack.mismatched, tx, at))
                self._mismatched = ack.mismatched
        except TillUnavailable:
            log.warning("ACK_POSTPONED")  # HQ says it again with the next one

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


def _ignore_down(topic: str, payload: bytes) -> str:
    """Documents come by `forecourt load` in this version; what a broker brings is only counted."""
    log.info("DOWN_IGNORED", extra={"topic": topic, "size": len(payload)})
    return "DOWN_IGNORED"


def _ticked(line: Line) -> Callable[[], int | None]:
    return lambda: line.ticked
