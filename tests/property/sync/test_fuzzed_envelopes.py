"""Property: whatever comes to HQ, does it keep what was signed, count what is valid, stay quick and small?"""

from contextlib import closing
from pathlib import Path

import pytest

from tests.property.sync.fuzzed_road import SEED, FuzzedRoad, fuzz


def test_five_thousand_messages(tmp_path: Path) -> None:
    with closing(FuzzedRoad(tmp_path / "hq.db", SEED)) as road:
        fuzz(road, 5_000)


@pytest.mark.storm
@pytest.mark.timeout(1_800)
def test_a_hundred_thousand_messages(tmp_path: Path) -> None:
    with closing(FuzzedRoad(tmp_path / "hq.db", SEED + 1)) as road:
        fuzz(road, 100_000)
