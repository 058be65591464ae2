"""Unit: does who listens to an AZT 2.0 channel report each fuelling once, and no other?"""

from functools import partial

import pytest

from drivers.azt2 import DRIVER, codec
from drivers.azt2.case import ListenCase
from drivers.azt2.codec import Short
from drivers.azt2.controller import TappedWire
from drivers.azt2.options import AztOptions
from drivers.azt2.simulator import Habits
from drivers.azt2.tap import AztTap
from drivers.azt2.words import Command
from drivers.conformance import identity_of, run
from drivers.events import DeviceBack, DeviceSilent, Fuelling, Monotonic
from drivers.faults import WIRES
from tests.unit.drivers.azt2.azt_bench import TapBench, answer
from tests.unit.drivers.machinery.session_bench import NOT_NOW, YES

TAPPED = Habits(needs_authorisation=True, fuelling_ms=1_500)


def test_a_fuelling_is_reported_when_its_totals_pass_by_after_the_confirmation() -> None:
    bench = TapBench()
    bench.state("0")
    bench.totals("100000")
    bench.fuel("3000", "150000")
    assert bench.fuellings == []
    bench.totals("103000")
    (fuelling,) = bench.fuellings
    assert (fuelling.nozzle, fuelling.volume_ml, fuelling.amount_fen) == ("1", 30_000, 150_000)
    assert (fuelling.totalizer_before_ml, fuelling.totalizer_after_ml) == (1_000_000, 1_030_000)
    assert (fuelling.raw.volume, fuelling.raw.unit_price) == ("03000", "5000")
    assert fuelling.raw.totalizer_after == "0000103000"
    assert fuelling.ended is not None
    assert fuelling.flags == ()
    assert bench.started == ["1"]
    bench.totals("103000")
    assert len(bench.fuellings) == 1


def test_totals_of_state_4_are_enough_if_they_moved_by_the_sale() -> None:
    bench = TapBench()
    bench.state("0")
    bench.totals("100000")
    bench.state("3")
    bench.state("40")
    bench.sale("3000", "150000")
    bench.totals("103000")
    assert bench.fuellings == [], "not final yet"
    bench.state("40")
    assert [each.raw.totalizer_after for each in bench.fuellings] == ["0000103000"]
    bench.sale("3000", "150000")
    bench.ask(Command.CONFIRM, Short.DONE)
    bench.totals("103000")
    assert len(bench.fuellings) == 1


def test_totals_of_state_4_that_lag_give_way_to_those_at_rest() -> None:
    bench = TapBench()
    bench.state("0")
    bench.totals("100000")
    bench.state("3")
    bench.state("40")
    bench.sale("3000", "150000")
    bench.totals("100000")
    bench.ask(Command.CONFIRM, Short.DONE)
    bench.state("0")
    assert bench.fuellings == []
    bench.totals("103000")
    assert [each.raw.totalizer_after for each in bench.fuellings] == ["0000103000"]


def test_totals_that_another_fuelling_has_moved_are_not_this_ones() -> None:
    bench = TapBench()
    bench.state("0")
    bench.totals("100000")
    bench.fuel("3000", "150000")
    bench.state("0")
    bench.wait(1_600)
    bench.totals("107000")
    assert bench.last_totals == ["0000100000"]
    bench.fuel("2000", "100000")
    bench.totals("109000")
    assert (bench.fuellings[1].totalizer_before_ml, bench.fuellings[1].totalizer_after_ml) == (
        1_070_000,
        1_090_000,
    )


def test_late_totals_that_moved_by_the_sale_are_its_own() -> None:
    bench = TapBench()
    bench.state("0")
    bench.totals("100000")
    bench.fuel("3000", "150000")
    bench.state("0")
    bench.wait(1_600)
    bench.totals("103000")
    assert [each.raw.totalizer_after for each in bench.fuellings] == ["0000103000"]


def test_totals_of_state_4_stand_against_those_that_another_fuelling_has_moved() -> None:
    bench = TapBench()
    bench.state("40")
    bench.sale("3000", "150000")
    bench.totals("103000")
    bench.ask(Command.CONFIRM, Short.DONE)
    bench.totals("107000")
    assert [each.raw.totalizer_after for each in bench.fuellings] == ["0000103000"]


def test_what_the_register_shows_while_fuel_flows_or_at_rest_is_no_fuelling() -> None:
    bench = TapBench()
    bench.state("3")
    bench.sale("1000", "50000")
    bench.state("3")
    bench.sale("2000", "100000")
    bench.state("0")
    bench.sale("3000", "150000")
    bench.totals("103000")
    bench.state("2")
    assert bench.fuellings == []


def test_a_running_sale_that_was_taken_for_finished_is_dropped() -> None:
    bench = TapBench()
    bench.state("40")
    bench.ask(Command.CONFIRM, None)
    bench.sale("1000", "50000")
    bench.state("3")
    bench.totals("103000")
    bench.state("2")
    assert bench.fuellings == []
    assert bench.count("RECORD_UNPROVEN") == 1


def test_a_sale_without_totals_is_reported_when_the_next_one_begins_once() -> None:
    bench = TapBench()
    bench.state("0")
    bench.totals("100000")
    for _ in range(3):
        bench.fuel("3000", "150000")
    bench.totals("109000")
    first, second, third = bench.fuellings
    assert bench.last_totals == ["0000100000", "0000100000", "0000109000"]
    assert [each.totalizer_after_ml for each in bench.fuellings] == [None, None, 1_090_000]
    assert first.flags == second.flags == ("TOTALIZER_UNHEARD",)
    assert third.totalizer_before_ml is None
    assert len(set(bench.identities)) == 3
    assert bench.count("TOTALIZER_UNHEARD") == 2


def test_without_totals_it_is_reported_when_it_is_confirmed() -> None:
    bench = TapBench(totals_follow=False)
    bench.fuel("3000", "150000")
    bench.fuel("3000", "150000")
    assert bench.last_totals == ["", ""]
    assert len(set(bench.identities)) == 2


def test_without_totals_equal_sales_before_and_behind_our_restart_are_two() -> None:
    """Nothing tells the second one from the first but what was heard around it."""
    bench = TapBench(totals_follow=False)
    for start in range(3):
        for _ in range(start + 1):
            bench.state("0")
        bench.fuel("3000", "150000")
        bench.restart()
    assert len(bench.fuellings) == len(set(bench.identities)) == 3


def test_a_record_heard_again_after_our_restart_is_the_same() -> None:
    bench = TapBench()
    bench.state("0")
    bench.totals("100000")
    bench.state("3")
    bench.state("40")
    bench.sale("3000", "150000")
    bench.totals("103000")
    bench.state("40")
    bench.restart()
    bench.state("40")
    bench.sale("3000", "150000")
    bench.ask(Command.CONFIRM, Short.DONE)
    bench.totals("103000")
    assert len(bench.fuellings) == 2
    assert len(set(bench.identities)) == 1
    assert bench.fuellings[1].ended is None


def test_a_confirmation_that_was_refused_confirms_nothing() -> None:
    bench = TapBench()
    bench.state("40")
    bench.sale("3000", "150000")
    bench.ask(Command.CONFIRM, Short.NOT_NOW)
    bench.sale("3005", "150250")
    bench.ask(Command.CONFIRM, Short.DONE)
    bench.totals("103005")
    assert [each.volume_ml for each in bench.fuellings] == [30_050]


def test_fuel_that_flows_on_is_reported_as_what_was_added() -> None:
    bench = TapBench()
    bench.fuel("3000", "150000")
    bench.totals("103000")
    bench.state("0")
    bench.state("41")
    bench.sale("3005", "150250")
    bench.ask(Command.CONFIRM, Short.DONE)
    bench.totals("103005")
    assert [each.volume_ml for each in bench.fuellings] == [30_000, 50]
    assert bench.fuellings[1].flags == ("OVERRUN", "CONTINUED")


def test_zero_volume_is_counted_and_is_no_fuelling() -> None:
    bench = TapBench()
    bench.fuel("0", "0")
    bench.totals("100000")
    bench.fuel("3000", "150000")
    bench.totals("103000")
    assert [each.volume_ml for each in bench.fuellings] == [30_000]
    assert bench.fuellings[0].totalizer_before_ml == 1_000_000
    assert bench.count("ZERO_VOLUME") == 1


def test_another_channels_sale_is_not_ours() -> None:
    bench = TapBench("17")
    bench.ask(Command.STATE, "40", channel=2)
    bench.ask(Command.SALE, "0300001500005000", channel=2)
    bench.ask(Command.CONFIRM, Short.DONE, channel=2)
    bench.ask(Command.TOTALS, "00001030000000000001", channel=2)
    assert bench.events == []
    bench.fuel("2000", "100000")
    bench.totals("103000")
    assert [(each.address, each.nozzle) for each in bench.fuellings] == [("17", "17")]


def test_an_answer_is_of_the_question_directly_before_it_and_of_no_older_one() -> None:
    bench = TapBench()
    bench.state("40")
    bench.ask(Command.SALE, None)
    bench.wait(100)
    bench.hear(answer("0300001500005000"))
    bench.ask(Command.CONFIRM, Short.DONE)
    bench.totals("103000")
    assert bench.fuellings == []
    assert bench.count("LATE_ANSWER") == 1


def test_an_answer_behind_a_torn_question_is_nobodys() -> None:
    bench = TapBench()
    bench.state("40")
    bench.ask(Command.SALE, None)
    bench.hear(codec.ask(2, Command.SALE)[:-3] + b"\x00" + answer("0300001500005000"))
    bench.ask(Command.CONFIRM, Short.DONE)
    bench.totals("103000")
    assert bench.fuellings == []
    assert bench.count("ANSWER_WITHOUT_QUESTION") == 1
    assert bench.count("BAD_FRAME") == 1


def test_an_answer_behind_a_pulled_plug_is_nobodys() -> None:
    bench = TapBench()
    bench.hear(codec.ask(1, Command.STATE))
    bench.session.disconnected(bench.now)
    bench.hear(answer("0"))
    assert (bench.count("HEARD"), bench.count("ANSWER_WITHOUT_QUESTION")) == (0, 1)


def test_a_stray_byte_between_question_and_answer_is_allowed() -> None:
    bench = TapBench()
    bench.hear(codec.ask(1, Command.STATE) + b"\x00" + answer("0"))
    assert bench.count("HEARD") == 1
    assert bench.count("NOISE_BYTES") == 1


def test_a_plug_that_was_pulled_leaves_no_half_fuelling_and_no_wrong_totals() -> None:
    bench = TapBench()
    bench.state("40")
    bench.sale("3000", "150000")
    bench.session.disconnected(bench.now)
    bench.state("0")
    bench.totals("103000")
    assert bench.fuellings == []
    assert bench.count("RECORD_LOST_SIGHT") == 1
    bench.fuel("2000", "100000")
    bench.session.disconnected(bench.now)
    bench.wait(10)
    assert bench.last_totals == ["0000103000"]
    bench.totals("105000")
    assert len(bench.fuellings) == 1


def test_who_was_not_heard_for_long_may_have_sold_meanwhile() -> None:
    bench = TapBench()
    bench.fuel("2000", "100000")
    bench.wait(2_500)
    bench.totals("109000")
    assert bench.last_totals == [""]


def test_a_nozzle_that_stays_up_is_no_new_customer() -> None:
    bench = TapBench()
    bench.fuel("2000", "100000")
    bench.state("1")
    assert bench.started == ["1"]
    bench.state("0")
    bench.state("1")
    bench.state("3")
    assert bench.started == ["1", "1"]


def test_a_fuelling_is_reported_until_the_till_has_it_and_in_order() -> None:
    bench = TapBench()
    bench.answer = NOT_NOW
    bench.fuel("3000", "150000")
    bench.totals("103000")
    bench.fuel("1000", "50000")
    bench.totals("104000")
    bench.answer = YES
    bench.wait(1_100)
    assert [each.volume_ml for each in bench.fuellings[-2:]] == [30_000, 10_000]
    reported = len(bench.fuellings)
    bench.wait(3_000)
    assert len(bench.fuellings) == reported


def test_a_pump_that_does_not_answer_is_silent_although_it_is_asked() -> None:
    bench = TapBench()
    bench.state("0")
    for _ in range(60):
        bench.ask(Command.STATE, None)
        bench.ask(Command.STATE, "0", channel=2)
    assert [type(event) for event in bench.events] == [DeviceBack, DeviceSilent]
    bench.state("0")
    assert isinstance(bench.events[-1], DeviceBack)


CONTROLLERS = {
    "reads the running sale": partial(TappedWire, (1, 17), TAPPED, reads_running_sale=True),
    "reads totals before it confirms": partial(TappedWire, (1, 17), TAPPED, reads_totals="before"),
    "nozzle stays up": partial(
        TappedWire, (1, 17), Habits(needs_authorisation=True, fuelling_ms=1_500, hangs_late=True)
    ),
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("wire", ["clean", "loses_writes", "all_at_once"])
@pytest.mark.parametrize("controller", CONTROLLERS)
def test_other_control_systems_keep_the_promises_too(controller: str, wire: str, seed: int) -> None:
    report = run(DRIVER, controller, ListenCase(CONTROLLERS[controller]()), WIRES[wire], seed)
    assert not report.failures, report.explain()


def test_where_no_totals_pass_by_every_fuelling_has_an_identity_of_its_own() -> None:
    wire = TappedWire((1,), TAPPED, reads_totals="never")
    session = AztTap("1", AztOptions(totals_follow=False))
    for _ in range(8):
        wire.sell(2_000, 100_000, 5_000, Monotonic(0))
    identities, now = [], Monotonic(0)
    while now < 60_000:
        now = max(wire.next_timer() or now, Monotonic(now + 1))
        wire.handle_timer(now)
        session.receive(wire.bytes_to_send(now), now)
        while (event := session.next_event()) is not None:
            session.confirm(event, YES, now)
            identities += [identity_of(event)] if isinstance(event, Fuelling) else []
    assert len(identities) == len(set(identities)) == len(wire.pumps[1].released) == 8


def test_who_listens_has_nothing_to_say() -> None:
    options = AztOptions()
    assert DRIVER.listens(options)
    assert DRIVER.asks("1", options) == ()
    assert not DRIVER.listens(AztOptions(mode="master"))
