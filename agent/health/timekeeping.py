"""The clock: may it be believed, against what was written before and against headquarters."""

from agent.clock import STEP_MS, ClockQuality
from agent.health.findings import Finding, Part, doubt, failure, fine


def clock(quality: ClockQuality, wall_ms: int, newest_ms: int, hq_offset_ms: int | None) -> Finding:
    """`newest_ms`: the latest wall time in the database; `hq_offset_ms`: HQ's clock minus ours, if known."""
    if wall_ms < newest_ms:
        evidence = f"it is {_apart(newest_ms - wall_ms)} behind the newest row of the database"
        return failure(Part.STATION, "clock", "CLOCK_BELOW_FLOOR", evidence)
    if hq_offset_ms is not None and abs(hq_offset_ms) > STEP_MS:
        evidence = f"it is {_apart(abs(hq_offset_ms))} {'behind' if hq_offset_ms > 0 else 'ahead of'} HQ's"
        return doubt(Part.STATION, "clock", "CLOCK_DIFFERS", evidence)
    if quality is ClockQuality.UNTRUSTED:
        return doubt(Part.STATION, "clock", "CLOCK_UNTRUSTED", "it was stepped since the agent started")
    if quality is ClockQuality.HOLDOVER:
        return doubt(Part.STATION, "clock", "CLOCK_NOT_SYNCED", "no time service has set it lately")
    return fine(Part.STATION, "clock", "set by a time service lately")


def _apart(ms: int) -> str:
    seconds = ms // 1000
    return f"{seconds} s" if seconds < 600 else f"{seconds // 60} min"
