"""Numbers, days and times as people type them at a command; what cannot be one ends the command."""

import re
from datetime import date, datetime, tzinfo

from agent.cli.exits import Exit
from agent.cli.render import fail


def scaled(text: str, decimals: int, *, json_output: bool = False) -> int:
    """A number with at most so many decimals, as an integer of the smallest: "50.25" of 3 is 50250."""
    found = re.fullmatch(r"([0-9]{1,9})(?:\.([0-9]+))?", text)
    fraction = (found[2] or "") if found else ""
    if found is None or len(fraction) > decimals:
        form = "a whole number" if decimals == 0 else f"at most {decimals} decimals, like 50 or 50.5"
        fail(Exit.USAGE, "BAD_NUMBER", f"{text}: write {form}", json_output=json_output)
    return int(found[1] + fraction.ljust(decimals, "0"))


def month_day(text: str, *, json_output: bool = False) -> tuple[int, int] | None:
    """ "02-29" as (2, 29); "" is None."""
    if not text:
        return None
    try:
        day = date.fromisoformat(f"2024-{text}")
    except ValueError:
        fail(Exit.USAGE, "BAD_BIRTHDAY", f"{text} is not MM-DD", json_output=json_output)
    return day.month, day.day


def day(text: str, *, json_output: bool = False) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(Exit.USAGE, "BAD_DATE", f"{text}: write it like 2026-07-31", json_output=json_output)


def civil(text: str, zone: tzinfo, now_ms: int, *, json_output: bool = False) -> datetime:
    """A time of the zone: as it is written without an offset, moved there with one; now for ""."""
    if not text:
        return datetime.fromtimestamp(now_ms // 1000, zone)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        fail(Exit.USAGE, "BAD_TIME", f"{text}: write 2026-07-02T08:30", json_output=json_output)
    return at if at.tzinfo is None else at.astimezone(zone)
