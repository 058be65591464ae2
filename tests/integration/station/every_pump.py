"""A station with a line for every pump driver, in each of its ways, and what its books say of each."""

import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.cli.demo.stage import Plan, Stage
from agent.clock import SystemClock
from agent.store import integrity, reading
from drivers.stage import SimulatorOnPty, SimulatorOnTcp
from tests.integration.station.odd_station import until
from tests.pump_ways import PRICE_MILLI, Way, finished, ways

BUNDLE = Path(__file__).parents[3] / "config/samples/demo-cn.bundle.toml"
FUELS_S = 4.0
"""About as long as a simulated fuelling takes at most."""
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Sale:
    volume_ml: int
    amount_fen: int


class Pump:
    """One simulated device on a real port. `sold` is what its customers took, in their order."""

    def __init__(self, way: Way, directory: Path) -> None:
        self.way = way
        self.sold: list[Sale] = []
        device = way.driver.open_simulator(way.driver.addresses[0], way.options)
        self.stage: SimulatorOnPty[Any] | SimulatorOnTcp[Any] = (
            SimulatorOnTcp(device, _CLOCK.monotonic_ms)
            if way.on_tcp
            else SimulatorOnPty(device, _CLOCK.monotonic_ms, directory / way.name)
        )
        self._finished = finished(way.driver.name)
        self._count_before = 0

    @property
    def wiring(self) -> str:
        return _LINE.format(
            name=self.way.name,
            driver=self.way.driver.name,
            place=self.stage.device if isinstance(self.stage, SimulatorOnTcp) else self.stage.path,
            pty=json.dumps(not self.way.on_tcp),
            address=self.way.driver.addresses[0],
            options=", ".join(f"{name} = {json.dumps(value)}" for name, value in self.way.given.items()),
        )

    def sell(self, volume_ml: int) -> None:
        """A customer comes; the fuelling ends by itself."""
        sell, now = self.way.driver.sell, _CLOCK.monotonic_ms()
        assert sell is not None
        sale = Sale(volume_ml, (volume_ml * PRICE_MILLI + 5_000) // 10_000)
        self._count_before = self.stage.act(self._finished)
        self.stage.act(lambda device: sell(device, "", sale.volume_ml, sale.amount_fen, PRICE_MILLI, now))
        self.sold.append(sale)

    def is_idle(self) -> bool:
        return self.stage.act(self._finished) != self._count_before


@dataclass(frozen=True, slots=True)
class Booked:
    """What the books say of one device: fuellings in their order, and litres that were noticed as missed."""

    sales: tuple[Sale, ...]
    missed_ml: int
    are_metered: bool


class EveryPump:
    """Devices, broker and agent; headquarters is out of reach."""

    def __init__(self, pumps: Sequence[Pump], stage: Stage, rng: random.Random) -> None:
        self.pumps = pumps
        self._stage = stage
        self._rng = rng
        self._sales = 0

    def sell_everywhere(self) -> None:
        """One fuelling of each pump; no two of them are alike."""
        for pump in self.pumps:
            self._sales += 1
            pump.sell(5_000 + 10 * self._sales)

    def pass_time(self) -> None:
        """Until some moment of the fuellings, or a little after."""
        time.sleep(self._rng.uniform(0.0, FUELS_S))

    def kill(self) -> None:
        """SIGKILL, and a new start after a while."""
        self._stage.kill("agent")
        time.sleep(self._rng.uniform(0.0, 1.5))
        self._stage.start_agent()

    def unplug(self) -> None:
        """Every cable, for a moment."""
        for pump in self.pumps:
            pump.stage.unplug()
        time.sleep(self._rng.uniform(0.05, 1.0))
        for pump in self.pumps:
            pump.stage.replug()

    def wait_until_heard(self) -> None:
        def unheard() -> list[str]:
            lines: Any = self._stage.status()["lines"]
            return [line["name"] for line in lines if line["heard_ago_ms"] is None]

        until(lambda: not unheard(), lambda: f"{unheard()} to be heard")

    def wait_until_idle(self) -> None:
        def fuelling() -> list[str]:
            return [pump.way.name for pump in self.pumps if not pump.is_idle()]

        until(lambda: not fuelling(), lambda: f"{fuelling()} to end their fuelling")

    def wait_until_booked(self, pumps: Sequence[Pump]) -> None:
        """The last sale of each of these stands in the books."""

        def missing() -> list[str]:
            books = self.books()
            return [pump.way.name for pump in pumps if not _has_arrived(pump, books[pump.way.name])]

        until(lambda: not missing(), lambda: f"the last sale of {missing()}: {self.books()}")

    def books(self) -> dict[str, Booked]:
        """By name of the way, as a reader of the database sees them now."""
        with reading.look(self._stage.database) as connection:
            assert integrity.verify(connection) == []
            rows: list[dict[str, Any]] = reading.query(connection, _FACTS)
        names = [pump.way.name for pump in self.pumps]
        return {name: _booked([row for row in rows if row["device_key"] == name]) for name in names}


@contextmanager
def every_pump(directory: Path, seed: int) -> Iterator[EveryPump]:
    """Open, with every line heard; closed at the end."""
    devices = directory / "devices"
    devices.mkdir(parents=True)
    with ExitStack() as closing:
        pumps = []
        for way in ways():
            pumps.append(Pump(way, devices))
            closing.callback(pumps[-1].stage.close)
        wiring = "\n".join((*(pump.wiring for pump in pumps), _POINT))
        plan = Plan("pumps-1", "demo-cn", "Asia/Shanghai", wiring, BUNDLE.read_bytes())
        stage = Stage(directory, plan, _CLOCK.wall_ms)
        closing.callback(stage.close)
        stage.open(with_hq=False)
        station = EveryPump(pumps, stage, random.Random(seed))
        station.wait_until_heard()
        yield station


def _booked(rows: Sequence[dict[str, Any]]) -> Booked:
    sales = [row for row in rows if row["kind"] == "fuelling"]
    return Booked(
        tuple(Sale(row["volume_ml"], row["amount_fen"]) for row in sales),
        sum(row["volume_ml"] for row in rows if row["kind"] == "gap"),
        all(row["totalizer_after_ml"] is not None for row in sales),
    )


def _has_arrived(pump: Pump, booked: Booked) -> bool:
    if pump.way.counts:
        return not _litres(pump, booked)
    return pump.sold[-1] in booked.sales


def wrongs(pump: Pump, booked: Booked) -> Iterator[str]:
    """What no pump may show: a sale twice, one that never was, one that was lost, litres that do not add up.

    Of who does not keep its sales those may be lost that were sold while we were away, and where totalizers
    are read the litres tell of it. A counter joins two sales between which nobody looked.
    """
    name, times = pump.way.name, Counter(booked.sales)
    yield from (f"{name} TWICE {sale}" for sale, count in times.items() if count > 1)
    if not pump.way.counts:
        yield from (f"{name} INVENTED {sale}" for sale in times.keys() - set(pump.sold))
    if pump.way.keeps:
        yield from (f"{name} LOST {sale}" for sale in pump.sold if sale not in times)
    if booked.are_metered:
        yield from _litres(pump, booked)


def _litres(pump: Pump, booked: Booked) -> list[str]:
    sold_ml = sum(sale.volume_ml for sale in pump.sold)
    told_ml = sum(sale.volume_ml for sale in booked.sales) + booked.missed_ml
    return [] if sold_ml == told_ml else [f"{pump.way.name} LITRES sold {sold_ml} ml, told {told_ml} ml"]


_FACTS = """
SELECT device_key, kind, volume_ml, amount_fen, totalizer_after_ml
FROM fact
WHERE kind IN ('fuelling', 'gap')
ORDER BY stream_seq
"""

_POINT = """\
[[point]]
id = "1"
nozzle = [{ device = "companytec", nozzle = "08", product = "petrol-92" }]
"""

_LINE = """\
[[line]]
name = "{name}"
driver = "{driver}"
port = "{place}"
pty = {pty}
  [[line.device]]
  key = "{name}"
  address = "{address}"
  options = {{ {options} }}
"""
