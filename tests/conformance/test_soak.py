"""Conformance: on a wire that never gets better, is nothing wrong, and nothing lost but where that shows?

One byte of a hundred is flipped, one of two hundred is lost, and there are bursts. A hundred sales of every
driver here, ten thousand of every class by `make storm`; `-s` shows the figures.
"""

import sys
import time
from collections.abc import Iterable
from itertools import count, cycle

import pytest

from drivers import catalogue
from drivers.conformance import Endured, soak
from drivers.conformance.cases import is_gauge
from tests.conformance.promises import CLASSES, DRIVERS, cases_of, class_of

SALES = 100
STORM_SALES = 10_000
ROUND = 50
GAUGE_ROUND = 8
"""A console keeps ten deliveries of a tank."""
MAY_LOSE = {"B", "C", "tap", "feed"}
VOUCHED_FOR = {("ifsf", "tcp")}
"""On TCP the network has answered for every byte, and frames have no check value: harm cannot be found."""


def _rounds(title: str, places: Iterable[tuple[str, str]], sales: int) -> None:
    """Rounds of the places in turn, each with the next seed, until so many sales were made."""
    began_s = time.process_time()
    turns = zip(count(1), cycle([place for place in places if place not in VOUCHED_FOR]), strict=False)
    done: list[Endured] = []
    while sum(each.made_count for each in done) < sales:
        seed, (name, case_name) = next(turns)
        case = catalogue.conformance_cases(name)[case_name]()
        made = GAUGE_ROUND if is_gauge(case) else ROUND
        done.append(soak(catalogue.find(name), case_name, case, made, seed))
        assert not done[-1].lost_count or class_of(case) in MAY_LOSE, done[-1].replay
    sys.stdout.write(f"\n{title}: {_figures(done)}, {time.process_time() - began_s:.1f} s of processor\n")
    broken = [each.explain() for each in done if each.failures]
    assert not broken, f"{len(broken)} rounds of {len(done)}\n" + "\n".join(broken)
    assert sum(each.retries for each in done) > 0, "the wire was not bad"


def _figures(done: list[Endured]) -> str:
    made, retries = sum(each.made_count for each in done), sum(each.retries for each in done)
    lost, lost_ml = sum(each.lost_count for each in done), sum(each.lost_ml for each in done)
    simulated_s = sum(each.simulated_ms for each in done) // 1_000
    return f"{made} sales, {lost} lost ({lost_ml // 1_000} l), {retries} retries, {simulated_s} s simulated"


@pytest.mark.parametrize("name", DRIVERS)
def test_a_hundred_sales_on_a_bad_wire(name: str) -> None:
    _rounds(name, [(name, case_name) for case_name in catalogue.conformance_cases(name)], SALES)


@pytest.mark.storm
@pytest.mark.parametrize("letter", [letter for letter in CLASSES if any(cases_of(letter))])
def test_ten_thousand_sales_of_every_class_on_a_bad_wire(letter: str) -> None:
    _rounds(f"class {letter}", cases_of(letter), STORM_SALES)
