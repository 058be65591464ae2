"""Integration: do ten thousand bad messages leave HQ on PostgreSQL as they leave it on SQLite?"""

from contextlib import closing

import pytest

from tests.property.sync.fuzzed_road import SEED, FuzzedRoad, fuzz


def test_two_thousand_messages(postgres_url: str) -> None:
    with closing(FuzzedRoad(postgres_url, SEED + 2)) as road:
        fuzz(road, 2_000)


@pytest.mark.drain
def test_ten_thousand_messages_on_postgresql(postgres_url: str) -> None:
    with closing(FuzzedRoad(postgres_url, SEED)) as road:
        fuzz(road, 10_000)
