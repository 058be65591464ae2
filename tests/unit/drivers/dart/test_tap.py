"""Unit: does who listens to a DART pump report each fuelling once, by what identifies it, and no other?"""

import random
from functools import partial

import pytest

from drivers.conformance import Identity, identity_of, run
from drivers.dart import DRIVER, words
from drivers.dart.case import ListenCase
from drivers.dart.codec import Control, Frame
from drivers.dart.controller import DO_AUTHORISE, DO_PRICES, DO_RESET, TappedWire
from drivers.dart.options import DartOptions
from drivers.dart.tap import DartTap
from drivers.events import DeviceBack, DeviceSilent, Fuelling, Monotonic
from drivers.faults import WIRES
from tests.unit.drivers.dart.dart_bench import TapBench, display, nozzle, status, totals
from tests.unit.drivers.machinery.session_bench import NOT_NOW, YES


def test_a_fuelling_is_reported_when_its_totals_pass_by() -> None:
    bench = TapBench()
    bench.pump(status(5), nozzle(1, out=False))
    bench.pump(totals(1, "100000"))
    bench.fuel("3000", "22500")
    assert bench.fuellings == []
    ended = bench.now
    bench.host(words.ask_totals(1))
    bench.pump(totals(1, "103000"))
    (fuelling,) = bench.fuellings
    assert (fuelling.nozzle, fuelling.volume_ml, fuelling.amount_fen) == ("1", 30_000, 22_500)
    assert fuelling.unit_price_milli == 7_500
    assert (fuelling.totalizer_before_ml, fuelling.totalizer_after_ml) == (1_000_000, 1_030_000)
    assert (fuelling.raw.volume, fuelling.raw.amount) == ("00003000", "00022500")
    assert (fuelling.raw.unit_price, fuelling.raw.totalizer_after) == ("", "0000103000")
    assert fuelling.ended is not None
    assert 0 <= ended - fuelling.ended <= 60
    assert bench.started == ["1"]
    bench.pump(totals(1, "103000"))
    assert len(bench.fuellings) == 1


def test_the_totals_of_another_nozzle_or_of_money_are_not_this_ones() -> None:
    bench = TapBench()
    bench.fuel("3000", "22500", number=2)
    bench.pump(totals(1, "500000"))
    bench.pump(totals(0x12, "777777"))
    assert bench.fuellings == []
    bench.pump(totals(2, "603000"))
    assert [(each.nozzle, each.totalizer_after_ml) for each in bench.fuellings] == [("2", 6_030_000)]


def test_a_display_that_goes_before_its_totals_is_reported_without_them_once() -> None:
    bench = TapBench()
    bench.pump(status(5))
    bench.pump(totals(1, "100000"), display("0", "0"), nozzle(1, out=False))
    bench.fuel("3000", "22500")
    bench.fuel("3000", "22500")
    bench.fuel("3000", "22500")
    bench.pump(totals(1, "109000"))
    first, second, third = bench.fuellings
    assert bench.last_totals == ["0000100000", "0000100000", "0000109000"]
    assert len(set(bench.identities)) == 3
    assert [each.totalizer_after_ml for each in bench.fuellings] == [1_030_000, 1_060_000, 1_090_000]
    assert [each.totalizer_before_ml for each in bench.fuellings] == [1_000_000, 1_030_000, 1_060_000]
    assert first.flags == second.flags == ("TOTALIZER_UNHEARD",)
    assert third.flags == ()
    assert len(set(bench.identities)) == 3
    assert bench.started == ["1", "1", "1"]


def test_totals_that_come_with_the_reset_are_still_those_of_the_display() -> None:
    bench = TapBench()
    bench.fuel("3000", "22500")
    bench.pump(display("0", "0"), status(1), totals(1, "103000"))
    assert [each.raw.totalizer_after for each in bench.fuellings] == ["0000103000"]


def test_a_retained_display_after_our_restart_is_the_same_digits_again() -> None:
    bench = TapBench()
    bench.fuel("3000", "22500")
    bench.pump(totals(1, "103000"))
    bench.restart()
    bench.pump(display("3000", "22500"), nozzle(1, out=False), status(5))
    assert len(bench.fuellings) == 1
    bench.pump(totals(1, "103000"))
    assert len(bench.fuellings) == 2
    assert len(set(bench.identities)) == 1
    assert bench.fuellings[1].ended is None


def test_a_retained_display_without_totals_is_not_reported() -> None:
    bench = TapBench()
    bench.pump(display("3000", "22500"), nozzle(1, out=False), status(5))
    bench.quiet()
    bench.pump(nozzle(1, out=True))
    bench.pump(display("0", "0"), status(1))
    bench.pump(totals(1, "103000"))
    assert bench.fuellings == []


def test_a_retained_display_is_not_of_the_nozzle_that_was_lifted_and_hung_up_since() -> None:
    bench = TapBench()
    bench.pump(display("3000", "22500"), nozzle(2, out=False, price="000900"), status(5))
    bench.pump(totals(2, "555555"))
    assert bench.fuellings == []
    assert bench.count("RETAINED_DISPLAY") == 1


def test_without_totals_it_is_reported_at_its_end_and_a_retained_display_never_is() -> None:
    bench = TapBench(totals_follow=False)
    bench.fuel("3000", "22500")
    bench.fuel("3000", "22500")
    assert bench.last_totals == ["", ""]
    assert len(set(bench.identities)) == 2
    bench.restart()
    bench.pump(display("3000", "22500"), nozzle(1, out=False), status(5))
    bench.quiet()
    bench.pump(totals(1, "103000"))
    assert len(bench.fuellings) == 2


def test_a_command_of_the_controller_is_no_state_of_the_pump() -> None:
    bench = TapBench()
    bench.fuel("3000", "22500")
    for command in (
        DO_RESET,
        DO_AUTHORISE,
        DO_PRICES,
        b"\x01\x01\x01",
        b"\x01\x01\x04",
        b"\x03\x04\x00\x00\x20\x00",
    ):
        bench.host(command)
    bench.pump(totals(1, "103000"))
    assert [each.volume_ml for each in bench.fuellings] == [30_000]


def test_what_only_a_pump_says_is_heard_even_if_its_poll_was_not() -> None:
    bench = TapBench()
    bench.fuel("3000", "22500")
    bench.host(totals(1, "103000"))
    bench.host(b"\x01\x01\x05")
    assert len(bench.fuellings) == 0, "its number says that frames were missed"
    bench = TapBench()
    bench.fuel("3000", "22500")
    bench.host_tx_no = bench.pump_tx_no
    bench.host(totals(1, "103000"))
    assert len(bench.fuellings) == 1


def test_a_missing_frame_leaves_no_half_fuelling() -> None:
    bench = TapBench()
    bench.pump(nozzle(1, out=True))
    bench.pump(status(4))
    bench.pump(display("1000", "7500"))
    bench.pump(display("3000", "22500"), lost=True)
    bench.pump(nozzle(1, out=False), status(5))
    bench.quiet()
    bench.pump(totals(1, "103000"))
    bench.pump(display("0", "0"), status(1))
    assert bench.fuellings == []
    assert bench.count("FRAMES_MISSED") == 1
    bench.fuel("2000", "15000")
    bench.pump(totals(1, "105000"))
    assert [each.volume_ml for each in bench.fuellings] == [20_000]


def test_without_totals_equal_fuellings_before_and_behind_our_restart_are_two() -> None:
    """Nothing tells the second one from the first but what was heard around it."""
    bench = TapBench(totals_follow=False)
    for start in range(3):
        for _ in range(start + 1):
            bench.pump(display("0", "0"), status(1))
        bench.fuel("3000", "22500")
        bench.restart()
    assert len(bench.fuellings) == len(set(bench.identities)) == 3


def test_a_whole_fuelling_is_kept_over_a_gap_until_its_display_is_heard_again_or_gone() -> None:
    for is_shown_again in (True, False):
        bench = TapBench()
        bench.fuel("3000", "22500")
        ended = bench.now
        bench.session.disconnected(bench.now)
        bench.pump(totals(1, "103000"))
        assert bench.fuellings == [], "it may be of another fuelling"
        if is_shown_again:
            bench.pump(display("3000", "22500"), status(5))
            bench.pump(totals(1, "103000"))
        bench.pump(display("0", "0"), status(1))
        (fuelling,) = bench.fuellings
        assert bench.last_totals == ["0000103000" if is_shown_again else ""]
        assert fuelling.ended is not None
        assert fuelling.ended < ended


def test_a_pump_that_was_not_heard_for_long_may_have_sold_meanwhile() -> None:
    bench = TapBench()
    bench.pump(nozzle(1, out=True))
    bench.pump(status(4))
    bench.pump(display("1000", "7500"))
    bench.wait(2_500)
    bench.pump(nozzle(1, out=False), status(5))
    bench.pump(totals(1, "103000"))
    bench.pump(status(1))
    assert bench.fuellings == []


def test_the_next_lift_says_nothing_of_the_display_that_still_stands() -> None:
    bench = TapBench()
    bench.fuel("3000", "22500", number=2, price="000750")
    bench.pump(nozzle(1, out=True, price="000900"))
    bench.pump(totals(2, "103000"))
    assert [(each.nozzle, each.unit_price_milli) for each in bench.fuellings] == [("2", 7_500)]
    assert bench.started == ["2", "1"]
    bench.pump(status(4))
    bench.pump(display("1000", "9000"), nozzle(0, out=False, price="000900"), status(5))
    bench.pump(totals(1, "500000"))
    assert [(each.nozzle, each.unit_price_milli) for each in bench.fuellings[1:]] == [("1", 9_000)]


def test_an_end_and_the_next_lift_in_one_frame() -> None:
    bench = TapBench()
    bench.pump(nozzle(2, out=True))
    bench.pump(status(4))
    bench.pump(display("3000", "22500"), nozzle(1, out=True, price="000900"), status(5))
    bench.pump(totals(2, "103000"))
    assert [(each.nozzle, each.unit_price_milli) for each in bench.fuellings] == [("2", 7_500)]
    assert bench.started == ["2", "1"]


def test_a_price_change_makes_no_second_fuelling_of_a_retained_display() -> None:
    bench = TapBench(nozzles=(1,))
    bench.fuel("3000", "22500")
    bench.pump(totals(1, "103000"))
    bench.restart()
    bench.pump(display("3000", "22500"), nozzle(1, out=False, price="000760"), status(5))
    bench.pump(totals(1, "103000"))
    assert len(bench.fuellings) == 2
    assert len(set(bench.identities)) == 1


def test_a_preset_ends_when_the_nozzle_is_hung_up() -> None:
    bench = TapBench()
    bench.pump(nozzle(1, out=True))
    bench.pump(status(4))
    bench.pump(display("2667", "20000"), status(6))
    bench.pump(totals(1, "102667"))
    assert bench.fuellings == []
    bench.pump(nozzle(1, out=False), status(5))
    bench.pump(totals(1, "102667"))
    assert [each.amount_fen for each in bench.fuellings] == [20_000]


def test_a_lift_without_flow_is_counted_and_is_no_fuelling() -> None:
    bench = TapBench()
    bench.fuel("0", "0")
    bench.pump(totals(1, "100000"))
    bench.fuel("0", "0")
    assert bench.fuellings == []
    assert bench.count("ZERO_VOLUME") == 2


def test_a_single_nozzle_is_known_and_of_several_an_unknown_one_is_not_guessed() -> None:
    for nozzles, expected in (((1,), 1), ((1, 2), 0)):
        bench = TapBench(nozzles=nozzles)
        bench.pump(status(4))
        bench.pump(display("3000", "22500"), nozzle(0, out=False), status(5))
        bench.pump(totals(1, "103000"))
        bench.pump(status(1))
        assert len(bench.fuellings) == expected
        assert bench.count("NOZZLE_UNKNOWN") == 1 - expected


def test_our_start_in_the_middle_of_a_fuelling_finds_its_end() -> None:
    bench = TapBench(nozzles=(1,))
    bench.pump(display("1000", "7500"))
    bench.pump(display("2000", "15000"))
    bench.pump(display("3000", "22500"), nozzle(0, out=False), status(5))
    bench.pump(totals(1, "103000"))
    assert [each.volume_ml for each in bench.fuellings] == [30_000]


def test_a_fuelling_is_reported_until_the_till_has_it_and_in_order() -> None:
    bench = TapBench()
    bench.answer = NOT_NOW
    bench.fuel("3000", "22500")
    bench.pump(totals(1, "103000"))
    bench.fuel("1000", "7500")
    bench.pump(totals(1, "104000"))
    assert len(bench.fuellings) >= 1
    bench.answer = YES
    bench.wait(600)
    assert [each.volume_ml for each in bench.fuellings[-2:]] == [30_000, 10_000]
    reported = len(bench.fuellings)
    bench.wait(5_000)
    assert len(bench.fuellings) == reported


def test_duplicates_are_dropped_and_another_pump_is_not_ours() -> None:
    bench = TapBench()
    bench.fuel("3000", "22500")
    tx_no = bench.pump_tx_no
    bench.pump(totals(1, "103000"))
    bench.pump_tx_no = tx_no
    bench.pump(totals(1, "103000"))
    assert bench.count("DUPLICATE") == 1
    heard = bench.count("HEARD")
    bench.pump(display("9999", "9999"), status(5), totals(1, "999999"), address=0x51)
    assert bench.count("HEARD") == heard
    assert len(bench.fuellings) == 1


def test_alarms_and_other_decimals_are_counted() -> None:
    bench = TapBench()
    bench.pump(b"\x05\x01\x0a", b"\x07\x19" + bytes(22) + b"\x02\x02\x03")
    bench.pump(b"\x07\x19" + bytes(22) + b"\x02\x02\x02", b"\x09\x05\x00\x00\x12\x34\x56")
    assert (bench.count("ALARM_0A"), bench.count("DECIMALS_DIFFER")) == (1, 1)
    assert bench.count("OTHER_TRANSACTION") == 1


def test_a_pump_that_does_not_answer_is_silent_although_it_is_polled() -> None:
    bench = TapBench()
    bench.quiet()
    for _ in range(40):
        bench.session.receive(b"\x50\x20\xfa", bench.now)
        bench.wait(100)
    assert [type(event) for event in bench.events] == [DeviceBack, DeviceSilent]
    bench.quiet()
    assert isinstance(bench.events[-1], DeviceBack)
    assert bench.count("SILENT") == 1


def test_a_dead_pump_is_silent_also_if_its_controller_talks_to_it() -> None:
    """A question for the state reads like the state "not programmed", behind a poll nobody answered too."""
    bench = TapBench()
    bench.quiet()
    for number in range(40):
        bench.wire(Frame(0x50, Control.POLL))
        bench.wait(110)
        bench.wire(Frame(0x50, Control.DATA, number % 15, words.ASK_STATE))
        bench.wait(110)
    assert [type(event) for event in bench.events] == [DeviceBack, DeviceSilent]


@pytest.mark.parametrize("torn", [b"\x50\x33\x01\x01\x05\xfa", b"\x50\xc3"])
def test_what_comes_behind_a_torn_frame_is_no_answer_to_the_poll_before_it(torn: bytes) -> None:
    bench = TapBench()
    bench.pump(nozzle(1, out=True))
    bench.pump(status(4))
    bench.pump(display("1000", "7500"))
    bench.wire(Frame(0x50, Control.POLL))
    bench.session.receive(torn, bench.now)
    bench.wire(Frame(0x50, Control.DATA, bench.pump_tx_no, DO_RESET))
    bench.pump_tx_no += 1
    bench.pump(totals(1, "103000"))
    assert bench.fuellings == [], (
        "the reset was taken for the end, and the display had another volume by then"
    )


def test_a_stray_byte_between_poll_and_answer_is_allowed() -> None:
    bench = TapBench()
    bench.wire(Frame(0x50, Control.POLL))
    bench.session.receive(b"\x00", bench.now)
    bench.wire(Frame(0x50, Control.DATA, 0, status(4) + nozzle(1, out=True)))
    assert bench.started == ["1"]


def test_what_comes_behind_a_pulled_plug_is_no_answer_to_the_poll_before_it() -> None:
    bench = TapBench()
    bench.wire(Frame(0x50, Control.POLL))
    bench.session.disconnected(bench.now)
    bench.wire(Frame(0x50, Control.DATA, 0, DO_RESET))
    assert bench.count("HEARD") == 0


def test_totals_that_have_not_moved_yet_are_not_this_ones() -> None:
    bench = TapBench()
    bench.pump(status(5), nozzle(1, out=False))
    bench.pump(totals(1, "100000"))
    bench.fuel("3000", "22500")
    bench.pump(totals(1, "100000"))
    assert bench.fuellings == []
    assert bench.count("TOTAL_UNMOVED") == 1
    bench.pump(totals(1, "103000"))
    assert [each.raw.totalizer_after for each in bench.fuellings] == ["0000103000"]


def test_a_display_that_was_reported_is_not_reported_again_behind_a_gap() -> None:
    bench = TapBench()
    bench.fuel("3000", "22500")
    bench.pump(totals(1, "103000"))
    bench.session.disconnected(bench.now)
    bench.pump(display("3000", "22500"), nozzle(1, out=False), status(5))
    bench.pump(totals(1, "103000"))
    assert len(bench.fuellings) == 1


def test_another_frame_under_the_same_number_is_no_duplicate() -> None:
    """The pump restarted behind its very first frame, or fifteen frames were missed."""
    bench = TapBench()
    bench.pump(nozzle(1, out=True), status(4), display("1000", "7500"))
    bench.pump_tx_no = 0
    bench.pump(b"\x05\x01\x01", display("2000", "15000"), nozzle(1, out=False), status(0))
    assert bench.count("DUPLICATE") == 0
    assert bench.count("PUMP_RESTARTED") == 1
    assert bench.count("ALARM_01") == 1


def test_a_frame_whose_lengths_do_not_add_up_is_counted() -> None:
    bench = TapBench()
    bench.wire(Frame(0x50, Control.POLL))
    bench.wire(Frame(0x50, Control.DATA, 0, display("3000", "22500") + b"\x01\x07\x05"))
    assert bench.count("LENGTHS_WRONG") == 1


CONTROLLERS = {
    "resets at once": partial(TappedWire, (0x50, 0x51), resets_at_once=True),
    "polls with its acknowledgement": partial(TappedWire, (0x50, 0x51), polls_with_acknowledgement=True),
    "pump says nozzle 0 when hung up": partial(TappedWire, (0x50, 0x51), names_nozzle=False),
}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("wire", ["clean", "loses_writes", "all_at_once"])
@pytest.mark.parametrize("controller", CONTROLLERS)
def test_other_controllers_and_pumps_keep_the_promises_too(controller: str, wire: str, seed: int) -> None:
    report = run(DRIVER, controller, ListenCase(CONTROLLERS[controller]()), WIRES[wire], seed)
    assert not report.failures, report.explain()


def test_where_no_totals_pass_by_every_fuelling_has_an_identity_of_its_own() -> None:
    wire, rng = TappedWire(reads_totals=False), random.Random(5)
    session = DartTap("50", DartOptions(nozzles=(1, 2), totals_follow=False))
    for _ in range(12):
        wire.sell(rng.choice((1, 2)), 2_667, 20_000, 750, Monotonic(0))
    identities: list[Identity] = []
    now = Monotonic(0)
    while now < 60_000:
        now = max(wire.next_timer(), Monotonic(now + 1))
        wire.handle_timer(now)
        session.receive(wire.bytes_to_send(now), now)
        while (event := session.next_event()) is not None:
            session.confirm(event, YES, now)
            identities += [identity_of(event)] if isinstance(event, Fuelling) else []
    assert len(identities) == len(set(identities)) == len(wire.pumps[0x50].sales()) == 12
