"""Unit: does a listener report what a controller reads, named and with its total, and say nothing?"""

import pytest

from drivers.events import Answer, DriverEvent, Fuelling, FuellingStarted
from drivers.hengshan import DRIVER, codec, words
from drivers.hengshan.case import ListenCase
from drivers.hengshan.controller import TappedLoop
from drivers.hengshan.dispenser import Dispenser
from drivers.hengshan.options import HengshanOptions
from drivers.hengshan.simulator import HengshanSimulator, frame
from tests.unit.drivers.hengshan.dispenser_desk import DispenserDesk
from tests.unit.drivers.machinery.session_bench import NOT_NOW, YES
from tests.unit.drivers.machinery.tapped_wires import overhear, spoken_by_default

FLOW_MS = 1_500
LONG_MS = 5_000


def _desk(*, reads_totals: bool = True, names_sales: bool = True) -> DispenserDesk:
    points = {
        address: HengshanSimulator(
            Dispenser(needs_master=True, stores_zero=False, total_cl=5_000, last_number=40),
            address=address,
            names_sales=names_sales,
        )
        for address in (1, 2)
    }
    return DispenserDesk(TappedLoop(points, reads_totals=reads_totals))


def _sell(desk: DispenserDesk, volume_cl: int = 1_000, point: int = 1) -> None:
    assert isinstance(desk.simulator, TappedLoop)
    desk.simulator.points[point].sell(volume_cl, volume_cl * 777 // 100, 777, desk.now, FLOW_MS)


def _frames(data: bytes) -> list[codec.Frame]:
    return list(codec.Reader().feed(data))


def _hear(desk: DispenserDesk, command: int, data: bytes) -> None:
    desk.session.receive(frame(1, 1, command, data), desk.now)


def _record(number: int, volume_cl: int = 1_000) -> bytes:
    amount = (volume_cl * 777 // 100).to_bytes(4, "big")
    return words.number_bytes(number) + b"\x01\x00\x03\x09" + bytes(9) + volume_cl.to_bytes(4, "big") + amount


def _reported(desk: DispenserDesk) -> list[Fuelling]:
    desk.run(10)
    return desk.fuellings


def test_a_sale_is_reported_with_its_total_and_its_watched_end() -> None:
    desk = _desk()
    ended_before = desk.now
    _sell(desk)
    desk.run(LONG_MS)
    (fuelling,) = desk.fuellings
    assert (fuelling.sequence_no, fuelling.volume_ml, fuelling.amount_fen) == (41, 10_000, 7_770)
    assert (fuelling.totalizer_after_ml, fuelling.totalizer_before_ml) == (60_000, None)
    assert fuelling.ended is not None
    assert ended_before + FLOW_MS < fuelling.ended < desk.now
    _sell(desk)
    desk.run(LONG_MS)
    assert desk.fuellings[-1].totalizer_before_ml == 60_000
    assert desk.sent == []


def test_a_lift_is_told_once_a_customer() -> None:
    desk = _desk()
    for _ in range(2):
        _sell(desk)
        desk.run(LONG_MS)
    started = [at for at, event in enumerate(desk.events) if isinstance(event, FuellingStarted)]
    sold = [at for at, event in enumerate(desk.events) if isinstance(event, Fuelling)]
    assert len(started) == len(sold) == 2
    assert started[0] < sold[0] < started[1] < sold[1]


def test_who_lifts_and_hangs_up_sells_nothing() -> None:
    desk = _desk()
    _sell(desk, volume_cl=0)
    _sell(desk)
    desk.run(LONG_MS)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [41]


def test_the_neighbour_is_not_ours() -> None:
    desk = _desk()
    _sell(desk, point=2)
    desk.run(LONG_MS)
    assert desk.fuellings == []


def test_without_totals_a_sale_is_reported_without() -> None:
    desk = _desk(reads_totals=False)
    _sell(desk)
    desk.run(LONG_MS)
    (fuelling,) = desk.fuellings
    assert (fuelling.totalizer_after_ml, fuelling.ended) == (None, None)
    assert fuelling.flags == ("TOTALIZER_MISSING",)


def test_a_record_is_named_by_its_question_where_it_does_not_name_itself() -> None:
    desk = _desk(names_sales=False)
    _sell(desk)
    desk.run(LONG_MS)
    (fuelling,) = desk.fuellings
    assert (fuelling.sequence_no, fuelling.totalizer_after_ml) == (41, 60_000)
    assert fuelling.flags == ("NUMBER_DIFFERS",)


def test_a_record_without_its_question_is_believed_once_records_are_known_to_name_themselves() -> None:
    desk = _desk()

    def deaf(data: bytes) -> list[bytes]:
        return [] if any(words.asked_number(each) is not None for each in _frames(data)) else [data]

    desk.loop = deaf
    _sell(desk)
    desk.run(LONG_MS)
    assert desk.fuellings == []
    assert desk.count("UNASKED_SALE") == 1
    desk.loop = lambda data: [data]
    _sell(desk)
    desk.run(LONG_MS)
    desk.loop = deaf
    _sell(desk)
    desk.run(LONG_MS)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [42, 43]
    assert desk.fuellings[0].totalizer_before_ml is None, "sale 41 was not heard"
    assert desk.fuellings[1].totalizer_before_ml == 70_000


def test_a_question_heard_behind_its_record_proves_that_records_name_themselves() -> None:
    """Two receivers, one for each direction: the controller may be heard some milliseconds late."""
    desk = _desk()
    desk.loop = lambda data: []
    for number in (7, 8):
        _hear(desk, codec.TOTALS, bytes(3) + words.number_bytes(number) + words.number_bytes(1_000 * number))
        _hear(desk, codec.SALE, _record(number))
        _hear(desk, codec.SALE, words.number_bytes(number))
    assert [(each.sequence_no, each.totalizer_after_ml) for each in _reported(desk)] == [
        (7, 70_000),
        (8, 80_000),
    ]
    assert desk.count("UNASKED_SALE") == 0


def test_a_question_names_one_record_only() -> None:
    """Behind records that do not name themselves, a late question must not name the next one."""
    desk = _desk()
    desk.loop = lambda data: []
    for number in (7, 8):
        _hear(desk, codec.SALE, b"\x20\x26\x01\x01" + _record(number)[4:])
        desk.run(20)
        _hear(desk, codec.SALE, words.number_bytes(number))
        desk.run(100)
    assert _reported(desk) == []
    _hear(desk, codec.SALE, words.number_bytes(9))
    for number in (9, 10):
        _hear(desk, codec.SALE, b"\x20\x26\x01\x01" + _record(number, 100 * number)[4:])
    assert [(each.sequence_no, each.volume_ml) for each in _reported(desk)] == [(9, 9_000)]
    _hear(desk, codec.CONFIRM, b"")
    assert desk.count("UNASKED_SALE") == 3


def test_an_end_that_nobody_watched_is_none() -> None:
    """Totals are heard meanwhile, so the dispenser is there; its state is not asked for 3 s."""
    for pause_ms in (1_000, 3_000):
        desk = _desk()
        desk.loop = lambda data: []
        totals = bytes(3) + words.number_bytes(7) + words.number_bytes(7_000)
        _hear(desk, codec.STATE, bytes((words.FUELLING,)) + bytes(8))
        for _ in range(pause_ms // 1_000):
            desk.run(1_000)
            _hear(desk, codec.TOTALS, totals)
        _hear(desk, codec.STATE, bytes((words.ENDED,)))
        _hear(desk, codec.TOTALS, totals)
        _hear(desk, codec.SALE, words.number_bytes(7))
        _hear(desk, codec.SALE, _record(7))
        assert [each.ended is not None for each in _reported(desk)] == [pause_ms == 1_000]


@pytest.mark.parametrize("is_unplugged", [False, True])
def test_behind_a_gap_a_nozzle_that_is_out_is_another_customers(is_unplugged: bool) -> None:
    desk = _desk()
    desk.loop = lambda data: []
    for _ in range(2):
        for _ in range(3):
            _hear(desk, codec.STATE, bytes((words.CALLING,)))
            desk.run(500)
        _hear(desk, codec.SALE, words.number_bytes(7))
        if is_unplugged:
            desk.session.disconnected(desk.now)
        else:
            desk.run(3_000)
    _hear(desk, codec.SALE, b"\x20\x26\x01\x01" + _record(8)[4:])
    desk.run(10)
    assert sum(isinstance(event, FuellingStarted) for event in desk.events) == 2
    assert desk.fuellings == [], "nor is a record behind it what was asked for before it"


def test_an_old_question_names_no_record() -> None:
    desk = _desk()
    desk.loop = lambda data: []
    _hear(desk, codec.SALE, words.number_bytes(7))
    desk.run(1_500)
    _hear(desk, codec.SALE, _record(7))
    assert _reported(desk) == []
    _hear(desk, codec.SALE, words.number_bytes(7))
    _hear(desk, codec.SALE, _record(7))
    assert [fuelling.sequence_no for fuelling in _reported(desk)] == [7]


def test_a_total_told_while_the_nozzle_is_out_belongs_to_nobody() -> None:
    for state, total_ml in ((0, 90_000), (3, None)):
        desk = _desk()
        _hear(desk, codec.STATE, bytes((state,)))
        _hear(desk, codec.TOTALS, bytes(3) + words.number_bytes(7) + words.number_bytes(9_000))
        _hear(desk, codec.SALE, words.number_bytes(7))
        _hear(desk, codec.SALE, _record(7))
        assert [fuelling.totalizer_after_ml for fuelling in _reported(desk)] == [total_ml]


def test_a_total_is_that_of_the_sale_it_names_and_begins_the_next_one_only() -> None:
    desk = _desk()
    for named, read in ((8, 7), (8, 8), (9, 9), (11, 11)):
        _hear(desk, codec.TOTALS, bytes(3) + words.number_bytes(named) + words.number_bytes(1_000 * named))
        _hear(desk, codec.SALE, words.number_bytes(read))
        _hear(desk, codec.SALE, _record(read))
    desk.run(50)
    totals = [(each.totalizer_before_ml, each.totalizer_after_ml) for each in desk.fuellings]
    assert totals == [(None, None), (None, 80_000), (80_000, 90_000), (None, 110_000)]


def test_a_record_read_again_at_once_is_one_report_and_later_the_same_identity() -> None:
    desk = _desk()
    for number in (7, 7, 8, 7):
        _hear(desk, codec.SALE, words.number_bytes(number))
        _hear(desk, codec.SALE, _record(number))
    desk.run(50)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [7, 8, 7]
    assert desk.fuellings[0].raw == desk.fuellings[2].raw
    assert desk.count("REPEATED_RECORD") == 1


def test_zero_volume_is_counted_only() -> None:
    desk = _desk()
    _hear(desk, codec.SALE, words.number_bytes(7))
    _hear(desk, codec.SALE, _record(7, 0))
    assert _reported(desk) == []
    assert desk.count("ZERO_VOLUME") == 1


def test_a_no_such_sale_is_no_record() -> None:
    desk = _desk()
    _hear(desk, codec.SALE, words.number_bytes(7))
    _hear(desk, codec.SALE, words.number_bytes(7))
    assert _reported(desk) == []


def test_a_fuelling_that_the_till_cannot_take_waits_for_it() -> None:
    desk = _desk()
    answers: list[Answer] = [NOT_NOW, NOT_NOW, YES]

    def till(event: DriverEvent) -> Answer:
        return answers.pop(0) if isinstance(event, Fuelling) else YES

    desk.till = till
    _sell(desk)
    desk.run(LONG_MS)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [41, 41, 41]
    assert desk.fuellings[0] == desk.fuellings[2]


def test_it_says_so_that_it_only_listens() -> None:
    assert DRIVER.listens(HengshanOptions())
    assert not DRIVER.listens(HengshanOptions(mode="master"))
    assert DRIVER.asks("1", HengshanOptions()) == ()


@pytest.mark.parametrize("late_ms", [(0, 0), (0, 40), (25, 25)])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_controller_that_is_heard_late_costs_no_sale(late_ms: tuple[int, int], seed: int) -> None:
    assert overhear(ListenCase(), seed, late_ms) == ([], [])


def test_without_the_switch_not_one_byte_is_said() -> None:
    answers = [
        (codec.STATE, b"\x05"),
        (codec.TOTALS, bytes(3) + words.number_bytes(7) + words.number_bytes(7_000)),
        (codec.SALE, words.number_bytes(7)),
        (codec.SALE, _record(7)),
        (codec.CONFIRM, b""),
    ]
    heard = [frame(1, number, *answer) for number, answer in enumerate(answers)]
    assert spoken_by_default(DRIVER, [*heard, *heard, b"\xfa\x00" * 40]) == b""
