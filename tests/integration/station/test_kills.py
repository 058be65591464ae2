"""Integration: do station, HQ and dispensers agree after SIGKILLs at any moment?"""

import pytest

from tests.integration.station_storm import Station, kill_while_selling


@pytest.fixture
def station(tmp_path):
    station = Station(tmp_path)
    yield station
    station.close()


def _storm(station: Station, kills: int) -> None:
    station.stage.open()
    kill_while_selling(station, kills, seed=20261122)
    result = station.settle(within_s=60 + kills)
    print(result)  # noqa: T201  the figure for the reader of a run
    assert result.problems == []
    assert result.kills == kills
    assert result.awards == result.sales == station.sold > 2 * kills


def test_25_kills_of_the_agent_while_it_sells_lose_nothing_and_double_nothing(station):
    _storm(station, 25)


@pytest.mark.storm
def test_200_kills_of_the_agent_while_it_sells_lose_nothing_and_double_nothing(station):
    _storm(station, 200)
