"""(f) How long `award` takes under twenty rules, against pydantic reading the same sale from JSON.

Counted is the processor's time: other programs' turns are no part of it.
"""

import time
import timeit
from collections.abc import Callable
from pathlib import Path
from statistics import median

from agent.points.award import award
from agent.points.inputs import AwardInputs, Line, Local, Usage
from agent.points.rules import Bundle, parse_bundle
from tests.bench.figure import Figure, rounded

RULES = Path(__file__).with_name("twenty_rules.toml")

_THURSDAY = Local(business_date="2026-07-09", weekday=4, minute_of_day=600)
_FUEL = Line(product="petrol-95", volume_ml=50_010, amount_fen=41_758)
_SHOP = Line(product="shop", amount_fen=2_350)

FILL = AwardInputs(
    lines=(_FUEL,),
    tender="wechat",
    tier="gold",
    usage=Usage(day_minor=12_000, month_minor=16_000, month_fills=2, month_ml=80_000, month_fen=66_800),
    evidence="metered",
    time_quality="seen",
    local=_THURSDAY,
)
"""Seven steps: base, grade, tier, campaign, the third fill's bonus, the rounding, a cap of the day."""
FILL_AND_SNACK = FILL.model_copy(
    update={
        "lines": (_FUEL, _SHOP),
        "birthday": (7, 10),
        "usage": Usage(day_minor=2_000, month_minor=88_000, month_fills=2, month_ml=180_000),
    }
)
"""Twelve steps: the fill crosses a band, the shop line has a birthday, and both bonuses apply."""


def evaluator(*, pairs: int, calls: int) -> Figure:
    """Pairs of `calls` awards and as many readings of the same sale, side by side."""
    bundle = parse_bundle(RULES.read_bytes())
    assert isinstance(bundle, Bundle), bundle
    fill, fill_ratio, steps = _compared(FILL, bundle, pairs, calls)
    long, long_ratio, long_steps = _compared(FILL_AND_SNACK, bundle, pairs, calls)
    return Figure(
        "award_by_twenty_rules",
        value=fill,
        limit=60,
        ratio=fill_ratio,
        details={
            "unit": "µs with explanation; ratio to validate_json of the same sale",
            "rules": len(bundle.ruleset_in_force.rule_ids),
            "steps": steps,
            "validate_json_us": rounded(fill / fill_ratio),
            "two_products_us": rounded(long),
            "two_products_steps": long_steps,
            "two_products_ratio": rounded(long_ratio),
            "calls": calls,
            "pairs": pairs,
        },
    )


def _compared(inputs: AwardInputs, bundle: Bundle, pairs: int, calls: int) -> tuple[float, float, int]:
    """Median µs of an award, median ratio to reading its inputs, and the steps of its explanation."""
    written = inputs.model_dump_json(exclude_defaults=True)
    ours, ratios = [], []
    for _ in range(pairs):
        judged_us = _each_us(lambda: award(inputs, bundle), calls)
        read_us = _each_us(lambda: AwardInputs.model_validate_json(written), calls)
        ours.append(judged_us)
        ratios.append(judged_us / read_us)
    return median(ours), median(ratios), len(award(inputs, bundle).explanation)


def _each_us(call: Callable[[], object], calls: int) -> float:
    return timeit.timeit(call, timer=time.process_time, number=calls) / calls * 1_000_000
