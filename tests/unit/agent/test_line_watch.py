"""Unit: is a line that becomes worse one alarm, one figure and one sentence, and is none of it lost?"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from agent.app import metrics
from agent.app.line_watch import KEEP_EVERY_MS, LOOK_EVERY_MS, LineWatch
from agent.app.standing import lines_standing
from agent.health import lines
from agent.health.findings import Level
from agent.till import TillUnavailable
from drivers.events import Monotonic
from drivers.line import LineStatus
from drivers.quality import GOOD_FOR_MS, RECENT_MS
from tests.world import World

NOBODY: frozenset[str] = frozenset()
GOOD, BAD = {"HEARD": 100}, {"HEARD": 90, "BAD_FRAME": 10}
"""Per look."""


class Stand:
    """Two lines; `island-1` is what the test makes of it, `island-2` is always good."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now_ms = 1_000
        self.refusal = ""
        self.looked = self.submitted = 0
        self.start()

    def start(self) -> None:
        """The agent starts, or starts again: what it counted and judged is gone, the database is not."""
        till: Any = SimpleNamespace(submit=self.submit)
        self.counters: dict[str, dict[str, int]] = {"island-1": {}, "island-2": {}}
        self.watch = LineWatch(till, self.lines, lambda: Monotonic(self.now_ms))

    def submit(self, verb: Any) -> object:
        self.submitted += 1
        if self.refusal:
            raise TillUnavailable(self.refusal)
        return self.world.run(verb)

    def lines(self) -> list[LineStatus]:
        self.looked += 1
        return [
            LineStatus(name, True, None, Monotonic(self.now_ms - 5), (), "", MappingProxyType(dict(counters)))
            for name, counters in self.counters.items()
        ]

    def pass_time(self, ms: int, more: Mapping[str, int]) -> None:
        """In looks, each with so much more on the first line."""
        for _ in range(ms // LOOK_EVERY_MS):
            for name, grown in (("island-1", more), ("island-2", GOOD)):
                counters = self.counters[name]
                counters.update({code: counters.get(code, 0) + times for code, times in grown.items()})
            self.now_ms += LOOK_EVERY_MS
            self.watch.when_due()

    def alarms(self) -> dict[tuple[str, str], int]:
        return self.world.alarms()


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(World(tmp_path / "station.db").stock())


def test_lines_are_looked_at_twice_a_minute(stand: Stand) -> None:
    stand.watch.when_due()
    stand.now_ms += LOOK_EVERY_MS - 1
    stand.watch.when_due()
    assert stand.looked == 1
    stand.now_ms += 1
    stand.watch.when_due()
    assert stand.looked == 2


def test_each_time_a_line_becomes_worse_is_one_alarm_with_numbers(stand: Stand) -> None:
    stand.pass_time(2 * RECENT_MS, GOOD)
    assert stand.alarms() == {}
    stand.pass_time(2 * RECENT_MS, BAD)
    assert stand.alarms() == {("LINE_QUALITY", "line island-1"): 1}
    [(detail,)] = stand.world.rows("SELECT detail FROM alarm")
    assert "damaged 1.0" in detail, "it is said as soon as it is more than 1 %"
    assert "0.00 % the day before" in detail
    stand.pass_time(GOOD_FOR_MS + 2 * RECENT_MS, GOOD)
    assert not stand.watch.newest["island-1"].is_worse
    stand.pass_time(RECENT_MS, BAD)
    assert stand.alarms() == {("LINE_QUALITY", "line island-1"): 2}


def test_a_line_that_is_worse_after_a_restart_is_compared_with_before(stand: Stand) -> None:
    """4 %: an alarm only for who knows that it was nothing at all yesterday."""
    worse = {"HEARD": 96, "BAD_FRAME": 4}
    stand.pass_time(3 * RECENT_MS, GOOD)
    stand.start()
    stand.pass_time(RECENT_MS, worse)
    assert stand.alarms() == {("LINE_QUALITY", "line island-1"): 1}
    kept = dict(stand.world.rows("SELECT line, damaged_count FROM line_usual"))
    stand.pass_time(2 * RECENT_MS, worse)
    assert dict(stand.world.rows("SELECT line, damaged_count FROM line_usual")) == kept
    stand.start()
    stand.pass_time(RECENT_MS, worse)
    assert stand.alarms() == {("LINE_QUALITY", "line island-1"): 2}, "a restart is no cure"


def test_what_is_usual_is_written_once_an_hour_and_read_when_the_till_is_there(stand: Stand) -> None:
    stand.refusal = "TILL_BUSY"
    stand.pass_time(RECENT_MS, GOOD)
    assert stand.world.rows("SELECT * FROM line_usual") == []
    stand.refusal = ""
    stand.pass_time(LOOK_EVERY_MS, GOOD)
    stand.refusal = "TILL_BUSY"
    stand.pass_time(KEEP_EVERY_MS, GOOD)
    assert stand.world.rows("SELECT * FROM line_usual") == []
    stand.refusal = ""
    stand.pass_time(LOOK_EVERY_MS, GOOD)
    written = stand.world.rows("SELECT line, damaged_count FROM line_usual ORDER BY line")
    assert written == [("island-1", 0), ("island-2", 0)]
    before = stand.submitted
    stand.pass_time(24 * KEEP_EVERY_MS, GOOD)
    assert stand.submitted - before in (23, 24)


def test_the_alarm_waits_for_a_till_that_is_busy(stand: Stand) -> None:
    stand.pass_time(2 * RECENT_MS, GOOD)
    stand.refusal = "TILL_BUSY"
    stand.pass_time(RECENT_MS, BAD)
    assert stand.watch.newest["island-1"].is_worse
    assert stand.alarms() == {}
    stand.refusal = ""
    stand.pass_time(LOOK_EVERY_MS, BAD)
    assert stand.alarms() == {("LINE_QUALITY", "line island-1"): 1}


def test_status_doctor_and_figures_show_it_and_the_station_goes_on(stand: Stand) -> None:
    def shown() -> dict[str, Any]:
        return lines_standing(stand.lines(), stand.watch.newest, stand.now_ms)

    assert [line["quality"] for line in shown()["lines"]] == [None, None]
    stand.pass_time(RECENT_MS, GOOD)
    good = metrics.quality_gauges(stand.watch.newest)
    assert good == {f"line.island-{n}.{name}": 0 for n in (1, 2) for name in ("worse", "error_bp")}
    stand.pass_time(RECENT_MS, BAD)
    figures = metrics.quality_gauges(stand.watch.newest)
    assert (figures["line.island-1.worse"], figures["line.island-1.error_bp"]) == (1, 1_000)
    assert (figures["line.island-2.worse"], figures["line.island-2.error_bp"]) == (0, 0)
    standing = shown()
    assert standing["ok"] is True
    first, second = lines.from_status(standing["lines"], NOBODY, NOBODY)
    assert (first.level, first.code, second.level) == (Level.WARN, "LINE_QUALITY", Level.OK)
    assert "damaged 10.00 %" in first.evidence
    assert "plugs" in first.remedy
