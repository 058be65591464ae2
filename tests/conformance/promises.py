"""Every case of every driver by its class, and the runs that the tests of promises make.

One test file per kind, so that `--dist loadfile` gives them to several workers.
"""

from collections.abc import Iterator

import pytest

from drivers import catalogue
from drivers.conformance import Case, run
from drivers.conformance.cases import is_feed, is_gauge, is_tap
from drivers.faults import WIRES

SEEDS = (1, 2, 3)
DRIVERS = (*catalogue.names(), "blueprint")
CLASSES = ("A", "B", "C", "tap", "feed", "gauge", "POS")


def class_of(case: Case) -> str:
    """The letter of its hand-over, or what it is instead of a pump that can be asked."""
    if is_tap(case):
        return "tap"
    if case.hand_over is not None:
        return case.hand_over.value
    return "feed" if is_feed(case) else "gauge" if is_gauge(case) else "POS"


def cases_of(*classes: str) -> Iterator[tuple[str, str]]:
    """(driver, case) of these classes, of every driver."""
    for name in DRIVERS:
        for case_name, make_case in catalogue.conformance_cases(name).items():
            if class_of(make_case()) in classes:
                yield name, case_name


def on_every_wire(*classes: str) -> pytest.MarkDecorator:
    """Parametrizes a test by `driver`, `case` and `wire`."""
    runs = [(name, case_name, wire) for name, case_name in cases_of(*classes) for wire in WIRES]
    return pytest.mark.parametrize(("driver", "case", "wire"), runs)


def keep_promises(driver: str, case: str, wire: str) -> None:
    """Runs with every seed, of which none may break a promise."""
    for seed in SEEDS:
        made = catalogue.conformance_cases(driver)[case]()
        report = run(catalogue.find(driver), case, made, WIRES[wire], seed)
        assert not report.failures, report.explain()
        assert report.true_count > 0
