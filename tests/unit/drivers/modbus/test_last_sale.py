"""unit: is a last sale reported once, with the right evidence, and a retained display never as a new one?"""

import struct

import pytest

from drivers.checksums import crc16_modbus
from drivers.events import Fuelling, FuellingStarted, HandOver, Monotonic, RawDigits
from drivers.modbus.session import ModbusSession
from drivers.modbus.simulator import ModbusSimulator, Sale
from tests.unit.drivers.modbus.modbus_table import NOT_NOW, Table, as_sale, options

C5000 = "compac-c5000"
ORDERS = ("high_first", "low_first")


def table(**simulated: object) -> Table:
    chosen = options(C5000)
    return Table(chosen, ModbusSimulator("1", chosen, **simulated))  # type: ignore[arg-type]


def test_hand_made_registers_become_the_fuelling_they_hold() -> None:
    """Layout by hand from devices.md 10, without map and simulator: 30.12 l, 234.05, price 7.77."""
    sale = (1, 0, 30_120, 0x0003, 0x9242, 0, 0, 0)
    meter = (777, 0, 30_120, 0, 0, 0x0012, 0x3456, 0x7890, 0x0000, 0x0000, 0x0042)
    session = ModbusSession("1", options(C5000))
    found = []
    for now in map(Monotonic, range(0, 5_000, 5)):
        timer = session.next_timer()
        if timer is not None and timer <= now:
            session.handle_timer(now)
        question = session.bytes_to_send(now)
        if question:
            assert question[:2] == b"\x01\x03"
            first, count = struct.unpack(">HH", question[2:6])
            words = {(124, 8): sale, (101, 11): meter}[first, count]
            body = struct.pack(f">BBB{count}H", 1, 3, 2 * count, *words)
            session.receive(body + crc16_modbus(body).to_bytes(2, "little"), Monotonic(now + 1))
        while (event := session.next_event()) is not None:
            if isinstance(event, Fuelling):
                found.append(event)
    assert found == [
        Fuelling(
            address="1",
            nozzle="1",
            hand_over=HandOver.LAST_SALE,
            sequence_no=None,
            raw=RawDigits("30120", "234050", "", "1234567890"),
            volume_ml=30_120,
            amount_fen=23_405,
            unit_price_milli=7_770,
            volume_step_ml=1,
            amount_step_fen=1,
            totalizer_after_ml=1_234_567_890,
            totalizer_modulus_ml=10_000_000_000,
            totalizer_step_ml=1,
        )
    ]


@pytest.mark.parametrize("transport", ["tcp", "rtu"])
@pytest.mark.parametrize("order", ORDERS)
def test_three_sales_two_of_them_equal(transport: str, order: str) -> None:
    stage = Table(options(C5000, transport, word_order=order))
    for volume_ml, amount_fen in ((70_000, 54_390), (70_000, 54_390), (12_340, 9_588)):
        stage.run(2_000)
        stage.device.sell(volume_ml, amount_fen, 7_770, stage.now, lasts_ms=1_500)
    stage.run(4_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth
    assert all(fuelling.flags == () for fuelling in stage.fuellings())
    befores = [fuelling.totalizer_before_ml for fuelling in stage.fuellings()]
    assert befores == [0, 70_000, 140_000]


@pytest.mark.parametrize(("total_decimals", "step_ml"), [(3, 1), (2, 10), (1, 100), (0, 1_000)])
@pytest.mark.parametrize("of", [C5000, "ring-buffer"])
def test_the_step_of_the_totalizer_is_that_of_its_decimals(
    of: str, total_decimals: int, step_ml: int
) -> None:
    stage = Table(options(of, total_decimals=total_decimals))
    stage.run(2_000)
    stage.device.sell(70_000, 54_390, 7_770, stage.now, lasts_ms=1_500)
    stage.run(4_000)
    [fuelling] = stage.fuellings()
    assert (fuelling.totalizer_step_ml, fuelling.volume_step_ml) == (step_ml, 1)


def test_the_wrong_word_order_shows_as_totals_that_differ() -> None:
    right = options(C5000, word_order="high_first")
    stage = Table(options(C5000, word_order="low_first"), ModbusSimulator("1", right))
    stage.run(2_000)
    stage.device.sell(40_120, 31_173, 7_770, stage.now)
    stage.run(10_000)
    assert [fuelling.volume_ml for fuelling in stage.fuellings()] == [40_120 << 16]
    assert "TOTAL_DIFFERS" in stage.fuellings()[0].flags


def test_the_end_is_dated_only_if_it_was_watched() -> None:
    stage = table()
    stage.device.sell(10_000, 7_770, 7_770, stage.now)
    stage.run(3_000)
    began = stage.now
    stage.device.sell(20_000, 15_540, 7_770, stage.now, lasts_ms=2_000)
    stage.run(4_000)
    retained, watched = stage.fuellings()
    assert retained.ended is None
    assert watched.ended is not None
    assert 0 <= watched.ended - (began + 2_000) <= 350


def test_the_end_of_a_sale_that_ended_while_the_plug_was_out_is_not_dated() -> None:
    stage = table()
    stage.device.sell(10_000, 7_770, 7_770, stage.now)
    stage.run(3_000)
    stage.session.disconnected(stage.now)
    stage.device.sell(20_000, 15_540, 7_770, stage.now)
    stage.now = Monotonic(stage.now + 2_000)
    stage.run(3_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth
    assert stage.fuellings()[1].ended is None


def test_what_was_half_read_when_the_plug_was_pulled_is_read_anew() -> None:
    """The block `sale` is of before: it must not be put beside a meter of after."""
    stage = table(answer_after_ms=40)
    while len(stage.asked) < 2:
        stage.run(1)
    assert [frame[2:4] for _, frame in stage.asked] == [b"\0\x7c", b"\0\x65"], "sale, meter"
    stage.session.disconnected(stage.now)
    stage.device.power_cycle(stage.now)
    stage.run(100)
    assert stage.asked[2][1][2:4] == b"\0\x7c"


def test_a_retained_display_is_reported_once_a_start_and_never_looks_new() -> None:
    stage = table()
    stage.device.sell(10_000, 7_770, 7_770, stage.now)
    stage.run(20_000)
    assert len(stage.fuellings()) == 1
    stage.restart_session()
    stage.run(20_000)
    first, again = stage.fuellings()
    assert first == again


def test_a_price_change_does_not_make_a_second_sale_of_the_display() -> None:
    stage = table()
    stage.device.sell(10_000, 7_770, 7_770, stage.now)
    stage.run(2_000)
    stage.device._price_milli = 8_000
    stage.restart_session()
    stage.run(2_000)
    first, again = stage.fuellings()
    assert first.raw == again.raw
    assert (first.unit_price_milli, again.unit_price_milli) == (7_770, 8_000)


def test_a_start_while_fuel_flows_still_finds_the_sale_before() -> None:
    stage = table()
    stage.device.sell(10_000, 7_770, 7_770, stage.now)
    stage.device.sell(20_000, 15_540, 7_770, stage.now, lasts_ms=10_000)
    stage.run(5_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth
    stage.run(10_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth
    assert len(stage.device.truth) == 2


def test_totals_that_count_while_fuel_flows_name_no_sale_wrongly() -> None:
    stage = table(totals_live=True)
    stage.device.sell(10_000, 7_770, 7_770, stage.now)
    stage.device.sell(20_000, 15_540, 7_770, stage.now, lasts_ms=10_000)
    stage.run(5_000)
    assert stage.fuellings() == []
    stage.run(10_000)
    stage.device.sell(20_000, 15_540, 7_770, stage.now, lasts_ms=5_000)
    stage.run(10_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth[1:]


def test_a_pause_in_a_flow_that_the_totals_count_names_no_sale_wrongly() -> None:
    """The flow is so slow that ten readings in a row are the same."""
    stage = table(totals_live=True)
    stage.device.sell(10_000, 7_770, 7_770, stage.now)
    stage.device.sell(4, 3, 7_770, stage.now, lasts_ms=10_000)
    stage.run(4_000)
    stage.restart_session()
    stage.run(5_000)
    assert [fuelling.totalizer_after_ml for fuelling in stage.fuellings()] == [10_000]


def test_totals_that_follow_late_are_waited_for_after_a_start_too() -> None:
    stage = table(totals_lag_ms=400)
    stage.device.sell(10_000, 7_770, 7_770, stage.now)
    stage.run(5_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth


@pytest.mark.parametrize("lag_ms", [100, 400, 1_500, 4_000])
def test_totals_that_follow_the_flag_late_are_waited_for(lag_ms: int) -> None:
    stage = table(totals_lag_ms=lag_ms)
    stage.run(2_000)
    for _ in range(2):
        stage.device.sell(20_000, 15_540, 7_770, stage.now, lasts_ms=1_000)
        stage.run(10_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth
    assert all(fuelling.flags == () for fuelling in stage.fuellings())


def test_a_totalizer_that_stands_still_is_flagged_and_the_sale_reported() -> None:
    stage = table(totals_lag_ms=10**9)
    stage.run(2_000)
    stage.device.sell(20_000, 15_540, 7_770, stage.now, lasts_ms=1_000)
    stage.run(15_000)
    (fuelling,) = stage.fuellings()
    assert fuelling.flags == ("TOTAL_DIFFERS", "AMOUNT_TOTAL_DIFFERS")
    assert (fuelling.totalizer_before_ml, fuelling.totalizer_after_ml) == (0, 0)


def test_the_next_car_flushes_a_sale_that_waited_for_its_totals() -> None:
    stage = table(totals_lag_ms=10**9)
    stage.run(2_000)
    stage.device.sell(20_000, 15_540, 7_770, stage.now)
    stage.run(1_000)
    assert stage.fuellings() == []
    stage.device.sell(30_000, 23_310, 7_770, stage.now, lasts_ms=60_000)
    stage.run(1_000)
    assert [fuelling.volume_ml for fuelling in stage.fuellings()] == [20_000]


def test_totalizers_that_wrap_still_fit() -> None:
    stage = table()
    stage.device.start_totals_at(9_999_995_000, 100)
    stage.run(2_000)
    stage.device.sell(20_000, 15_540, 7_770, stage.now)
    stage.run(2_000)
    (fuelling,) = stage.fuellings()
    assert (fuelling.totalizer_before_ml, fuelling.totalizer_after_ml) == (9_999_995_000, 15_000)
    assert fuelling.totalizer_modulus_ml == 10_000_000_000
    assert fuelling.flags == ()


def test_an_amount_that_does_not_fit_the_price_is_reported_all_the_same() -> None:
    stage = table()
    stage.run(2_000)
    stage.device.sell(20_000, 99_999, 7_770, stage.now)
    stage.run(2_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == [
        Sale(None, 20_000, 99_999, 7_770, 20_000),
    ]


def test_no_volume_is_no_fuelling() -> None:
    stage = table()
    stage.device.sell(10_000, 7_770, 7_770, stage.now)
    stage.run(2_000)
    stage.device.sell(0, 0, 7_770, stage.now, lasts_ms=1_000)
    stage.run(3_000)
    stage.device.sell(10_000, 7_770, 7_770, stage.now, lasts_ms=1_000)
    stage.run(3_000)
    assert [fuelling.volume_ml for fuelling in stage.fuellings()] == [10_000, 10_000]
    assert stage.session.counters()["ZERO_VOLUME"] == 1


def test_a_sale_missed_while_away_shows_in_the_pair_of_totals() -> None:
    stage = table()
    stage.device.sell(10_000, 7_770, 7_770, stage.now)
    stage.run(2_000)
    stage.is_cut = True
    stage.device.sell(20_000, 15_540, 7_770, stage.now)
    stage.device.sell(30_000, 23_310, 7_770, stage.now)
    stage.run(10_000)
    stage.is_cut = False
    stage.run(5_000)
    _, after = stage.fuellings()
    assert (after.volume_ml, after.totalizer_before_ml, after.totalizer_after_ml) == (30_000, 10_000, 60_000)
    assert after.flags == ("TOTAL_DIFFERS", "AMOUNT_TOTAL_DIFFERS")
    assert after.ended is None


def test_what_the_till_cannot_take_is_kept_and_reported_again_unaltered() -> None:
    stage = table()
    stage.run(2_000)
    stage.till = lambda _: NOT_NOW
    stage.device.sell(10_000, 7_770, 7_770, stage.now)
    stage.run(2_500)
    stage.device.sell(20_000, 15_540, 7_770, stage.now, lasts_ms=500)
    stage.run(2_500)
    refused = stage.fuellings()
    assert len(refused) >= 4
    assert len(set(refused)) == 1
    stage.events.clear()
    stage.till = Table(stage.options).till
    stage.run(4_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth


def test_a_trigger_that_moves_between_the_reads_is_followed() -> None:
    """The next sale ends between `sale` and `meter`: volume of the first, totals of the second."""
    stage = table(answer_after_ms=40)
    stage.device.sell(10_000, 7_770, 7_770, stage.now)
    while not stage.asked:
        stage.run(1)
    stage.run(41)
    stage.device.sell(20_000, 15_540, 7_770, stage.now)
    stage.run(5_000)
    assert stage.session.counters()["TRIGGER_MOVED"] == 1
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth[1:]


def test_flow_is_told_once_a_fuelling() -> None:
    stage = table()
    stage.run(1_000)
    for _ in range(2):
        stage.device.sell(20_000, 15_540, 7_770, stage.now, lasts_ms=3_000)
        stage.run(6_000)
    kinds = [type(e).__name__ for e in stage.events if isinstance(e, FuellingStarted | Fuelling)]
    assert kinds == ["FuellingStarted", "Fuelling"] * 2


def test_nothing_is_ever_written_to_a_last_sale_device() -> None:
    stage = table()
    stage.device.sell(10_000, 7_770, 7_770, stage.now)
    stage.run(5_000)
    assert {frame[1] for _, frame in stage.asked} == {3}
