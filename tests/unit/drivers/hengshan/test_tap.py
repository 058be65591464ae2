"""Unit: does a listener report what a controller reads, named and with its total, and say nothing?"""

from drivers.events import Answer, DriverEvent, Fuelling, FuellingStarted
from drivers.hengshan import DRIVER, codec, words
from drivers.hengshan.controller import TappedLoop
from drivers.hengshan.dispenser import Dispenser
from drivers.hengshan.options import HengshanOptions
from drivers.hengshan.simulator import HengshanSimulator, frame
from tests.unit.drivers.hengshan.dispenser_desk import NOT_NOW, YES, DispenserDesk

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
    assert desk.session.counters()["UNASKED_SALE"] == 1
    desk.loop = lambda data: [data]
    _sell(desk)
    desk.run(LONG_MS)
    desk.loop = deaf
    _sell(desk)
    desk.run(LONG_MS)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [42, 43]
    assert desk.fuellings[0].totalizer_before_ml is None, "sale 41 was not heard"
    assert desk.fuellings[1].totalizer_before_ml == 70_000


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
    assert desk.session.counters()["REPEATED_RECORD"] == 1


def test_zero_volume_is_counted_only() -> None:
    desk = _desk()
    _hear(desk, codec.SALE, words.number_bytes(7))
    _hear(desk, codec.SALE, _record(7, 0))
    assert _reported(desk) == []
    assert desk.session.counters()["ZERO_VOLUME"] == 1


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
