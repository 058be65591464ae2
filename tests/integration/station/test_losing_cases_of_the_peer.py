"""Integration: are the cases in which the direct Python peer loses data (sync.md 6.7) safe here?"""

import random
import time

import pytest

from tests.integration.station_storm import PRICE_MILLI, Station


@pytest.fixture
def station(tmp_path):
    station = Station(tmp_path)
    yield station
    station.close()


def _sell(station: Station, count: int, pause_s: float) -> None:
    rng = random.Random(count)
    for _ in range(count):
        station.sell(rng)
        time.sleep(pause_s)


def _booked(station: Station, count: int, within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while station.stage.status()["facts"] < count:
        assert time.monotonic() < deadline, f"{count} sales were not booked within {within_s} s"
        time.sleep(0.05)


def _agree(station: Station) -> None:
    result = station.settle(within_s=60)
    assert result.problems == []
    assert result.awards == result.sales == station.sold


def test_boot_with_hq_unreachable_then_sigkill_loses_nothing(station):
    """The peer lost 1,256 of 1,256: it keeps in memory what it polled before its first connection."""
    station.stage.open(with_hq=False)
    _sell(station, 60, 0.02)
    _booked(station, 60)
    station.stage.kill("agent")
    station.stage.start_agent()
    _sell(station, 20, 0.02)
    station.stage.kill("agent")
    station.stage.relay.mend()
    station.stage.start_hq()
    station.stage.start_agent()
    _agree(station)


def test_link_silent_for_30_s_then_reset_loses_nothing(station):
    """The peer lost 1,072 of 3,976: it takes a publish that nobody answered for delivered."""
    station.stage.open()
    _sell(station, 20, 0.02)
    station.stage.relay.silence()
    began = time.monotonic()
    while time.monotonic() - began < 30:
        _sell(station, 5, 0.05)
        time.sleep(1)
    station.stage.relay.reset()
    _sell(station, 20, 0.02)
    _agree(station)


def test_two_sales_in_one_millisecond_are_two_facts(station):
    """The peer lost one of two: it keys by time. The same amount at the same nozzle, twice, at once."""
    station.stage.open()

    def twice(device):
        for nozzle in ("08", "08", "09"):
            device.sell(nozzle, 20_000, 15_700, PRICE_MILLI)

    for _ in range(10):
        station.forecourt.concentrator.act(twice)
    result = station.settle(within_s=60)
    assert result.problems == []
    assert result.sales == result.hq_facts == 30
