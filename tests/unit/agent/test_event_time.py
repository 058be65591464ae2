"""Unit: is the time of a fuelling decided once, by who can be believed?"""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from agent.handlers.event_time import EventTime, clock_offset_ms, event_time
from agent.handlers.told import Seen
from drivers.events import DeviceTime

SHANGHAI = ZoneInfo("Asia/Shanghai")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp()) * 1_000


NOON = ms("2026-07-08 12:00:00")
FIVE_TO_TWELVE = DeviceTime(2026, 7, 8, 11, 55, 0)


def test_a_watched_end_is_seen_whatever_the_device_says() -> None:
    seen = Seen(NOON, NOON - 3_000)
    assert event_time(FIVE_TO_TWELVE, seen, 0, SHANGHAI) == EventTime(NOON - 3_000, "seen")


@pytest.mark.parametrize("offset_ms", [0, 120_000, -120_000])
def test_a_device_whose_clock_agreed_is_believed(offset_ms: int) -> None:
    assert event_time(FIVE_TO_TWELVE, Seen(NOON), offset_ms, SHANGHAI) == EventTime(NOON - 300_000, "device")


@pytest.mark.parametrize("offset_ms", [None, 120_001, -120_001])
def test_a_device_without_trust_is_estimated(offset_ms: int | None) -> None:
    assert event_time(FIVE_TO_TWELVE, Seen(NOON), offset_ms, SHANGHAI) == EventTime(NOON, "estimated")


def test_no_device_time_is_estimated() -> None:
    assert event_time(None, Seen(NOON), 0, SHANGHAI) == EventTime(NOON, "estimated")


def test_a_device_slightly_ahead_never_puts_an_event_into_the_future() -> None:
    ahead = DeviceTime(2026, 7, 8, 12, 1, 59)
    assert event_time(ahead, Seen(NOON), 119_000, SHANGHAI) == EventTime(NOON, "device")


def test_a_device_far_ahead_is_not_believed() -> None:
    tomorrow = DeviceTime(2026, 7, 9, 12, 0, 0)
    assert event_time(tomorrow, Seen(NOON), 0, SHANGHAI) == EventTime(NOON, "estimated")


def test_without_seconds_it_is_the_middle_of_the_minute() -> None:
    when = event_time(DeviceTime(2026, 7, 8, 11, 55), Seen(NOON), 0, SHANGHAI)
    assert when == EventTime(NOON - 300_000 + 30_000, "device")


def test_new_year_without_a_year() -> None:
    """Fuelled at 23:58 on 31 December, read at 00:05 on 1 January: last year's December."""
    seen_ms = ms("2027-01-01 00:05:00")
    when = event_time(DeviceTime(None, 12, 31, 23, 58, 0), Seen(seen_ms), 0, SHANGHAI)
    assert when == EventTime(ms("2026-12-31 23:58:00"), "device")


def test_new_year_when_the_device_runs_ahead() -> None:
    """The device says 1 January 00:00:30, we still have 31 December: this coming January."""
    seen_ms = ms("2026-12-31 23:59:30")
    when = event_time(DeviceTime(None, 1, 1, 0, 0, 30), Seen(seen_ms), 60_000, SHANGHAI)
    assert when == EventTime(seen_ms, "device")


def test_29_february_without_a_year_is_the_leap_year_s() -> None:
    seen_ms = ms("2028-03-01 00:01:00")
    when = event_time(DeviceTime(None, 2, 29, 23, 59, 0), Seen(seen_ms), 0, SHANGHAI)
    assert when == EventTime(ms("2028-02-29 23:59:00"), "device")


@pytest.mark.parametrize(
    "nonsense",
    [
        DeviceTime(2026, 13, 1, 0, 0),
        DeviceTime(None, 13, 1, 0, 0),
        DeviceTime(2026, 2, 30, 0, 0),
        DeviceTime(2026, 7, 8, 24, 0),
        DeviceTime(2026, 0, 0, 0, 0),
        DeviceTime(0, 1, 1, 0, 0),
        DeviceTime(1, 1, 1, 0, 0, 0),
        DeviceTime(9_999, 12, 31, 23, 59, 59),
        DeviceTime(10_000, 1, 1, 0, 0),
    ],
)
def test_a_clock_that_says_nonsense_is_not_believed(nonsense: DeviceTime) -> None:
    assert event_time(nonsense, Seen(NOON), 0, SHANGHAI) == EventTime(NOON, "estimated")
    offset_ms = clock_offset_ms(nonsense, NOON, SHANGHAI)
    assert offset_ms is None or abs(offset_ms) > 120_000


def test_nonsense_in_a_zone_west_of_greenwich() -> None:
    end_of_time = DeviceTime(9_999, 12, 31, 23, 59, 59)
    assert clock_offset_ms(end_of_time, NOON, ZoneInfo("America/New_York")) is None


def test_the_offset_is_device_minus_ours() -> None:
    assert clock_offset_ms(DeviceTime(None, 7, 8, 12, 1, 30), NOON, SHANGHAI) == 90_000
    assert clock_offset_ms(DeviceTime(2025, 7, 8, 12, 0, 0), NOON, SHANGHAI) == -365 * 86_400_000
