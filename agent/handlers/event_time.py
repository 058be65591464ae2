"""When a fuelling happened, decided once (decisions.md 2)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from agent.handlers.told import Seen
from agent.points.inputs import TimeQuality
from drivers.events import DeviceTime

CLOCK_AGREES_MS = 120_000
"""A device whose clock was within this of ours at its last watched fuelling is believed later."""

_HALF_MINUTE_MS = 30_000


@dataclass(frozen=True, slots=True)
class EventTime:
    at_ms: int
    quality: TimeQuality


def event_time(device: DeviceTime | None, seen: Seen, offset_ms: int | None, zone: ZoneInfo) -> EventTime:
    """SEEN if the end was watched; DEVICE if the device's clock has earned trust; else ESTIMATED.

    `offset_ms` is what `clock_offset_ms` measured at the device's last watched fuelling.
    """
    if seen.ended_at_ms is not None:
        return EventTime(seen.ended_at_ms, "seen")
    if device is not None and offset_ms is not None and abs(offset_ms) <= CLOCK_AGREES_MS:
        at_ms = _wall_ms(device, seen.seen_at_ms, zone)
        if at_ms is not None and at_ms <= seen.seen_at_ms + CLOCK_AGREES_MS:
            return EventTime(min(at_ms, seen.seen_at_ms), "device")
    return EventTime(seen.seen_at_ms, "estimated")


def clock_offset_ms(device: DeviceTime, ended_at_ms: int, zone: ZoneInfo) -> int | None:
    """Device clock minus ours, from a fuelling whose end we watched; None if it is no date at all."""
    device_ms = _wall_ms(device, ended_at_ms, zone)
    return None if device_ms is None else device_ms - ended_at_ms


def _wall_ms(device: DeviceTime, near_ms: int, zone: ZoneInfo) -> int | None:
    """The device's civil time as UTC. Without a year: the year that brings it nearest to `near_ms`."""
    near = datetime.fromtimestamp(near_ms // 1000, UTC).astimezone(zone)
    years = (device.year,) if device.year is not None else (near.year - 1, near.year, near.year + 1)
    times = [at_ms for year in years if (at_ms := _civil_ms(device, year, zone)) is not None]
    return min(times, key=lambda at_ms: abs(at_ms - near_ms), default=None)


def _civil_ms(device: DeviceTime, year: int, zone: ZoneInfo) -> int | None:
    try:
        civil = datetime(
            year, device.month, device.day, device.hour, device.minute, device.second or 0, tzinfo=zone
        )
        at_ms = (civil.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None  # 30 February, month 13, year 1: a device's clock may say anything
    return at_ms + (_HALF_MINUTE_MS if device.second is None else 0)  # the middle of its minute
