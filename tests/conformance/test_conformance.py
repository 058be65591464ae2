"""Conformance: does every driver keep its promises on every bad wire? (drivers/conformance.py)"""

import pytest

from drivers import catalogue
from drivers.conformance import run
from drivers.faults import WIRES

SEEDS = (1, 2, 3)
DRIVERS = (*catalogue.names(), "blueprint")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", DRIVERS)
def test_every_driver_keeps_its_promises_on_every_wire(name: str, wire: str, seed: int) -> None:
    for case_name, make_case in catalogue.conformance_cases(name).items():
        report = run(catalogue.find(name), case_name, make_case(), WIRES[wire], seed)
        assert not report.failures, report.explain()
        assert report.true_count > 0
