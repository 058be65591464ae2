"""Unit: does who only listens to Gilbarco pumps report what passed by, once, and believe no damage?"""

import random
from collections.abc import Sequence
from functools import partial

import pytest

from drivers.conformance import Sold, run
from drivers.events import DeviceBack, DeviceSilent, Monotonic
from drivers.faults import WIRES
from drivers.gilbarco import DRIVER
from drivers.gilbarco.case import ListenCase, as_sold, sell_one
from drivers.gilbarco.controller import TappedWire
from drivers.gilbarco.options import GilbarcoOptions
from drivers.gilbarco.pump import PATIENCE_MS
from drivers.gilbarco.tap import GilbarcoTap
from drivers.session import Session
from tests.unit.drivers.gilbarco.gilbarco_bench import (
    AUTHORISED,
    BUSY,
    CALL,
    FEOT,
    IDLE,
    PEOT,
    STOPPED,
    TapBench,
    sale,
    shown_total,
    totals,
)
from tests.unit.drivers.machinery.session_bench import NOT_NOW, YES
from tests.unit.drivers.machinery.tapped_wires import overhear, spoken_by_default


def _sold(bench: TapBench) -> list[tuple[str, int, str]]:
    """No fuelling has another one's name; of what stands in for a totalizer only the "+" is shown."""
    assert len(set(bench.identities)) == len(bench.fuellings)
    return [(each.nozzle, each.volume_ml, shown_total(each)) for each in bench.fuellings]


def test_a_sale_whose_totals_moved_by_its_volume_is_reported_at_once() -> None:
    bench = TapBench()
    bench.fuel("010000", "000750")
    bench.totals("00101000")
    bench.fuel("030000", "002250")
    bench.totals("00104000")
    assert _sold(bench) == [("1/0", 10_000, "00101000"), ("1/0", 30_000, "00104000")]
    fuelling = bench.fuellings[1]
    assert (fuelling.totalizer_before_ml, fuelling.totalizer_after_ml) == (1_010_000, 1_040_000)
    assert fuelling.ended is not None
    assert fuelling.flags == ()
    assert bench.started == ["1/0", "1/0"]


def test_what_was_read_once_is_believed_when_nobody_reads_it_again() -> None:
    bench = TapBench()
    bench.fuel("030000", "002250")
    bench.totals("00104000")
    assert bench.fuellings == []
    bench.wait(PATIENCE_MS - 1_000)
    assert bench.fuellings == []
    bench.wait(2_000)
    assert _sold(bench) == [("1/0", 30_000, "00104000")]
    bench.wait(PATIENCE_MS)
    assert len(bench.fuellings) == 1


def test_two_equal_readings_are_believed_at_once() -> None:
    bench = TapBench()
    bench.fuel("030000", "009999")
    bench.totals("00104000")
    bench.sale("030000", "009999")
    assert bench.fuellings == []
    bench.totals("00104000")
    assert _sold(bench) == [("1/0", 30_000, "00104000")]


def test_after_damage_one_reading_of_totals_is_not_believed() -> None:
    bench = TapBench()
    bench.fuel("030000", "002250")
    bench.totals("00104000")
    bench.wire(b"\x51", totals("00104000")[:-2] + b"\xe0\xf0")
    assert bench.count("BAD_FRAME") == 1
    bench.wait(PATIENCE_MS + 1_000)
    assert bench.fuellings == []
    bench.state(BUSY, BUSY)
    assert _sold(bench) == [("1/0", 30_000, "+")]
    assert bench.fuellings[0].totalizer_after_ml is None
    assert bench.fuellings[0].flags == ("TOTALIZER_UNHEARD",)


def test_a_sale_read_once_whose_price_does_not_fit_needs_its_totals() -> None:
    bench = TapBench()
    bench.fuel("010000", "000750")
    bench.totals("00101000")
    bench.fuel("030000", "009999")
    bench.state(CALL, BUSY, BUSY)
    assert len(bench.fuellings) == 1
    assert bench.count("SALE_DOUBTED") == 1
    bench.state(PEOT)
    bench.sale("040000", "009999")
    bench.totals("00108000")
    bench.wait(PATIENCE_MS + 1_000)
    assert len(bench.fuellings) == 1, "neither price nor totals fit, and it was read once"
    bench.sale("040000", "009999")
    bench.totals("00108000")
    assert _sold(bench)[1:] == [("1/0", 40_000, "00108000")]
    assert bench.fuellings[1].totalizer_before_ml == 1_010_000


def test_without_totals_a_sale_is_reported_when_its_display_goes_and_each_has_a_name() -> None:
    bench = TapBench()
    bench.fuel("010000", "000750")
    bench.totals("00101000")
    for _ in range(2):
        bench.fuel("030000", "002250")
    bench.state(BUSY, BUSY)
    assert _sold(bench)[1:] == [("1/0", 30_000, "00101000+"), ("1/0", 30_000, "00101000+")]
    assert [each.totalizer_before_ml for each in bench.fuellings[1:]] == [1_010_000, 1_040_000]
    assert bench.count("TOTALIZER_UNHEARD") == 2
    bench.state(PEOT)
    bench.sale("020000", "001500")
    bench.totals("00109000")
    assert bench.fuellings[-1].totalizer_before_ml == 1_070_000
    assert bench.fuellings[-1].flags == ()


def test_where_no_totals_follow_a_sale_is_reported_at_its_end_and_never_after_a_restart() -> None:
    bench = TapBench(totals_follow=False)
    bench.fuel("030000", "002250")
    assert _sold(bench) == [("1/0", 30_000, "+")]
    bench.sale("030000", "002250")
    bench.fuel("030000", "002250")
    assert _sold(bench)[1:] == [("1/0", 30_000, "+")]
    bench.restart()
    bench.state(IDLE)
    bench.sale("030000", "002250")
    bench.totals("00107000")
    bench.totals("00107000")
    assert len(bench.fuellings) == 2


def test_a_retained_display_is_reported_after_our_restart_with_the_same_digits() -> None:
    bench = TapBench()
    bench.fuel("030000", "002250")
    for _ in range(2):
        bench.sale("030000", "002250")
        bench.totals("00104000")
    bench.restart()
    bench.state(IDLE)
    bench.sale("030000", "002250")
    bench.wait(2 * PATIENCE_MS)
    assert len(bench.fuellings) == 1, "a display that was there before us is known by its totals"
    bench.totals("00104000")
    bench.totals("00104000")
    bench.sale("030000", "002250")
    assert len(bench.fuellings) == 2
    assert len(set(bench.identities)) == 1


@pytest.mark.parametrize("sold_before", [0, 1])
def test_without_totals_equal_fuellings_before_and_behind_our_restart_are_two(sold_before: int) -> None:
    """Nothing tells the second one from the first but what was heard around it."""
    bench = TapBench(totals_follow=False)
    for start in range(3):
        bench.wait(1_000 * start)
        for _ in range(sold_before):
            bench.fuel("026666", "002000")
        bench.fuel("026666", "002000")
        bench.restart()
        bench.wait(1_000)
    assert len(bench.fuellings) == 3 * (1 + sold_before)
    assert len(set(bench.identities)) == len(bench.fuellings)


def test_the_money_while_fuel_flows_tells_equal_fuellings_behind_two_restarts_apart() -> None:
    bench = TapBench(totals_follow=False)
    for digit in (b"\xe1", b"\xe2"):
        bench.restart()
        bench.state(BUSY)
        bench.wire(b"\x61", digit * 6)
        bench.state(BUSY, PEOT)
        bench.sale("026666", "002000")
    assert len(set(bench.identities)) == len(bench.fuellings) == 2


def test_totals_that_stand_still_give_no_two_fuellings_one_name() -> None:
    bench = TapBench()
    bench.fuel("010000", "000750")
    bench.totals("00101000")
    for _ in range(2):
        bench.fuel("030000", "002250")
        bench.sale("030000", "002250")
        bench.state(BUSY, BUSY, IDLE)
        bench.totals("00101000")
        bench.totals("00101000")
    assert [each.volume_ml for each in bench.fuellings] == [10_000, 30_000, 30_000]
    assert len(set(bench.identities)) == 3


def test_a_price_that_changes_under_a_display_makes_no_other_fuelling_of_it() -> None:
    bench = TapBench()
    bench.fuel("030000", "002250")
    for _ in range(2):
        bench.sale("030000", "002250", "0750")
        bench.totals("00104000")
    for _ in range(12):
        bench.wait(1_000)
        bench.sale("030000", "002250", "0800")
        bench.totals("00104000")
    bench.silence(6_000)
    for _ in range(12):
        bench.wait(1_000)
        bench.sale("030000", "002250", "0800")
        bench.totals("00104000")
    assert len(bench.fuellings) == 1
    bench.restart()
    for _ in range(4):
        bench.state(IDLE)
        bench.sale("030000", "002250", "0800")
        bench.totals("00104000")
    assert len(bench.fuellings) == 2
    assert len(set(bench.identities)) == 1, "the till knows it by its litres, its money and its totalizer"


def test_a_price_that_changes_under_a_display_without_totals_makes_no_other_fuelling_of_it() -> None:
    bench = TapBench()
    bench.fuel("030000", "002250")
    for _ in range(5):
        bench.sale("030000", "002250", "0800")
    bench.totals("00104000")
    bench.totals("00104000")
    bench.wait(PATIENCE_MS)
    bench.sale("030000", "002250", "0850")
    bench.sale("030000", "002250", "0850")
    bench.totals("00104000")
    bench.totals("00104000")
    bench.state(BUSY, BUSY)
    assert [each.volume_ml for each in bench.fuellings] == [30_000]


def test_totals_that_come_later_with_another_price_make_no_other_fuelling_of_a_display() -> None:
    bench = TapBench()
    bench.state(CALL, BUSY, BUSY, FEOT)
    bench.sale("030000", "002250", grade=1)
    for _ in range(3):
        bench.totals("00000001")
    assert _sold(bench) == [("1/1", 30_000, "+")]
    bench.silence(5_000)
    for _ in range(4):
        bench.state(IDLE)
        bench.sale("030000", "002250", "0800", grade=1)
        bench.totals("00000001", "00104000")
    assert len(bench.fuellings) == 1


def test_totals_of_before_a_fuelling_are_not_taken_for_those_behind_it() -> None:
    """Seen running in one state only, it may have been a lift; its totals may not be those of before."""
    for states in ((BUSY, IDLE), (CALL, IDLE)):
        bench = TapBench()
        bench.state(IDLE)
        for _ in range(2):
            bench.totals("00101000")
        bench.state(*states)
        for _ in range(2):
            bench.sale("030000", "002250")
        assert bench.fuellings == []
        for _ in range(2):
            bench.totals("00104000")
        assert _sold(bench) == [("1/0", 30_000, "00104000")]


def test_an_answer_that_is_heard_before_its_question_is_no_other_pumps() -> None:
    """Two receivers, one for each direction: the question comes some milliseconds late."""
    bench = TapBench(pumps=(1, 2))
    for pump in (1, 2):
        bench.state(BUSY, BUSY, FEOT, pump=pump)
    for _ in range(4):
        for pump in (1, 2):
            bench.wire(sale(f"0{pump}0000", f"{750 * pump:06d}", pump=pump))
            bench.wire(bytes((0x40 | pump,)))
        for pump in (1, 2):
            bench.wire(totals(f"0000{pump}000"))
            bench.wire(bytes((0x50 | pump,)))
        bench.wait(3_000)
    bench.state(BUSY, BUSY)
    bench.state(BUSY, BUSY, pump=2)
    assert bench.fuellings == []
    assert bench.count("LATE_ANSWER") > 0


def test_totals_that_did_not_move_are_no_fuelling_and_another_display_is_one_without_them() -> None:
    bench = TapBench()
    bench.fuel("010000", "000750")
    bench.totals("00101000")
    bench.fuel("010000", "000750")
    bench.totals("00101000")
    bench.state(BUSY, BUSY)
    assert len(bench.fuellings) == 1
    for readings in (1, 2):
        bench.state(PEOT)
        for _ in range(readings):
            bench.sale("020000", "001500")
        bench.totals("00101000")
        bench.state(BUSY, BUSY)
    assert _sold(bench)[1:] == [("1/0", 20_000, "00101000+")]
    assert bench.count("SALE_DOUBTED") == 1, "read once, it may have been a neighbour's"


def test_other_pumps_are_followed_and_not_reported() -> None:
    bench = TapBench(pumps=(1, 16))
    bench.state(BUSY, BUSY, FEOT, pump=2)
    for _ in range(2):
        bench.sale("030000", "002250", pump=2)
        bench.totals("00104000", pump=2)
    assert bench.events == []
    bench.state(BUSY, BUSY, FEOT, pump=16)
    for _ in range(2):
        bench.sale("030000", "002250", pump=16, grade=1)
        bench.totals("00000000", "00104000", pump=16)
    assert _sold(bench) == [("16/1", 30_000, "00104000")]


def test_a_block_without_its_question_is_nobodys() -> None:
    bench = TapBench()
    bench.state(BUSY, BUSY, FEOT)
    for _ in range(3):
        bench.wire(sale("030000", "002250"))
        bench.wire(totals("00104000"))
    bench.silence(100)
    bench.wire(b"\x42", sale("030000", "002250"))
    bench.wait(2 * PATIENCE_MS)
    assert bench.fuellings == []
    assert bench.count("LATE_ANSWER") == 6


def test_the_hosts_block_is_no_answer() -> None:
    bench = TapBench()
    bench.state(IDLE)
    bench.wire(b"\x21", b"\xd1", bytes.fromhex("FFE5F4F6E0F7E0E0E0E1FBEFF0"))
    bench.wire(b"\xfc")
    assert (bench.count("OTHER_BLOCK"), bench.count("STRAY_WORD"), bench.count("BAD_FRAME")) == (0, 0, 0)
    assert bench.count("ALL_STOP") == 1
    assert bench.count("HEARD") == 1


def test_a_stopped_pump_has_not_finished() -> None:
    bench = TapBench()
    bench.state(AUTHORISED, BUSY, STOPPED)
    for _ in range(3):
        bench.sale("010000", "000750")
        bench.totals("00101000")
    assert bench.fuellings == []
    bench.state(BUSY, BUSY, FEOT)
    for _ in range(2):
        bench.sale("030000", "002250")
        bench.totals("00103000")
    assert _sold(bench) == [("1/0", 30_000, "00103000")]


def test_who_is_authorised_and_hangs_up_makes_no_fuelling_of_the_display_before() -> None:
    bench = TapBench()
    bench.state(AUTHORISED, AUTHORISED, AUTHORISED, FEOT)
    bench.sale("030000", "002250")
    bench.sale("030000", "002250")
    bench.state(BUSY, BUSY)
    assert bench.fuellings == []
    assert bench.count("RETAINED_DISPLAY") == 1


def test_a_single_running_state_is_no_fuelling() -> None:
    bench = TapBench()
    bench.fuel("030000", "002250")
    bench.state(BUSY)
    bench.state(IDLE, IDLE)
    bench.sale("030000", "002250")
    bench.totals("00104000")
    bench.totals("00104000")
    assert _sold(bench) == [("1/0", 30_000, "00104000")]


def test_a_fuelling_that_nobody_saw_run_is_reported_by_its_totals() -> None:
    bench = TapBench()
    bench.fuel("010000", "000750")
    bench.totals("00101000")
    bench.session.disconnected(bench.now)
    bench.state(FEOT)
    assert _sold(bench) == [("1/0", 10_000, "00101000")], "what was read is believed when sight is lost"
    bench.sale("010000", "000750")
    bench.totals("00102000")
    assert _sold(bench)[1:] == [("1/0", 10_000, "00102000")]
    assert [each.ended is None for each in bench.fuellings] == [False, True]
    bench.silence(5_000)
    bench.state(FEOT)
    bench.sale("010000", "000750")
    bench.totals("00102000")
    assert len(bench.fuellings) == 2


def test_an_end_that_nobody_watched_is_none() -> None:
    for pause_ms in (3_000, 4_000):
        bench = TapBench()
        bench.state(CALL, AUTHORISED, BUSY, BUSY)
        bench.silence(pause_ms)
        bench.state(PEOT)
        for _ in range(2):
            bench.sale("030000", "002250")
            bench.totals("00104000")
        assert [each.ended is not None for each in bench.fuellings] == [pause_ms == 3_000]


def test_a_fuelling_that_was_seen_running_before_a_gap_needs_no_totals() -> None:
    bench = TapBench()
    bench.state(CALL, AUTHORISED, BUSY)
    bench.session.disconnected(bench.now)
    bench.state(PEOT)
    bench.sale("010000", "000750")
    bench.state(BUSY, BUSY)
    assert _sold(bench) == [("1/0", 10_000, "+")]
    assert bench.fuellings[0].ended is None


def test_totals_after_a_gap_do_not_belong_to_a_sale_from_before_it() -> None:
    bench = TapBench()
    bench.fuel("010000", "000750")
    bench.session.disconnected(bench.now)
    bench.state(IDLE)
    bench.totals("00107000")
    bench.totals("00107000")
    assert bench.fuellings == []
    bench.sale("060000", "004500")
    assert _sold(bench) == [("1/0", 10_000, "+")]
    bench.totals("00107000")
    bench.totals("00107000")
    bench.sale("060000", "004500")
    assert _sold(bench)[1:] == [("1/0", 60_000, "00107000")]


def test_a_fuelling_is_reported_until_the_till_has_it() -> None:
    bench = TapBench()
    bench.answer = NOT_NOW
    bench.fuel("030000", "002250")
    bench.sale("030000", "002250")
    bench.totals("00104000")
    bench.totals("00104000")
    bench.wait(3_000)
    reported = len(bench.fuellings)
    assert reported > 2
    assert len(set(bench.identities)) == 1
    bench.answer = YES
    bench.wait(2_000)
    bench.wait(3_000)
    assert len(bench.fuellings) == reported + 1


def test_silence_and_return_are_reported_once_each() -> None:
    bench = TapBench()
    bench.state(IDLE)
    bench.silence(DRIVER.silence_ms)
    bench.silence(DRIVER.silence_ms)
    bench.state(IDLE)
    assert [type(event) for event in bench.events] == [DeviceBack, DeviceSilent, DeviceBack]


CONTROLLERS = {
    "reads once": partial(TappedWire, (1, 2), grades=2, readings=1),
    "wide": partial(TappedWire, (1, 2), grades=2, is_wide=True),
}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("wire", ["clean", "one_byte", "loses_writes", "late", "flips"])
@pytest.mark.parametrize("controller", CONTROLLERS)
def test_other_controllers_and_pumps_keep_the_promises_too(controller: str, wire: str, seed: int) -> None:
    report = run(DRIVER, controller, ListenCase(CONTROLLERS[controller]()), WIRES[wire], seed)
    assert not report.failures, report.explain()


class NeighboursCase(ListenCase):
    """Both pumps are ours, and sell at the same time."""

    def open_session(self) -> Session:
        return GilbarcoTap("1", GilbarcoOptions(pumps=(1, 2)))

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        for pump in (1, 2):
            sell_one(self.simulator.pumps, pump, rng, now)

    def sold(self) -> Sequence[Sold]:
        return [as_sold(sold) for sold in self.simulator.pumps.sold()]


@pytest.mark.parametrize("late_ms", [(0, 0), (5, 15), (15, 20), (25, 25)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_the_controller_is_heard_late_no_fuelling_goes_to_another_pump(
    late_ms: tuple[int, int], seed: int
) -> None:
    """A word does not say what it answers: much is not understood then. It is lost, and not given wrong."""
    lost, invented = overhear(NeighboursCase(), seed, late_ms)
    assert invented == []
    assert late_ms != (0, 0) or lost == []


def test_without_the_switch_not_one_byte_is_said() -> None:
    states = [bytes((state << 4 | 1,)) for state in (IDLE, CALL, BUSY, BUSY, PEOT, FEOT)]
    heard = [word for state in states for word in (b"\x01", state)]
    heard += [b"\x41", sale("030000", "002250"), b"\x51", totals("00104000"), b"\xff" * 40]
    assert spoken_by_default(DRIVER, [*heard, *heard]) == b""
