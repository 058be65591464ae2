"""Integration: is nothing lost or doubled when a converter is pulled a hundred times while pumps sell?

A real pseudo-terminal behind a name that stays, the production line in one thread, no restart. The line's own
back-off is what makes the test take its time: it begins anew whenever the device was heard.
"""

import gc
import os
import random
import threading
from pathlib import Path

from drivers.companytec.options import CompanytecOptions
from drivers.companytec.session import CompanytecSession
from drivers.companytec.simulator import CompanytecSimulator
from drivers.conformance import identity_of
from drivers.events import Fuelling
from drivers.stage import SimulatorOnPty
from tests.integration.drivers.line_rig import Ledger, monotonic_ms, running, wait_until

UNPLUGS = 100
OPTIONS = CompanytecOptions(poll_ms=50, gap_ms=2)


def _sell(device: CompanytecSimulator, rng: random.Random) -> None:
    volume_ml = rng.randrange(10, 90_000, 10)
    device.sell(rng.choice(("04", "05", "44")), volume_ml, volume_ml * 777 // 1_000, 7_770)


def _open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _line_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "line:test"]


def test_a_hundred_unplugs_without_a_restart(tmp_path: Path) -> None:
    rng, ledger = random.Random(16), Ledger()
    stage = SimulatorOnPty(CompanytecSimulator(), monotonic_ms, link=tmp_path / "by-id-cbc")
    try:
        with running(stage.path, CompanytecSession("1", OPTIONS), ledger) as line:
            wait_until(lambda: line.status().last_valid_heard_ms is not None)
            gc.collect()  # of whoever was tested before, in this process
            threads, descriptors = _line_threads(), _open_descriptors()
            for _ in range(UNPLUGS):
                stage.act(lambda device: _sell(device, rng))
                if rng.randrange(2):
                    wait_until(lambda: stage.act(lambda device: device.backlog()) == 0)
                stage.unplug()
                wait_until(lambda: not line.status().port_open)
                stage.act(lambda device: _sell(device, rng))
                stage.replug()
                wait_until(lambda: line.status().port_open)
            wait_until(lambda: stage.act(lambda device: device.backlog()) == 0)
            assert _line_threads() == threads
            gc.collect()
            assert _open_descriptors() <= descriptors, "a port that is gone was not given back"
            status = line.status()
        sold = stage.act(lambda device: list(device.concentrator.sold))
    finally:
        stage.close()
    reports = [identity_of(event) for event in ledger.events if isinstance(event, Fuelling)]
    assert len(sold) == len(set(reports)) == 2 * UNPLUGS
    assert {record.number: record.volume_ml for record in sold} == {
        number: fuelling.volume_ml for number, fuelling in ledger.durable.items()
    }
    assert status.port_open
    assert status.counters["PORT_GONE"] == UNPLUGS
    assert status.counters["PORT_OPENED"] == UNPLUGS + 1
