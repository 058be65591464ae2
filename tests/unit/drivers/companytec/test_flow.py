"""Unit: is an end told only of a fuelling that was seen to end, and of no other of its nozzle?"""

import pytest

from drivers.companytec import codec
from drivers.companytec.flow import FlowWatch
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.reading import as_fuelling
from drivers.events import Fuelling, Monotonic
from tests.unit.drivers.companytec.desk import Desk

FRAME = "(A00038600386010003E001C08121640020683000008078900B3CF6CCFFF1FD792068300F3)"


def _record(totalizer: str = "0000080789") -> Fuelling:
    fields = codec.parse_record(FRAME[1:-1])
    assert fields is not None
    return as_fuelling(fields | {"totalizer": totalizer}, "1", CompanytecOptions())


def _watched(seen_every_ms: int = 250, until_ms: int = 5_000) -> FlowWatch:
    """Nozzle 08 flows from 500 on and was seen for the last time at `until_ms`; the ring is empty."""
    watch = FlowWatch()
    for now in (0, 250, *range(500, until_ms + 1, seen_every_ms)):
        watch.look(frozenset({"08"}), Monotonic(now))
        watch.drained(Monotonic(now))
    return watch


def _ended(watch: FlowWatch, now: int, record: Fuelling | None = None, *, is_new: bool = True) -> int | None:
    return watch.ended(record or _record(), Monotonic(now), is_new=is_new)


def test_it_ended_when_it_was_first_not_seen() -> None:
    watch = _watched()
    watch.look(frozenset(), Monotonic(5_250))
    assert _ended(watch, 6_000) == 5_250


def test_it_ended_now_where_its_record_came_before_it_was_not_seen() -> None:
    assert _ended(_watched(), 5_100) == 5_100


@pytest.mark.parametrize(("record_at", "is_told"), [(15_250, True), (15_251, False)])
def test_an_old_end_is_not_that_of_a_new_record(record_at: int, is_told: bool) -> None:
    watch = _watched()
    watch.look(frozenset(), Monotonic(5_250))
    assert (_ended(watch, record_at) is not None) == is_told


@pytest.mark.parametrize(("gone_at", "is_told"), [(7_000, True), (7_001, False)])
def test_an_end_while_nobody_looked_is_not_told(gone_at: int, is_told: bool) -> None:
    watch = _watched()
    watch.look(frozenset(), Monotonic(gone_at))
    assert (_ended(watch, gone_at + 100) is not None) == is_told


def test_a_record_that_may_have_waited_since_before_is_an_earlier_fuelling() -> None:
    watch = FlowWatch()
    watch.drained(Monotonic(100))
    for now in range(500, 5_000, 250):
        watch.look(frozenset({"08"}), Monotonic(now))
    assert _ended(watch, 5_000) is None


def test_a_record_that_was_looked_up_has_no_end() -> None:
    assert _ended(_watched(), 5_100, is_new=False) is None


def test_a_record_read_again_ended_when_it_ended_and_the_next_has_its_own() -> None:
    watch = _watched()
    assert _ended(watch, 5_100) == 5_100
    assert _ended(watch, 9_000) == 5_100
    assert _ended(watch, 9_100, _record("0000090000")) is None


def test_what_flowed_when_the_wire_went_may_have_ended_at_any_time() -> None:
    desk = Desk()
    desk.run(1_000)
    desk.simulator.begin("44")
    desk.run(2_000)
    desk.session.disconnected(desk.now)
    desk.simulator.sell("44", 5_000, 3_885, 7_770)
    desk.run(1_000)
    assert [fuelling.ended for fuelling in desk.fuellings] == [None]
