"""(c) What the running agent takes of the machine: memory and processor, with 16 fuelling points.

The agent is its own process, started as systemd starts it, with broker and HQ beside it; the devices
are simulated in ours. Two sites: 16 Modbus dispensers with a question of their own each, behind four
serial gateways (the most that a station has to ask), and 16 nozzles behind four concentrators.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.cli.demo.stage import Plan, Stage
from agent.clock import SystemClock
from agent.messages.snapshot import Member
from drivers.companytec.simulator import CompanytecSimulator
from drivers.events import Monotonic
from drivers.modbus.options import ModbusOptions
from drivers.modbus.simulator import ModbusSimulator
from drivers.stage import SimulatorOnPty, SimulatorOnTcp
from tests.bench.figure import Figure, rounded
from tests.bench.rig import BUNDLE, LINES, NOZZLES, POINTS, PRICES_MILLI, PRODUCTS, TIERS, member_id

POLLS_PER_S = 4
_POLL_MS = 170
"""From one answer to the next question; with the turn of the other three on the wire this makes 250 ms."""
PATIENCE_S = 60.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_BARE = "import sys; sys.stdin.read()"


class _Gateway:
    """Four dispensers on one RS-485 wire behind one TCP port; only the one that was asked answers."""

    def __init__(self) -> None:
        options = ModbusOptions(map="ring-buffer", transport="tcp")
        self.dispensers = [ModbusSimulator(f"{unit}", options) for unit in range(1, NOZZLES + 1)]

    def receive(self, data: bytes, now: Monotonic) -> None:
        for dispenser in self.dispensers:
            dispenser.receive(data, now)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        return b"".join(dispenser.bytes_to_send(now) for dispenser in self.dispensers)

    def next_timer(self) -> Monotonic | None:
        timers = (dispenser.next_timer() for dispenser in self.dispensers)
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, now: Monotonic) -> None:
        for dispenser in self.dispensers:
            dispenser.handle_timer(now)

    def power_cycle(self, now: Monotonic) -> None:
        for dispenser in self.dispensers:
            dispenser.power_cycle(now)


class Dispensers:
    """16 Modbus dispensers, every one asked four times a second."""

    name = "16_modbus_dispensers"
    asked_per_s = POLLS_PER_S * POINTS

    def __init__(self) -> None:
        self._clock = SystemClock().monotonic_ms
        self._stages = [SimulatorOnTcp(_Gateway(), self._clock) for _ in range(LINES)]

    def wiring(self) -> str:
        lines, points = [], []
        for line, stage in enumerate(self._stages):
            lines.append(_LINE.format(line=line, driver="modbus", port=stage.device, pty="false"))
            for unit in range(1, NOZZLES + 1):
                options = f'{{ map = "ring-buffer", transport = "tcp", poll_ms = {_POLL_MS} }}'
                lines.append(_DEVICE.format(key=f"disp-{line}-{unit}", address=unit, options=options))
                points.append(_point(line, unit - 1, f"disp-{line}-{unit}", "1"))
        return "".join(lines + points)

    def sell(self, line: int, nozzle: int, volume_ml: int, amount_fen: int, price_milli: int) -> None:
        self._stages[line].act(
            lambda gateway: gateway.dispensers[nozzle].sell(volume_ml, amount_fen, price_milli, self._clock())
        )

    def close(self) -> None:
        for stage in self._stages:
            stage.close()


class Concentrators:
    """16 nozzles behind four Companytec concentrators, each with four rounds of questions a second."""

    name = "16_nozzles_on_4_concentrators"
    asked_per_s = 2 * POLLS_PER_S * LINES
    """A round asks for the next record and for the nozzles that flow."""

    def __init__(self) -> None:
        clock = SystemClock().monotonic_ms
        self._stages = [SimulatorOnPty(CompanytecSimulator(), clock) for _ in range(LINES)]

    def wiring(self) -> str:
        lines, points = [], []
        for line, stage in enumerate(self._stages):
            lines.append(_LINE.format(line=line, driver="companytec", port=stage.path, pty="true"))
            lines.append(_DEVICE.format(key=f"cbc-{line}", address=0, options="{}"))
            points += [_point(line, nozzle, f"cbc-{line}", f"{8 + nozzle:02d}") for nozzle in range(NOZZLES)]
        return "".join(lines + points)

    def sell(self, line: int, nozzle: int, volume_ml: int, amount_fen: int, price_milli: int) -> None:
        self._stages[line].act(
            lambda device: device.sell(f"{8 + nozzle:02d}", volume_ml, amount_fen, price_milli)
        )

    def close(self) -> None:
        for stage in self._stages:
            stage.close()


@dataclass(frozen=True, slots=True)
class _Taken:
    rss_mib: float
    anonymous_mib: float
    cpu_percent: float
    answers_per_s: float


Kind = type[Dispensers] | type[Concentrators]


def footprint(directory: Path, kinds: Sequence[Kind], *, seconds: float, sales: int) -> list[Figure]:
    """Memory after `sales` sales that went all the way to HQ; then `seconds` of nothing but polling."""
    bare_mib = _bare_interpreter_mib()
    figures = []
    for kind in kinds:
        taken = _measure(directory / kind.name, kind(), seconds, sales)
        memory = {
            "unit": "MiB resident",
            "anonymous_mib": rounded(taken.anonymous_mib),
            "bare_interpreter_mib": rounded(bare_mib),
            "after_sales": sales,
        }
        figures.append(
            Figure(f"rss_{kind.name}", taken.rss_mib, 80.0, ratio=taken.rss_mib / bare_mib, details=memory)
        )
        processor = {
            "unit": "percent of one core",
            "answers_per_s": rounded(taken.answers_per_s),
            "asked_per_s": kind.asked_per_s,
            "us_per_answer": rounded(10_000 * taken.cpu_percent / taken.answers_per_s),
            "seconds": seconds,
        }
        share = taken.cpu_percent / 100
        figures.append(Figure(f"cpu_{kind.name}", taken.cpu_percent, 5.0, ratio=share, details=processor))
    return figures


def _measure(directory: Path, devices: Dispensers | Concentrators, seconds: float, sales: int) -> _Taken:
    wall_ms = SystemClock().wall_ms
    plan = Plan("bench-1", "demo-cn", "Asia/Shanghai", devices.wiring(), BUNDLE.read_bytes(), _members())
    stage = Stage(directory, plan, wall_ms)
    try:
        stage.open()
        _sell(stage, devices, sales)
        began_s, cpu_before_s, heard_before = time.monotonic(), _cpu_s(stage.pid("agent")), _heard(stage)
        time.sleep(seconds)
        cpu_s, heard = _cpu_s(stage.pid("agent")) - cpu_before_s, _heard(stage) - heard_before
        took_s = time.monotonic() - began_s
        rss_mib, anonymous_mib = _memory_mib(stage.pid("agent"))
    finally:
        stage.close()
        devices.close()
    return _Taken(rss_mib, anonymous_mib, 100 * cpu_s / took_s, heard / took_s)


def _members() -> tuple[tuple[Member, tuple[str, ...]], ...]:
    return tuple((Member(member=member_id(n), tier=TIERS[n % len(TIERS)]), ()) for n in range(100))


def _sell(stage: Stage, devices: Dispensers | Concentrators, sales: int) -> None:
    """Sales at every point in turn, until the station has booked and HQ has acknowledged all."""
    _until(lambda: not _silent(stage), "the devices to answer")
    for sale in range(sales):
        line, nozzle = sale % LINES, sale // LINES % NOZZLES
        volume_ml, price_milli = 10_000 + 10 * sale, PRICES_MILLI[nozzle]
        devices.sell(line, nozzle, volume_ml, (volume_ml * price_milli + 5_000) // 10_000, price_milli)
        if sale % POINTS == POINTS - 1:
            _until(lambda booked=sale + 1: stage.status()["facts"] == booked, "the sales to be booked")  # type: ignore[misc]
    assert stage.drain(PATIENCE_S), "HQ has not acknowledged every sale"


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"
        time.sleep(0.05)


def _lines(stage: Stage) -> list[dict[str, object]]:
    lines = stage.status()["lines"]
    assert isinstance(lines, list)
    return lines


def _silent(stage: Stage) -> bool:
    return any(line["silent_addresses"] or line["heard_ago_ms"] is None for line in _lines(stage))


def _heard(stage: Stage) -> int:
    """Valid answers that the lines have had so far."""
    return sum(line["counters"]["HEARD"] for line in _lines(stage))  # type: ignore[index]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _memory_mib(pid: int) -> tuple[float, float]:
    """VmRSS (shared libraries counted in full) and RssAnon."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    rss, anonymous = (int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon"))
    return rss, anonymous


def _bare_interpreter_mib() -> float:
    with subprocess.Popen([sys.executable, "-c", _BARE], stdin=subprocess.PIPE) as process:
        time.sleep(0.3)
        found, _ = _memory_mib(process.pid)
        assert process.stdin is not None
        process.stdin.close()
    return found


def _point(line: int, nozzle: int, device: str, number: str) -> str:
    return _POINT.format(
        point=NOZZLES * line + nozzle + 1, device=device, nozzle=number, product=PRODUCTS[nozzle]
    )


_LINE = """
[[line]]
name = "island-{line}"
driver = "{driver}"
port = "{port}"
pty = {pty}
"""
_DEVICE = """
  [[line.device]]
  key = "{key}"
  address = "{address}"
  options = {options}
"""
_POINT = """
[[point]]
id = "{point}"
award_on = "fuelling"
  [[point.nozzle]]
  device = "{device}"
  nozzle = "{nozzle}"
  product = "{product}"
"""
