"""unit: when does a counter that only grows tell of a fuelling, and when of none?"""

import pytest

from drivers.events import Monotonic
from drivers.modbus.flow_watch import Flow, FlowWatch

MODULUS = 1 << 32
STOPPED_MS = 3_000


def watched(readings: list[tuple[int, int]], start: int = 0) -> list[Flow]:
    """(seconds, count) at 100 pulses a litre; before them ten seconds of rest at `start`."""
    watch = FlowWatch(MODULUS, STOPPED_MS, 100_000)
    rest = [(second - 10, start) for second in range(10)]
    flows = [watch.see(count, Monotonic(1_000 * (20 + second))) for second, count in rest + readings]
    return [flow for flow in flows if flow is not None]


def resting(second: int, count: int, seconds: int = 5) -> list[tuple[int, int]]:
    return [(second + each, count) for each in range(seconds)]


def test_a_fuelling_is_what_moved_between_two_rests() -> None:
    first = [(0, 60), (1, 150), (2, 250), *resting(3, 250)]
    second = [(20, 300), *resting(21, 310)]
    assert watched([*first, *resting(10, 250, 9), *second]) == [
        Flow(0, 250, Monotonic(20_000), Monotonic(22_000), ()),
        Flow(250, 310, Monotonic(40_000), Monotonic(41_000), ()),
    ]


def test_a_pause_shorter_than_the_rest_is_one_fuelling() -> None:
    (flow,) = watched([(0, 60), (1, 60), (2, 60), (3, 100), *resting(4, 100)])
    assert (flow.before_count, flow.after_count) == (0, 100)


def test_two_fuellings_stay_two_although_hardly_anybody_read_between_them() -> None:
    """Between them the nozzle rested for twice the time that ends a fuelling; the line lost most of it."""
    one, other = watched([(0, 60), (1, 120), (3, 150), (4, 150), (5, 150), (8, 200), *resting(9, 260)])
    assert one == Flow(0, 150, Monotonic(20_000), Monotonic(23_000), ("END_UNSEEN",))
    assert (other.before_count, other.after_count, other.flags) == (150, 260, ("BEGAN_UNSEEN",))


def test_a_counter_that_stands_still_tells_of_nothing() -> None:
    assert watched(resting(0, 0, 100)) == []


def test_a_beginning_or_an_end_that_was_not_watched_is_said() -> None:
    watch = FlowWatch(MODULUS, STOPPED_MS, 100_000)
    flows = [
        watch.see(count, Monotonic(1_000 * second))
        for second, count in [(0, 500), (1, 600), *resting(2, 700)]
    ]
    assert [flow for flow in flows if flow] == [
        Flow(500, 700, Monotonic(1_000), Monotonic(2_000), ("BEGAN_UNSEEN",))
    ]
    (broken_off,) = watched([(0, 60), (1, 150), (30, 900), *resting(31, 900)])
    assert broken_off == Flow(0, 150, Monotonic(20_000), Monotonic(21_000), ("END_UNSEEN",))


def test_what_moved_while_nobody_read_is_nobodys() -> None:
    away = [(60, 5_000), *resting(61, 5_000, 9), (70, 5_060), *resting(71, 5_060)]
    (flow,) = watched(away)
    assert (flow.before_count, flow.after_count, flow.flags) == (5_000, 5_060, ())


def test_a_counter_that_wraps_counts_on() -> None:
    (flow,) = watched([(0, MODULUS - 20), (1, 80), *resting(2, 80)], start=MODULUS - 100)
    assert (flow.before_count, flow.after_count) == (MODULUS - 100, 80)


@pytest.mark.parametrize("torn", [0x0000FFFF, 0x0002FFFF, 0x00010000])
def test_a_reading_torn_at_a_carry_is_not_believed(torn: int) -> None:
    (flow,) = watched([(0, 0x1FFF0), (1, torn), (2, 0x20010), *resting(3, 0x20010)], start=0x1FF90)
    assert (flow.before_count, flow.after_count, flow.flags) == (0x1FF90, 0x20010, ())


def test_torn_readings_with_a_sound_one_between_them_do_not_bear_each_other_out() -> None:
    torn = [(1, 0x2FFFF), (2, 0x20000), (3, 0x2FFFF), (4, 0x20010), (5, 0x2FFFF)]
    (flow,) = watched([(0, 0x1FFF0), *torn, *resting(6, 0x20010)], start=0x1FF90)
    assert (flow.before_count, flow.after_count, flow.flags) == (0x1FF90, 0x20010, ())


def test_a_counter_that_was_reset_goes_on_from_its_new_place() -> None:
    reset = [(0, 100_060), (1, 100_150), (2, 0), (3, 0), *resting(4, 0, 5), (10, 70), *resting(11, 70)]
    broken_off, after = watched(reset, start=100_000)
    assert (broken_off.before_count, broken_off.after_count) == (100_000, 100_150)
    assert broken_off.flags == ("END_UNSEEN",)
    assert (after.before_count, after.after_count, after.flags) == (0, 70, ())


def test_a_jump_that_no_hose_can_make_is_no_fuelling() -> None:
    assert watched([(0, 900_000), *resting(1, 900_000, 10)]) == []
