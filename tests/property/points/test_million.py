"""Property: do the evaluator and the slow one agree, points and term, on every one of many sales?"""

import sys
import time
from collections import Counter

import pytest

from tests.property.points import million
from tests.property.points.million import BATCH_SALES, batch

KINDS = {"base", "factor", "bonus", "rounding", "cap", "grandfather", "refused"}
RARE = {"in a band", "counted fill", "lapses", "term of the other ruleset"}


def test_twenty_thousand_sales_under_two_hundred_bundles() -> None:
    seen: Counter[str] = Counter()
    for seed in range(200):
        difference = batch(seed, seen, sales=100)
        assert difference is None, str(difference)
    assert {name for name, count in seen.items() if count >= 200} == KINDS | RARE


@pytest.mark.storm
@pytest.mark.timeout(3600)
def test_a_million_sales() -> None:
    seen: Counter[str] = Counter()
    batches, began = 1_000_000 // BATCH_SALES, time.monotonic()
    for seed in range(1000, 1000 + batches):
        difference = batch(seed, seen)
        assert difference is None, str(difference)
        if seed % 50 == 49:
            sales = (seed - 999) * BATCH_SALES
            print(f"{sales:,} sales alike after {time.monotonic() - began:.0f} s", file=sys.stderr)  # noqa: T201
    assert seen.keys() >= KINDS | RARE


def test_a_difference_names_the_command_that_replays_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow one is made to be one minor unit off."""
    honest = million.worth
    monkeypatch.setattr(
        million,
        "worth",
        lambda inputs, table: honest(inputs, table)._replace(minor=honest(inputs, table).minor + 1),
    )
    difference = batch(7, Counter())
    assert difference is not None
    assert "python -m tests.property.points.million 7" in str(difference)
