"""Simulation: 5,000 stations lose HQ or their broker at one moment. Do they come back without a second wave?

A station that is online asks HQ about every 30 s, so 167 questions a second are what this HQ always hears.
"""

from tests.simulation.sync.crowd import Crowd

STATIONS = 5_000
USUAL = STATIONS // 30
MINUTE_MS = 60_000


def _calm() -> Crowd:
    crowd = Crowd(STATIONS, seed=7)
    crowd.run_until(2 * MINUTE_MS)
    assert crowd.online == STATIONS
    return crowd


def _p99(loads: list[int]) -> int:
    return sorted(loads)[len(loads) * 99 // 100 - 1]


def test_hq_comes_back_after_twenty_minutes() -> None:
    """The broker was there: stations asked now and then, and changed their connection after ten minutes."""
    crowd = _calm()
    crowd.hq_up = False
    back = crowd.now + 20 * MINUTE_MS
    crowd.run_until(back)
    assert crowd.online == 0
    crowd.hq_up = True
    crowd.run_until(back + 5 * MINUTE_MS)
    assert crowd.online == STATIONS
    away = crowd.loads(crowd.connects, back - 15 * MINUTE_MS, back)
    assert max(away) < STATIONS // 50, "who gives up waiting for HQ does not do it in step"
    assert _p99(crowd.loads(crowd.returns, back, back + MINUTE_MS)) < STATIONS // 50
    assert max(crowd.loads(crowd.hellos, back + MINUTE_MS, back + 5 * MINUTE_MS)) < 2 * USUAL


def test_the_broker_comes_back_after_half_an_hour() -> None:
    crowd = _calm()
    crowd.stop_broker()
    back = crowd.now + 30 * MINUTE_MS
    crowd.run_until(back)
    crowd.broker_up = True
    crowd.run_until(back + 8 * MINUTE_MS)
    assert crowd.online == STATIONS
    assert _p99(crowd.loads(crowd.connects, back, back + MINUTE_MS)) < STATIONS // 100
    assert max(crowd.loads(crowd.connects, back + MINUTE_MS, back + 8 * MINUTE_MS)) < STATIONS // 100
    assert max(crowd.loads(crowd.hellos, back, back + 8 * MINUTE_MS)) < 2 * USUAL


def test_a_broker_that_was_away_for_five_seconds_sees_one_wave_and_no_second() -> None:
    """Who lost a link that worked tries within a second: the wave is there, and it is over in 20 s."""
    crowd = _calm()
    crowd.stop_broker()
    back = crowd.now + 5_000
    crowd.run_until(back)
    crowd.broker_up = True
    crowd.run_until(back + 4 * MINUTE_MS)
    assert crowd.online == STATIONS
    assert max(crowd.loads(crowd.connects, back, back + MINUTE_MS)) < STATIONS * 30 // 100
    assert sum(crowd.loads(crowd.connects, back, back + 20_000)) > STATIONS * 99 // 100
    assert max(crowd.loads(crowd.connects, back + 30_000, back + 4 * MINUTE_MS)) < STATIONS // 500
    assert max(crowd.loads(crowd.hellos, back + 20_000, back + 4 * MINUTE_MS)) < 2 * USUAL
