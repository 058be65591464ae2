"""Property: can any bytes make a parser raise, hang, hide bytes, or believe what is not right?

Two thousand inputs for every parser here, a million by `make fuzz`.
"""

from dataclasses import replace
from typing import Any

import pytest

from drivers import catalogue
from drivers.conformance import Case
from drivers.events import DriverEvent, Fuelling, Monotonic
from drivers.views import Check, View
from tests.conformance.cheats import Cheat
from tests.property.drivers import fuzzing
from tests.property.drivers.fuzz import jobs_of, main
from tests.property.drivers.fuzzing import TARGETS, Bench, bench, run_batch

INPUTS = 2_000
BATCH = 500
DRIVERS = (*catalogue.names(), "blueprint")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", DRIVERS)
def test_two_thousand_inputs(name: str, target: str) -> None:
    tallies = [run_batch(*job) for job in jobs_of(name, target, INPUTS, BATCH)]
    if target != "belief":
        assert sum(tally.inputs for tally in tallies) >= INPUTS
    elif any(tally.inputs for tally in tallies):
        assert sum(tally.booked_count for tally in tallies) > 0, "nothing true came through"


@pytest.mark.parametrize("name", DRIVERS)
def test_check_values_computed_apart_are_those_of_the_driver(name: str) -> None:
    for case_name in catalogue.conformance_cases(name):
        tried = bench(name, case_name)
        whole = [view.data for piece in tried.pool for view in tried.views(piece) if view.check is Check.OK]
        assert bool(whole) is tried.has_check_value
        for data in whole:
            assert tried.check_value.vouches_for(data), data.hex(" ")
            assert tried.check_value.seal(data) == data or len(data) < 6, data.hex(" ")


def test_sessions_that_ask_are_tried_both_waiting_and_not() -> None:
    for place in (("companytec", "tag"), ("hengshan", "master"), ("unipump", "closes")):
        assert 100 < run_batch(*place, "session", 1, 400).waiting_count < 300, place


def test_a_failure_is_replayed_by_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["blueprint/plain", "belief", "3", "50"]) == 0
    assert capsys.readouterr().out == f"{run_batch('blueprint', 'plain', 'belief', 3, 50)}\n"


class TestTheControls:
    """Would it be noticed?"""

    @pytest.fixture
    def tried(self, monkeypatch: pytest.MonkeyPatch) -> Bench:
        tried = Bench("blueprint", "plain")
        monkeypatch.setattr(fuzzing, "bench", lambda name, case_name: tried)
        return tried

    def _fails(self, target: str, why: str) -> None:
        with pytest.raises(AssertionError, match=why) as caught:
            run_batch("blueprint", "plain", target, 1, 4_000)
        notes = caught.value.__notes__
        assert notes[-1] == f"replay: python -m tests.property.drivers.fuzz blueprint/plain {target} 1 4000"

    def _explains(self, tried: Bench, explain: Any) -> None:
        tried.driver = replace(tried.driver, explain=explain)

    def test_a_view_that_raises(self, tried: Bench) -> None:
        def explain(data: bytes, options: Any) -> tuple[View, ...]:
            assert b"(" not in data, "a parenthesis"
            return (View(data, "frame"),)

        self._explains(tried, explain)
        self._fails("explain", "a parenthesis")

    def test_views_that_hide_bytes(self, tried: Bench) -> None:
        self._explains(tried, lambda data, options: (View(data.rstrip(b"\n"), "frame"),))
        self._fails("explain", "the views hide bytes")

    def test_a_view_that_is_too_sure(self, tried: Bench) -> None:
        self._explains(tried, lambda data, options: (View(data, "frame", check=Check.OK),))
        self._fails("explain", "OK without a right check value")

    def test_views_that_take_their_time(self, tried: Bench) -> None:
        def explain(data: bytes, options: Any) -> tuple[View, ...]:
            sum(range(20_000_000 if data.startswith(b"K") else 0))
            return (View(data, "frame"),)

        self._explains(tried, explain)
        self._fails("explain", "ms of processor time")

    def test_a_session_that_raises(self, tried: Bench) -> None:
        class Raises(Cheat):
            def receive(self, data: bytes, now: Monotonic) -> None:
                assert b"(" not in data, "a parenthesis"
                super().receive(data, now)

        self._cheats(tried, Raises)
        self._fails("session", "a parenthesis")

    def test_a_session_that_believes_what_is_damaged(self, tried: Bench) -> None:
        class Credulous(Cheat):
            """Takes a sale of which any frame was torn for one of ten litres more."""

            def change(self, event: DriverEvent) -> DriverEvent:
                is_harmed = self.counters().get("BAD_FRAME", 0) > 0 and isinstance(event, Fuelling)
                return replace(event, volume_ml=event.volume_ml + 10_000) if is_harmed else event  # type: ignore[call-arg, union-attr]

        self._cheats(tried, Credulous)
        self._fails("belief", "INVENTED")

    def _cheats(self, tried: Bench, cheat: type[Cheat]) -> None:
        make_case = tried.case

        def cheating() -> Case:
            case = make_case()
            honest = case.open_session
            case.open_session = lambda: cheat(honest())  # type: ignore[method-assign]
            return case

        tried.case = cheating  # type: ignore[method-assign]
