"""unit: are numbered records read in order and acknowledged only when on disk, across wrap, loss and tear?"""

import pytest

from drivers.events import Fuelling, FuellingStarted, HandOver, Monotonic
from drivers.modbus.maps import RingMap
from drivers.modbus.simulator import ModbusSimulator
from tests.unit.drivers.modbus.modbus_table import DURABLE, NOT_NOW, Table, as_sale, options

RING = "ring-buffer"


def sell(stage: Table, times: int) -> None:
    for _ in range(times):
        number = len(stage.device.truth) + 1
        stage.device.sell(1_000 * number, 777 * number, 7_770, stage.now)


@pytest.mark.parametrize("transport", ["tcp", "rtu"])
@pytest.mark.parametrize("order", ["high_first", "low_first"])
def test_a_backlog_is_read_in_order_and_acknowledged(transport: str, order: str) -> None:
    stage = Table(options(RING, transport, word_order=order))
    sell(stage, 9)
    stage.run(5_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth
    assert all(fuelling.hand_over is HandOver.BUFFERED for fuelling in stage.fuellings())
    assert [words for _, words in stage.device.writes] == [(number,) for number in range(1, 10)]
    befores = [fuelling.totalizer_before_ml for fuelling in stage.fuellings()]
    assert befores == [None, *(sale.total_after_ml for sale in stage.device.truth[:-1])]


def test_nothing_is_acknowledged_before_the_till_has_it() -> None:
    stage = Table(options(RING))
    sell(stage, 2)
    stage.till = lambda _: NOT_NOW
    stage.run(5_000)
    assert stage.device.acknowledged == 0
    refused = stage.fuellings()
    assert len(refused) >= 4
    assert len(set(refused)) == 1
    stage.till = lambda _: DURABLE
    stage.run(5_000)
    assert stage.device.acknowledged == 2


def test_numbers_wrap() -> None:
    stage = Table(options(RING))
    stage.device.start_numbers_at(65_533)
    stage.run(1_000)
    sell(stage, 5)
    stage.run(5_000)
    assert [fuelling.sequence_no for fuelling in stage.fuellings()] == [65_534, 65_535, 0, 1, 2]
    assert stage.device.acknowledged == 2


def test_records_overwritten_while_away_are_counted_and_the_rest_is_read() -> None:
    stage = Table(options(RING))
    sell(stage, 40)
    stage.run(10_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth[-16:]
    assert [fuelling.flags for fuelling in stage.fuellings()] == [("RECORDS_LOST",), *[()] * 15]
    assert stage.session.counters()["RECORDS_LOST"] == 1
    assert stage.device.acknowledged == 40


def test_a_restart_reports_again_only_what_was_not_acknowledged() -> None:
    stage = Table(options(RING))
    sell(stage, 3)
    stage.run(5_000)
    stage.restart_session()
    stage.events.clear()
    stage.run(5_000)
    assert stage.fuellings() == []


def test_an_acknowledgement_that_the_device_forgot_is_written_again() -> None:
    stage = Table(options(RING))
    sell(stage, 3)
    stage.run(5_000)
    stage.device.acknowledged = 1
    stage.events.clear()
    stage.run(2_000)
    assert stage.device.acknowledged == 3
    assert stage.fuellings() == []


def test_a_device_that_starts_its_numbers_anew_is_read_from_there() -> None:
    stage = Table(options(RING))
    stage.device.start_numbers_at(500)
    sell(stage, 2)
    stage.run(3_000)
    stage.device.truth.clear()
    stage.device.start_numbers_at(0)
    sell(stage, 2)
    stage.events.clear()
    stage.run(3_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth
    assert [fuelling.sequence_no for fuelling in stage.fuellings()] == [1, 2]


def test_a_device_that_was_replaced_while_away_is_believed() -> None:
    """Its numbers reach beyond those that we know, and none of them is ours."""
    stage = Table(options(RING))
    sell(stage, 2)
    stage.run(3_000)
    stage.is_cut = True
    stage.run(10_000)
    stage.device.truth.clear()
    stage.device.start_numbers_at(0)
    sell(stage, 5)
    stage.is_cut = False
    stage.events.clear()
    stage.run(5_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth
    assert [words for _, words in stage.device.writes[2:]] == [(number,) for number in range(1, 6)]


class _Torn(ModbusSimulator):
    """The last register of record `torn_no` still holds the number of the record before it."""

    torn_no = 2

    def _put_record(self, image: dict[int, int], found: RingMap, sale) -> None:  # type: ignore[no-untyped-def]
        super()._put_record(image, found, sale)
        if sale.sequence_no == self.torn_no:
            image[found.slot(sale.sequence_no).address + found.record.sequence_again.address] = 0xFFFF


def test_a_torn_record_is_not_reported_and_does_not_stop_the_next() -> None:
    chosen = options(RING)
    stage = Table(chosen, _Torn("1", chosen))
    sell(stage, 3)
    stage.run(600)
    assert [fuelling.sequence_no for fuelling in stage.fuellings()] == [1]
    stage.run(5_000)
    assert [fuelling.sequence_no for fuelling in stage.fuellings()] == [1, 3]
    assert stage.session.counters()["RECORD_UNREADABLE"] == 1


def test_a_record_that_was_torn_for_a_moment_is_read() -> None:
    chosen = options(RING)
    device = _Torn("1", chosen)
    stage = Table(chosen, device)
    sell(stage, 3)
    stage.run(450)
    device.torn_no = 0
    stage.run(5_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth
    assert stage.session.counters()["RECORD_TORN"] >= 1


def test_no_volume_is_acknowledged_and_no_fuelling() -> None:
    stage = Table(options(RING))
    stage.device.sell(0, 0, 7_770, stage.now)
    stage.run(2_000)
    assert stage.fuellings() == []
    assert stage.device.acknowledged == 1
    assert stage.session.counters()["ZERO_VOLUME"] == 1


class _WriteProtected(ModbusSimulator):
    def _written(self, pdu: bytes, address: int, words: tuple[int, ...]) -> bytes:
        return bytes((pdu[0] | 0x80, 4))


def test_a_device_that_refuses_the_acknowledgement_is_still_read() -> None:
    chosen = options(RING)
    stage = Table(chosen, _WriteProtected("1", chosen))
    sell(stage, 5)
    stage.run(10_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth
    assert stage.session.counters()["DEVICE_REFUSES"] >= 5


def test_the_end_is_dated_only_if_it_was_watched() -> None:
    stage = Table(options(RING))
    sell(stage, 1)
    stage.run(2_000)
    ended = stage.now
    sell(stage, 1)
    stage.run(2_000)
    before, watched = stage.fuellings()
    assert before.ended is None
    assert watched.ended is not None
    assert 0 <= watched.ended - ended <= 350


def test_flow_is_told_once_a_fuelling() -> None:
    stage = Table(options(RING))
    stage.run(1_000)
    stage.device.sell(20_000, 15_540, 7_770, stage.now, lasts_ms=3_000)
    stage.run(6_000)
    kinds = [type(e).__name__ for e in stage.events if isinstance(e, FuellingStarted | Fuelling)]
    assert kinds == ["FuellingStarted", "Fuelling"]


def test_silence_while_a_record_is_asked_for_does_no_harm() -> None:
    """The question is out when the session decides that the device is away, and its answer comes after."""
    stage = Table(options(RING, answer_ms=1_000))
    stage.run(1_000)
    sell(stage, 1)
    stage.device.keep_quiet(2)
    stage.device.answer_late(1, 900)
    stage.run(400)
    stage.session._notice_silence(Monotonic(stage.now + 60_000))
    stage.run(20_000)
    assert {as_sale(fuelling) for fuelling in stage.fuellings()} == set(stage.device.truth)
