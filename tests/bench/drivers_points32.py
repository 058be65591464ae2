"""What 32 fuelling points take of a processor, by protocol, at the rates that each driver asks by itself.

The agent is its own process with broker and headquarters beside it, as in `footprint.py`; the devices are
simulated in ours. Nobody fuels: what is measured is the asking, or the hearing where a controller asks.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.cli.demo.stage import Plan, Stage
from agent.clock import SystemClock
from drivers.companytec.simulator import CompanytecSimulator
from drivers.dart.controller import TappedWire
from drivers.ifsf.simulator import IfsfSimulator
from drivers.stage import SimulatorOnPty, SimulatorOnTcp, SimulatorStage
from drivers.unipump.simulator import UnipumpSimulator
from tests.bench.figure import Figure, rounded
from tests.bench.footprint import _cpu_s, _Gateway, _heard, _members, _silent, _until
from tests.bench.rig import BUNDLE, PRODUCTS

POINTS = 32
LIMIT_PERCENT = 10.0


@dataclass(frozen=True, slots=True)
class Forecourt:
    """`lines` wires of one protocol that share the points; `devices` and `nozzles` are those of each wire.

    `nozzles`: device's address and nozzle, one for each fuelling point.
    """

    driver: str
    lines: int
    simulator: Callable[[], Any]
    options: str
    nozzles: Sequence[tuple[str, str]]
    on_tcp: bool = False

    @property
    def name(self) -> str:
        return f"cpu_32_points_{self.driver}"


SITES = (
    Forecourt(
        "companytec", 1, CompanytecSimulator, "{}", tuple(("0", f"{code:02X}") for code in range(4, 36))
    ),
    Forecourt(
        "dart", 8, lambda: TappedWire(range(0x50, 0x54)), "{}", tuple((f"5{n}", "1") for n in range(4))
    ),
    Forecourt(
        "unipump",
        8,
        lambda: UnipumpSimulator(4),
        "{ point_count = 4 }",
        tuple(("1", f"{point}/1") for point in range(1, 5)),
    ),
    Forecourt(
        "modbus",
        8,
        _Gateway,
        '{ map = "ring-buffer", transport = "tcp" }',
        tuple((f"{unit}", "1") for unit in range(1, 5)),
        on_tcp=True,
    ),
    Forecourt(
        "ifsf",
        8,
        lambda: IfsfSimulator(first_sequences=(1,) * 4),
        "{ points = [1, 2, 3, 4] }",
        tuple(("1", f"{point}1") for point in range(1, 5)),
        on_tcp=True,
    ),
)


def points32(directory: Path, sites: Sequence[Forecourt], *, seconds: float) -> list[Figure]:
    """The share of one core that the agent's process takes, all its other work included."""
    return [_figure(directory / site.driver, site, seconds) for site in sites]


def _figure(directory: Path, site: Forecourt, seconds: float) -> Figure:
    with ExitStack() as held:
        devices = [_stage(site) for _ in range(site.lines)]
        for device in devices:
            held.callback(device.close)
        plan = Plan(
            "bench-1", "demo-cn", "Asia/Shanghai", _wiring(site, devices), BUNDLE.read_bytes(), _members()
        )
        stage = Stage(directory, plan, SystemClock().wall_ms)
        held.callback(stage.close)
        stage.open()
        _until(lambda: not _silent(stage), f"the {site.driver} devices to be heard")
        percent, heard_per_s = _measure(stage, seconds)
    details = {
        "unit": "percent of one core",
        "lines": site.lines,
        "frames_per_s": rounded(heard_per_s),
        "us_per_frame": rounded(10_000 * percent / heard_per_s),
        "seconds": seconds,
    }
    return Figure(site.name, percent, LIMIT_PERCENT, ratio=percent / 100, details=details)


def _measure(stage: Stage, seconds: float) -> tuple[float, float]:
    agent, began_s = stage.pid("agent"), time.monotonic()
    cpu_before_s, heard_before = _cpu_s(agent), _heard(stage)
    time.sleep(seconds)
    cpu_s, heard, took_s = (
        _cpu_s(agent) - cpu_before_s,
        _heard(stage) - heard_before,
        time.monotonic() - began_s,
    )
    return 100 * cpu_s / took_s, heard / took_s


def _stage(site: Forecourt) -> SimulatorStage[Any]:
    clock = SystemClock().monotonic_ms
    simulator = site.simulator()
    return SimulatorOnTcp(simulator, clock) if site.on_tcp else SimulatorOnPty(simulator, clock)


def _wiring(site: Forecourt, stages: Sequence[SimulatorStage[Any]]) -> str:
    parts: list[str] = []
    points: list[str] = []
    for line, stage in enumerate(stages):
        place = stage.device if isinstance(stage, SimulatorOnTcp) else stage.path  # type: ignore[attr-defined]
        pty = "false" if site.on_tcp else "true"
        parts.append(f'[[line]]\nname = "l{line}"\ndriver = "{site.driver}"\nport = "{place}"\npty = {pty}\n')
        for address in dict.fromkeys(address for address, _ in site.nozzles):
            key = f'key = "d{line}-{address}"\naddress = "{address}"'
            parts.append(f"[[line.device]]\n{key}\noptions = {site.options}\n")
        for address, nozzle in site.nozzles:
            named = f'device = "d{line}-{address}"\nnozzle = "{nozzle}"\nproduct = "{PRODUCTS[0]}"'
            points.append(f'[[point]]\nid = "{len(points) + 1}"\n[[point.nozzle]]\n{named}\n')
    assert len(points) == POINTS
    return "\n".join([*parts, *points])
