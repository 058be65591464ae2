"""One device, one session, two wires and a till, on simulated time: the clockwork under every trial.

It moves bytes as the line does and notes what must never happen whatever is tried: that a listener speaks
(SPOKE), that a session asks to be woken in the past for ever (SPINS), that a device lets go of a sale which
the till does not have (RELEASED_TOO_EARLY).
"""

import random
from collections import deque
from collections.abc import Callable

from drivers.conformance.cases import Case, is_pump, is_tap
from drivers.conformance.till import Till
from drivers.conformance.truths import as_reported, as_sold
from drivers.events import Answer, DeviceBack, DeviceSilent, DriverEvent, Fuelling, Monotonic
from drivers.faults import CLEAN, Faults, Wire

CALM_LIMIT_MS = 60_000
"""After the trouble, on a clean wire, everything must have arrived within this time."""
SPIN_LIMIT = 100


class World:
    """Only this class moves `now`. `failures` are sentences that begin with a code."""

    def __init__(self, case: Case, faults: Faults, rng: random.Random) -> None:
        self.case = case
        self.rng = rng
        self.started = self.now = Monotonic(rng.randrange(10**9))
        self.till = Till(rng)
        self.failures: set[str] = set()
        self.mishaps: list[str] = []
        self.session = case.open_session()
        self.silence_seen = self.return_seen = False
        self.was_disturbed = faults != CLEAN
        self.was_harmed = bool(faults.flip_bit_bp or faults.lose_byte_bp or faults.noise_bp)
        self._released_count = 0
        self._heard_from_device: deque[bytes] = deque(maxlen=32)
        self._waiting_confirm: tuple[DriverEvent, Answer, Monotonic] | None = None
        self._spin_count = 0
        self._to_device = self._to_host = Wire(faults, rng)
        self.use_wires(faults)

    # What can happen to a station.

    def we_crash(self) -> None:
        """The agent is gone and starts again, with a session that knows nothing."""
        self.was_disturbed = True
        self.mishaps.append("WE_CRASH")
        self._waiting_confirm = None
        self._to_host.lose_all()
        self.session = self.case.open_session()
        self.till.told_session.clear()

    def device_loses_power(self) -> None:
        self.was_disturbed = True
        self.mishaps.append("DEVICE_POWER_CYCLE")
        self._to_host.lose_all()
        self._to_device.lose_all()
        self.case.simulator.power_cycle(self.now)

    def plug_is_pulled(self) -> None:
        """And put back after a while."""
        self.was_disturbed = True
        self.mishaps.append("PLUG_PULLED")
        faults = self._to_host.faults
        self._finish_confirm()
        self.cut_wires()
        self.session.disconnected(self.now)
        self.pass_time(self.rng.randrange(200, 3_000))
        self.use_wires(faults)

    def use_wires(self, faults: Faults) -> None:
        """From now on the wires are such; what was on the old ones is lost."""
        self.watch_releases()
        self._to_device = Wire(faults, self.rng)
        self._to_host = Wire(faults, self.rng)

    def cut_wires(self) -> None:
        """Nothing gets through any more."""
        self.use_wires(CLEAN)
        self._to_device.is_cut = self._to_host.is_cut = True

    def feed_noise(self, total_bytes: int) -> None:
        """Any bytes into the session's ears, among them pieces of what its device said."""
        self.was_harmed = True
        fed_bytes = 0
        traffic = list(self._heard_from_device) or [b"\x02\x03"]
        while fed_bytes < total_bytes:
            noise = self.rng.randbytes(self.rng.randrange(1, 120))
            if self.rng.randrange(2):
                torn = bytearray(self.rng.choice(traffic))
                torn[self.rng.randrange(len(torn))] ^= 1 << self.rng.randrange(8)
                kept_bytes = len(torn) if self.rng.randrange(2) else self.rng.randrange(len(torn))
                noise += bytes(torn[:kept_bytes])
            self.session.receive(noise, self.now)
            fed_bytes += len(noise)
            self.pass_time(self.rng.randrange(1, 60))

    # The clockwork.

    def wait_until(self, holds: Callable[[], bool], look_every_ms: int = 50) -> None:
        """Let time pass until it holds, or too long."""
        deadline = self.now + CALM_LIMIT_MS
        while not holds() and self.now < deadline and self._spin_count <= SPIN_LIMIT:
            self.pass_time(look_every_ms)

    def pass_time(self, duration_ms: int) -> None:
        until = Monotonic(self.now + duration_ms)
        while self.now < until:
            self._serve_device()
            self._serve_session()
            self.now = min(self._next_moment(), until)

    def _next_moment(self) -> Monotonic:
        moments = [
            self._to_device.next_due(),
            self.case.simulator.next_timer(),
        ]
        if self._waiting_confirm is not None:
            moments.append(self._waiting_confirm[2])
        else:
            moments += [self._to_host.next_due(), self.session.next_timer()]
        due = min((moment for moment in moments if moment is not None), default=self.now + 1_000)
        return Monotonic(max(due, self.now + 1))

    def _serve_device(self) -> None:
        simulator = self.case.simulator
        for piece in self._to_device.take(self.now):
            simulator.receive(piece, self.now)
        timer = simulator.next_timer()
        if timer is not None and timer <= self.now:
            simulator.handle_timer(self.now)
        if data := simulator.bytes_to_send(self.now):
            self._heard_from_device.append(data)
            self._to_host.carry(data, self.now)

    def _serve_session(self) -> None:
        if self._waiting_confirm is not None:
            if self._waiting_confirm[2] > self.now:
                return
            self._finish_confirm()
        for piece in self._to_host.take(self.now):
            self.session.receive(piece, self.now)
        timer = self.session.next_timer()
        if timer is not None and timer <= self.now:
            self.session.handle_timer(self.now)
        if self._report_events():
            return
        sent = self.session.bytes_to_send(self.now)
        if sent and is_tap(self.case):
            self.failures.add(f"SPOKE: {sent.hex(' ')}")
        if sent:
            self._to_device.carry(sent, self.now)
        self._watch_spin(idle=not sent)

    def _report_events(self) -> bool:
        """Hand events to the till; True if the till now takes its time over one of them."""
        while (event := self.session.next_event()) is not None:
            self.silence_seen |= isinstance(event, DeviceSilent)
            self.return_seen |= isinstance(event, DeviceBack)
            if isinstance(event, Fuelling):
                self.watch_releases()
            answer = self.till.answer(event)
            slow_ms = self.rng.randrange(20, 900) if self.rng.randrange(5) == 0 else 0
            self._waiting_confirm = (event, answer, Monotonic(self.now + slow_ms))
            if slow_ms:
                return True
            self._finish_confirm()
        return False

    def _finish_confirm(self) -> None:
        if self._waiting_confirm is not None:
            event, answer, _ = self._waiting_confirm
            self._waiting_confirm = None
            self.session.confirm(event, answer, self.now)

    # What must never happen.

    def watch_releases(self) -> None:
        """Whenever the till is about to know more, and at the end: is anything gone that it does not know?

        A device on a wire that invents things may let go of a sale without our doing: not judged.
        """
        if not is_pump(self.case):
            return
        newly = self.case.released()[self._released_count :]
        self._released_count += len(newly)
        if newly and self._to_device.faults.invents_nothing():
            durable = {as_sold(fuelling) for fuelling in self.till.durable.values()}
            early = [sold for sold in newly if durable.isdisjoint(as_reported(sold))]
            self.failures.update(f"RELEASED_TOO_EARLY {sold}" for sold in early)

    def _watch_spin(self, *, idle: bool) -> None:
        timer = self.session.next_timer()
        overdue = idle and timer is not None and timer <= self.now
        self._spin_count = self._spin_count + 1 if overdue else 0
        if self._spin_count > SPIN_LIMIT:
            self.failures.add("SPINS: next_timer() stays in the past with nothing to send")
