"""Simulation: is a line that becomes worse noticed, and nothing else, over days of chance?"""

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from drivers.events import Monotonic
from drivers.quality import (
    ENOUGH_FRAMES,
    ENOUGH_PAST_FRAMES,
    PAST_MS,
    RECENT_MS,
    USUAL_FRAMES,
    LineQuality,
    Quality,
    Usual,
)

LOOK_MS = 300_000
HOUR, DAY = 12, 12 * 24
"""In looks."""


@dataclass
class Wire:
    """A line with so many questions an hour. Of the errors some are damaged frames, some missing answers."""

    rng: random.Random
    asked: int = 3_600
    error_bp: int = 10
    answer_ms: int = 20
    all_are_there: bool = True
    now_ms: int = 0
    counters: Counter[str] = field(default_factory=Counter)
    judged: LineQuality = field(default_factory=LineQuality)

    def look(self) -> Quality:
        """After five more minutes."""
        asked = self.asked // HOUR
        wrong = min(asked, self._chance(asked * self.error_bp / 10_000))
        damaged = self.rng.randint(0, wrong)
        self.counters.update(BAD_FRAME=damaged, NO_ANSWER=wrong - damaged, HEARD=asked - wrong)
        self.counters.update(ANSWERED=asked - wrong, ANSWER_MS=self.answer_ms * (asked - wrong))
        self.now_ms += LOOK_MS
        return self.judged.look(self.counters, Monotonic(self.now_ms), all_are_there=self.all_are_there)

    def looks(self, count: int) -> list[Quality]:
        return [self.look() for _ in range(count)]

    def _chance(self, expected: float) -> int:
        """A number of rare and independent events (Poisson)."""
        events, waited = 0, self.rng.expovariate(1)
        while waited < expected:
            events, waited = events + 1, waited + self.rng.expovariate(1)
        return events


def changes(seen: list[Quality]) -> int:
    """How often it became worse or good again."""
    states = [False, *(quality.is_worse for quality in seen)]
    return sum(before != after for before, after in pairwise(states))


@pytest.mark.parametrize("asked", [360, 3_600, 36_000])
@pytest.mark.parametrize("error_bp", [0, 10, 90, 250])
def test_a_steady_line_is_no_news(asked: int, error_bp: int) -> None:
    """Whatever it is used to, below what no line should have."""
    for seed in range(2):
        wire = Wire(random.Random(seed), asked, error_bp)
        assert not any(quality.is_worse for quality in wire.looks(2 * DAY)), seed


def test_a_step_from_one_in_a_thousand_to_one_in_fifty_is_noticed_within_the_hour() -> None:
    for seed in range(10):
        wire = Wire(random.Random(seed))
        assert changes(wire.looks(DAY)) == 0
        wire.error_bp = 200
        seen = wire.looks(HOUR)
        assert not seen[1].is_worse, "ten minutes are not enough"
        found = seen[-1]
        assert found.error_bp is not None
        assert 140 <= found.error_bp <= 260
        assert found.past_error_bp is not None
        assert 5 <= found.past_error_bp <= 15
        assert found.has_more_errors
        assert not found.is_slower
        assert (
            f"{found.error_bp // 100}.{found.error_bp % 100:02d} % errors of {found.frames}" in found.told()
        )
        assert "the day before" in found.told()


def test_it_stays_worse_for_days_and_is_good_again_when_it_is() -> None:
    """Bad days do not become what is usual."""
    for seed in range(3):
        wire = Wire(random.Random(seed))
        wire.looks(DAY)
        wire.error_bp = 200
        assert wire.looks(3 * DAY)[-1].is_worse
        wire.error_bp = 10
        seen = wire.looks(4 * HOUR)
        assert seen[HOUR].is_worse, "one good hour is not enough"
        assert not seen[-1].is_worse
        assert changes(seen) == 2, "from good to worse in this count, and to good again"
        wire.looks(DAY)
        wire.error_bp = 200
        assert wire.looks(HOUR)[-1].is_worse, "and it is measured against good days again"


@pytest.mark.parametrize("error_bp", [80, 100, 120])
def test_nothing_flaps_at_the_border(error_bp: int) -> None:
    """A day of 0.1 %, then for a week just about what is an alarm."""
    for seed in range(3):
        wire = Wire(random.Random(seed))
        wire.looks(DAY)
        wire.error_bp = error_bp
        assert changes(wire.looks(7 * DAY)) <= 1, seed


def test_a_quiet_line_says_nothing_and_stays_what_it_was() -> None:
    rare = Wire(random.Random(1), asked=240, error_bp=5_000)
    assert rare.asked < ENOUGH_FRAMES
    seen = rare.looks(2 * DAY)
    assert all(quality.error_bp is None and not quality.is_worse for quality in seen)
    assert "only" in seen[-1].told()
    resting = Wire(random.Random(1))
    resting.looks(DAY)
    resting.error_bp = 300
    assert resting.looks(HOUR)[-1].is_worse
    resting.asked = 0
    assert all(quality.is_worse for quality in resting.looks(12 * HOUR))
    resting.asked, resting.error_bp = 3_600, 10
    assert not resting.looks(3 * HOUR)[-1].is_worse


def test_a_few_errors_among_few_frames_prove_nothing() -> None:
    judged = LineQuality()
    judged.look({}, Monotonic(0), all_are_there=True)
    few = judged.look({"HEARD": 141, "BAD_FRAME": 9}, Monotonic(1), all_are_there=True)
    assert (few.frames, few.error_bp, few.is_worse) == (150, None, False)
    enough = judged.look({"HEARD": 291, "BAD_FRAME": 9}, Monotonic(2), all_are_there=True)
    assert (enough.frames, enough.error_bp, enough.is_worse) == (300, 300, False)
    by_chance = judged.look({"HEARD": 291, "BAD_FRAME": 16}, Monotonic(3), all_are_there=True)
    assert (by_chance.error_bp, by_chance.is_worse) == (521, False)
    surely = judged.look({"HEARD": 291, "BAD_FRAME": 21}, Monotonic(4), all_are_there=True)
    assert (surely.error_bp, surely.is_worse) == (673, True)


def test_a_line_that_was_never_good_is_told_of_without_a_past() -> None:
    wire = Wire(random.Random(1), error_bp=1_000)
    assert wire.looks(HOUR)[-1].has_more_errors


def test_a_silent_device_is_not_a_bad_wire_but_damaged_frames_are() -> None:
    wire = Wire(random.Random(1))
    wire.looks(DAY)
    wire.all_are_there = False
    for _ in range(3 * HOUR):
        wire.counters["NO_ANSWER"] += 300
        assert not wire.look().is_worse
    wire.all_are_there = True
    wire.counters["NO_ANSWER"] += 300
    assert not wire.look().is_worse, "these were missed before it came back"
    wire.all_are_there = False
    for _ in range(HOUR):
        wire.counters["BAD_FRAME"] += 10
        wire.look()
    assert wire.look().is_worse


def test_answers_that_take_much_longer_are_noticed_and_a_little_longer_are_not() -> None:
    wire = Wire(random.Random(1), error_bp=0)
    wire.looks(DAY)
    wire.answer_ms = 40
    assert changes(wire.looks(2 * HOUR)) == 0, "twice as long, and still quick"
    wire = Wire(random.Random(1), error_bp=0)
    wire.looks(DAY)
    wire.answer_ms = 200
    seen = wire.looks(2 * HOUR)
    assert changes(seen) == 1
    assert (seen[-1].is_slower, seen[-1].has_more_errors) == (True, False)
    assert "20 ms the day before" in seen[-1].told()
    wire.answer_ms = 20
    seen = wire.looks(4 * HOUR)
    assert (changes(seen), seen[-1].is_slower) == (2, False)


def test_late_answers_and_silences_are_told_and_are_no_errors_of_their_own() -> None:
    judged = LineQuality()
    judged.look({"SILENT": 2, "LATE_ANSWER": 50}, Monotonic(0), all_are_there=True)
    counters = {"SILENT": 5, "LATE_ANSWER": 60, "HEARD": 999, "NO_ANSWER": 1}
    found = judged.look(counters, Monotonic(1), all_are_there=True)
    assert (found.silences, found.late_answer_bp, found.no_answer_bp, found.error_bp) == (3, 100, 10, 10)


def test_what_is_remembered_is_bounded() -> None:
    judged = LineQuality()
    for look in range(4 * DAY):
        judged.look({"HEARD": 300 * look}, Monotonic(LOOK_MS * look), all_are_there=True)
    assert len(judged._recent) + len(judged._past) <= (RECENT_MS + PAST_MS) // 600_000 + 1


def restarted(wire: Wire) -> Wire:
    """The agent starts again: counters and times begin anew, what is usual was kept."""
    usual = wire.judged.usual()
    anew = Wire(wire.rng, wire.asked, wire.error_bp, wire.answer_ms)
    if usual is not None:
        anew.judged.remember(usual, Monotonic(0))
    return anew


def test_a_wire_that_was_touched_while_the_agent_stood_is_compared_with_what_it_was() -> None:
    """From one in a thousand to one in twenty-five: 5 % alone would not be reached."""
    for seed in range(10):
        wire = Wire(random.Random(seed))
        wire.looks(DAY)
        wire = restarted(wire)
        wire.error_bp = 400
        seen = wire.looks(HOUR)
        assert seen[-1].has_more_errors, seed
        assert seen[-1].past_error_bp in range(5, 20)
        slow = restarted(Wire(wire.rng, judged=wire.judged))
        slow.answer_ms, slow.error_bp = 100, 10
        assert slow.looks(HOUR)[-1].is_slower, seed


@pytest.mark.parametrize("error_bp", [0, 10, 90, 250])
def test_restarts_without_a_change_are_no_news(error_bp: int) -> None:
    for seed in range(3):
        wire = Wire(random.Random(seed), error_bp=error_bp)
        wire.looks(DAY)
        for _ in range(10):
            wire = restarted(wire)
            assert changes(wire.looks(5 * HOUR)) == 0, seed


def test_bad_hours_do_not_become_the_usual_over_a_restart() -> None:
    wire = Wire(random.Random(3))
    wire.looks(DAY)
    wire.error_bp = 400
    wire.looks(DAY // 2)
    usual = wire.judged.usual()
    assert usual is not None
    assert 10_000 * (usual.damaged_count + usual.unanswered_count) < 150 * usual.heard_count


def test_what_is_taken_along_is_small_and_is_forgotten_after_a_day() -> None:
    wire = Wire(random.Random(4), asked=36_000, error_bp=100)
    wire.looks(DAY)
    usual = wire.judged.usual()
    assert usual is not None
    frames = usual.heard_count + usual.damaged_count + usual.unanswered_count
    assert USUAL_FRAMES - 3 <= frames <= USUAL_FRAMES
    assert (usual.damaged_count + usual.unanswered_count) in range(80, 120)
    assert usual.answers_ms // usual.answered_count == 20
    judged = LineQuality()
    judged.remember(usual, Monotonic(0))
    assert judged.look({}, Monotonic(PAST_MS - 1), all_are_there=True).past_error_bp is not None
    assert judged.look({}, Monotonic(PAST_MS), all_are_there=True).past_error_bp is None


def test_of_a_line_that_said_little_nothing_is_usual() -> None:
    judged = LineQuality()
    assert judged.usual() is None
    judged.look({}, Monotonic(0), all_are_there=True)
    judged.look({"HEARD": ENOUGH_PAST_FRAMES - 1}, Monotonic(1), all_are_there=True)
    assert judged.usual() is None
    judged.look({"HEARD": ENOUGH_PAST_FRAMES}, Monotonic(2), all_are_there=True)
    assert judged.usual() == Usual(ENOUGH_PAST_FRAMES, 0, 0, 0, 0)
