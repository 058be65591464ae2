from collections.abc import Iterator
from pathlib import Path

import pytest

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
