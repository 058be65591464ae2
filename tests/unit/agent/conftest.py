from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A stocked station: the demo bundle, a gold member with 1000 points, a basic one with none."""
    world = World(tmp_path / "station.db").stock()
    yield world
    world.store.close()
