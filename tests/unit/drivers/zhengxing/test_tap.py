"""Unit: which fuellings does a listener derive from what passes by, and with which evidence?"""

import pytest

from drivers.conformance import as_sold
from drivers.events import DeviceBack, DeviceSilent, Monotonic
from drivers.zhengxing import DRIVER
from drivers.zhengxing.case import ListenCase
from drivers.zhengxing.case import as_sold as true_sale
from drivers.zhengxing.codec import encode
from drivers.zhengxing.commands import Command
from drivers.zhengxing.controller import ReadsTotals, TappedWire
from drivers.zhengxing.dispenser import Customer
from tests.unit.drivers.machinery.session_bench import NOT_NOW
from tests.unit.drivers.machinery.tapped_wires import overhear, spoken_by_default
from tests.unit.drivers.zhengxing.zhengxing_bench import (
    FLOWS,
    IDLE,
    LIFTED,
    WAITS,
    MasterBench,
    TapBench,
    sale_body,
)


def _fuel(
    bench: TapBench, volume_count: int, total_count: int, *, number: int = 1, chain: str = "0001"
) -> None:
    """A fuelling at 7.50, as the published controller sees it through."""
    amount_count = volume_count * 750 // 100
    bench.state(IDLE, LIFTED, FLOWS, WAITS)
    bench.totals(total_count, total_count * 750 // 100)
    bench.read(sale_body(volume_count, amount_count, chain=chain, number=number))
    bench.acknowledge(chain)


def test_a_fuelling_is_reported_when_it_is_handed_over() -> None:
    bench = TapBench()
    _fuel(bench, 1_000, 51_000)
    (fuelling,) = bench.fuellings
    assert (fuelling.nozzle, fuelling.sequence_no) == ("1", 1)
    assert (fuelling.volume_ml, fuelling.amount_fen, fuelling.unit_price_milli) == (10_000, 7_500, 7_500)
    assert (fuelling.volume_step_ml, fuelling.amount_step_fen) == (10, 1)
    assert (fuelling.totalizer_before_ml, fuelling.totalizer_after_ml) == (None, 510_000)
    assert fuelling.totalizer_modulus_ml == 2**32 * 10
    assert fuelling.ended is not None
    assert fuelling.flags == ()
    assert bench.started == ["1"]


def test_of_the_second_one_the_totalizer_before_is_known_too() -> None:
    bench = TapBench()
    _fuel(bench, 1_000, 51_000)
    _fuel(bench, 2_000, 53_000, number=2)
    assert [fuelling.totalizer_before_ml for fuelling in bench.fuellings] == [None, 510_000]
    assert bench.started == ["1", "1"]


def test_two_equal_fuellings_with_one_chain_number_are_two() -> None:
    bench = TapBench()
    _fuel(bench, 1_000, 51_000, number=1, chain="0000")
    _fuel(bench, 1_000, 52_000, number=2, chain="0000")
    assert len(set(bench.identities)) == 2


def test_a_sale_read_again_before_its_acknowledgement_is_one() -> None:
    bench = TapBench()
    bench.state(IDLE, FLOWS, WAITS)
    bench.totals(51_000, 1)
    bench.read(sale_body(1_000, 7_500))
    bench.read(sale_body(1_000, 7_500))
    bench.acknowledge(after=WAITS)
    bench.read(sale_body(1_000, 7_500))
    bench.acknowledge()
    bench.read(sale_body(1_000, 7_500))
    assert len(bench.fuellings) == 1
    assert bench.count("REPEATED_SALE") == 1


def test_several_that_waited_are_not_given_the_totals_of_the_last() -> None:
    bench = TapBench()
    bench.state(WAITS)
    bench.totals(53_000, 397_500)
    bench.read(sale_body(1_000, 7_500, number=1))
    bench.acknowledge(after=WAITS)
    bench.totals(53_000, 397_500)
    bench.read(sale_body(2_000, 15_000, number=2))
    bench.acknowledge()
    first, second = bench.fuellings
    assert (first.totalizer_after_ml, second.totalizer_after_ml) == (None, 530_000)
    assert first.flags == ("TOTALIZER_UNHEARD",)


def test_totals_that_come_after_the_acknowledgement_are_waited_for() -> None:
    bench = TapBench()
    bench.state(IDLE, FLOWS, WAITS)
    bench.read(sale_body(1_000, 7_500))
    bench.acknowledge()
    assert bench.fuellings == []
    bench.totals(51_000, 1)
    assert [fuelling.totalizer_after_ml for fuelling in bench.fuellings] == [510_000]


def test_without_totals_it_is_reported_without_them() -> None:
    bench = TapBench()
    bench.state(IDLE, FLOWS, WAITS)
    bench.read(sale_body(1_000, 7_500))
    bench.acknowledge()
    bench.wait(2_500)
    (fuelling,) = bench.fuellings
    assert (fuelling.totalizer_after_ml, fuelling.flags) == (None, ("TOTALIZER_UNHEARD",))


def test_totals_of_before_the_flow_are_not_taken_for_those_after_it() -> None:
    bench = TapBench()
    _fuel(bench, 1_000, 51_000)
    bench.state(LIFTED, WAITS)
    bench.read(sale_body(2_000, 15_000, number=2))
    bench.acknowledge()
    bench.wait(2_500)
    assert bench.fuellings[1].totalizer_after_ml is None
    assert bench.fuellings[1].flags == ("TOTALIZER_UNHEARD",)


def test_totals_of_a_sale_are_not_taken_for_those_of_the_next() -> None:
    bench = TapBench()
    bench.state(WAITS)
    bench.totals(51_000, 1)
    bench.read(sale_body(1_000, 7_500, number=1))
    bench.acknowledge(after=WAITS)
    bench.read(sale_body(2_000, 15_000, number=2))
    bench.acknowledge()
    bench.wait(2_500)
    assert [fuelling.totalizer_after_ml for fuelling in bench.fuellings] == [None, None]


def test_a_nozzle_that_was_not_seen_to_hang_up_begins_the_next_fuelling_all_the_same() -> None:
    bench = TapBench()
    bench.state(IDLE, LIFTED, FLOWS, WAITS | 0x80, IDLE | 0x80)
    assert bench.started == ["1"]
    bench.state(LIFTED, FLOWS)
    assert bench.started == ["1", "1"]


def test_a_sale_that_was_missed_shows_as_litres() -> None:
    bench = TapBench()
    _fuel(bench, 1_000, 51_000)
    bench.state(IDLE, FLOWS, WAITS)
    bench.acknowledge()
    _fuel(bench, 2_000, 55_000, number=3)
    assert bench.fuellings[1].totalizer_after_ml == 550_000
    assert bench.count("TOTAL_DIFFERS") == 0


def test_totals_that_fit_neither_litres_nor_money_are_not_believed() -> None:
    bench = TapBench()
    _fuel(bench, 1_000, 51_000)
    bench.state(LIFTED, FLOWS, WAITS)
    bench.totals(53_000 + 256, 53_000 * 750 // 100)
    bench.read(sale_body(2_000, 15_000, number=2))
    bench.acknowledge()
    assert bench.fuellings[1].totalizer_after_ml is None
    assert bench.fuellings[1].flags == ("TOTAL_DIFFERS",)


@pytest.mark.parametrize("price", ["0750", "7500", "0075"])
def test_wrong_decimals_make_no_sale_unbelievable(price: str) -> None:
    bench = TapBench()
    bench.state(IDLE, FLOWS, WAITS)
    bench.totals(51_000, 1)
    volume_count = 1_000 if price != "0075" else 10_000
    bench.read(sale_body(volume_count, 7_500, price=price))
    bench.acknowledge()
    assert len(bench.fuellings) == 1


def test_an_odd_sale_is_believed_if_something_else_speaks_for_it() -> None:
    odd = sale_body(2_000, 99, number=2)
    for speaks in ("nothing", "totals", "twice"):
        bench = TapBench()
        _fuel(bench, 1_000, 51_000)
        bench.state(LIFTED, FLOWS, WAITS)
        bench.totals(53_000, 382_500 + (99 if speaks == "totals" else 15_000))
        for _ in range(2 if speaks == "twice" else 1):
            bench.read(odd)
        bench.acknowledge()
        assert len(bench.fuellings) == (1 if speaks == "nothing" else 2), speaks
        assert bench.count("UNSUPPORTED_SALE") == (speaks == "nothing")


def test_a_sale_of_nothing_is_counted() -> None:
    bench = TapBench()
    bench.state(IDLE, LIFTED, WAITS)
    bench.totals(51_000, 1)
    bench.read(sale_body(0, 0))
    bench.acknowledge()
    assert bench.fuellings == []
    assert bench.count("ZERO_VOLUME") == 1


def test_a_historic_sale_counts_when_it_is_acknowledged() -> None:
    bench = TapBench()
    bench.state(IDLE)
    bench.read(sale_body(1_000, 7_500, chain="0007"), Command.HISTORIC)
    bench.wait(2_500)
    assert bench.count("HISTORIC_UNACKNOWLEDGED") == 1
    bench.read(sale_body(1_000, 7_500, chain="0007"), Command.HISTORIC)
    bench.acknowledge("0008")
    assert bench.fuellings == []
    bench.acknowledge("0007")
    (fuelling,) = bench.fuellings
    assert (fuelling.sequence_no, fuelling.flags, fuelling.ended) == (7, ("HISTORIC",), None)
    bench.read(sale_body(1_000, 7_500, chain="0007"))
    assert len(bench.fuellings) == 1


def test_what_the_till_could_not_keep_is_reported_again() -> None:
    bench = TapBench()
    bench.answer = NOT_NOW
    _fuel(bench, 1_000, 51_000)
    bench.wait(600)
    assert len(bench.fuellings) > 1
    bench.wait(600)
    assert len(set(bench.identities)) == 1


def test_other_points_are_not_heard_and_several_may_be() -> None:
    bench = TapBench("1", addresses=(2, 6))
    for point, heard in ((1, 0), (2, 1), (6, 2)):
        bench.point = point
        _fuel(bench, 1_000, 51_000)
        assert len(bench.fuellings) == heard
    assert [fuelling.nozzle for fuelling in bench.fuellings] == ["2", "6"]
    assert {fuelling.address for fuelling in bench.fuellings} == {"1"}


def test_silence_and_return_are_told_once() -> None:
    bench = TapBench()
    bench.wait(0)
    bench.state(IDLE, IDLE)
    bench.wait(3_000)
    bench.wait(3_000)
    bench.state(IDLE)
    assert [type(event) for event in bench.events] == [DeviceBack, DeviceSilent, DeviceBack]


def test_the_same_sale_has_one_identity_whoever_hears_it() -> None:
    master = MasterBench()
    replies: list[bytes] = []
    master.back = lambda data: replies.append(data) or data  # type: ignore[func-returns-value]
    master.simulator.points[1].store(Customer(1_000, 7_500, b"\x07\x50", b"\x00\x09"))
    master.run(3_000)
    bench = TapBench()
    for data in replies:
        bench.wire(data)
    bench.wait(2_500)
    assert bench.identities == master.identities
    assert len(bench.identities) == 1


@pytest.mark.parametrize("reads_totals", ["before", "after", "never"])
def test_controllers_with_other_habits_lose_nothing(reads_totals: ReadsTotals) -> None:
    wire, bench = TappedWire(reads_totals=reads_totals), TapBench()
    for number in range(4):
        wire.sell(1, 1_000 + number, (1_000 + number) * 750 // 100, 750, bench.now)
    for _ in range(4_000):
        bench.now = Monotonic(bench.now + 5)
        timer = wire.next_timer()
        if timer is not None and timer <= bench.now:
            wire.handle_timer(bench.now)
        if data := wire.bytes_to_send(bench.now):
            bench.session.receive(data, bench.now)
        bench.wait(0)
    truth = [true_sale(number, record) for number, record in wire.sales()]
    heard = [as_sold(fuelling) for fuelling in bench.fuellings]
    assert [sold.volume_ml for sold in heard] == [sold.volume_ml for sold in truth]
    assert (heard == truth) == (reads_totals != "never")


def test_an_acknowledgement_that_is_heard_behind_its_answer_counts() -> None:
    """Two receivers, one for each direction: the controller may be heard some milliseconds late."""
    for reads_totals in ("before", "after"):
        bench = TapBench()
        bench.state(IDLE, FLOWS, WAITS)
        if reads_totals == "before":
            bench.totals(51_000, 1)
        bench.read(sale_body(1_000, 7_500))
        bench.reply(Command.ACKNOWLEDGE)
        bench.ask(Command.ACKNOWLEDGE, b"\x00\x01")
        if reads_totals == "after":
            bench.totals(51_000, 1)
        bench.state(IDLE)
        assert [fuelling.totalizer_after_ml for fuelling in bench.fuellings] == [510_000]


def test_a_state_between_reading_and_acknowledgement_loses_no_sale() -> None:
    """Nor does a damaged one that says that none waits."""
    for command in (Command.SALE, Command.HISTORIC):
        bench = TapBench()
        bench.state(IDLE)
        bench.totals(51_000, 1)
        bench.state(IDLE, FLOWS, WAITS)
        bench.totals(52_000, 7_501)
        bench.read(sale_body(1_000, 7_500), command)
        bench.state(IDLE)
        bench.acknowledge()
        assert [fuelling.volume_ml for fuelling in bench.fuellings] == [10_000]


def test_a_sale_heard_twice_keeps_its_totals_though_its_acknowledgement_was_not_heard() -> None:
    bench = TapBench()
    bench.state(IDLE, FLOWS, WAITS)
    bench.totals(51_000, 1)
    for _ in range(2):
        bench.read(sale_body(1_000, 7_500))
    bench.state(IDLE)
    bench.wait(2_500)
    assert [fuelling.totalizer_after_ml for fuelling in bench.fuellings] == [510_000]


@pytest.mark.parametrize("is_after", [False, True])
def test_equal_sales_whose_bytes_say_nothing_else_are_told_apart_by_their_totals(is_after: bool) -> None:
    """What of a sale is not known may be the same in all of them."""
    bench = TapBench()
    for number in range(3):
        bench.state(IDLE, FLOWS, WAITS)
        if not is_after:
            bench.totals(51_000 + 1_000 * number, 7_500 * number)
        bench.read(sale_body(1_000, 7_500, chain="0000"))
        bench.acknowledge("0000")
        if is_after:
            bench.totals(51_000 + 1_000 * number, 7_500 * number)
        bench.read(sale_body(1_000, 7_500, chain="0000"))
    assert [fuelling.totalizer_after_ml for fuelling in bench.fuellings] == [510_000, 520_000, 530_000]
    assert len(set(bench.identities)) == 3
    assert bench.count("RECORD_ALIKE") == 2
    assert bench.count("REPEATED_SALE") == 3


def test_a_sale_read_again_because_its_acknowledgement_failed_is_the_same_one() -> None:
    bench = TapBench()
    _fuel(bench, 1_000, 51_000)
    for _ in range(2):
        bench.state(WAITS)
        bench.totals(51_000, 51_000 * 750 // 100)
        bench.read(sale_body(1_000, 7_500))
        bench.acknowledge()
        bench.state(IDLE)
    assert len(bench.fuellings) == 1
    assert bench.count("REPEATED_SALE") == 2
    _fuel(bench, 2_000, 53_000, number=2)
    assert (bench.fuellings[1].totalizer_before_ml, bench.fuellings[1].flags) == (510_000, ())


def test_a_sale_that_still_waits_is_no_other_though_the_totals_are_ahead_by_it() -> None:
    bench = TapBench()
    _fuel(bench, 1_000, 51_000)
    bench.state(IDLE, FLOWS, WAITS)
    bench.read(sale_body(2_000, 15_000, number=2))
    bench.acknowledge(after=WAITS)
    for _ in range(4):
        bench.wait(700)
        bench.state(WAITS)
    assert len(bench.fuellings) == 2
    bench.totals(55_000, 55_000 * 750 // 100)
    bench.read(sale_body(2_000, 15_000, number=2))
    bench.acknowledge()
    bench.state(IDLE)
    assert [fuelling.volume_ml for fuelling in bench.fuellings] == [10_000, 20_000]
    assert bench.count("RECORD_ALIKE") == 0


def test_a_sale_with_another_number_than_the_controller_acknowledges_is_not_believed() -> None:
    """Two flipped bits that the XOR does not see: heard again it would have another identity."""
    bench = TapBench()
    bench.state(WAITS)
    bench.read(sale_body(1_000, 7_500, chain="0009"))
    bench.acknowledge("0001")
    bench.wait(2_500)
    assert bench.fuellings == []
    assert bench.session.counters()["UNSUPPORTED_SALE"] == 1


@pytest.mark.parametrize("gap", ["none", "silence", "unplugged"])
def test_behind_a_gap_totals_are_compared_with_none_of_before_it(gap: str) -> None:
    """They moved by litres and by money that do not belong together: at two prices, or damage."""
    bench = TapBench()
    _fuel(bench, 1_000, 51_000)
    bench.state(IDLE, FLOWS)
    if gap == "silence":
        bench.wait(3_000)
    elif gap == "unplugged":
        bench.session.disconnected(bench.now)
    bench.state(WAITS)
    bench.totals(53_000 + 256, 53_000 * 750 // 100)
    bench.read(sale_body(2_000, 15_000, number=2))
    bench.acknowledge()
    fuelling, is_whole = bench.fuellings[1], gap == "none"
    assert fuelling.totalizer_after_ml == (None if is_whole else 532_560)
    assert fuelling.flags == (("TOTAL_DIFFERS",) if is_whole else ())
    assert (fuelling.ended is not None) == is_whole


def test_an_end_that_nobody_watched_is_none() -> None:
    """The dispenser is heard, but its state is not asked for 3 s."""
    bench = TapBench()
    bench.state(IDLE, FLOWS)
    for _ in range(3):
        bench.wait(1_000)
        bench.ask(Command.RUNNING)
        bench.reply(Command.RUNNING, bytes(8), FLOWS)
    bench.state(WAITS)
    bench.totals(51_000, 1)
    bench.read(sale_body(1_000, 7_500))
    bench.acknowledge()
    assert [fuelling.ended for fuelling in bench.fuellings] == [None]


@pytest.mark.parametrize(("damage", "total_ml"), [(b"", 510_000), (b"\xfc\x0d\x01\x23\xff\xff", None)])
def test_at_a_damaged_frame_totals_are_not_believed_that_nothing_proves(
    damage: bytes, total_ml: int | None
) -> None:
    bench = TapBench()
    bench.state(IDLE, FLOWS, WAITS)
    bench.session.receive(damage, bench.now)
    bench.totals(51_000, 1)
    bench.read(sale_body(1_000, 7_500))
    bench.acknowledge()
    (fuelling,) = bench.fuellings
    assert fuelling.totalizer_after_ml == total_ml
    assert fuelling.flags == (() if total_ml else ("TOTALIZER_UNHEARD",))


@pytest.mark.parametrize("amount_count", [0, 1])
def test_an_amount_of_hardly_a_step_supports_nothing(amount_count: int) -> None:
    bench = TapBench()
    bench.state(WAITS)
    bench.read(sale_body(1_024, amount_count))
    bench.acknowledge("0001")
    bench.wait(2_500)
    assert bench.fuellings == []


@pytest.mark.parametrize(("damage", "reported"), [(b"", 1), (b"\xfc\x0d\x01\x23\xff\xff", 0)])
def test_near_a_damaged_frame_a_sale_heard_once_must_fit_closely(damage: bytes, reported: int) -> None:
    """10.00 l at 7.50 for 75.06: a preset by amount misses by so much, and so do two flipped bits."""
    bench = TapBench()
    bench.session.receive(damage, bench.now)
    bench.state(WAITS)
    bench.read(sale_body(1_000, 7_506))
    bench.acknowledge()
    bench.wait(2_500)
    assert len(bench.fuellings) == reported


@pytest.mark.parametrize("late_ms", [(0, 0), (0, 40), (25, 25)])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_controller_that_is_heard_late_costs_no_sale(late_ms: tuple[int, int], seed: int) -> None:
    assert overhear(ListenCase(), seed, late_ms) == ([], [])


def test_without_the_switch_not_one_byte_is_said() -> None:
    questions = [encode(command, point) for command in Command for point in (1, 2)]
    waits = encode(Command.STATE, 1, bytes((WAITS,)))
    sold = encode(Command.SALE, 1, bytes((WAITS,)) + sale_body(1_000, 7_500))
    assert spoken_by_default(DRIVER, [*questions, waits, waits, sold, sold, waits, b"\xfc" * 40]) == b""
