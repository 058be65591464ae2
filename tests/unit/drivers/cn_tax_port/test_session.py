"""Unit: does the tax-control port's session report each sale once, by its identity, and only ever read?"""

import pytest

from drivers.cn_tax_port import DRIVER, codec, conformance_cases
from drivers.cn_tax_port.codec import Command
from drivers.cn_tax_port.options import TaxPortOptions
from drivers.cn_tax_port.session import TaxPortSession
from drivers.cn_tax_port.simulator import TaxPortSimulator
from drivers.conformance import run
from drivers.events import DeviceBack, DeviceSilent, Monotonic
from drivers.faults import WIRES
from tests.unit.drivers.cn_tax_port.tax_desk import TaxDesk, only_frame
from tests.unit.drivers.machinery.session_bench import NOT_NOW, YES


def test_a_sale_that_came_while_we_watched_is_reported_at_once() -> None:
    desk = TaxDesk()
    desk.simulator.start_totals(1, 100_000, 777_000)
    desk.run(6_000)
    assert desk.fuellings == []
    desk.sell()
    sold_at = desk.now
    desk.run(1_000)
    (fuelling,) = desk.fuellings
    assert (fuelling.address, fuelling.nozzle, fuelling.sequence_no) == ("1", "1", None)
    assert (fuelling.volume_ml, fuelling.amount_fen, fuelling.unit_price_milli) == (30_000, 23_310, 7_770)
    assert (fuelling.totalizer_before_ml, fuelling.totalizer_after_ml) == (1_000_000, 1_030_000)
    assert fuelling.totalizer_modulus_ml == 10**13
    raw = fuelling.raw
    assert (raw.volume, raw.amount, raw.unit_price) == ("003000", "023310", "0777")
    assert raw.totalizer_after == "000000103000"
    assert fuelling.flags == ()
    assert fuelling.device_time is None, "the port says a day, and no month"
    assert fuelling.ended is not None
    assert 0 <= fuelling.ended - sold_at <= 500
    desk.run(5_000)
    assert len(desk.fuellings) == 1


def test_a_retained_sale_after_our_restart_is_the_same_digits_again() -> None:
    desk = TaxDesk()
    desk.run(6_000)
    desk.sell()
    desk.run(1_000)
    desk.restart()
    desk.run(16_000)
    assert len(desk.fuellings) == 2
    assert len(set(desk.identities)) == 1
    assert desk.fuellings[1].ended is None


def test_a_retained_sale_whose_total_follows_late_is_the_same_digits_too() -> None:
    desk = TaxDesk(TaxPortSimulator(lag_ms=2_000))
    desk.run(6_000)
    desk.sell()
    desk.restart()
    desk.run(20_000)
    desk.restart()
    desk.run(20_000)
    assert {each.raw.totalizer_after for each in desk.fuellings} == {"000000003000"}
    assert len(desk.fuellings) == 2


def test_a_total_that_follows_very_late_makes_no_second_identity_after_our_start() -> None:
    desk = TaxDesk(TaxPortSimulator(lag_ms=10_000))
    desk.run(1_000)
    desk.sell()
    desk.restart()
    desk.run(30_000)
    desk.restart()
    desk.run(30_000)
    assert {each.raw.totalizer_after for each in desk.fuellings} == {"000000003000"}
    assert len(desk.fuellings) == 2


@pytest.mark.parametrize("missed", [False, True])
def test_a_total_that_counts_long_after_the_sale_makes_no_second_one_of_it(missed: bool) -> None:
    """At payment, say, or at the next lift: it then moves by just what is shown."""
    desk = TaxDesk(TaxPortSimulator(lag_ms=40_000))
    desk.run(20_000)
    if missed:
        desk.sell(2_000, 15_540, when="311258")
        desk.run(60_000)
        desk.session.disconnected(desk.now)
        desk.sell(4_000, 31_080, when="311259")
        desk.sell(when="311301")
    else:
        desk.sell()
    desk.run(90_000)
    assert [each.volume_ml for each in desk.fuellings][missed:] == [30_000]
    assert desk.count("TOTAL_MOVED_ALONE") == 1 + missed
    desk.sell(1_000, 7_770, when="311302")
    desk.run(90_000)
    assert [each.volume_ml for each in desk.fuellings][-1:] == [10_000]


def test_an_equal_sale_behind_one_whose_total_came_late_is_reported() -> None:
    desk = TaxDesk(TaxPortSimulator(lag_ms=40_000))
    desk.run(20_000)
    desk.sell()
    desk.run(60_000)
    desk.sell()
    desk.run(60_000)
    assert [each.totalizer_after_ml for each in desk.fuellings] == [0, 60_000]
    assert len(set(desk.identities)) == 2


def test_a_memory_that_was_reset_makes_no_sale_of_what_is_shown_and_goes_on_from_zero() -> None:
    desk = TaxDesk()
    desk.simulator.start_totals(1, 100_000, 777_000)
    desk.run(20_000)
    desk.sell()
    desk.run(1_000)
    desk.simulator.start_totals(1, 0, 0)
    desk.run(20_000)
    assert len(desk.fuellings) == 1
    assert desk.count("TOTAL_MOVED_ALONE") == 1
    desk.sell(2_000, 15_540, when="011300")
    desk.run(1_000)
    assert [(each.volume_ml, each.totalizer_before_ml, each.flags) for each in desk.fuellings[1:]] == [
        (20_000, 0, ())
    ]


def test_two_equal_sales_within_one_minute_differ_in_the_total() -> None:
    desk = TaxDesk()
    desk.run(6_000)
    desk.sell()
    desk.run(1_000)
    desk.sell()
    desk.run(6_000)
    assert len(desk.fuellings) == len(set(desk.identities)) == 2
    assert [each.totalizer_after_ml for each in desk.fuellings] == [30_000, 60_000]


def test_a_total_that_counts_while_fuel_flows_makes_no_second_sale() -> None:
    desk = TaxDesk()
    desk.run(6_000)
    desk.sell()
    desk.run(1_000)
    gun = desk.simulator
    for total_cl in range(3_300, 9_000, 300):
        gun.start_totals(1, total_cl, 23_310 * total_cl // 3_000)
        desk.run(1_000)
    assert len(desk.fuellings) == 1, "not even when it has moved by the same volume"


def test_a_missed_sale_shows_in_the_total_of_the_next_one() -> None:
    desk = TaxDesk()
    desk.run(6_000)
    desk.sell(2_000, 15_540, when="311258")
    desk.sell(3_000, 23_310)
    desk.run(16_000)
    (fuelling,) = desk.fuellings
    assert fuelling.volume_ml == 30_000
    assert (fuelling.totalizer_before_ml, fuelling.totalizer_after_ml) == (0, 50_000)
    assert fuelling.flags == ("TOTAL_DIFFERS", "AMOUNT_TOTAL_DIFFERS")


def test_a_total_that_never_moves_is_waited_for_and_then_told() -> None:
    desk = TaxDesk(TaxPortSimulator(lag_ms=10**9))
    desk.run(6_000)
    desk.sell()
    desk.run(10_000)
    assert desk.fuellings == []
    desk.run(8_000)
    assert [each.flags for each in desk.fuellings] == [("TOTAL_DIFFERS", "AMOUNT_TOTAL_DIFFERS")]


def test_a_sale_that_is_overwritten_before_its_total_is_known_is_only_counted() -> None:
    desk = TaxDesk(TaxPortSimulator(lag_ms=3_000))
    desk.run(6_000)
    desk.sell(2_000, 15_540, when="311258")
    desk.run(1_000)
    desk.sell(3_000, 23_310)
    desk.run(20_000)
    assert [each.volume_ml for each in desk.fuellings] == [30_000]
    assert desk.fuellings[0].totalizer_after_ml == 50_000
    assert desk.count("OVERTAKEN") == 1


def test_zero_volume_is_counted_and_is_no_fuelling() -> None:
    desk = TaxDesk()
    desk.run(6_000)
    desk.sell(0, 0)
    desk.run(2_000)
    assert desk.fuellings == []
    assert desk.count("ZERO_VOLUME") == 2, "the empty display at the beginning, and this"


def test_each_gun_is_read_and_one_that_is_not_there_does_not_keep_us_from_the_others() -> None:
    desk = TaxDesk(TaxPortSimulator((1, 2)), guns=(1, 9, 2))
    desk.run(6_000)
    desk.sell(gun=1)
    desk.sell(gun=2)
    desk.run(2_500)
    assert sorted(each.nozzle for each in desk.fuellings) == ["1", "2"]
    assert desk.count("SILENT") == 0
    assert desk.count("NO_ANSWER") > 3


def test_the_padding_of_one_maker_is_understood() -> None:
    desk = TaxDesk(TaxPortSimulator(padding=b"\x00\x20"))
    desk.run(6_000)
    desk.sell()
    desk.run(1_000)
    assert [each.volume_ml for each in desk.fuellings] == [30_000]


def test_a_pulled_plug_ends_the_waiting_for_a_late_answer() -> None:
    session = TaxPortSession("1", TaxPortOptions())
    session.bytes_to_send(Monotonic(0))
    session.handle_timer(Monotonic(500))
    assert session.awaiting(), "its late answer is waited out"
    session.disconnected(Monotonic(510))
    assert not session.awaiting()
    assert session.bytes_to_send(Monotonic(510)) == codec.ask_latest(1)


def test_a_pulled_plug_begins_the_reading_anew() -> None:
    session = TaxPortSession("1", TaxPortOptions())
    session.bytes_to_send(Monotonic(0))
    session.receive(codec.encode(Command.LATEST, b"\x01" + b"1" * 22), Monotonic(10))
    assert session.bytes_to_send(Monotonic(100)) == codec.ask_grand(1)
    session.disconnected(Monotonic(110))
    assert session.bytes_to_send(Monotonic(110)) == codec.ask_latest(1)


def test_what_is_no_number_is_counted_and_not_reported() -> None:
    session = TaxPortSession("1", TaxPortOptions())
    session.bytes_to_send(Monotonic(0))
    session.receive(codec.encode(Command.LATEST, b"\x01" + b" " * 22), Monotonic(10))
    assert session.counters()["SALE_UNREADABLE"] == 1
    session.bytes_to_send(Monotonic(2_000))
    session.receive(codec.encode(Command.LATEST, b"\x01" + b"0" * 22), Monotonic(2_010))
    session.bytes_to_send(Monotonic(2_100))
    session.receive(codec.encode(Command.GRAND, b"\x01"), Monotonic(2_110))
    assert session.counters()["TOTAL_UNREADABLE"] == 1


def test_an_answer_that_came_late_breaks_the_reading() -> None:
    session = TaxPortSession("1", TaxPortOptions(guns=(1, 2)))
    stale = codec.encode(Command.LATEST, b"\x01" + b"1" * 22)
    assert session.bytes_to_send(Monotonic(0)) == codec.ask_latest(1)
    session.handle_timer(Monotonic(500))
    assert session.bytes_to_send(Monotonic(900)) == b"", "quiet for one answer time"
    assert session.bytes_to_send(Monotonic(1_000)) == codec.ask_latest(2)
    session.receive(stale, Monotonic(1_010))
    assert session.bytes_to_send(Monotonic(1_100)) == codec.ask_grand(2)
    session.receive(codec.encode(Command.LATEST, b"\x01" + b"2" * 22), Monotonic(1_110))
    assert not session.bytes_to_send(Monotonic(1_500))
    assert session.bytes_to_send(Monotonic(2_000)) == codec.ask_latest(1)
    assert (session.counters()["NO_ANSWER"], session.counters()["LATE_ANSWER"]) == (1, 1)


def test_an_answer_heard_twice_breaks_nothing() -> None:
    session = TaxPortSession("1", TaxPortOptions())
    latest = codec.encode(Command.LATEST, b"\x01" + b"1" * 22)
    session.bytes_to_send(Monotonic(0))
    session.receive(latest, Monotonic(10))
    session.bytes_to_send(Monotonic(100))
    session.receive(latest, Monotonic(110))
    assert session.awaiting()
    assert session.counters()["REPEATED_ANSWER"] == 1


def test_a_sale_that_changes_between_its_readings_is_not_taken() -> None:
    session = TaxPortSession("1", TaxPortOptions())
    for at_ms, command, body in (
        (0, Command.LATEST, b"1" * 22),
        (100, Command.GRAND, b"1" * 24),
        (200, Command.LATEST, b"2" * 22),
    ):
        session.bytes_to_send(Monotonic(at_ms))
        session.receive(codec.encode(command, b"\x01" + body), Monotonic(at_ms + 10))
    assert session.counters()["SALE_CHANGED"] == 1


def test_a_sale_is_reported_until_the_till_has_it() -> None:
    desk = TaxDesk()
    desk.run(6_000)
    desk.answer = NOT_NOW
    desk.sell()
    desk.run(3_000)
    desk.sell(1_000, 7_770, when="311300")
    desk.run(3_000)
    assert {each.volume_ml for each in desk.fuellings} == {30_000}
    desk.answer = YES
    desk.run(1_500)
    assert [each.volume_ml for each in desk.fuellings[-2:]] == [30_000, 10_000]


def test_silence_and_return_are_told_and_the_end_of_what_was_not_seen_is_not_known() -> None:
    desk = TaxDesk()
    desk.run(6_000)
    desk.is_cut = True
    desk.sell()
    desk.run(7_000)
    desk.is_cut = False
    desk.run(2_000)
    assert [type(event) for event in desk.events[:3]] == [DeviceBack, DeviceSilent, DeviceBack]
    assert desk.count("SILENT") == 1
    assert [each.ended for each in desk.fuellings] == [None]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("case", conformance_cases())
def test_only_two_questions_are_ever_said(case: str, wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    speak = TaxPortSession.bytes_to_send

    def noted(session: TaxPortSession, now: Monotonic) -> bytes:
        data = speak(session, now)
        sent.extend([data] if data else [])
        return data

    monkeypatch.setattr(TaxPortSession, "bytes_to_send", noted)
    report = run(DRIVER, case, conformance_cases()[case](), WIRES[wire], 5)
    assert not report.failures, report.explain()
    assert {only_frame(data).code for data in sent} == {Command.LATEST, Command.GRAND}
    assert set(sent) == {ask(gun) for gun in (1, 2) for ask in (codec.ask_latest, codec.ask_grand)}
