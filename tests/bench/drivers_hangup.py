"""From the nozzle that is hung up to the points at the POS, the driver's own polling included.

Every pump driver of the catalogue that can be made to sell, where it has both ways as listener and as
master, but for a pulse counter, whose fuelling ends when it stood still for `flow_stopped_ms`: a simulated
device on a real pseudo-terminal or TCP port, the production line in its thread, the desk and the till over
SQLite, and a POS with a line of its own. The customer pays in the moment in which the nozzle is back (the
POS's message is then usually there before the sale), and the clock runs until the POS has the points.

The baseline is the POS's own way: how long the same message waits for its first answer, which mostly says
that the fuelling is awaited.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.app.desk import Desk
from agent.handlers.credentials import CredentialKey
from agent.handlers.site import Place, Site
from agent.till import Till
from drivers.events import (
    Answer,
    DeviceBack,
    DriverEvent,
    Fuelling,
    FuellingStarted,
    Monotonic,
    Outcome,
)
from drivers.line import Line
from drivers.ports import PortSpec, open_port
from drivers.pos_link.options import PosLinkOptions
from drivers.pos_link.session import PosLinkSession
from drivers.pos_link.simulator import PosSimulator
from drivers.session import Session
from drivers.stage import SimulatorOnPty, SimulatorOnTcp, SimulatorStage
from tests.bench.figure import Figure, p50, p99, rounded
from tests.bench.rig import MEMBERS, PRODUCTS, Day, card, serving, till_on
from tests.pump_ways import PRICE_MILLI, Way, finished, ways

LIMIT_MS = 1_000
"""S-174 allows ten seconds in all; wire time at 9600 baud, which a pseudo-terminal has not, comes on top."""
AT_ONCE = 8
"""Ways that are measured side by side: a station has several lines, and most of this is waiting."""
PATIENCE_S = 30.0
_POS, _NOZZLE = "pos", "1"
_REST_S = (0.05, 0.6)
"""Between two customers, by chance: no poll is hit always at the same moment."""


class _Device:
    """A simulated device that notes when a fuelling ended."""

    def __init__(self, simulator: Any, count: Callable[[Any], int]) -> None:
        self.simulator = simulator
        self.changed = threading.Condition()
        self.ended_at_s = 0.0
        self._count = count
        self.count = count(simulator)

    def receive(self, data: bytes, now: Monotonic) -> None:
        self.simulator.receive(data, now)
        self.look()

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data: bytes = self.simulator.bytes_to_send(now)
        self.look()
        return data

    def next_timer(self) -> Monotonic | None:
        timer: Monotonic | None = self.simulator.next_timer()
        return timer

    def handle_timer(self, now: Monotonic) -> None:
        self.simulator.handle_timer(now)
        self.look()

    def power_cycle(self, now: Monotonic) -> None:
        self.simulator.power_cycle(now)

    def sell(self, verb: Callable[[], object]) -> None:
        verb()
        self.look()

    def look(self) -> None:
        if (count := self._count(self.simulator)) != self.count:
            with self.changed:
                self.count, self.ended_at_s = count, time.perf_counter()
                self.changed.notify_all()


class _Pos(PosSimulator):
    """Notes when each of its sales was answered first, and when it had its points."""

    def __init__(self, register: str) -> None:
        super().__init__(PosLinkOptions(register_id=register))
        self.changed = threading.Condition()
        self.first_at_s: dict[int, float] = {}
        self.points_at_s: dict[int, float] = {}
        self._sales: dict[str, int] = {}

    def sell(self, name: str, point: str, amount_fen: int, member: int) -> int:
        number = self.pay(name, point, amount_fen, "wechat", credential=card(member))
        self._sales[name] = number
        return number

    def receive(self, data: bytes, now: Monotonic) -> None:
        super().receive(data, now)
        at_s = time.perf_counter()
        with self.changed:
            for number, told in self.told.items():
                self.first_at_s.setdefault(number, at_s)
                if told.answer.outcome is Outcome.DONE:
                    self.points_at_s.setdefault(number, at_s)
            for notice in self.shown:
                self.points_at_s.setdefault(self._sales[notice.pos_sale_id], at_s)
            self.changed.notify_all()


class _Island:
    """One way at a point of its own: device and POS, each on its line, while the block lasts."""

    def __init__(self, way: Way, till: Till, site: Site, clock: Day) -> None:
        self._way, self._clock = way, clock
        self._rng = random.Random(way.name)
        self._made = 0
        self._here = threading.Event()
        self._device = _Device(
            way.driver.open_simulator(way.driver.addresses[0], way.options),
            finished(way.driver.name),
        )
        self._pos = _Pos(way.name)
        self._lines: dict[str, Line] = {}
        self._desk = Desk(till, site, clock, [_POS], lambda name, notice: self._lines[name].post(notice))

    @contextmanager
    def open(self) -> Iterator["_Island"]:
        driver, options = self._way.driver, self._way.options
        self._stage: SimulatorStage[_Device] = (SimulatorOnTcp if self._way.on_tcp else SimulatorOnPty)(
            self._device, self._clock.monotonic_ms
        )
        self._pos_stage = SimulatorOnPty(self._pos, self._clock.monotonic_ms)
        place = self._stage.device if isinstance(self._stage, SimulatorOnTcp) else self._stage.path
        pos_options = PosLinkOptions(register_id=self._way.name)
        try:
            with (
                self._line(self._way.name, place, driver.open_session(driver.addresses[0], options)),
                self._line(_POS, self._pos_stage.path, PosLinkSession("1", pos_options)),
            ):
                assert self._here.wait(PATIENCE_S), f"{self._way.name}: nobody is heard"
                time.sleep(_REST_S[1])
                yield self
        finally:
            self._stage.close()
            self._pos_stage.close()

    def sell(self) -> tuple[float, float]:
        """One customer: milliseconds from the end until the points, and until the POS was answered at all."""
        self._made += 1
        volume_ml = 5_000 + 10 * self._rng.randrange(3_000)
        amount_fen = (volume_ml * PRICE_MILLI + 5_000) // 10_000
        ended_at_s = self._fuel(volume_ml, amount_fen)
        name, member, pos = f"{self._way.name}-{self._made}", self._rng.randrange(MEMBERS), self._pos
        asked_at_s = time.perf_counter()
        number = self._pos_stage.act(lambda pos: pos.sell(name, self._way.name, amount_fen, member))
        with pos.changed:
            has_points = pos.changed.wait_for(lambda: number in pos.points_at_s, PATIENCE_S)
        assert has_points, (
            f"{name}: no points, {pos.told.get(number)}, {self._lines[self._way.name].status()}"
        )
        time.sleep(self._rng.uniform(*_REST_S))
        return (pos.points_at_s[number] - ended_at_s) * 1e3, (pos.first_at_s[number] - asked_at_s) * 1e3

    def _fuel(self, volume_ml: int, amount_fen: int) -> float:
        """When the nozzle was back."""
        sell, device, now = self._way.driver.sell, self._device, self._clock.monotonic_ms()
        assert sell is not None
        before = device.count
        self._stage.act(
            lambda it: it.sell(partial(sell, it.simulator, "", volume_ml, amount_fen, PRICE_MILLI, now))
        )
        with device.changed:
            assert device.changed.wait_for(lambda: device.count != before, PATIENCE_S), "it never ends"
        return device.ended_at_s

    @contextmanager
    def _line(self, name: str, place: str, session: Session) -> Iterator[None]:
        spec = PortSpec(place, pty=not place.startswith("socket:"))
        report = partial(self._report, name)
        line = Line(name, lambda: open_port(spec), session, report, self._clock.monotonic_ms, self._rng)
        stop = threading.Event()
        thread = threading.Thread(target=line.run, args=(stop,), name=name)
        self._lines[name] = line
        thread.start()
        try:
            yield
        finally:
            stop.set()
            line.wake()
            thread.join()
            line.close()

    def _report(self, name: str, event: DriverEvent, heard: Monotonic) -> Answer:
        """Whatever a driver calls its nozzle, it is the one of this point."""
        if isinstance(event, DeviceBack) and name != _POS:
            self._here.set()
        if isinstance(event, Fuelling | FuellingStarted):
            event = replace(event, nozzle=_NOZZLE)
        return self._desk.report(name, event, heard)


def selling_ways() -> list[Way]:
    return [way for way in ways() if not way.counts]


def hangup(directory: Path, *, sales: int) -> list[Figure]:
    """The first sale of each way is not counted: many drivers take the display before it as known."""
    measured, clock = selling_ways(), Day()
    site = _site(measured)
    till = till_on(directory / "station.db", site, clock)

    def figure(way: Way) -> Figure:
        with _Island(way, till, site, clock).open() as island:
            island.sell()
            return _figure(way, [island.sell() for _ in range(sales)])

    with serving(till), ThreadPoolExecutor(AT_ONCE) as customers:
        assert till.opened.wait(PATIENCE_S)
        return list(customers.map(figure, measured))


def _site(measured: list[Way]) -> Site:
    return Site(
        station="cn-0042",
        programme="demo-cn",
        zone=ZoneInfo("Asia/Shanghai"),
        language="zh",
        credential_key=CredentialKey(b"k" * 32),
        devices={(way.name, way.driver.addresses[0]): way.name for way in measured},
        places={(way.name, _NOZZLE): Place(way.name, PRODUCTS[0]) for way in measured},
    )


def _figure(way: Way, taken_ms: list[tuple[float, float]]) -> Figure:
    waits_ms, first_ms = [wait for wait, _ in taken_ms], [first for _, first in taken_ms]
    details = {
        "unit": "ms at p99 from hang-up to the points at the POS",
        "p50_ms": rounded(p50(waits_ms)),
        "p99_ms": rounded(p99(waits_ms)),
        "pos_alone_p50_ms": rounded(p50(first_ms)),
        "poll_ms": None if way.driver.listens(way.options) else getattr(way.options, "poll_ms", None),
        "sales": len(taken_ms),
    }
    return Figure(
        f"hangup_{way.name}", p99(waits_ms), LIMIT_MS, ratio=p50(waits_ms) / p50(first_ms), details=details
    )
