"""How the conformance kit makes tanks rise and fall, and how they stood."""

import random
from collections.abc import Sequence
from typing import Literal

from drivers.conformance import Delivered, Stood
from drivers.events import Monotonic
from drivers.session import Session
from drivers.veeder_root.options import VeederRootOptions
from drivers.veeder_root.session import VeederRootSession
from drivers.veeder_root.simulator import SimulatedTank, VeederRootSimulator, height_um


class VeederRootCase:
    """A `GaugeCase`: three tanks, one of them with alarms. Volumes are eighths of a litre, which single
    precision holds exactly; a console that only prints cuts them to litres, and has no deliveries."""

    gauges: Literal[True] = True
    hand_over: None = None

    def __init__(self, *, prints_only: bool = False) -> None:
        self._prints_only = prints_only
        self._options = VeederRootOptions(poll_s=1, answer_ms=1_000, gap_ms=20)
        self.simulator = VeederRootSimulator(prints_only=prints_only, answer_ms=30)
        self.simulator.tanks[2].alarms += ["04", "11"]
        self._stood: list[Stood] = list(self.stands())
        self._delivered: list[Delivered] = []

    def open_session(self) -> Session:
        return VeederRootSession("1", self._options)

    def change(self, rng: random.Random, now: Monotonic) -> None:
        """A tank is drawn from, but for its last litres, or filled, but for its last room."""
        number = rng.choice(list(self.simulator.tanks))
        tank = self.simulator.tanks[number]
        volume_ml = 125 * rng.randrange(1_000, 24_000)
        if rng.randrange(3) and tank.volume_ml > volume_ml:
            self.simulator.draw(number, volume_ml)
        else:
            self._deliver(number, min(volume_ml, tank.capacity_ml - tank.volume_ml), now)
        self._stood += self.stands()

    def _deliver(self, number: int, volume_ml: int, now: Monotonic) -> None:
        before_ml = self.simulator.tanks[number].volume_ml
        self.simulator.deliver(number, volume_ml, now)
        if self._prints_only:
            return
        after_ml = self.simulator.tanks[number].volume_ml
        heights = height_um(before_ml), height_um(after_ml)
        self._delivered.append(Delivered(str(number), before_ml, after_ml, *heights))

    def stood(self) -> Sequence[Stood]:
        return self._stood

    def stands(self) -> Sequence[Stood]:
        return [self._stands(str(number), tank) for number, tank in self.simulator.tanks.items()]

    def delivered(self) -> Sequence[Delivered]:
        return self._delivered

    def _stands(self, number: str, tank: SimulatedTank) -> Stood:
        if self._prints_only:
            return Stood(
                number, tank.volume_ml // 1_000 * 1_000, tank.height_um // 10 * 10, tank.temperature_mc
            )
        return Stood(number, tank.volume_ml, tank.height_um, tank.temperature_mc)
