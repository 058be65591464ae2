"""Unit: does the master of an AZT 2.0 channel report each sale by its identity, and confirm only then?"""

import random

import pytest

from drivers.azt2 import DRIVER, codec, conformance_cases
from drivers.azt2.codec import Short
from drivers.azt2.options import AztOptions
from drivers.azt2.session import AztMaster
from drivers.azt2.simulator import Habits
from drivers.azt2.words import Command
from drivers.conformance import odd, run
from drivers.events import DeviceBack, DeviceSilent, Fuelling, Monotonic
from drivers.faults import WIRES
from tests.unit.drivers.azt2.azt_bench import MasterBench, answer, said
from tests.unit.drivers.machinery.session_bench import NOT_NOW, YES

MAY_SAY = {Command.STATE, Command.SALE, Command.TOTALS, Command.CONFIRM, Command.NUMBER}


def test_a_sale_is_read_with_its_evidence_and_confirmed() -> None:
    bench = MasterBench()
    bench.simulator.start_totals(100_000)
    bench.run(1_000)
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    bench.run_until_confirmed()
    (fuelling,) = bench.fuellings
    assert (fuelling.address, fuelling.nozzle, fuelling.sequence_no) == ("3", "3", 1)
    assert (fuelling.volume_ml, fuelling.amount_fen, fuelling.unit_price_milli) == (30_000, 150_000, 50_000)
    assert (fuelling.totalizer_before_ml, fuelling.totalizer_after_ml) == (1_000_000, 1_030_000)
    assert fuelling.totalizer_modulus_ml == 10**11
    raw = fuelling.raw
    assert (raw.volume, raw.amount, raw.unit_price) == ("03000", "0150000", "5000")
    assert raw.totalizer_after == "0000103000"
    assert fuelling.flags == ()
    assert fuelling.ended is not None
    assert bench.started == ["3"]
    assert bench.simulator.released == bench.simulator.sold


def test_nothing_is_confirmed_before_the_till_has_it() -> None:
    bench = MasterBench()
    bench.answer = NOT_NOW
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    bench.run(12_000)
    assert Command.CONFIRM not in bench.sent
    assert len(bench.fuellings) > 5
    assert len(set(bench.identities)) == 1
    bench.answer = YES
    bench.run_until_confirmed()
    assert len(set(bench.identities)) == 1
    assert bench.sent.count(Command.CONFIRM) == 1


def test_directly_before_the_confirmation_the_sale_is_read() -> None:
    bench = MasterBench()
    for _ in range(3):
        bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    bench.run_until_confirmed()
    confirmed = [at for at, command in enumerate(bench.sent) if command == Command.CONFIRM]
    assert len(confirmed) == 3
    assert all(bench.sent[at - 1] == Command.SALE for at in confirmed)


def test_two_equal_sales_differ_in_number_and_totals() -> None:
    for gives_numbers in (True, False):
        bench = MasterBench(Habits(fuelling_ms=500, gives_numbers=gives_numbers))
        for _ in range(2):
            bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
        bench.run_until_confirmed()
        assert len(bench.fuellings) == len(set(bench.identities)) == 2
        assert [each.sequence_no for each in bench.fuellings] == ([1, 2] if gives_numbers else [None, None])


def test_without_numbers_asked_for_none_is_asked() -> None:
    bench = MasterBench(numbers=False)
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    bench.run_until_confirmed()
    assert Command.NUMBER not in bench.sent
    assert bench.fuellings[0].sequence_no is None


def test_a_restart_in_state_4_gives_the_same_identity() -> None:
    for habits in (Habits(fuelling_ms=500, lag_ms=800), Habits(fuelling_ms=500, counts_at_confirm=True)):
        bench = MasterBench(habits)
        bench.answer = NOT_NOW
        bench.simulator.start_totals(100_000)
        bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
        bench.run(8_000)
        bench.restart()
        bench.run(8_000)
        assert len(bench.fuellings) > 2
        assert len(set(bench.identities)) == 1
        bench.answer = YES
        bench.run_until_confirmed()
        assert len(set(bench.identities)) == 1


def test_totals_that_follow_late_are_waited_for() -> None:
    bench = MasterBench(Habits(fuelling_ms=500, lag_ms=1_500))
    bench.simulator.start_totals(100_000)
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    bench.run_until_confirmed()
    assert [each.raw.totalizer_after for each in bench.fuellings] == ["0000103000"]


def test_totals_that_follow_only_the_confirmation_identify_all_the_same() -> None:
    bench = MasterBench(Habits(fuelling_ms=500, counts_at_confirm=True, gives_numbers=False))
    bench.simulator.start_totals(100_000)
    bench.run(1_000)
    for _ in range(3):
        bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    bench.run_until_confirmed()
    assert [each.raw.totalizer_after for each in bench.fuellings] == [
        "0000100000",
        "0000103000",
        "0000106000",
    ]
    assert all("TOTAL_DIFFERS" in each.flags for each in bench.fuellings)
    assert bench.count("TOTAL_DIFFERS") == 3


def test_a_pump_that_knows_no_totals_is_not_held() -> None:
    bench = MasterBench(Habits(fuelling_ms=500, gives_totals=False))
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    bench.run_until_confirmed()
    (fuelling,) = bench.fuellings
    assert fuelling.flags == ("TOTALIZER_MISSING",)
    assert (fuelling.raw.totalizer_after, fuelling.totalizer_after_ml) == ("", None)
    assert fuelling.sequence_no == 1
    bench.sent.clear()
    bench.run(3_000)
    assert Command.TOTALS not in bench.sent


def test_a_number_that_does_not_stand_still_holds_no_pump() -> None:
    bench = MasterBench(Habits(fuelling_ms=500, counts_questions=True))
    bench.simulator.start_totals(100_000)
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    bench.run(14_000)
    assert bench.fuellings == []
    bench.run_until_confirmed()
    (fuelling,) = bench.fuellings
    assert (fuelling.sequence_no, fuelling.raw.totalizer_after) == (None, "0000103000")
    assert bench.count("EVIDENCE_UNSTEADY") == 1


def test_refusals_are_not_believed_at_once() -> None:
    """Two damaged answers to 59 must not make a record without number of a sale that has one."""
    session = AztMaster("1", AztOptions(mode="master"))
    replies = {
        Command.STATE: answer("40"),
        Command.SALE: answer("0300001500005000"),
        Command.TOTALS: answer("00001030000000000001"),
    }
    states, refused, numbers = 0, 0, set()
    for at_ms in range(0, 20_000, 100):
        now = Monotonic(at_ms)
        session.handle_timer(now)
        while (event := session.next_event()) is not None:
            numbers |= {event.sequence_no} if isinstance(event, Fuelling) else set()
        if data := session.bytes_to_send(now):
            command = said(data)
            states += command == Command.STATE
            reply = replies.get(Command(command), answer("000123"))
            if states < 3:
                reply = answer("0") if command == Command.STATE else answer("00001000000000000001")
            elif command == Command.NUMBER and refused < 2:
                refused, reply = refused + 1, answer(Short.UNSUPPORTED)
            session.receive(reply, now)
    assert refused == 2
    assert numbers == {123}


def test_a_lost_confirmation_brings_the_same_record_again() -> None:
    bench = MasterBench()
    bench.drop = {Command.CONFIRM}
    bench.simulator.start_totals(100_000)
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    bench.run(20_000)
    assert bench.sent.count(Command.CONFIRM) > 1
    assert len(bench.fuellings) == bench.sent.count(Command.CONFIRM)
    assert len(set(bench.identities)) == 1
    bench.drop = set()
    bench.run_until_confirmed()
    assert len(set(bench.identities)) == 1


def test_an_equal_sale_behind_a_lost_answer_to_the_confirmation_is_not_taken_for_the_old_one() -> None:
    bench = MasterBench(Habits(fuelling_ms=50, gives_numbers=False))
    for _ in range(2):
        bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    lost = 0
    for _ in range(4_000):
        bench.run(5)
        if bench.sent[-1:] == [Command.CONFIRM] and bench.session.awaiting() and not lost:
            assert bench.simulator.bytes_to_send(bench.now) == answer(Short.DONE)
            lost += 1
    assert lost == 1
    assert bench.simulator.backlog() == 0
    assert len(set(bench.identities)) == 2


def _confirm_by_hand(bench: MasterBench) -> None:
    """Somebody else confirms what the pump holds."""
    bench.simulator.receive(codec.ask(3, Command.SALE) + codec.ask(3, Command.CONFIRM), bench.now)
    assert bench.simulator.bytes_to_send(bench.now).endswith(answer(Short.DONE))


@pytest.mark.parametrize("away", ["silent", "unplugged"])
def test_an_equal_sale_that_came_while_we_were_away_is_not_taken_for_the_old_one(away: str) -> None:
    bench = MasterBench(Habits(fuelling_ms=500, gives_numbers=False))
    bench.run(1_000)
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    while not bench.fuellings:
        bench.answer = NOT_NOW
        bench.run(5)
    bench.is_cut = True
    bench.run(100)
    _confirm_by_hand(bench)
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    bench.run(3_000 if away == "silent" else 1_200)
    bench.is_cut = False
    if away == "unplugged":
        bench.session.disconnected(bench.now)
    bench.answer = YES
    bench.run_until_confirmed()
    assert {each.raw.totalizer_after for each in bench.fuellings} == {"0000003000", "0000006000"}


def test_that_one_sale_is_safe_confirms_no_other_one() -> None:
    bench = MasterBench()
    bench.run(1_000)
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    while not bench.fuellings:
        bench.run(5)
    bench.answer = NOT_NOW
    _confirm_by_hand(bench)
    bench.simulator.sell(2_000, 100_000, 5_000, bench.now)
    bench.run(8_000)
    assert [each.volume_ml for each in bench.fuellings][:2] == [30_000, 20_000]
    assert Command.CONFIRM not in bench.sent
    assert bench.simulator.backlog() == 1


def test_what_flows_before_the_confirmation_makes_another_record_of_what_was_added() -> None:
    bench = MasterBench(Habits(fuelling_ms=500, gives_numbers=False))
    bench.simulator.start_totals(100_000)
    bench.run(1_000)
    first = bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    bench.run_until_confirmed()
    bench.simulator.sell(5, 250, 5_000, bench.now, is_over=True, grows_from=first)
    bench.run_until_confirmed()
    whole, added = bench.fuellings
    assert (whole.volume_ml, added.volume_ml, added.amount_fen) == (30_000, 50, 250)
    assert added.flags == ("OVERRUN", "CONTINUED")
    assert (added.raw.volume, added.raw.amount) == ("03005", "0150250")
    assert added.totalizer_after_ml == 1_030_050


def test_fuel_that_flows_between_report_and_confirmation_is_not_confirmed_unread() -> None:
    bench = MasterBench()
    bench.simulator.start_totals(100_000)
    bench.run(1_000)
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    while not bench.fuellings:
        bench.run(5)
    bench.simulator.drip(5, 250)
    bench.run_until_confirmed()
    assert bench.count("RECORD_GREW") == 1
    assert bench.count("CONFIRM_REFUSED") == 0
    whole, added = bench.fuellings
    assert (whole.volume_ml, added.volume_ml, added.amount_fen) == (30_000, 50, 250)
    assert added.flags == ("OVERRUN", "CONTINUED")
    assert (added.raw.volume, added.totalizer_after_ml) == ("03005", 1_030_050)


def test_a_larger_sale_that_was_authorised_is_no_continuation() -> None:
    bench = MasterBench()
    bench.run(1_000)
    bench.simulator.sell(1_000, 50_000, 5_000, bench.now)
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now, is_over=True)
    bench.run_until_confirmed()
    assert [each.volume_ml for each in bench.fuellings] == [10_000, 30_000]
    assert bench.fuellings[1].flags == ("OVERRUN",)


def test_zero_volume_is_confirmed_and_not_reported() -> None:
    bench = MasterBench()
    bench.simulator.sell(0, 0, 5_000, bench.now)
    bench.run_until_confirmed()
    assert bench.fuellings == []
    assert bench.count("ZERO_VOLUME") == 1


def test_a_nozzle_that_is_still_up_after_its_sale_is_no_new_customer() -> None:
    bench = MasterBench(Habits(fuelling_ms=500, hangs_late=True))
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    bench.run_until_confirmed()
    bench.run(2_000)
    assert bench.started == ["3"]
    bench.simulator.hang_up()
    bench.run(1_000)
    bench.simulator.lift()
    bench.run(1_000)
    assert bench.started == ["3", "3"]


def test_another_width_is_counted_and_nothing_is_confirmed() -> None:
    bench = MasterBench(Habits(widths=(6, 8, 6), fuelling_ms=500))
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    bench.run(8_000)
    assert bench.count("SALE_WIDTH_DIFFERS") > 1
    assert bench.fuellings == []
    assert Command.CONFIRM not in bench.sent


def test_other_widths_are_options() -> None:
    bench = MasterBench(
        Habits(widths=(6, 8, 6), fuelling_ms=500), volume_digits=6, amount_digits=8, price_digits=6
    )
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    bench.run_until_confirmed()
    assert [(each.volume_ml, each.amount_fen) for each in bench.fuellings] == [(30_000, 150_000)]


def test_silence_and_return_are_told_and_the_end_of_what_was_not_seen_is_not_known() -> None:
    bench = MasterBench()
    bench.run(1_000)
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    bench.is_cut = True
    bench.run(6_000)
    bench.is_cut = False
    bench.run_until_confirmed()
    kinds = [type(event) for event in bench.events if isinstance(event, DeviceBack | DeviceSilent)]
    assert kinds == [DeviceBack, DeviceSilent, DeviceBack]
    assert bench.count("SILENT") == 1
    assert bench.fuellings[0].ended is None


def test_a_late_answer_is_not_the_answer_to_a_later_question() -> None:
    session = AztMaster("1", AztOptions(mode="master"))
    assert session.bytes_to_send(Monotonic(0)) == codec.ask(1, Command.STATE)
    session.handle_timer(Monotonic(600))
    assert session.bytes_to_send(Monotonic(700)) == b"", "quiet for one answer time"
    session.receive(answer("40"), Monotonic(800))
    assert session.awaiting()
    assert session.bytes_to_send(Monotonic(1_300)) == b"", "and for another one"
    assert session.bytes_to_send(Monotonic(1_500)) == codec.ask(1, Command.STATE)
    assert (session.counters()["NO_ANSWER"], session.counters()["LATE_ANSWER"]) == (1, 1)


def test_a_pulled_plug_ends_the_waiting_for_a_late_answer() -> None:
    session = AztMaster("1", AztOptions(mode="master"))
    session.bytes_to_send(Monotonic(0))
    session.handle_timer(Monotonic(600))
    assert session.awaiting(), "its late answer is waited out"
    session.disconnected(Monotonic(610))
    assert not session.awaiting()
    assert session.bytes_to_send(Monotonic(610)) == codec.ask(1, Command.STATE)


def test_an_answer_of_another_shape_breaks_the_reading() -> None:
    session = AztMaster("1", AztOptions(mode="master"))
    session.bytes_to_send(Monotonic(0))
    session.receive(answer("40"), Monotonic(20))
    assert said(session.bytes_to_send(Monotonic(100))) == Command.SALE
    session.receive(answer("00001000000000000001"), Monotonic(120))
    assert not session.bytes_to_send(Monotonic(300))
    assert said(session.bytes_to_send(Monotonic(1_000))) == Command.STATE


def test_an_answer_heard_twice_breaks_nothing() -> None:
    session = AztMaster("1", AztOptions(mode="master"))
    session.bytes_to_send(Monotonic(0))
    session.receive(answer("40"), Monotonic(20))
    assert said(session.bytes_to_send(Monotonic(100))) == Command.SALE
    session.receive(answer("40"), Monotonic(110))
    assert session.awaiting()
    session.receive(answer("0300001500005000"), Monotonic(120))
    assert said(session.bytes_to_send(Monotonic(200))) == Command.TOTALS
    assert session.counters()["REPEATED_ANSWER"] == 1


@pytest.mark.parametrize("case", ["numbered", "without_numbers"])
def test_odd_records_stop_no_pump(case: str) -> None:
    endured = odd(DRIVER, case, conformance_cases()[case](), 25, 3)  # type: ignore[arg-type]
    assert not endured.failures, endured.explain()


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("case", ["numbered", "without_numbers"])
def test_only_questions_and_confirmations_are_ever_said(
    case: str, wire: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    speak = AztMaster.bytes_to_send

    def noted(session: AztMaster, now: Monotonic) -> bytes:
        data = speak(session, now)
        sent.extend([data] if data else [])
        return data

    monkeypatch.setattr(AztMaster, "bytes_to_send", noted)
    report = run(DRIVER, case, conformance_cases()[case](), WIRES[wire], 5)
    assert not report.failures, report.explain()
    assert {said(frame) for frame in sent} == MAY_SAY
    assert {codec.ask(17, said(frame)) for frame in sent} == set(sent), "to this channel, without data"


def test_the_simulator_refuses_a_confirmation_of_what_was_not_read() -> None:
    bench = MasterBench()
    bench.simulator.sell(3_000, 150_000, 5_000, bench.now)
    now = Monotonic(bench.now + 5_000)
    bench.simulator.receive(codec.ask(3, Command.CONFIRM), now)
    assert bench.simulator.bytes_to_send(now) == answer(Short.NOT_NOW)
    assert bench.simulator.backlog() == 1
    bench.simulator.receive(codec.ask(3, Command.SALE) + codec.ask(3, Command.CONFIRM), now)
    assert bench.simulator.bytes_to_send(now).endswith(answer(Short.DONE))
    assert bench.simulator.backlog() == 0


def test_what_was_sold_is_what_is_reported() -> None:
    rng = random.Random(4)
    bench = MasterBench(Habits(fuelling_ms=100))
    for _ in range(12):
        bench.simulator.sell(rng.randint(1, 99_999), rng.randrange(10**7), rng.randrange(10**4), bench.now)
    for _ in range(4):
        bench.run_until_confirmed() if bench.simulator.backlog() < 4 else bench.run(8_000)
    sold = bench.simulator.sold
    assert [each.volume_ml for each in bench.fuellings] == [sale.volume_cl * 10 for sale in sold]
    assert [each.amount_fen for each in bench.fuellings] == [sale.amount_fen for sale in sold]
    assert [each.totalizer_after_ml for each in bench.fuellings] == [sale.total_cl * 10 for sale in sold]
