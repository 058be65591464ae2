"""Unit, conformance: what does a master say, when does it acknowledge, and what stops it?"""

import random
from collections.abc import Callable

import pytest

from drivers.conformance import as_sold, run
from drivers.events import Answer, DeviceSilent, Monotonic, Outcome
from drivers.faults import WIRES
from drivers.session import Session
from drivers.zhengxing import DRIVER
from drivers.zhengxing.case import MasterCase
from drivers.zhengxing.case import as_sold as true_sale
from drivers.zhengxing.codec import encode, next_piece
from drivers.zhengxing.commands import BOTH, HARMLESS, Command
from drivers.zhengxing.dispenser import Customer
from drivers.zhengxing.options import ZhengxingOptions
from drivers.zhengxing.session import ZhengxingMaster
from drivers.zhengxing.simulator import ZhengxingSimulator
from tests.unit.drivers.machinery.session_bench import NOT_NOW, YES
from tests.unit.drivers.zhengxing.zhengxing_bench import MasterBench

TEN_LITRES = Customer(1_000, 7_500, b"\x07\x50", b"\x00\x09")


def _with_sales(*customers: Customer, **options: object) -> MasterBench:
    bench = MasterBench(**options)
    for customer in customers or (TEN_LITRES,):
        bench.simulator.points[1].store(customer)
    return bench


class Overheard(ZhengxingMaster):
    """Everything that it says is kept, across all sessions of a run."""

    said: list[bytes]

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data = super().bytes_to_send(now)
        if data:
            self.said.append(data)
        return data


@pytest.mark.parametrize("wire", WIRES)
def test_over_every_wire_it_only_reads_and_acknowledges(wire: str) -> None:
    said: list[bytes] = []
    case = MasterCase()

    def open_session() -> Session:
        session = Overheard("5", ZhengxingOptions(mode="master", addresses=(5, 6), gap_ms=30))
        session.said = said
        return session

    case.open_session = open_session  # type: ignore[method-assign]
    report = run(DRIVER, "spoken", case, WIRES[wire], 5)
    assert not report.failures, report.explain()
    commands = set()
    for data in said:
        piece = next_piece(data, BOTH, is_all=True)
        assert piece is not None
        assert piece.data == data
        assert piece.frame is not None
        assert piece.frame.sender == "host"
        commands.add(piece.frame.command)
    assert commands == {Command.STATE, Command.TOTALS, Command.SALE, Command.ACKNOWLEDGE} < HARMLESS
    # On a wire that flips bits the dispenser may hear what was never said.
    assert not case.simulator.forbidden_heard or WIRES[wire].flip_bit_bp


def test_a_sale_is_read_twice_reported_and_acknowledged_with_its_chain_number() -> None:
    bench = _with_sales()
    bench.run(2_000)
    (fuelling,) = bench.fuellings
    assert (fuelling.sequence_no, fuelling.volume_ml, fuelling.amount_fen) == (9, 10_000, 7_500)
    assert fuelling.totalizer_after_ml == 10_000
    assert bench.said(Command.SALE) == bench.said(Command.TOTALS) == 2
    (acknowledgement,) = [frame for frame in bench.sent if frame.command is Command.ACKNOWLEDGE]
    assert acknowledgement.data[3:5] == b"\x00\x09"
    assert bench.simulator.backlog() == 0


def test_a_fuelling_that_was_watched_has_an_end_and_a_start() -> None:
    bench = MasterBench()
    bench.run(1_000)
    bench.simulator.points[1].arrive(Customer(1_000, 7_500, b"\x07\x50", duration_ms=3_000), bench.now)
    bench.run(6_000)
    (fuelling,) = bench.fuellings
    assert fuelling.ended is not None
    assert 14_000 < fuelling.ended < 16_000
    assert (fuelling.totalizer_before_ml, fuelling.totalizer_after_ml) == (0, 10_000)
    assert bench.started == ["1"]


def test_nothing_is_acknowledged_that_is_not_durable() -> None:
    bench = _with_sales()
    bench.answer = NOT_NOW
    bench.run(4_000)
    assert len(bench.fuellings) > 3
    assert bench.said(Command.ACKNOWLEDGE) == 0
    assert bench.said(Command.SALE) == 2
    bench.answer = YES
    bench.run(1_500)
    assert bench.simulator.backlog() == 0
    assert len(set(bench.identities)) == 1


def test_after_a_crash_the_same_sale_has_the_same_identity_though_more_was_sold() -> None:
    bench = _with_sales()
    bench.answer = NOT_NOW
    bench.run(2_000)
    bench.simulator.points[1].store(Customer(500, 3_750, b"\x07\x50", b"\x00\x09"))
    bench.restart()
    bench.answer = YES
    bench.run(4_000)
    assert len(set(bench.identities)) == 2
    assert bench.identities[-2] == bench.identities[0]
    assert bench.simulator.backlog() == 0


def test_equal_sales_that_waited_are_as_many_as_they_were() -> None:
    bench = _with_sales(*[TEN_LITRES] * 5)
    bench.run(10_000)
    assert len(set(bench.identities)) == len(bench.fuellings) == 5
    assert bench.simulator.backlog() == 0


def test_sales_that_gathered_while_we_watched_have_no_totalizer_but_the_last() -> None:
    bench = MasterBench()
    bench.run(2_000)
    for _ in range(3):
        bench.simulator.points[1].store(TEN_LITRES)
    bench.run(6_000)
    assert [fuelling.totalizer_after_ml for fuelling in bench.fuellings] == [None, None, 30_000]
    assert [fuelling.flags for fuelling in bench.fuellings] == [("TOTAL_DIFFERS",)] * 2 + [()]


@pytest.mark.parametrize("is_short", [False, True])
def test_a_lost_answer_to_the_acknowledgement_needs_no_cure(is_short: bool) -> None:
    bench = MasterBench(ZhengxingSimulator(says_nothing_short=is_short))
    bench.simulator.points[1].store(TEN_LITRES)
    bench.back = lambda data: b"" if data[1] == Command.ACKNOWLEDGE else data
    bench.run(4_000)
    assert bench.said(Command.ACKNOWLEDGE) == 1
    assert bench.simulator.backlog() == 0
    assert len(bench.fuellings) == 1
    assert bench.count("NO_ANSWER") == 1


def test_a_lost_acknowledgement_is_said_again_after_the_sale_was_read_again() -> None:
    bench = _with_sales()
    lost: list[bytes] = []

    def wire(data: bytes) -> bytes:
        if data[1] == Command.ACKNOWLEDGE and not lost:
            lost.append(data)
            return b""
        return data

    bench.wire = wire
    bench.run(5_000)
    assert bench.said(Command.SALE) == 4
    assert bench.said(Command.ACKNOWLEDGE) == 2
    assert bench.simulator.backlog() == 0
    assert len(set(bench.identities)) == 1


def test_a_state_that_says_too_much_is_answered_with_no_sale() -> None:
    for is_short in (False, True):
        bench = MasterBench(ZhengxingSimulator(says_nothing_short=is_short))
        bench.back = lambda data: bytes.fromhex("FC0D01737F") if data[1] == Command.STATE else data
        bench.run(2_000)
        assert bench.fuellings == []
        assert bench.said(Command.SALE) > 1
        assert bench.count("NO_ANSWER") == bench.said(Command.ACKNOWLEDGE) == 0


def test_one_damaged_reading_is_not_believed() -> None:
    bench = _with_sales()
    replies: list[bytes] = []

    def back(data: bytes) -> bytes:
        if data[1] != Command.SALE:
            return data
        replies.append(data)
        damaged = bytearray(data)
        damaged[10] ^= 0x20
        damaged[30] ^= 0x20
        return bytes(damaged) if len(replies) == 1 else data

    bench.back = back
    bench.run(3_000)
    assert [fuelling.volume_ml for fuelling in bench.fuellings] == [10_000]
    assert bench.count("READINGS_DIFFER") == 1


def test_bytes_that_vary_do_not_hold_a_sale_up() -> None:
    bench = MasterBench(ZhengxingSimulator(varies=True))
    bench.simulator.points[1].store(TEN_LITRES)
    bench.run(6_000)
    (fuelling,) = bench.fuellings
    assert fuelling.flags == ("RECORD_VARIES",)
    assert bench.simulator.backlog() == 0
    assert bench.count("RECORD_VARIES") == 1


def test_named_unsteady_bytes_are_left_out() -> None:
    bench = MasterBench(ZhengxingSimulator(varies=True), unsteady_bytes=(25,))
    for _ in range(2):
        bench.simulator.points[1].store(TEN_LITRES)
    bench.run(6_000)
    assert [fuelling.volume_ml for fuelling in bench.fuellings] == [10_000, 10_000]
    assert len(set(bench.identities)) == 2
    assert bench.count("READINGS_DIFFER") == 0


def test_totals_that_move_behind_a_sale_do_not_hold_it_up() -> None:
    bench = _with_sales()

    def back(data: bytes) -> bytes:
        bench.simulator.points[1].volume_total_count += 1
        return data

    bench.back = back
    bench.run(6_000)
    (fuelling,) = bench.fuellings
    assert (fuelling.totalizer_after_ml, fuelling.flags) == (None, ("TOTALIZER_UNHEARD",))
    assert bench.simulator.backlog() == 0


def test_totals_that_moved_without_a_sale_do_not_stay_behind_for_ever() -> None:
    """Litres that the dispenser gave without a record: only the sale that notices them has no totalizer."""
    bench = MasterBench()
    bench.run(2_000)
    point = bench.simulator.points[1]
    for number in range(4):
        if number == 1:
            point.volume_total_count, point.amount_total_count = 3_000, 22_500
        point.store(Customer(1_000 + number, 7_500, b"\x07\x50", b"\x00\x09"))
        bench.run(4_000)
    totals = [(fuelling.totalizer_before_ml, fuelling.totalizer_after_ml) for fuelling in bench.fuellings]
    assert totals == [(0, 10_000), (None, None), (40_010, 50_030), (50_030, 60_060)]
    assert [fuelling.flags for fuelling in bench.fuellings] == [(), ("TOTAL_DIFFERS",), (), ()]


def test_equal_sales_whose_bytes_say_nothing_else_are_told_apart_by_their_totals() -> None:
    bench = MasterBench(unsteady_bytes=tuple(range(11, 35)))
    bench.run(2_000)
    for _ in range(3):
        bench.simulator.points[1].store(TEN_LITRES)
        bench.run(4_000)
    assert [fuelling.totalizer_after_ml for fuelling in bench.fuellings] == [10_000, 20_000, 30_000]
    assert len(set(bench.identities)) == 3
    assert bench.count("RECORD_ALIKE") == 2
    assert bench.simulator.backlog() == 0


def test_equal_sales_that_gathered_are_no_more_though_an_acknowledgement_was_lost() -> None:
    """The totals are ahead by just such a sale: the one that is read again is the same one all the same."""
    bench = MasterBench()
    bench.run(2_000)
    lost: list[bytes] = []

    def wire(data: bytes) -> bytes:
        lost.extend([data] if data[1] == Command.ACKNOWLEDGE else [])
        return b"" if data[1] == Command.ACKNOWLEDGE and len(lost) == 1 else data

    bench.wire = wire
    for _ in range(2):
        bench.simulator.points[1].store(TEN_LITRES)
    bench.run(8_000)
    assert len(lost) == 3
    assert len(set(bench.identities)) == 2
    assert bench.count("REPEATED_SALE") == 1
    assert bench.count("RECORD_ALIKE") == 0


def test_a_sale_of_some_hundredths_of_a_litre_has_its_totalizer_after_a_start() -> None:
    bench = _with_sales(Customer(6, 49, b"\x08\x10"))
    bench.run(2_000)
    assert [(each.totalizer_after_ml, each.flags) for each in bench.fuellings] == [(60, ())]


def test_odd_sales_are_handed_over_and_acknowledged() -> None:
    case, rng = MasterCase(), random.Random(3)
    bench = MasterBench(case.simulator, addresses=(5, 6))
    for _ in range(30):
        case.sell_odd(rng, bench.now)
    assert case.backlog() == 30
    bench.run(40_000)
    assert case.backlog() == 0
    heard = [(sold.nozzle, sold.volume_ml, sold.amount_fen) for sold in map(as_sold, bench.fuellings)]
    truth = [(sold.nozzle, sold.volume_ml, sold.amount_fen) for sold in case.sold()]
    assert sorted(heard) == sorted(truth)
    assert bench.count("ZERO_VOLUME") == 30 - len(truth) > 0
    flagged = [fuelling for fuelling in bench.fuellings if "PRICE_UNREADABLE" in fuelling.flags]
    assert flagged
    assert {(fuelling.unit_price_milli, fuelling.sequence_no) for fuelling in flagged} == {(0, None)}
    assert max(fuelling.volume_ml for fuelling in bench.fuellings) == (2**20 - 1) * 10


def test_an_authorisation_that_was_not_used_is_acknowledged_and_counted() -> None:
    bench = MasterBench()
    bench.simulator.points[1].authorise(bench.now)
    bench.run(8_000)
    assert bench.fuellings == []
    assert bench.count("ZERO_VOLUME") == bench.said(Command.ACKNOWLEDGE) == 1
    assert bench.simulator.backlog() == 0


def test_a_till_that_answers_after_the_plug_was_pulled_does_not_lead_to_an_acknowledgement() -> None:
    bench = _with_sales()
    bench.answer = Answer(Outcome.DONE, durable=True)
    pulled: list[Monotonic] = []
    confirm: Callable[..., None] = bench.session.confirm

    def late(event: object, answer: Answer, now: Monotonic) -> None:
        if bench.fuellings and not pulled:
            pulled.append(now)
            bench.session.disconnected(now)
        confirm(event, answer, now)

    bench.session.confirm = late  # type: ignore[method-assign]
    bench.run(4_000)
    assert pulled
    read_before = [frame.command for frame in bench.sent].index(Command.ACKNOWLEDGE)
    assert sum(frame.command is Command.SALE for frame in bench.sent[:read_before]) == 4
    assert bench.simulator.backlog() == 0


def test_only_the_point_that_was_asked_answers_and_only_what_was_asked() -> None:
    session = ZhengxingMaster("1", ZhengxingOptions(mode="master"))
    assert session.bytes_to_send(Monotonic(0)) == encode(Command.STATE, 1)
    session.receive(encode(Command.STATE, 2, b"\x73"), Monotonic(20))
    session.receive(encode(Command.TOTALS, 1, bytes(13)), Monotonic(40))
    assert session.counters()["LATE_ANSWER"] == 2
    assert session.counters()["HEARD"] == 0
    assert session.awaiting()
    session.receive(encode(Command.STATE, 1, b"\x63"), Monotonic(60))
    assert session.counters()["HEARD"] == 1
    assert not session.awaiting()


def test_a_dead_dispenser_costs_one_answer_time_and_is_told() -> None:
    bench = MasterBench()
    bench.wire = lambda data: b""
    bench.run(3_500)
    assert [type(event) for event in bench.events] == [DeviceSilent]
    assert bench.count("SILENT") == 1
    assert len(bench.sent) < 8


def test_a_sale_that_comes_after_sight_was_lost_is_read_again() -> None:
    bench = _with_sales(answer_ms=2_000)
    late: list[bytes] = []

    def back(data: bytes) -> bytes:
        if data[1] == Command.SALE and not late:
            late.append(data)
            return b""
        return data

    bench.back = back
    bench.run(500)
    bench.session._presence._is_silent = False  # type: ignore[attr-defined]
    bench.session._presence._heard_at = Monotonic(bench.now - 3_000)  # type: ignore[attr-defined]
    bench.run(5)
    bench.session.receive(late[0], bench.now)
    assert bench.fuellings == []
    bench.run(2_000)
    assert len(bench.fuellings) == 1
    assert bench.said(Command.SALE) == 3


def test_a_sale_that_somebody_else_took_is_not_acknowledged() -> None:
    bench = _with_sales()
    bench.answer = NOT_NOW
    bench.run(1_500)
    bench.simulator.points[1].records.clear()
    bench.run(600)
    bench.answer = YES
    bench.run(2_000)
    assert bench.fuellings
    assert bench.said(Command.ACKNOWLEDGE) == 0


def test_a_dead_point_does_not_keep_the_other_from_selling() -> None:
    bench = MasterBench(ZhengxingSimulator((2,)), addresses=(1, 2))
    bench.simulator.points[2].store(TEN_LITRES)
    bench.run(4_000)
    assert [fuelling.nozzle for fuelling in bench.fuellings] == ["2"]
    assert bench.simulator.backlog() == 0
    assert true_sale(*bench.simulator.released[0]) == as_sold(bench.fuellings[0])
