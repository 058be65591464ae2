"""Property: is every valid record that a pump keeps reported and let go of, so that no pump ever stops?

A thousand odd records for every driver of class A here, ten thousand by `make storm`; `-s` shows the figures.
"""

import sys
import time
from collections.abc import Callable
from itertools import cycle

import pytest

from drivers import catalogue
from drivers.companytec.case import CompanytecCase
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.session import CompanytecSession
from drivers.conformance import OddPumpCase, odd
from drivers.conformance.cases import is_odd
from drivers.events import Answer, DriverEvent, Fuelling, Monotonic, Outcome

RECORDS = 1_000
STORM_RECORDS = 10_000
ROUND = 100


def _odd_cases(name: str) -> dict[str, Callable[[], OddPumpCase]]:
    made = catalogue.conformance_cases(name).items()
    return {case_name: make for case_name, make in made if is_odd(make())}  # type: ignore[misc]


DRIVERS = [name for name in catalogue.names() if _odd_cases(name)]


def _hand_over(name: str, records: int) -> None:
    began_s = time.process_time()
    rounds = zip(range(records // ROUND), cycle(_odd_cases(name).items()), strict=False)
    for seed, (case_name, make_case) in rounds:
        endured = odd(catalogue.find(name), case_name, make_case(), ROUND, seed)
        assert not endured.failures, endured.explain()
    sys.stdout.write(f"\n{name}: {records} odd records, {time.process_time() - began_s:.1f} s of processor\n")


@pytest.mark.parametrize("name", DRIVERS)
def test_a_thousand_odd_records_are_let_go_of(name: str) -> None:
    _hand_over(name, RECORDS)


@pytest.mark.storm
@pytest.mark.parametrize("name", DRIVERS)
def test_ten_thousand_odd_records_are_let_go_of(name: str) -> None:
    _hand_over(name, STORM_RECORDS)


def test_every_driver_with_a_device_of_class_a_is_tried() -> None:
    of_class_a = {
        name
        for name in catalogue.names()
        if any(make().hand_over == "A" for make in catalogue.conformance_cases(name).values())
    }
    assert of_class_a == set(DRIVERS) >= {"companytec", "ifsf", "modbus", "unipump"}


class _RefusesOddRecords(CompanytecSession):
    """Reports no record whose money does not fit, and so never lets go of it."""

    def next_event(self) -> DriverEvent | None:
        event = super().next_event()
        if isinstance(event, Fuelling) and _money_does_not_fit(event):
            super().confirm(event, Answer(Outcome.REFUSED, durable=False), Monotonic(0))
            return None
        return event


def _money_does_not_fit(event: Fuelling) -> bool:
    return abs(event.volume_ml * event.unit_price_milli - event.amount_fen * 10_000) > 10_000


class _Raises(CompanytecSession):
    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        assert not (isinstance(event, Fuelling) and _money_does_not_fit(event)), "not in the book"
        super().confirm(event, answer, now)


def _cheat(session: type[CompanytecSession]) -> OddPumpCase:
    case = CompanytecCase()
    case.open_session = lambda: session("1", CompanytecOptions())  # type: ignore[method-assign]
    return case


def test_a_session_that_refuses_odd_records_leaves_a_backlog() -> None:
    endured = odd(catalogue.find("companytec"), "cheat", _cheat(_RefusesOddRecords), ROUND, 1)
    assert {failure.split()[0] for failure in endured.failures} == {"BACKLOG_STAYS:", "LOST"}
    assert endured.replay == f"python -m drivers.conformance companytec/cheat odd 1 {ROUND}"


def test_a_session_that_raises_on_odd_records_is_found_out() -> None:
    with pytest.raises(AssertionError, match="not in the book") as caught:
        odd(catalogue.find("companytec"), "cheat", _cheat(_Raises), ROUND, 1)
    assert caught.value.__notes__ == [f"replay: python -m drivers.conformance companytec/cheat odd 1 {ROUND}"]
