"""Integration: do the chores of a running agent what days do: activate, close, honour in the dark, lapse?

The agent runs in this process, by a clock that the test sets forward; concentrator, POS, broker and
headquarters are those of the demo. Two days after a sale its points may be spent, and a month after it
they lapse; the road to headquarters is not there on that day.
"""

import threading
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from agent.app import Agent, prepare
from agent.app.parts import Parts
from agent.cli.demo.reconcile import books_of_hq
from agent.cli.demo.visits import MEMBERS
from agent.clock import ClockQuality, SystemClock
from agent.notify import Notifier
from agent.store import integrity, reading
from config.load import load_settings
from drivers.events import Monotonic
from sync.hq.store import HqStore
from tests.integration.station.odd_station import until
from tests.integration.station_storm import PRICE_MILLI, Station
from tests.property.agent.story_rules import rules

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
CHORES_MS = 31_000
"""After so long the chores are done again."""


class SetForward:
    """The machine's clock, set forward by the test: both times together, so that nothing looks stepped."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._ahead_ms = 0

    def leap(self, ms: int) -> None:
        self._ahead_ms += ms

    def wall_ms(self) -> int:
        return self._clock.wall_ms() + self._ahead_ms

    def monotonic_ms(self) -> Monotonic:
        return Monotonic(self._clock.monotonic_ms() + self._ahead_ms)

    def quality(self, floor_ms: int) -> ClockQuality:
        return ClockQuality.SYNCED if self.wall_ms() >= floor_ms else ClockQuality.UNTRUSTED


@contextmanager
def running(station: Station, clock: SetForward):
    """The station's agent in this process."""
    settings = load_settings(station.stage.config, secrets_needed=True)
    parts = prepare(settings)
    assert isinstance(parts, Parts)
    agent, stop = Agent(parts, Notifier(None), clock), threading.Event()
    assert agent.claim_state() is None
    thread = threading.Thread(target=agent.run, args=(stop,), name="agent")
    thread.start()
    try:
        yield agent
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def station(tmp_path):
    """Known rules and members; the agent has ended, and the road to headquarters is cut."""
    station = Station(tmp_path)
    now_ms = SystemClock().wall_ms()
    bundle = rules(7, now_ms - DAY_MS, delay="PT48H")
    station.stage.plan = replace(station.stage.plan, bundle=bundle)
    try:
        station.stage.open()
        station.stage.drain(20)
        station.stage.end("agent")
        station.stage.relay.cut()
        yield station
    finally:
        station.close()


def rows(station, sql):
    with closing(reading.connect(station.stage.database)) as connection:
        return connection.execute(sql).fetchall()


def held_by_hq(station):
    """Items of these kinds, which the station itself has pruned meanwhile."""
    with closing(HqStore(station.stage.hq_url, create=False)) as store:
        kinds = ("lot.activated", "lot.expired", "daily.close")
        return {kind: len(store.bodies(station.stage.plan.station, kind)) for kind in kinds}


def test_what_days_do_to_points(station):
    clock = SetForward()
    with running(station, clock):
        began_ms = clock.wall_ms()
        station.forecourt.concentrator.act(lambda device: device.sell("08", 20_000, 15_700, PRICE_MILLI))
        answer = station.cashier.pay("s1", "3", 15_700, MEMBERS[0][2])
        assert answer.points_minor == 2_000
        assert rows(station, "SELECT state FROM lot") == [("pending",)]

        clock.leap(48 * HOUR_MS + CHORES_MS)
        until(lambda: rows(station, "SELECT state FROM lot") == [("active",)], "the points to be activated")
        until(lambda: len(rows(station, CLOSES)) == 2, "two days to be closed")
        [(dark_since_ms, ended_at_ms)] = rows(station, SPELLS)
        assert ended_at_ms is None
        assert abs(dark_since_ms - began_ms) < 10_000, "dark since the start: HQ was never heard"

        clock.leap(31 * DAY_MS)
        until(lambda: rows(station, HONOURED), "the lapsed points to be honoured in the dark")
        clock.leap(CHORES_MS)
        until(lambda: len(rows(station, CLOSES)) == 33, "the days of the month to be closed")
        assert rows(station, "SELECT state FROM lot") == [("active",)]

        station.stage.relay.mend()
        clock.leap(CHORES_MS)
        until(lambda: rows(station, f"{SPELLS} WHERE ended_at_ms IS NOT NULL"), "the road to be back")
        clock.leap(3 * DAY_MS)
        until(lambda: len(rows(station, CLOSES)) == 36, "three more days to be closed")
        assert rows(station, "SELECT state FROM lot") == [("active",)], "the grace is three days"
        clock.leap(DAY_MS)
        until(lambda: rows(station, "SELECT state FROM lot") == [("expired",)], "the points to lapse")
        until(lambda: station.stage.waiting_for_hq() == 0, "headquarters to have everything")

    hq = books_of_hq(station.stage.hq_url, station.stage.plan.station)
    assert (hq.facts, hq.awards, hq.mismatches) == (1, 1, 0)
    assert held_by_hq(station) == {"lot.activated": 1, "lot.expired": 1, "daily.close": 37}
    with closing(reading.connect(station.stage.database, agent_runs=False)) as connection:
        assert integrity.verify(connection) == []
    assert rows(station, "SELECT count(*) FROM run WHERE ended_at_ms IS NULL") == [(0,)]


CLOSES = "SELECT business_date FROM daily_close"
SPELLS = "SELECT began_at_ms, ended_at_ms FROM dark_spell"
HONOURED = "SELECT 1 FROM outbox WHERE kind = 'lot.honoured'"
