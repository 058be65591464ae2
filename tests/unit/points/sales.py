"""Sales and bundles for the tests of points: the demo bundle, small bundles, one fill on a given day."""

from datetime import datetime
from pathlib import Path
from typing import Any

from agent.points.inputs import AwardInputs, Line, Local, Usage
from agent.points.rules import Bundle, BundleRefused, parse_bundle

DEMO_PATH = Path(__file__).parents[3] / "config" / "samples" / "demo-cn.bundle.toml"
DEMO_TEXT = DEMO_PATH.read_text(encoding="utf-8")
WEDNESDAY = "2026-07-08"
THURSDAY = "2026-07-09"
PROTECTED = "joined-before-2026-07-01"

HEAD = """
schema = "loyalty-bundle/1"
program = "test"
bundle = "small"
version = 1
points_scale = 100
timezone = "Asia/Shanghai"
business_day_starts = "{day_starts}"
effective_from = 2026-01-01T00:00:00+08:00
[rounding]
mode = "{mode}"
to_minor = {to_minor}
[tiers]
order = ["basic", "gold", "platinum", "diamond"]
[[ruleset]]
id = "r"
"""


def accepted(result: Bundle | BundleRefused) -> Bundle:
    assert isinstance(result, Bundle), result
    return result


def demo_bundle(*replacements: tuple[str, str]) -> Bundle:
    """The demo bundle, with texts replaced (each must be there)."""
    text = DEMO_TEXT
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return accepted(parse_bundle(text.encode()))


def small_bundle(
    ruleset: str, *, mode: str = "floor", to_minor: int = 1, day_starts: str = "00:00"
) -> Bundle:
    """A bundle of one ruleset, given as the tables below `[[ruleset]]`."""
    head = HEAD.format(mode=mode, to_minor=to_minor, day_starts=day_starts)
    return accepted(parse_bundle((head + ruleset).encode()))


def at(day: str = WEDNESDAY, minute: int = 600) -> Local:
    return Local(business_date=day, weekday=datetime.fromisoformat(day).isoweekday(), minute_of_day=minute)


def fill(
    product: str, volume_ml: int, *, tier: str = "basic", day: str = WEDNESDAY, minute: int = 600, **more: Any
) -> AwardInputs:
    """A metered fill of one product; `amount_fen` of the line and other inputs by keyword."""
    line = Line(product=product, volume_ml=volume_ml, amount_fen=more.pop("amount_fen", 0))
    usage = Usage(day_minor=more.pop("day_minor", 0), month_minor=more.pop("month_minor", 0))
    inputs: dict[str, Any] = {
        "lines": (line,),
        "tender": "cash",
        "tier": tier,
        "usage": usage,
        "evidence": "metered",
        "time_quality": "seen",
        "local": at(day, minute),
    }
    return AwardInputs(**(inputs | more))
