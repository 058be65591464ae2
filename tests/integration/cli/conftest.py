"""Stations and wires for the commands."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.cli import device_doctor, device_probes, device_scan, device_totals, device_watch
from drivers import blueprint, catalogue
from drivers.blueprint.simulator import BlueprintSimulator
from drivers.driver import Driver
from drivers.stage import SimulatorOnPty
from tests.integration.cli.device_wires import CLOCK, Wire
from tests.integration.cli.kept_station import Kept, kept_station, lapsed_station
from tests.integration.cli.small_station import SmallStation


@pytest.fixture(scope="session")
def small_station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallStation]:
    """A running station with a few sales, for looking only."""
    yield from _opened(tmp_path_factory.mktemp("station"))


@pytest.fixture(scope="session")
def own_station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallStation]:
    """Another one, whose agent may be stopped and whose devices may be unplugged."""
    yield from _opened(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A station at rest with known sales, for looking only."""
    return kept_station(tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="session")
def lapsed(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A station at rest whose only points lapsed, for looking only."""
    return lapsed_station(tmp_path_factory.mktemp("lapsed"))


def _opened(directory: Path) -> Iterator[SmallStation]:
    station = SmallStation(directory)
    try:
        station.open()
        yield station
    finally:
        station.close()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same waits, shorter: nobody at these wires takes a second to answer."""
    for module in (device_scan, device_watch, device_doctor):
        monkeypatch.setattr(module, "_SECOND_MS", 400)
    monkeypatch.setattr(device_watch, "_QUIET_MS", 300)
    monkeypatch.setattr(device_totals, "_ANSWER_MS", 300)
    monkeypatch.setattr(device_probes, "_ANSWER_MS", 300)


@pytest.fixture
def wire() -> Iterator[Callable[..., Wire]]:
    made: list[Wire] = []

    def make(*arguments: Any, **options: Any) -> Wire:
        made.append(Wire(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def pump() -> Iterator[SimulatorOnPty[BlueprintSimulator]]:
    stage = SimulatorOnPty(BlueprintSimulator(), CLOCK.monotonic_ms)
    stage.act(lambda device: device.sell("01", 3_012, 23_644, 785))
    yield stage
    stage.close()


@pytest.fixture
def as_driver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Driver]:
    """Blueprint with other fields, under its own name."""
    find = catalogue.find

    def change(**fields: Any) -> Driver:
        driver = replace(blueprint.DRIVER, **fields)
        monkeypatch.setattr(catalogue, "find", lambda name: driver if name == "blueprint" else find(name))
        return driver

    return change
