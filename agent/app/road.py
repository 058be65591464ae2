"""The road to headquarters, put together: whose word counts, who we are, what is obeyed, what is sent."""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from random import Random

from agent.app import standing
from agent.app.certificates import Certificates
from agent.app.link_keys import LinkKeys
from agent.app.obedience import Obedience
from agent.app.parts import DATABASE, Parts
from agent.app.station_keys import StationKeys
from agent.clock import Clock
from agent.handlers import lifecycle
from agent.handlers.apply_ack import apply_ack
from agent.messages.down import Resend
from agent.store import reading
from agent.store.outbox import OutboxReader
from agent.supervisor import Worker
from agent.till import Till, TillUnavailable
from sync.connection import CourierLoop, CourierStatus, FiguresNow, LinkPace, Pace
from sync.envelope import decode_head
from sync.keys import SigningKey
from sync.outbox import STREAMS, Backlog
from sync.tls import TlsFiles
from sync.wire import Ack

log = logging.getLogger("forecourt.road")

Figures = Callable[[CourierStatus, Mapping[str, Backlog]], FiguresNow | None]


class Road:
    """`open` it when the store is open; the rest may be called before, and then knows nothing of HQ yet.

    `figures(road, backlog)` gives what is published now and then, None for nothing; on the courier's thread.
    """

    def __init__(self, parts: Parts, till: Till, clock: Clock, rng: Random, figures: Figures) -> None:
        self._parts = parts
        self._till = till
        self._clock = clock
        self._rng = rng
        self._figures = figures
        self._database = parts.settings.station.state_dir / DATABASE
        self._courier: CourierLoop | None = None
        self._obedience: Obedience | None = None
        self._mismatched = 0
        self.keys = parts.trusted()
        hq, state_dir = parts.settings.hq, parts.settings.station.state_dir
        self._certificates = Certificates(
            state_dir,
            parts.site.station,
            TlsFiles(hq.ca_file, hq.cert_file, hq.key_file),
            clock,
            self._newest_at_ms,
            on_trial=lambda: self._reconnect("CERTIFICATE_RENEWED"),
        )
        self._station_keys = StationKeys(state_dir, is_ours=parts.settings.station_key is None)
        self._own_keys = LinkKeys(
            self._certificates,
            self._station_keys,
            parts.site.station,
            till,
            clock.monotonic_ms,
            use_key=lambda key: self._reconnect("KEY_ROTATED", key),
        )

    def open(self, stop: threading.Event) -> Worker:
        """The worker whose thread sends and hears until `stop`."""
        if reason := self.keys.restore(self._database):
            detail = f"version {self.keys.now.version} counts"
            self._till.submit(lambda tx, at: tx.alarms.count(reason, "keys", at.wall_ms, detail))
        obedience = self._obedience = self._open_obedience()
        courier = self._courier = self._open_courier(stop, obedience)
        return Worker("courier", lambda _: courier.run(), lambda: courier.ticked)

    def when_due(self) -> None:
        """Every second: keys and certificates that end, and what was turned away."""
        self._own_keys.when_due()
        if self._obedience is not None:
            self._obedience.turned_away.tell_due(self._clock.monotonic_ms())

    def wake(self) -> None:
        """There may be new rows."""
        if self._courier is not None:
            self._courier.wake()

    def status(self) -> CourierStatus | None:
        return self._courier.status() if self._courier else None

    def standing(self) -> dict[str, object]:
        """For `forecourt status`."""
        road = self.status()
        return {
            "road": standing.road_standing(road),
            "orders": standing.orders_standing(self._database, self.keys.now.version, road),
            "certificate": self._certificates.standing(),
        }

    def hq_age_ms(self) -> int | None:
        """The age of HQ's last word; None if it was not heard since the start."""
        return self._courier.status().hq_age_ms if self._courier else None

    def hq_time_ms(self) -> int | None:
        """HQ's wall time by its last answer to a question of ours."""
        return self._courier.hq_time_ms() if self._courier else None

    def _open_obedience(self) -> Obedience:
        return Obedience(
            self._database,
            self._till,
            self._parts.site,
            self.keys,
            self._certificates,
            self._station_keys,
            self._clock,
            self.hq_time_ms,
            {Resend: self._resend},
        )

    def _open_courier(self, stop: threading.Event, obedience: Obedience) -> CourierLoop:
        hq = self._parts.settings.hq
        outbox = OutboxReader(reading.connect(self._database))
        return CourierLoop(
            station=self._parts.site.station,
            outbox=outbox,
            key=self._parts.key,
            hq_keys=lambda: self.keys.of("ack"),
            brokers=self._parts.brokers,
            tls=self._certificates,
            rng=self._rng,
            clock=self._clock.monotonic_ms,
            wall_ms=self._clock.wall_ms,
            vitals=lambda: standing.vitals(self._database, self._clock, self.keys.now.version),
            submit_ack=self._apply_ack,
            on_down=obedience.on_down,
            stop=stop,
            pace=Pace(
                window=hq.window,
                puback_ms=hq.keepalive_s * 1500,
                metrics_every_ms=hq.metrics_every_s * 1000,
            ),
            link_pace=LinkPace(keepalive_s=hq.keepalive_s),
            figures=lambda: self._figures_now(outbox),
            budget_bytes_per_s=hq.budget_bytes_per_s,
        )

    def _figures_now(self, outbox: OutboxReader) -> FiguresNow | None:
        road = self.status()
        return self._figures(road, {s: outbox.backlog(s) for s in STREAMS}) if road else None

    def _apply_ack(self, ack: Ack) -> None:
        try:
            self._till.submit(lambda tx, at: apply_ack(ack.stream, ack.seq, decode_head(ack.head), tx, at))
            if ack.mismatched != self._mismatched:
                self._till.submit(lambda tx, at: lifecycle.note_mismatches(ack.mismatched, tx, at))
                self._mismatched = ack.mismatched
        except TillUnavailable:
            log.warning("ACK_POSTPONED")  # HQ says it again with the next one

    def _resend(self, wanted: Resend) -> None:
        if self._courier is not None:
            self._courier.resend(wanted.stream, wanted.from_seq)

    def _reconnect(self, reason: str, key: SigningKey | None = None) -> None:
        if self._courier is not None:
            self._courier.reconnect(reason, key)

    def _newest_at_ms(self) -> int:
        """The latest wall time that the books know to be past."""
        with closing(reading.connect(self._database)) as connection:
            return reading.newest_at_ms(connection)
