"""The parts list of a station: everything that `forecourt run` starts, put together in one place."""

import base64
import fcntl
import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from agent.clock import Clock, SystemClock, instant
from agent.control import Control, refusal
from agent.handlers import dispatch
from agent.handlers.adopt import adopt_bundle, adopt_members
from agent.handlers.apply_ack import apply_ack, prune
from agent.handlers.bind_sale import let_lapse
from agent.handlers.credentials import CredentialKey
from agent.handlers.site import Limits, Place, Site
from agent.handlers.told import Seen, Told
from agent.handlers.wording import sentence
from agent.identity import jitter_source
from agent.notify import Notifier
from agent.store import reading
from agent.store.database import Store
from agent.store.outbox import OutboxReader
from agent.supervisor import Supervisor, Worker
from agent.till import Till, TillUnavailable
from config.settings import Line as LineSettings
from config.settings import Settings
from drivers import catalogue
from drivers.bus import Bus
from drivers.events import Answer, DeviceBack, DeviceSilent, DriverEvent, Monotonic, Notice, Outcome
from drivers.line import Line
from drivers.ports import PortSpec, open_port
from drivers.session import Session
from sync.connection import CourierLoop, CourierStatus, LinkPace, Pace, Vitals
from sync.envelope import decode_head, encode_head
from sync.keys import PublicKey, SigningKey, read_key
from sync.outbox import STREAMS
from sync.refusal import Refusal
from sync.tls import BrokerAddress, TlsFiles, parse_broker
from sync.wire import Ack

log = logging.getLogger("forecourt.app")

T = TypeVar("T")

DATABASE, STATION_KEY, LOCK = "station.db", "station.key", "agent.lock"
TIDY_EVERY_MS = 30_000
STORE_EXIT = 4


@dataclass(frozen=True, slots=True)
class StartRefused:
    """Why the agent does not start: a stable code, and a sentence with what to do."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Parts:
    """What settings become once drivers, keys and addresses have been checked."""

    settings: Settings
    site: Site
    key: SigningKey
    hq_keys: tuple[PublicKey, ...]
    brokers: tuple[BrokerAddress, ...]
    sessions: dict[str, Session]
    pos_lines: frozenset[str]


def prepare(settings: Settings) -> Parts | StartRefused:
    """Check what only several parts together can tell: driver options, keys, broker addresses."""
    assert settings.credential_key_k1 is not None, "the service is loaded with its secrets"
    sessions: dict[str, Session] = {}
    pos_lines: set[str] = set()
    for line in settings.line:
        session = _session(line)
        if isinstance(session, StartRefused):
            return session
        sessions[line.name] = session
        if catalogue.find(line.driver).hand_over is None:
            pos_lines.add(line.name)
    key = station_key(settings)
    if isinstance(key, Refusal):
        return StartRefused(key.reason, f"{key.detail}; {key.remedy}")
    brokers = [parse_broker(url) for url in settings.hq.brokers]
    for broker in brokers:
        if isinstance(broker, Refusal):
            return StartRefused(broker.reason, f"{broker.detail}; {broker.remedy}")
    return Parts(
        settings=settings,
        site=site_of(settings),
        key=key,
        hq_keys=tuple(PublicKey(raw) for raw in settings.hq.public_key_bytes().values()),
        brokers=tuple(broker for broker in brokers if isinstance(broker, BrokerAddress)),
        sessions=sessions,
        pos_lines=frozenset(pos_lines),
    )


def station_key(settings: Settings) -> SigningKey | Refusal:
    """The systemd credential if there is one, else the file that `forecourt keys init` made."""
    if settings.station_key is not None:
        return SigningKey(settings.station_key.get_secret_value())
    return read_key(settings.station.state_dir / STATION_KEY)


def site_of(settings: Settings) -> Site:
    assert settings.credential_key_k1 is not None
    binding = settings.binding
    return Site(
        station=settings.station.id,
        programme=settings.station.programme,
        zone=ZoneInfo(settings.station.timezone),
        language=settings.language,
        credential_key=CredentialKey(settings.credential_key_k1.get_secret_value()),
        devices={(line.name, device.address): device.key for line in settings.line for device in line.device},
        places={
            (nozzle.device, nozzle.nozzle): Place(point.id, nozzle.product)
            for point in settings.point
            for nozzle in point.nozzle
        },
        award_on_fuelling=frozenset(point.id for point in settings.point if point.award_on == "fuelling"),
        limits=Limits(
            amount_tolerance_fen=binding.amount_tolerance_fen,
            fuelling_max_age_ms=binding.fuelling_max_age_s * 1000,
            presentation_ms=binding.presentation_s * 1000,
            late_identification_ms=binding.late_identification_s * 1000,
        ),
    )


def _session(line: LineSettings) -> Session | StartRefused:
    try:
        driver = catalogue.find(line.driver)
    except catalogue.UnknownDriver as error:
        return StartRefused("UNKNOWN_DRIVER", f"line {line.name}: {error}")
    sessions = []
    for device in line.device:
        try:
            options = driver.options.model_validate(device.options)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(("options", *map(str, first["loc"])))
            text = f"line {line.name}, device {device.key}, {where}: {first['msg']}; see drivers/README.md"
            return StartRefused("DRIVER_OPTION", text)
        sessions.append(driver.open_session(device.address, options))
    return sessions[0] if len(sessions) == 1 else Bus(sessions)


class Agent:
    """A running station. `run` blocks until `stop` is set or a part is beyond repair."""

    def __init__(self, parts: Parts, notifier: Notifier, clock: Clock | None = None) -> None:
        self._parts = parts
        self._notifier = notifier
        self._clock = clock or SystemClock()
        self._state_dir = parts.settings.station.state_dir
        self._lock: int | None = None
        self._rng = jitter_source()
        self._courier: CourierLoop | None = None
        self._registers: dict[str, str] = {}
        self._tidy_at_ms = 0
        self._started_at_ms = self._clock.wall_ms()
        self._control = Control(
            parts.settings.station.control_socket,
            {"status": lambda _: self.status(), "load": self._load},
            self._clock.monotonic_ms,
        )
        self._till = Till(self._open_store, self._clock, self._wake_courier, self._store_broken)
        self._lines = {
            line.name: Line(
                line.name,
                partial(open_port, port_spec(line)),
                parts.sessions[line.name],
                partial(self._report, line.name),
                self._clock.monotonic_ms,
                self._rng,
            )
            for line in parts.settings.line
        }

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
        self._courier = self._open_courier(stop)
        courier, control = self._courier, self._control
        workers = [
            *(Worker(f"line:{line.name}", line.run, _ticked(line)) for line in self._lines.values()),
            Worker("courier", lambda _: courier.run(), lambda: courier.ticked),
            Worker("control", control.run, lambda: control.ticked_ms),
        ]
        supervisor = Supervisor(
            workers, self._clock.monotonic_ms, self._probe, self._notifier.watchdog, self._chores
        )
        self._notifier.ready(f"station {self._parts.site.station}")
        log.info("STARTED", extra={"station": self._parts.site.station})
        try:
            supervisor.run(stop)
        finally:
            self._notifier.stopping()
            till_stop.set()
            till.join(timeout=10)
        log.info("STOPPED")

    def status(self) -> dict[str, object]:
        """What `forecourt status` shows; `ok` says whether the station is healthy."""
        now, wall_ms = self._clock.monotonic_ms(), self._clock.wall_ms()
        courier = self._courier
        road = courier.status() if courier else None
        lines = [self._line_status(line, now) for line in self._lines.values()]
        online = road is not None and road.mode == "online"
        degraded = any(not line["port_open"] or line["silent_addresses"] for line in lines)
        return {
            "ok": not degraded,
            "mode": "DEGRADED" if degraded else "ONLINE" if online else "OFFLINE",
            "version": version("forecourt-agent"),
            "pid": os.getpid(),
            "running_ms": wall_ms - self._started_at_ms,
            "clock": self._clock.quality(0).value,
            "free_disk_mib": _free_mib(self._state_dir),
            "lines": lines,
            "road": _road(road) if road else None,
            "control_refused": dict(self._control.refused),
            **self._read(lambda connection: reading.summary(connection, wall_ms)),
        }

    def _open_store(self) -> Store:
        site = self._parts.site
        return Store.open(self._state_dir / DATABASE, site.station, site.programme, instant(self._clock, 0))

    def _open_courier(self, stop: threading.Event) -> CourierLoop:
        hq = self._parts.settings.hq
        return CourierLoop(
            station=self._parts.site.station,
            outbox=OutboxReader(reading.connect(self._state_dir / DATABASE)),
            key=self._parts.key,
            hq_keys=self._parts.hq_keys,
            brokers=self._parts.brokers,
            tls=TlsFiles(hq.ca_file, hq.cert_file, hq.key_file),
            rng=self._rng,
            clock=self._clock.monotonic_ms,
            wall_ms=self._clock.wall_ms,
            vitals=self._vitals,
            submit_ack=self._apply_ack,
            on_down=self._ignore_down,
            stop=stop,
            pace=Pace(window=hq.window, puback_ms=hq.keepalive_s * 1500),
            link_pace=LinkPace(keepalive_s=hq.keepalive_s),
        )

    def _wake_courier(self) -> None:
        if self._courier is not None:
            self._courier.wake()

    def _store_broken(self, error: BaseException) -> None:
        """Nothing that the disk says can be believed any more: leave at once, systemd starts afresh."""
        log.critical("STORE_BROKEN", exc_info=error)
        logging.shutdown()
        os._exit(STORE_EXIT)

    def _report(self, line: str, event: DriverEvent, heard: Monotonic) -> Answer:
        """What a line heard goes through the till; the answer comes back when it is on the disk."""
        if isinstance(event, DeviceSilent | DeviceBack):
            log.warning(
                "DEVICE_SILENT" if isinstance(event, DeviceSilent) else "DEVICE_BACK", extra={"line": line}
            )
            return Answer(Outcome.DONE, durable=True)
        register = getattr(event, "register", None)
        if register is not None:
            self._registers[register] = line
        seen = self._seen(event, heard)
        site = self._parts.site
        try:
            told: Told = self._till.submit(lambda tx, at: dispatch.handle(event, line, seen, tx, site, at))
        except TillUnavailable as unavailable:
            text = sentence(unavailable.reason, site.language)
            return Answer(Outcome.UNAVAILABLE, durable=False, reason=unavailable.reason, text=text)
        for notice in told.notices:
            self._show(notice)
        return told.answer

    def _seen(self, event: DriverEvent, heard: Monotonic) -> Seen:
        wall_ms, now = self._clock.wall_ms(), self._clock.monotonic_ms()
        ended = getattr(event, "ended", None)
        return Seen(wall_ms - (now - heard), None if ended is None else wall_ms - (now - ended))

    def _show(self, notice: Notice) -> None:
        """To the line its register spoke on last; a notice may be lost, the POS can always ask again."""
        line = self._registers.get(notice.register)
        for name in (line,) if line else self._parts.pos_lines:
            self._lines[name].post(notice)

    def _apply_ack(self, ack: Ack) -> None:
        try:
            self._till.submit(lambda tx, at: apply_ack(ack.stream, ack.seq, decode_head(ack.head), tx, at))
        except TillUnavailable:
            log.warning("ACK_POSTPONED")  # HQ says it again with the next one

    def _ignore_down(self, topic: str, payload: bytes) -> str:
        """Documents come by `forecourt load` in this version; what a broker brings is only counted."""
        log.info("DOWN_IGNORED", extra={"topic": topic, "size": len(payload)})
        return "DOWN_IGNORED"

    def _vitals(self) -> Vitals:
        def read(connection: reading.Connection) -> Vitals:
            seq, head = reading.ledger_tip(connection)
            return Vitals(
                agent_version=version("forecourt-agent"),
                clock_quality=self._clock.quality(0).value,
                bundle=reading.bundle_in_force(connection, self._clock.wall_ms()),
                ledger_seq=seq,
                ledger_head=encode_head(head) if head else "",
            )

        return self._read(read)

    def _read(self, question: Callable[[reading.Connection], T]) -> T:
        connection = reading.connect(self._state_dir / DATABASE)
        try:
            return question(connection)
        finally:
            connection.close()

    def _load(self, request: Mapping[str, object]) -> Mapping[str, object]:
        """`forecourt load`: a signed document, verified before anything in it is looked at."""
        from sync import signing

        try:
            document = base64.b64decode(str(request.get("document", "")), validate=True)
        except ValueError:
            return refusal("NOT_BASE64", "the document does not arrive whole")
        threshold = self._parts.settings.hq.threshold
        trusted = partial(signing.open_document, document, trusted=self._parts.hq_keys, threshold=threshold)
        adopt, payload = adopt_bundle, trusted(signing.BUNDLE_TYPE)
        if isinstance(payload, Refusal) and payload.reason == "DOCUMENT_TYPE":
            adopt, payload = adopt_members, trusted(signing.MEMBERS_TYPE)
        if isinstance(payload, Refusal):
            return refusal(payload.reason, f"{payload.detail}; {payload.remedy}")
        verified, site = payload, self._parts.site
        try:
            adoption = self._till.submit(lambda tx, at: adopt(verified, tx, site, at))
        except TillUnavailable as unavailable:
            return refusal(unavailable.reason, "nothing was kept, try again")
        return {"ok": not adoption.reason, "reason": adoption.reason, "text": adoption.text}

    def _probe(self) -> bool:
        try:
            self._till.submit(lambda tx, at: None)
        except TillUnavailable:
            return False
        return True

    def _chores(self) -> None:
        now = self._clock.monotonic_ms()
        if now < self._tidy_at_ms:
            return
        self._tidy_at_ms = now + TIDY_EVERY_MS
        keep_ms = self._parts.settings.store.keep_acknowledged_days * 86_400_000
        low = _free_mib(self._state_dir) < self._parts.settings.store.min_free_mib
        site = self._parts.site
        try:
            self._till.submit(lambda tx, at: let_lapse(tx, site, at))
            for stream in STREAMS:
                self._till.submit(lambda tx, at, stream=stream: prune(stream, keep_ms, tx, at))  # type: ignore[misc]
            if low:
                self._till.submit(lambda tx, at: tx.alarms.count("DISK_LOW", "state directory", at.wall_ms))
        except TillUnavailable as unavailable:
            log.warning("CHORES_POSTPONED", extra={"reason": unavailable.reason})

    def _line_status(self, line: Line, now: int) -> dict[str, object]:
        status = line.status()
        heard = status.last_valid_heard_ms
        return {
            "name": status.name,
            "port_open": status.port_open,
            "trouble": status.trouble,
            "heard_ago_ms": None if heard is None else now - heard,
            "silent_addresses": list(status.silent_addresses),
            "counters": dict(status.counters),
        }


def _ticked(line: Line) -> Callable[[], int | None]:
    return lambda: line.ticked


def port_spec(line: LineSettings) -> PortSpec:
    return PortSpec(
        device=line.port,
        baud=line.baud,
        bytesize=line.bytesize,
        parity=line.parity,
        stopbits=line.stopbits,
        pty=line.pty,
    )


def _free_mib(directory: Path) -> int:
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize // (1 << 20)


def _road(status: CourierStatus) -> dict[str, object]:
    plain = {field.name: getattr(status, field.name) for field in fields(status)}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in plain.items()}
