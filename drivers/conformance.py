"""What every driver promises, and the kit that tries it: seeded, on simulated time, over bad wires.

The promises, each with the code that a broken one is reported under:

- every finished sale is reported at least once and unaltered, and nothing else is: LOST, INVENTED;
- the device is never told "we have it" before `confirm` with a durable answer: RELEASED_TOO_EARLY;
- an answer UNAVAILABLE leads to the same record being reported again (else LOST);
- every request of a POS gets the till's answer to that very request: UNANSWERED, WRONG_ANSWER;
- a dead device is noticed within `Driver.silence_ms` plus `SILENCE_SLACK_MS`: SILENCE_UNNOTICED,
  and so is its return: RETURN_UNNOTICED (`silence_ms` 0: a POS link that may rest; not tried);
- power loss on either side and a pulled plug lose nothing (else LOST, UNANSWERED);
- noise neither raises nor grows memory (MEMORY_GROWS), nor stops the next sale (else LOST);
- the session never asks to be woken in the past for ever: SPINS;
- valid frames are counted under `HEARD`: HEARD_NOT_COUNTED.

Who only listens cannot ask again. Its promises are others: it says nothing (SPOKE); what passed by unharmed
while it was there is reported (LOST on a clean wire without mishaps); and what it could not hear shows as
litres, because a later fuelling of that nozzle is reported with its totalizer (GAP_UNSEEN).

A tank gauge sells nothing. Its promises: a reading is of a moment at which the tank stood so (INVENTED), the
newest reading is soon how it stands (LOST), every delivery is reported at least once and unaltered (LOST,
INVENTED), and one that is durable is not reported again by the same session (TWICE).

A POS feed tells once and hears nothing. Its promises: what is told on a clean wire to a session that was
there all the while arrives, however often the till says "not now" (LOST); nothing is reported that was not
told (INVENTED), where bytes were harmed only as far as the feed vouches for itself: it has no check value.

A driver takes part by a function `conformance_cases()` in the module that holds its `Driver` record: it
returns named factories of a `PumpCase`, a `TapCase`, a `GaugeCase`, a `FeedCase` or a `PosCase`. A failing
run is replayed with `python -m drivers.conformance DRIVER/CASE WIRE SEED`.
"""

import gc
import random
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import FunctionType, ModuleType
from typing import Literal, Protocol, TypeAlias, TypeGuard

from drivers.driver import Driver
from drivers.events import (
    Answer,
    Candidate,
    Credential,
    DeviceBack,
    DeviceSilent,
    DriverEvent,
    Fuelling,
    HandOver,
    Monotonic,
    Outcome,
    PosRequest,
    TankDelivery,
    TankRead,
)
from drivers.faults import CLEAN, WIRES, Faults, Wire
from drivers.session import Session, Simulator

SALES = 7
SILENCE_SLACK_MS = 1_000
CALM_LIMIT_MS = 60_000
"""After the trouble, on a clean wire, everything must have arrived within this time."""
NOISE_BYTES = 65_536
MEMORY_GROWTH_BYTES = 32_768
SPIN_LIMIT = 100
SETTLE_LIMIT = 40
"""Fuellings within which each nozzle of a tapped wire has sold once."""


@dataclass(frozen=True, slots=True)
class Sold:
    """One finished sale as the device knows it; what is reported must equal it field by field."""

    nozzle: str
    sequence_no: int | None
    volume_ml: int
    amount_fen: int
    unit_price_milli: int
    totalizer_after_ml: int | None
    credential: Credential | None = None


class PumpCase(Protocol):
    """A dispenser or concentrator that the kit can make sell."""

    @property
    def hand_over(self) -> HandOver:
        """What the device does with a finished sale (one driver may serve devices of several kinds)."""

    @property
    def simulator(self) -> Simulator:
        """The device's side."""

    def open_session(self) -> Session:
        """Our side, fresh, as after a start of the agent."""

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        """One fuelling from lift to hang-up. Hand-over B and C are asked only when the last one is safe."""

    def sold(self) -> Sequence[Sold]:
        """Every fuelling with volume so far, oldest first."""

    def released(self) -> Sequence[Sold]:
        """The sales that the device will not offer again because it was told we have them (A only)."""


class OddPumpCase(PumpCase, Protocol):
    """A class A device that can also hand over records that are odd, and valid all the same."""

    def sell_odd(self, rng: random.Random, now: Monotonic) -> None:
        """One more record with something that no record should have: zero volume, money that does not fit,
        a wrap, an unknown grade or nozzle, a date that does not exist."""

    def backlog(self) -> int:
        """Records that the device still keeps for us. A pump may refuse to start while there are any."""


class TapCase(Protocol):
    """A wire on which a controller and its dispensers talk, and we listen to both.

    `simulator` is the whole wire: what it sends is what passes by, and what it is sent is lost.
    """

    @property
    def listens(self) -> Literal[True]:
        """What tells a tap from a pump."""

    @property
    def hand_over(self) -> HandOver:
        """What the device does with a finished sale towards its controller."""

    @property
    def simulator(self) -> Simulator:
        """Controller and dispensers."""

    def open_session(self) -> Session:
        """Our side, fresh, as after a start of the agent."""

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        """One fuelling from lift to hang-up, with what the controller asks about it afterwards."""

    def sold(self) -> Sequence[Sold]:
        """Every fuelling with volume so far, oldest first."""


class FeedCase(Protocol):
    """A POS that tells of its sales once, to whoever listens: a journal, a receipt printer's line."""

    @property
    def feeds(self) -> Literal[True]:
        """What tells a feed from a POS that asks."""

    @property
    def hand_over(self) -> None:
        """None: it sells nothing that a meter counts."""

    @property
    def simulator(self) -> Simulator:
        """The POS's side."""

    def open_session(self) -> Session:
        """Our side, fresh, as after a start of the agent."""

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        """One more sale is rung up; its telling may take a while."""

    def telling(self) -> bool:
        """True while a sale has not been told to its end."""

    def told(self) -> Sequence[PosRequest]:
        """What was told to its end, in order, as it must be reported."""

    def vouched(self, request: PosRequest) -> object:
        """The part of a report that the feed says twice, so that a damaged one does not pass."""


class PosCase(Protocol):
    """A POS that the kit can make ask."""

    @property
    def hand_over(self) -> None:
        """None: this is what tells a POS from a pump."""

    @property
    def simulator(self) -> Simulator:
        """The POS's side."""

    def open_session(self) -> Session:
        """Our side, fresh, as after a start of the agent."""

    def ask(self, rng: random.Random, now: Monotonic) -> None:
        """The POS makes one more request, different from all before."""

    def asked(self) -> Sequence[PosRequest]:
        """The requests that the POS still stands by, in order; a power cut may remove unsent ones."""

    def answers(self) -> Sequence[Answer | None]:
        """For each of `asked()` the answer as the POS understood it, None while it waits."""


@dataclass(frozen=True, slots=True)
class Stood:
    """How a tank stood at some moment, in the units of `TankRead`."""

    tank: str
    volume_ml: int
    height_um: int | None
    temperature_mc: int | None


@dataclass(frozen=True, slots=True)
class Delivered:
    """One finished delivery as the gauge recorded it, in the units of `TankDelivery`."""

    tank: str
    start_volume_ml: int | None
    end_volume_ml: int | None
    start_height_um: int | None
    end_height_um: int | None


class GaugeCase(Protocol):
    """A tank gauge whose tanks the kit can draw from and fill."""

    @property
    def gauges(self) -> Literal[True]:
        """What tells a gauge from a POS."""

    @property
    def hand_over(self) -> None:
        """None: it sells nothing."""

    @property
    def simulator(self) -> Simulator:
        """The gauge's side."""

    def open_session(self) -> Session:
        """Our side, fresh, as after a start of the agent."""

    def change(self, rng: random.Random, now: Monotonic) -> None:
        """Fuel is drawn from a tank, or a whole delivery is filled into it."""

    def stood(self) -> Sequence[Stood]:
        """How every tank stood so far: at the beginning and after each change."""

    def stands(self) -> Sequence[Stood]:
        """How every tank stands now."""

    def delivered(self) -> Sequence[Delivered]:
        """Every delivery so far, oldest first; none if the gauge tells of none."""


Case: TypeAlias = PumpCase | TapCase | PosCase | GaugeCase | FeedCase
Cases: TypeAlias = Mapping[str, Callable[[], Case]]


@dataclass(frozen=True, slots=True)
class Report:
    """What one run saw. `failures` are sentences that begin with a code from the module docstring."""

    replay: str
    true_count: int
    reported_count: int
    repeated_count: int
    unavailable_count: int
    mishaps: tuple[str, ...]
    simulated_ms: int
    failures: tuple[str, ...]

    def explain(self) -> str:
        """The failures and the command that replays them, for an assertion message."""
        return "\n".join((*self.failures, f"replay: {self.replay}"))


def run(driver: Driver, case_name: str, case: Case, faults: Faults, seed: int) -> Report:
    """Try every promise of `case` once on one kind of wire. The same arguments give the same run."""
    replay = f"python -m drivers.conformance {driver.name}/{case_name} {faults.name} {seed}"
    with _noted(replay):
        trial = _Trial(driver, case, faults, random.Random(f"{driver.name}/{case_name}/{faults.name}/{seed}"))
        trial.trouble()
        trial.calm()
        phases = []
        if driver.silence_ms and not _is_feed(case):
            phases.append(trial.silence)
        if faults.noise_bp or faults == CLEAN:
            phases.append(trial.noise)
        for phase in (*phases, trial.judge_counters):
            if not trial.failures:
                phase()
    return Report(
        replay=replay,
        true_count=trial.true_count(),
        reported_count=trial.till.reported_count,
        repeated_count=trial.till.repeated_count,
        unavailable_count=trial.till.unavailable_count,
        mishaps=tuple(trial.mishaps),
        simulated_ms=trial.now - trial.started,
        failures=tuple(sorted(trial.failures)),
    )


@contextmanager
def _noted(replay: str) -> Iterator[None]:
    try:
        yield
    finally:
        if (error := sys.exception()) is not None:
            error.add_note(f"replay: {replay}")


Identity: TypeAlias = tuple[str, str, int | None, str, str, str, str]


def identity_of(fuelling: Fuelling) -> Identity:
    """What makes two reports the same sale: device, nozzle, number and the raw digits."""
    raw = fuelling.raw
    return (
        fuelling.address,
        fuelling.nozzle,
        fuelling.sequence_no,
        raw.totalizer_after,
        raw.volume,
        raw.amount,
        raw.unit_price,
    )


def as_sold(fuelling: Fuelling) -> Sold:
    """The part of a report that is compared with the device's truth."""
    return Sold(
        fuelling.nozzle,
        fuelling.sequence_no,
        fuelling.volume_ml,
        fuelling.amount_fen,
        fuelling.unit_price_milli,
        fuelling.totalizer_after_ml,
        fuelling.credential,
    )


def as_stood(read: TankRead) -> Stood:
    """The part of a reading that is compared with the gauge's truth."""
    return Stood(read.tank, read.volume_ml, read.height_um, read.temperature_mc)


def as_delivered(delivery: TankDelivery) -> Delivered:
    """The part of a delivery that is compared with the gauge's truth."""
    return Delivered(
        delivery.tank,
        delivery.start_volume_ml,
        delivery.end_volume_ml,
        delivery.start_height_um,
        delivery.end_height_um,
    )


@dataclass
class _Till:
    """Stands in for the station's till: keeps what it said yes to, and sometimes says "not now"."""

    rng: random.Random
    unavailable_bp: int = 2_000
    durable: dict[Identity, Fuelling] = field(default_factory=dict)
    given: dict[PosRequest, list[Answer]] = field(default_factory=dict)
    deliveries: dict[tuple[str, str, str], TankDelivery] = field(default_factory=dict)
    told_session: set[tuple[str, str, str]] = field(default_factory=set)
    twice: set[TankDelivery] = field(default_factory=set)
    read: set[Stood] = field(default_factory=set)
    newest: dict[str, Stood] = field(default_factory=dict)
    reported_count: int = 0
    repeated_count: int = 0
    unavailable_count: int = 0

    def answer(self, event: DriverEvent) -> Answer:
        if isinstance(event, Fuelling):
            return self._book(event)
        if isinstance(event, PosRequest):
            return self._serve(event)
        if isinstance(event, TankDelivery):
            return self._book_delivery(event)
        if isinstance(event, TankRead):
            return self._note(event)
        return Answer(Outcome.DONE, durable=False)

    def _book(self, fuelling: Fuelling) -> Answer:
        self.reported_count += 1
        if identity_of(fuelling) in self.durable:
            self.repeated_count += 1
            return Answer(Outcome.REPEATED, durable=True)
        if self._not_now():
            return Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")
        self.durable[identity_of(fuelling)] = fuelling
        return Answer(Outcome.DONE, durable=True)

    def _book_delivery(self, delivery: TankDelivery) -> Answer:
        """`told_session` are those of which the session that lives now knows that they are durable."""
        self.reported_count += 1
        identity = (delivery.address, delivery.tank, delivery.raw)
        if identity in self.told_session:
            self.twice.add(delivery)
        if identity not in self.deliveries and self._not_now():
            return Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")
        self.told_session.add(identity)
        if identity in self.deliveries:
            self.repeated_count += 1
            return Answer(Outcome.REPEATED, durable=True)
        self.deliveries[identity] = delivery
        return Answer(Outcome.DONE, durable=True)

    def _note(self, read: TankRead) -> Answer:
        stood = as_stood(read)
        self.read.add(stood)
        if self._not_now():
            return Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")
        self.newest[read.tank] = stood
        return Answer(Outcome.DONE, durable=True)

    def _serve(self, request: PosRequest) -> Answer:
        self.reported_count += 1
        given = self.given.setdefault(request, [])
        kept = [answer for answer in given if answer.durable]
        if kept:
            self.repeated_count += 1
            answer = replace(kept[0], outcome=Outcome.REPEATED)
        elif self._not_now():
            answer = Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL", text="请稍后再试")
        else:
            answer = self._draw_answer()
        given.append(answer)
        return answer

    def _not_now(self) -> bool:
        refused = self.rng.randrange(10_000) < self.unavailable_bp
        self.unavailable_count += refused
        return refused

    def _draw_answer(self) -> Answer:
        points_minor, serial = self.rng.randrange(1, 99_999), self.rng.randrange(10**9)
        candidates = (
            Candidate(f"fact-{serial}", "02", "92号汽油", 30_120, 23_405, 75),
            Candidate(f"fact-{serial + 1}", "02", "92号汽油", 12_000, 23_405, 12),
        )
        return self.rng.choice(
            (
                Answer(
                    Outcome.DONE,
                    durable=True,
                    fact_id=f"fact-{serial}",
                    points_minor=points_minor,
                    balance_minor=points_minor + 500,
                    balance_as_of_ms=1_700_000_000_000,
                    provisional=True,
                    text="本次积分已入账",
                ),
                Answer(Outcome.AMBIGUOUS, durable=True, reason="SEVERAL_FUELLINGS", candidates=candidates),
                Answer(Outcome.WAITING, durable=True, reason="NO_FUELLING_YET", text=f"稍后 {serial}"),
                Answer(Outcome.REFUSED, durable=True, reason="ALREADY_AWARDED", text=f"不可重复 {serial}"),
            )
        )


class _Trial:
    """One device, one session, two wires, and a clock that only this class moves."""

    def __init__(self, driver: Driver, case: Case, faults: Faults, rng: random.Random) -> None:
        self.driver = driver
        self.case = case
        self.rng = rng
        self.started = self.now = Monotonic(rng.randrange(10**9))
        self.till = _Till(rng)
        self.failures: set[str] = set()
        self.mishaps: list[str] = []
        self.session = case.open_session()
        self._use_wires(faults)
        self._heard_from_device: deque[bytes] = deque(maxlen=32)
        self._waiting_confirm: tuple[DriverEvent, Answer, Monotonic] | None = None
        self._silent_seen = self._back_seen = False
        self._asked_ever: set[PosRequest] = set()
        self._released_seen = 0
        self._spins = 0
        self._was_disturbed = faults != CLEAN
        self._was_harmed = bool(faults.flip_bit_bp or faults.lose_byte_bp or faults.noise_bp)
        self._owed = 0

    # The phases, in the order in which `run` goes through them.

    def trouble(self) -> None:
        """Sales or requests on the bad wire, with crashes, power cuts and a pulled plug between them."""
        mishaps: list[Callable[[], None] | None] = [
            self._we_crash,
            self._we_crash,
            self._device_loses_power,
            self._plug_is_pulled,
        ]
        mishaps += [None] * (SALES - len(mishaps))
        self.rng.shuffle(mishaps)
        for mishap in mishaps:
            self._make_one()
            self._pass_time(self.rng.randrange(100, 2_500))
            if mishap is not None:
                mishap()

    def calm(self) -> None:
        """A clean wire and a willing till: everything arrives, and nothing that never was."""
        self._use_wires(CLEAN)
        self.till.unavailable_bp = 0
        if _is_tap(self.case):
            self._settle_taps(self.case)
        if _is_feed(self.case):
            self._settle_feed(self.case)
        self._wait_until(self._all_arrived)
        self._judge()

    def silence(self) -> None:
        """The device says nothing any more, then comes back."""
        self._pass_time(2 * SILENCE_SLACK_MS)
        self._silent_seen = False
        self._cut_wires()
        self._pass_time(self.driver.silence_ms + SILENCE_SLACK_MS)
        if not self._silent_seen:
            self.failures.add(f"SILENCE_UNNOTICED after {self.driver.silence_ms + SILENCE_SLACK_MS} ms")
        self._back_seen = False
        self._use_wires(CLEAN)
        self._make_one()
        self._wait_until(self._all_arrived)
        self._judge()
        if not self._back_seen:
            self.failures.add("RETURN_UNNOTICED")

    def noise(self) -> None:
        """Any bytes: nothing raises, memory stays, and the next sale arrives all the same."""
        self.till.unavailable_bp = 10_000
        self._cut_wires()
        self._was_harmed = True
        self._feed_noise(NOISE_BYTES // 4)
        before_bytes = _deep_size_bytes(self.session)
        self._feed_noise(NOISE_BYTES)
        grown_bytes = _deep_size_bytes(self.session) - before_bytes
        if grown_bytes > MEMORY_GROWTH_BYTES:
            self.failures.add(f"MEMORY_GROWS by {grown_bytes} bytes over {NOISE_BYTES} bytes of noise")
        self.till.unavailable_bp = 0
        self._use_wires(CLEAN)
        self._pass_time(1_000)
        if _is_feed(self.case):
            self._tell_one(self.case)
            self._owed = len(self.case.told())
            self._tell_one(self.case)
        else:
            self._make_one()
        self._wait_until(self._all_arrived)
        self._judge()

    def judge_counters(self) -> None:
        if not self.session.counters().get("HEARD", 0):
            self.failures.add("HEARD_NOT_COUNTED: counters() must count valid frames under HEARD")

    def _settle_taps(self, case: TapCase) -> None:
        """On each nozzle something that nothing disturbs, so that what was lost before it can show."""
        self._pass_time(2_000)
        heard: set[str] = set()
        for _ in range(SETTLE_LIMIT):
            case.sell(self.rng, self.now)
            self._wait_until(self._last_arrived)
            heard.add(case.sold()[-1].nozzle)
            if heard == {sold.nozzle for sold in case.sold()}:
                return

    def _settle_feed(self, case: FeedCase) -> None:
        """After one sale by which everybody finds the place: each of the next must arrive."""
        for number in range(1 + SALES):
            if number == 1:
                self._owed = len(case.told())
                self.till.unavailable_bp = 5_000
            self._tell_one(case)
        self.till.unavailable_bp = 0

    def _tell_one(self, case: FeedCase) -> None:
        self._wait_until(lambda: not case.telling())
        self._pass_time(2_500)
        case.sell(self.rng, self.now)
        self._wait_until(lambda: not case.telling())

    # What can happen to a station.

    def _make_one(self) -> None:
        if _is_feed(self.case):
            self.case.sell(self.rng, self.now)
            return
        if _is_gauge(self.case):
            self.case.change(self.rng, self.now)
            return
        if _is_pos(self.case):
            self.case.ask(self.rng, self.now)
            self._asked_ever.update(self.case.asked())
            return
        assert _sells(self.case)
        if self.case.hand_over is not HandOver.BUFFERED and not _is_tap(self.case):
            self._wait_until(self._all_arrived)
        self.case.sell(self.rng, self.now)

    def _we_crash(self) -> None:
        self._was_disturbed = True
        self.mishaps.append("WE_CRASH")
        self._waiting_confirm = None
        self._to_host.lose_all()
        self.session = self.case.open_session()
        self.till.told_session.clear()

    def _device_loses_power(self) -> None:
        self._was_disturbed = True
        self.mishaps.append("DEVICE_POWER_CYCLE")
        self._to_host.lose_all()
        self._to_device.lose_all()
        self.case.simulator.power_cycle(self.now)

    def _plug_is_pulled(self) -> None:
        self._was_disturbed = True
        self.mishaps.append("PLUG_PULLED")
        faults = self._to_host.faults
        self._finish_confirm()
        self._cut_wires()
        self.session.disconnected(self.now)
        self._pass_time(self.rng.randrange(200, 3_000))
        self._use_wires(faults)

    # The world's clockwork.

    def _use_wires(self, faults: Faults) -> None:
        self._to_device = Wire(faults, self.rng)
        self._to_host = Wire(faults, self.rng)

    def _cut_wires(self) -> None:
        self._use_wires(CLEAN)
        self._to_device.is_cut = self._to_host.is_cut = True

    def _wait_until(self, holds: Callable[[], bool]) -> None:
        deadline = self.now + CALM_LIMIT_MS
        while not holds() and self.now < deadline and self._spins <= SPIN_LIMIT:
            self._pass_time(50)

    def _pass_time(self, duration_ms: int) -> None:
        until = Monotonic(self.now + duration_ms)
        while self.now < until:
            self._serve_device()
            self._serve_session()
            self._judge_releases()
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
        if sent and _is_tap(self.case):
            self.failures.add(f"SPOKE: {sent.hex(' ')}")
        if sent:
            self._to_device.carry(sent, self.now)
        self._judge_spin(idle=not sent)

    def _report_events(self) -> bool:
        """Hand events to the till; True if the till now takes its time over one of them."""
        while (event := self.session.next_event()) is not None:
            self._silent_seen |= isinstance(event, DeviceSilent)
            self._back_seen |= isinstance(event, DeviceBack)
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

    def _feed_noise(self, total_bytes: int) -> None:
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
            self._pass_time(self.rng.randrange(1, 60))

    # The judge.

    def true_count(self) -> int:
        if _is_feed(self.case):
            return len(self.case.told())
        if _is_gauge(self.case):
            return len(self.case.stood())
        if _is_pos(self.case):
            return len(self.case.asked())
        assert _sells(self.case)
        return len(self.case.sold())

    def _all_arrived(self) -> bool:
        if _is_feed(self.case):
            return self._durable_requests().issuperset(self.case.told()[self._owed :])
        if _is_gauge(self.case):
            are_read = all(self.till.newest.get(stands.tank) == stands for stands in self.case.stands())
            return are_read and len(self.till.deliveries) >= len(self.case.delivered())
        if _is_pos(self.case):
            return all(answer is not None for answer in self.case.answers())
        assert _sells(self.case)
        if _is_tap(self.case):
            return not self.case.sold() or self._last_arrived()
        return len(self.till.durable) >= len(self.case.sold())

    def _last_arrived(self) -> bool:
        assert _sells(self.case)
        last = self.case.sold()[-1]
        return any(_same_sale(as_sold(fuelling), last) for fuelling in self.till.durable.values())

    def _judge(self) -> None:
        if _is_feed(self.case):
            self._judge_feed(self.case)
            return
        if _is_gauge(self.case):
            self._judge_gauge(self.case)
            return
        if _is_pos(self.case):
            self._judge_answers(self.case)
            return
        assert _sells(self.case)
        if _is_tap(self.case):
            self._judge_tap(self.case)
            return
        truth = Counter(self.case.sold())
        booked = Counter(as_sold(fuelling) for fuelling in self.till.durable.values())
        self.failures.update(f"LOST {sold}" for sold in truth - booked)
        self.failures.update(f"INVENTED {sold}" for sold in booked - truth)

    def _judge_tap(self, case: TapCase) -> None:
        """A lost fuelling is excused if the totalizer of a later one on its nozzle tells of its litres."""
        booked = [as_sold(fuelling) for fuelling in self.till.durable.values()]
        told: set[str] = set()
        for sold in reversed(case.sold()):
            heard = next((each for each in booked if _same_sale(each, sold)), None)
            if heard is not None:
                booked.remove(heard)
                told.update({sold.nozzle} if heard.totalizer_after_ml is not None else ())
            elif not self._was_disturbed:
                self.failures.add(f"LOST {sold}")
            elif sold.nozzle not in told:
                self.failures.add(f"GAP_UNSEEN {sold}")
        self.failures.update(f"INVENTED {sold}" for sold in booked)

    def _judge_gauge(self, case: GaugeCase) -> None:
        truth = Counter(case.delivered())
        booked = Counter(as_delivered(delivery) for delivery in self.till.deliveries.values())
        self.failures.update(f"LOST {delivered}" for delivered in truth - booked)
        self.failures.update(f"INVENTED {delivered}" for delivered in booked - truth)
        self.failures.update(f"TWICE {delivery}" for delivery in self.till.twice)
        self.failures.update(f"INVENTED {stood}" for stood in self.till.read.difference(case.stood()))
        unread = [stands for stands in case.stands() if self.till.newest.get(stands.tank) != stands]
        self.failures.update(f"LOST {stands}" for stands in unread)

    def _judge_feed(self, case: FeedCase) -> None:
        told = case.told()
        durable = self._durable_requests()
        self.failures.update(f"LOST {request}" for request in told[self._owed :] if request not in durable)
        vouched = {case.vouched(request) for request in told}
        for request in durable.difference(told):
            if not self._was_harmed or case.vouched(request) not in vouched:
                self.failures.add(f"INVENTED {request}")

    def _durable_requests(self) -> set[PosRequest]:
        given = self.till.given.items()
        return {request for request, answers in given if any(answer.durable for answer in answers)}

    def _judge_answers(self, case: PosCase) -> None:
        for invented in self.till.given.keys() - self._asked_ever:
            self.failures.add(f"INVENTED {invented}")
        for request, heard in zip(case.asked(), case.answers(), strict=True):
            if heard is None:
                self.failures.add(f"UNANSWERED {request}")
            elif not any(_says_the_same(heard, given) for given in self.till.given.get(request, ())):
                self.failures.add(f"WRONG_ANSWER to {request}: {heard}")

    def _judge_releases(self) -> None:
        """A device on a wire that invents things may let go of a sale without our doing: not judged."""
        if not _is_pump(self.case):
            return
        newly = self.case.released()[self._released_seen :]
        self._released_seen += len(newly)
        if newly and self._to_device.faults.invents_nothing():
            durable = {as_sold(fuelling) for fuelling in self.till.durable.values()}
            self.failures.update(f"RELEASED_TOO_EARLY {sold}" for sold in newly if sold not in durable)

    def _judge_spin(self, *, idle: bool) -> None:
        timer = self.session.next_timer()
        overdue = idle and timer is not None and timer <= self.now
        self._spins = self._spins + 1 if overdue else 0
        if self._spins > SPIN_LIMIT:
            self.failures.add("SPINS: next_timer() stays in the past with nothing to send")


def _sells(case: Case) -> TypeGuard[PumpCase | TapCase]:
    return case.hand_over is not None


def _is_pump(case: Case) -> TypeGuard[PumpCase]:
    return _sells(case) and not _is_tap(case)


def _is_gauge(case: Case) -> TypeGuard[GaugeCase]:
    return getattr(case, "gauges", False)


def _is_feed(case: Case) -> TypeGuard[FeedCase]:
    return getattr(case, "feeds", False)


def _is_pos(case: Case) -> TypeGuard[PosCase]:
    return case.hand_over is None and not _is_gauge(case) and not _is_feed(case)


def _is_tap(case: Case) -> TypeGuard[TapCase]:
    return getattr(case, "listens", False)


def _same_sale(heard: Sold, sold: Sold) -> bool:
    """The totalizer does not always pass by; where it does it must be the right one."""
    unknown = heard.totalizer_after_ml is None
    return heard == (replace(sold, totalizer_after_ml=None) if unknown else sold)


def _says_the_same(heard: Answer, given: Answer) -> bool:
    """Compare what a POS can show; `durable` is between us and the disk, `text` may be shortened."""
    return (heard.outcome, heard.reason, heard.points_minor, heard.balance_minor, heard.candidates) == (
        given.outcome,
        given.reason,
        given.points_minor,
        given.balance_minor,
        given.candidates,
    )


def _deep_size_bytes(root: object) -> int:
    """Bytes of everything reachable from `root`, without code and without classes."""
    seen: set[int] = set()
    waiting: list[object] = [root]
    total_bytes = 0
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType | FunctionType):
            continue
        seen.add(id(thing))
        total_bytes += sys.getsizeof(thing)
        waiting += gc.get_referents(thing)
    return total_bytes


def main(arguments: Sequence[str]) -> int:
    """Replay one run: DRIVER/CASE WIRE SEED. Returns 0 if every promise held, 2 on wrong usage."""
    from drivers import catalogue

    if len(arguments) != 3 or "/" not in arguments[0] or arguments[1] not in WIRES:
        sys.stderr.write(f"usage: python -m drivers.conformance DRIVER/CASE {{{','.join(WIRES)}}} SEED\n")
        return 2
    name, case_name = arguments[0].split("/", 1)
    driver, cases = catalogue.find(name), catalogue.conformance_cases(name)
    report = run(driver, case_name, cases[case_name](), WIRES[arguments[1]], int(arguments[2]))
    sys.stdout.write(f"{report}\n{report.explain()}\n")
    return 1 if report.failures else 0


if __name__ == "__main__":
    # The cases are built from the imported module's classes, which are not this script's classes.
    from drivers import conformance

    sys.exit(conformance.main(sys.argv[1:]))
