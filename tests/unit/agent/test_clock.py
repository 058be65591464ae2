"""Unit: does the clock say honestly how far it may be believed?"""

import os
import time
from pathlib import Path

import pytest

from agent.clock import STEP_MS, SYNC_HOLDS_MS, ClockQuality, Instant, SystemClock, instant, judge

NOW_MS = 1_790_000_000_000
SYNCED, HOLDOVER, UNTRUSTED = ClockQuality.SYNCED, ClockQuality.HOLDOVER, ClockQuality.UNTRUSTED


@pytest.mark.parametrize(
    ("floor_ms", "set_at_ms", "stepped_ms", "quality"),
    [
        (NOW_MS, NOW_MS, 0, SYNCED),
        (NOW_MS, NOW_MS - SYNC_HOLDS_MS, 0, SYNCED),
        (NOW_MS, NOW_MS - SYNC_HOLDS_MS - 1, 0, HOLDOVER),
        (NOW_MS, None, 0, HOLDOVER),
        (NOW_MS + 1, None, 0, UNTRUSTED),
        (NOW_MS + 1, NOW_MS, 0, UNTRUSTED),
        (0, None, STEP_MS, HOLDOVER),
        (0, None, STEP_MS + 1, UNTRUSTED),
        (0, None, -STEP_MS - 1, UNTRUSTED),
        (0, NOW_MS, STEP_MS + 1, SYNCED),
        (0, NOW_MS + 1, -STEP_MS - 1, UNTRUSTED),
    ],
)
def test_quality(floor_ms: int, set_at_ms: int | None, stepped_ms: int, quality: ClockQuality) -> None:
    assert judge(NOW_MS, floor_ms, set_at_ms, stepped_ms) is quality


def test_the_machine_clocks_are_read_in_milliseconds() -> None:
    clock = SystemClock()
    assert abs(clock.wall_ms() - time.time() * 1000) < 5000
    assert abs(clock.monotonic_ms() - time.monotonic() * 1000) < 5000


def test_the_mark_of_the_time_service_is_seen(tmp_path: Path) -> None:
    clock = SystemClock(tmp_path / "synchronized")
    assert clock.quality(0) is HOLDOVER
    (tmp_path / "synchronized").touch()
    assert clock.quality(0) is SYNCED
    assert clock.quality(clock.wall_ms() + 60_000) is UNTRUSTED
    long_ago_s = time.time() - SYNC_HOLDS_MS / 1000 - 60
    os.utime(tmp_path / "synchronized", (long_ago_s, long_ago_s))
    assert clock.quality(0) is HOLDOVER


class _SteppedClock(SystemClock):
    stepped_ms = 0

    def wall_ms(self) -> int:
        return super().wall_ms() + self.stepped_ms


def test_a_step_is_untrusted_until_a_time_service_vouches_for_it(tmp_path: Path) -> None:
    clock = _SteppedClock(tmp_path / "synchronized")
    clock.stepped_ms = -3_600_000
    assert clock.quality(0) is UNTRUSTED
    assert clock.quality(0) is UNTRUSTED
    (tmp_path / "synchronized").touch()
    at_s = clock.wall_ms() / 1000 - 1
    os.utime(tmp_path / "synchronized", (at_s, at_s))
    assert clock.quality(0) is SYNCED
    (tmp_path / "synchronized").unlink()
    assert clock.quality(0) is HOLDOVER


def test_an_instant_never_lies_before_what_was_written(tmp_path: Path) -> None:
    clock = SystemClock(tmp_path / "synchronized")
    now = instant(clock, 0)
    assert abs(now.wall_ms - clock.wall_ms()) < 5000
    assert now.quality is HOLDOVER
    assert instant(clock, now.wall_ms + 60_000) == Instant(now.wall_ms + 60_000, UNTRUSTED)
