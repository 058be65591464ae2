"""Unit: does the only master of a DART pump report each fuelling by its totalizer, and only ask?"""

import pytest

from drivers.conformance import identity_of, run
from drivers.dart import DRIVER, codec, words
from drivers.dart.case import MasterCase
from drivers.dart.codec import Control, Frame
from drivers.dart.last_sale import LastSale
from drivers.dart.options import DartOptions
from drivers.dart.session import DartMaster
from drivers.dart.simulator import DartSimulator
from drivers.dart.words import Filling, Nozzle, Status, Totals
from drivers.events import DeviceBack, DeviceSilent, Fuelling, Monotonic
from drivers.faults import WIRES
from drivers.session import Session
from tests.unit.drivers.dart.dart_bench import MasterBench
from tests.unit.drivers.machinery.session_bench import NOT_NOW, YES


def _sold(bench: MasterBench) -> list[tuple[str, int, int, int | None]]:
    return [
        (each.nozzle, each.volume_ml, each.unit_price_milli, each.totalizer_after_ml)
        for each in bench.fuellings
    ]


def test_a_fuelling_is_reported_with_both_totals_at_its_end() -> None:
    bench = MasterBench()
    bench.simulator.pump.totals = {1: 100_000, 2: 500}
    bench.run(2_000)
    bench.simulator.sell(2, 3_000, 22_500, 750, bench.now)
    bench.run(1_000)
    assert bench.started == ["2"]
    hangs_up = bench.now + 800
    bench.run(2_000)
    (fuelling,) = bench.fuellings
    assert _sold(bench) == [("2", 30_000, 7_500, 35_000)]
    assert fuelling.totalizer_before_ml == 5_000
    assert fuelling.raw.totalizer_after == "0000003500"
    assert fuelling.ended is not None
    assert abs(fuelling.ended - hangs_up) <= 250
    assert fuelling.flags == ()


def test_two_equal_fuellings_are_two_and_the_totalizer_wraps() -> None:
    bench = MasterBench()
    bench.simulator.pump.totals = {1: 9_999_999_000}
    bench.run(1_000)
    for _ in range(2):
        bench.simulator.sell(1, 2_667, 20_000, 750, bench.now)
        bench.run(4_000)
    assert [each.totalizer_after_ml for each in bench.fuellings] == [16_670, 43_340]
    assert [each.flags for each in bench.fuellings] == [(), ()]
    assert len(set(bench.identities)) == 2


def test_a_display_that_is_still_there_after_our_restart_is_the_same_digits_again() -> None:
    bench = MasterBench()
    bench.run(1_000)
    bench.simulator.sell(1, 3_000, 22_500, 750, bench.now)
    bench.run(4_000)
    bench.restart()
    bench.run(10_000)
    assert len(bench.fuellings) == 2
    assert len(set(bench.identities)) == 1
    assert bench.fuellings[1].ended is None
    bench.session.disconnected(bench.now)
    bench.run(10_000)
    assert len(bench.fuellings) == 2


class _Forgetful(DartSimulator):
    def forget(self, frame_count: int) -> None:
        """What it had to say is gone, with so many numbers."""
        self.pump.changes = {"nozzle"} if frame_count else set()
        self._tx_no += frame_count


@pytest.mark.parametrize("away", ["silent", "unplugged", "frames missed"])
def test_a_pump_that_sold_meanwhile_and_tells_nothing_of_it_is_asked(away: str) -> None:
    bench = MasterBench(simulator := _Forgetful())
    bench.run(1_000)
    bench.is_cut = True
    simulator.sell(1, 3_000, 22_500, 750, bench.now, duration_ms=300)
    bench.run(2_700 if away == "silent" else 1_500)
    simulator.forget(2 if away == "frames missed" else 0)
    bench.is_cut = False
    if away == "unplugged":
        bench.session.disconnected(bench.now)
    bench.run(3_000)
    assert bench.count("FRAMES_MISSED") == (away == "frames missed")
    assert _sold(bench) == [("1", 30_000, 7_500, 30_000)]


def test_totals_while_fuel_flows_are_not_those_of_before() -> None:
    sales = LastSale("50", DartOptions(mode="master"))
    sales.hear([Status(1), Totals(1, ("0000100000", "0", "0"))], Monotonic(0))
    sales.hear([Status(4), Totals(1, ("0000101000", "0", "0"))], Monotonic(1_000))
    ended = [Filling("00003000", "00022500"), Nozzle("000750", 1, is_out=False), Status(5)]
    sales.hear(ended, Monotonic(2_000))
    (fuelling,) = sales.hear([Totals(1, ("0000103000", "0", "0"))], Monotonic(2_100))
    assert isinstance(fuelling, Fuelling)
    assert (fuelling.totalizer_before_ml, fuelling.flags) == (1_000_000, ())


def test_a_retained_display_is_not_of_the_nozzle_that_was_lifted_and_hung_up_since() -> None:
    sales = LastSale("50", DartOptions(mode="master", nozzles=(1, 2)))
    stands = [Status(5), Filling("00003000", "00022500"), Nozzle("000900", 2, is_out=False)]
    totals = [Totals(number, ("0000100000", "0", "0")) for number in (1, 2)]
    for at_ms in range(40):
        sales.begin_round()
        assert sales.hear([*stands, *totals], Monotonic(at_ms)) == []
    assert sales.counts["NOZZLE_UNKNOWN"] >= 1


def test_the_pumps_power_failure_ends_a_fuelling_with_what_was_delivered() -> None:
    bench = MasterBench()
    bench.run(1_000)
    bench.simulator.sell(1, 3_000, 22_500, 750, bench.now, duration_ms=4_000)
    bench.run(2_500)
    bench.simulator.power_cycle(bench.now)
    bench.run(6_000)
    (sale,) = bench.simulator.sales()
    assert 0 < sale.volume_count < 3_000
    assert _sold(bench) == [("1", sale.volume_count * 10, 7_500, sale.volume_count * 10)]
    assert bench.count("ALARM_01") == 1


def test_a_lift_without_flow_is_counted_and_is_no_fuelling() -> None:
    bench = MasterBench()
    bench.run(1_000)
    bench.simulator.sell(1, 0, 0, 750, bench.now)
    bench.run(4_000)
    assert bench.fuellings == []
    assert bench.count("ZERO_VOLUME") == 1


class _Stubborn(DartSimulator):
    """Its totals do not count what it sells."""

    def handle_timer(self, now: Monotonic) -> None:
        super().handle_timer(now)
        self.pump.totals = {}


def test_totals_that_do_not_move_are_read_again_and_then_reported_with_a_flag() -> None:
    bench = MasterBench(_Stubborn())
    bench.run(2_000)
    bench.simulator.sell(1, 3_000, 22_500, 750, bench.now)
    bench.run(5_000)
    assert bench.fuellings == []
    bench.run(20_000)
    assert [each.flags for each in bench.fuellings] == [("TOTAL_DIFFERS",)]


def test_a_pump_that_forgets_its_nozzle_is_known_by_the_totals_that_moved() -> None:
    bench = MasterBench(DartSimulator(names_nozzle=False))
    bench.run(2_000)
    bench.simulator.sell(2, 3_000, 22_500, 750, bench.now)
    bench.is_cut = True
    bench.run(4_000)
    bench.is_cut = False
    bench.run(4_000)
    assert _sold(bench) == [("2", 30_000, 7_500, 30_000)]
    bench.restart()
    bench.run(10_000)
    assert len(bench.fuellings) == 1
    assert bench.count("NOZZLE_UNKNOWN") == 1


def test_a_fuelling_is_reported_until_the_till_has_it() -> None:
    bench = MasterBench()
    bench.run(1_000)
    bench.answer = NOT_NOW
    bench.simulator.sell(1, 3_000, 22_500, 750, bench.now)
    bench.run(6_000)
    assert len(bench.fuellings) > 2
    bench.answer = YES
    bench.run(2_000)
    reported = len(bench.fuellings)
    bench.run(5_000)
    assert len(bench.fuellings) == reported
    assert len(set(bench.identities)) == 1


def test_silence_and_return_are_reported_once_each() -> None:
    bench = MasterBench()
    bench.run(1_000)
    bench.is_cut = True
    bench.run(8_000)
    bench.is_cut = False
    bench.run(1_000)
    assert [type(event) for event in bench.events] == [DeviceBack, DeviceSilent, DeviceBack]


def test_every_data_frame_is_acknowledged_by_its_number_also_a_duplicate() -> None:
    session = DartMaster("50", DartOptions(mode="master"))
    said = codec.encode(Frame(0x50, Control.DATA, 7, b"\x01\x01\x05"))
    for now in (0, 1_000):
        assert session.bytes_to_send(Monotonic(now)) == b"\x50\x20\xfa"
        session.receive(said, Monotonic(now + 30))
        assert session.bytes_to_send(Monotonic(now + 30)) == b""
        assert session.bytes_to_send(Monotonic(now + 35)) == b"\x50\xc7\xfa"
        assert session.bytes_to_send(Monotonic(now + 40)) == b"\x50\x20\xfa"
        session.receive(b"\x50\x70\xfa", Monotonic(now + 70))
        question = session.bytes_to_send(Monotonic(now + 75))
        assert question[1] >> 4 == Control.DATA
        session.receive(b"\x50" + bytes((0xC0 | question[1] & 15,)) + b"\xfa", Monotonic(now + 100))
        assert session.bytes_to_send(Monotonic(now + 105)) == b"\x50\x20\xfa"
        session.receive(b"\x50\x70\xfa", Monotonic(now + 130))
        session.disconnected(Monotonic(now + 900))
        if now == 0:
            session._sequence.hear(Frame(0x50, Control.DATA, 7, b"\x01\x01\x05"))
    assert session.counters()["DUPLICATE"] == 1


def test_a_late_answer_is_not_taken_and_we_are_quiet_for_one_answer_time() -> None:
    session = DartMaster("50", DartOptions(mode="master", answer_ms=100))
    assert session.bytes_to_send(Monotonic(0)) == b"\x50\x20\xfa"
    assert session.awaiting()
    session.handle_timer(Monotonic(100))
    session.receive(codec.encode(Frame(0x50, Control.DATA, 0, b"\x01\x01\x05")), Monotonic(150))
    assert session.bytes_to_send(Monotonic(199)) == b""
    assert session.awaiting()
    assert session.counters()["LATE_ANSWER"] == session.counters()["NO_ANSWER"] == 1
    assert session.bytes_to_send(Monotonic(200)) == b"\x50\x20\xfa"


def test_a_refusal_begins_the_numbers_again() -> None:
    session = DartMaster("50", DartOptions(mode="master"))
    session.bytes_to_send(Monotonic(0))
    session.receive(b"\x50\x70\xfa", Monotonic(30))
    assert session.bytes_to_send(Monotonic(35))[1] == 0x30
    session.receive(b"\x50\xc0\xfa", Monotonic(60))
    for at in (70, 200, 330):
        assert session.bytes_to_send(Monotonic(at)) == b"\x50\x20\xfa"
        session.receive(b"\x50\x70\xfa", Monotonic(at + 10))
    assert session.bytes_to_send(Monotonic(600)) == b"\x50\x20\xfa"
    session.receive(b"\x50\x70\xfa", Monotonic(610))
    assert session.bytes_to_send(Monotonic(620))[1] == 0x31
    session.receive(b"\x50\x51\xfa", Monotonic(640))
    session.bytes_to_send(Monotonic(900))
    session.receive(b"\x50\x70\xfa", Monotonic(910))
    assert session.bytes_to_send(Monotonic(920))[1] == 0x30
    assert session.counters()["REFUSED"] == 1


def test_a_pulled_plug_ends_the_waiting_for_a_late_answer() -> None:
    session = DartMaster("50", DartOptions(mode="master", answer_ms=100))
    session.bytes_to_send(Monotonic(0))
    session.handle_timer(Monotonic(100))
    assert session.awaiting(), "its late answer is waited out"
    session.disconnected(Monotonic(110))
    assert not session.awaiting()
    assert session.bytes_to_send(Monotonic(110)) == b"\x50\x20\xfa"


@pytest.mark.parametrize("last", [0, 1, 7, 15])
def test_a_master_that_starts_again_is_understood_whatever_number_the_pump_heard_last(last: int) -> None:
    """Our first number is 0: a pump that heard 0 last drops the first question as a duplicate."""
    bench = MasterBench()
    bench.simulator.receive(codec.encode(Frame(0x50, Control.DATA, last, words.ASK_STATE)), bench.now)
    assert bench.simulator.bytes_to_send(bench.now) == bytes((0x50, 0xC0 | last, 0xFA))
    bench.run(2_000)
    bench.simulator.sell(1, 3_000, 22_500, 750, bench.now)
    bench.run(4_000)
    assert _sold(bench) == [("1", 30_000, 7_500, 30_000)]


def test_a_display_whose_totals_count_late_has_one_identity_over_our_restarts() -> None:
    class Late(DartSimulator):
        counts_at = Monotonic(0)

        def bytes_to_send(self, now: Monotonic) -> bytes:
            self.pump.totals = {1: 103_000 if now >= self.counts_at else 100_000}
            return super().bytes_to_send(now)

    bench = MasterBench(simulator := Late())
    simulator.counts_at = Monotonic(10**9)
    simulator.sell(1, 3_000, 22_500, 750, bench.now)
    bench.run(2_100)
    bench.restart()
    simulator.counts_at = Monotonic(bench.now + 2_000)
    bench.run(10_000)
    bench.restart()
    bench.run(10_000)
    assert {each.raw.totalizer_after for each in bench.fuellings} == {"0000103000"}


def test_an_address_that_is_none_is_refused() -> None:
    for address in ("4F", "D0", "pump"):
        with pytest.raises(ValueError, match=r"address|literal"):
            DartMaster(address, DartOptions(mode="master"))


class _Recorded(MasterCase):
    """Keeps everything that any of its sessions says."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[bytes] = []

    def open_session(self) -> Session:
        session = super().open_session()
        honest = session.bytes_to_send

        def send(now: Monotonic) -> bytes:
            data = honest(now)
            self.said += [data] if data else []
            return data

        session.bytes_to_send = send  # type: ignore[method-assign]
        return session


@pytest.mark.parametrize("wire", WIRES)
def test_nothing_but_polls_acknowledgements_and_reading_questions_is_ever_said(wire: str) -> None:
    case = _Recorded()
    report = run(DRIVER, "master", case, WIRES[wire], 7)
    assert not report.failures, report.explain()
    kinds = set()
    for data in case.said:
        (frame,) = codec.Reader().feed(data)
        kinds.add(frame.control)
        if frame.control is Control.DATA:
            ((trans, body),) = words.transactions(frame.data) or ()
            assert (trans == words.STATUS and body[0] in words.READING_COMMANDS) or trans == words.TOTALS
    assert kinds == {Control.POLL, Control.ACK, Control.DATA}
    if WIRES[wire].invents_nothing():
        assert case.simulator.forbidden_heard == []


def test_identities_are_made_of_what_the_pump_said() -> None:
    bench = MasterBench()
    bench.run(1_000)
    bench.simulator.sell(1, 3_000, 22_500, 750, bench.now)
    bench.run(4_000)
    (fuelling,) = bench.fuellings
    assert identity_of(fuelling) == ("50", "1", None, "0000003000", "00003000", "00022500", "")
