"""Unit: does the CBC session step only over what is safe, never twice, and find what was skipped?"""

import pytest

from drivers.companytec import codec
from drivers.companytec.codec import STEP, checked
from drivers.companytec.concentrator import Concentrator
from drivers.companytec.simulator import CompanytecSimulator
from drivers.events import DeviceBack, DeviceSilent, FuellingStarted, Monotonic
from tests.unit.drivers.companytec.desk import NOT_NOW, YES, Desk


def _sell(desk: Desk, count: int, nozzle: str = "04") -> None:
    for number in range(1, count + 1):
        desk.simulator.sell(nozzle, 10_000 * number, 7_770 * number, 7_770)


def _running(**options: object) -> Desk:
    desk = Desk(**options)
    desk.run(1_000)
    return desk


def test_a_sale_is_reported_then_stepped_over_once() -> None:
    desk = _running()
    _sell(desk, 3)
    desk.run(1_500)
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == [10_000, 20_000, 30_000]
    assert desk.count(STEP) == 3
    assert len(desk.simulator.released) == 3


def test_nothing_is_stepped_over_while_the_till_cannot_keep_it() -> None:
    desk = _running()
    desk.till = lambda event: NOT_NOW
    _sell(desk, 1)
    desk.run(3_000)
    assert desk.count(STEP) == 0
    assert len(desk.fuellings) > 3
    assert len({fuelling.raw for fuelling in desk.fuellings}) == 1
    desk.till = lambda event: YES
    desk.run(1_000)
    assert desk.count(STEP) == 1


def test_a_lost_step_shows_as_the_same_record_and_is_stepped_again() -> None:
    desk = _running()
    lost: list[bytes] = []

    def lose_first_step(data: bytes) -> list[bytes]:
        if data == STEP and not lost:
            lost.append(data)
            return []
        return [data]

    desk.wire = lose_first_step
    _sell(desk, 2)
    desk.run(3_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [0, 0, 1]
    assert desk.count(STEP) == 3
    assert [record.number for record in desk.simulator.released] == [0, 1]


def test_a_step_that_the_wire_repeats_skips_a_record_which_is_fetched() -> None:
    desk = _running()
    desk.wire = lambda data: [data, data] if data == STEP else [data]
    _sell(desk, 4)
    desk.run(6_000)
    assert {fuelling.sequence_no for fuelling in desk.fuellings} == {0, 1, 2, 3}
    assert desk.session.counters()["MISSED_RECORD"] >= 2


def test_a_second_program_on_our_port_is_noticed_within_the_pointer_check() -> None:
    desk = _running()
    _sell(desk, 1)
    desk.simulator.step_by_another_program()
    desk.run(11_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [0]


def test_a_second_port_has_its_own_pointer() -> None:
    cabinet = Concentrator()
    station, agent = CompanytecSimulator(cabinet), Desk(CompanytecSimulator(cabinet))
    agent.run(1_000)
    _sell(agent, 2)
    agent.run(2_000)
    assert len(agent.fuellings) == 2
    assert station.read == 0


def test_after_a_start_the_records_before_the_pointer_are_read_again() -> None:
    cabinet = Concentrator()
    before = Desk(CompanytecSimulator(cabinet))
    before.run(500)
    _sell(before, 6)
    before.run(3_000)
    after = Desk(before.simulator)
    after.run(2_000)
    assert [fuelling.sequence_no for fuelling in after.fuellings] == [2, 3, 4, 5]
    assert after.count(STEP) == 0


def test_the_ring_and_the_record_number_wrap() -> None:
    simulator = CompanytecSimulator()
    simulator.concentrator.write = simulator.read = 9_998
    desk = Desk(simulator)
    desk.run(1_000)
    _sell(desk, 4)
    desk.run(2_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [9_998, 9_999, 0, 1]
    assert desk.session.counters()["MISSED_RECORD"] == 4, "only the look back at the start"


def test_zero_volume_is_stepped_over_and_is_no_fuelling() -> None:
    desk = _running()
    desk.simulator.sell("04", 0, 0, 7_770)
    _sell(desk, 1)
    desk.run(1_500)
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == [10_000]
    assert desk.session.counters()["ZERO_VOLUME"] == 1
    assert len(desk.simulator.released) == 2


def test_a_pair_of_damaged_digits_that_cancel_out_is_believed_only_without_the_second_reading() -> None:
    believed: dict[bool, list[int]] = {}
    for read_twice in (True, False):
        desk = Desk(read_twice=read_twice)
        desk.run(1_000)
        _sell(desk, 1)
        honest, damaged = desk.session.receive, [True]

        def damage(data: bytes, now: Monotonic, honest=honest, damaged=damaged) -> None:  # type: ignore[no-untyped-def]
            if data.startswith(b"(A007770010000") and damaged:
                damaged.clear()
                data = data.replace(b"(A007770010000", b"(A006770020000")
            honest(data, now)

        desk.session.receive = damage  # type: ignore[method-assign]
        desk.run(1_500)
        believed[read_twice] = [fuelling.volume_ml for fuelling in desk.fuellings]
    assert believed == {True: [10_000], False: [20_000]}


def test_start_and_end_of_a_fuelling_are_seen() -> None:
    desk = _running()
    desk.simulator.begin("44")
    desk.run(2_000)
    assert [event for event in desk.events if isinstance(event, FuellingStarted)] == [
        FuellingStarted("1", "44")
    ]
    hung_up = desk.now
    desk.simulator.sell("44", 5_000, 3_885, 7_770)
    desk.run(1_000)
    ended = desk.fuellings[0].ended
    assert ended is not None
    assert 0 <= ended - hung_up <= 2 * 250 + 50


def test_the_seen_end_survives_an_answer_that_was_not_durable() -> None:
    desk = _running()
    desk.simulator.begin("44")
    desk.run(2_000)
    answers = [NOT_NOW, NOT_NOW, YES]
    desk.till = lambda event: answers.pop(0) if event in desk.fuellings else YES
    desk.simulator.sell("44", 5_000, 3_885, 7_770)
    desk.run(2_000)
    assert len(desk.fuellings) == 3
    assert len({fuelling.ended for fuelling in desk.fuellings}) == 1
    assert desk.fuellings[0].ended is not None


def test_a_record_of_a_fuelling_that_nobody_watched_has_no_end() -> None:
    desk = _running()
    _sell(desk, 1)
    desk.run(1_000)
    assert desk.fuellings[0].ended is None


def test_silence_and_return_are_reported_once_each() -> None:
    desk = _running()
    desk.wire = lambda data: []
    desk.run(9_000)
    assert sum(isinstance(event, DeviceSilent) for event in desk.events) == 1
    desk.wire = lambda data: [data]
    desk.run(2_000)
    assert [type(event) for event in desk.events] == [DeviceBack, DeviceSilent, DeviceBack]


def test_old_firmware_without_pointers_is_served_too() -> None:
    desk = Desk(CompanytecSimulator(knows_positions=False))
    desk.run(1_000)
    _sell(desk, 5)
    desk.run(20_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [0, 1, 2, 3, 4]
    assert desk.count(codec.POINTERS) < 12


@pytest.mark.parametrize("segments", [True, False])
def test_one_question_at_a_time_suits_a_device_that_wants_whole_segments(segments: bool) -> None:
    desk = Desk(CompanytecSimulator(whole_segments=segments, pointer_head="TG99", answer_ms=120))
    desk.run(2_000)
    _sell(desk, 3)
    desk.run(4_000)
    assert len(desk.fuellings) == 3
    assert all(frame.count(b"(") == 1 for frame in desk.sent)


@pytest.mark.parametrize("letter", "tbrmf")
def test_device_errors_are_counted_and_asked_again(letter: str) -> None:
    desk = _running()
    desk.session.bytes_to_send(Monotonic(desk.now + 1_000))
    desk.session.receive(f"(?{letter})".encode(), desk.now)
    desk.run(3_000)
    _sell(desk, 1)
    desk.run(1_000)
    assert desk.session.counters()[f"DEVICE_ERROR_{letter.upper()}"] == 1
    assert len(desk.fuellings) == 1


def _odd(**changes: str) -> bytes:
    fields = {
        "total": "007770",
        "volume": "010000",
        "price": "7770",
        "code": "3E",
        "seconds": "001C",
        "nozzle": "04",
        "when": "12164002",
        "record": "0000",
        "totalizer": "0000001000",
        "status": "00",
    } | changes
    return checked("A" + "".join(fields.values()) + "F" * 16 + "000000")


def _answering_with(frame: bytes) -> Desk:
    desk = _running()
    plain = desk.simulator.receive

    def receive(data: bytes, now: Monotonic) -> None:
        if data == codec.READS["identified"] and desk.simulator.read == 0:
            desk.session.receive(frame, now)
        else:
            plain(data, now)

    desk.simulator.receive = receive  # type: ignore[method-assign]
    desk.simulator.sell("04", 10_000, 7_770, 7_770)
    desk.run(2_000)
    return desk


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"status": "07"}, "MEMORY_STATUS"),
        ({"when": "45164002"}, "DEVICE_TIME_ODD"),
        ({"when": "FF164002"}, "DEVICE_TIME_ODD"),
        ({"totalizer": "FFFFFFFFFF"}, "TOTALIZER_ODD"),
        ({"record": "0G00"}, "RECORD_NUMBER_ODD"),
        ({"total": "007771", "code": "3F"}, "AMOUNT_BELOW_MINOR"),
    ],
)
def test_an_odd_record_is_reported_with_a_flag_and_stepped_over(changes: dict[str, str], flag: str) -> None:
    desk = _answering_with(_odd(**changes))
    assert desk.fuellings[0].flags == (flag,)
    assert desk.count(STEP) >= 1


@pytest.mark.parametrize(
    "changes", [{"volume": "01000X"}, {"total": "-07770"}, {"price": "77 0"}, {"code": "G0"}]
)
def test_an_unreadable_record_is_counted_and_not_confirmed(changes: dict[str, str]) -> None:
    desk = _answering_with(_odd(**changes))
    assert desk.fuellings == []
    assert desk.count(STEP) == 0
    assert desk.session.counters()["UNREADABLE_RECORD"] >= 2


def test_an_empty_position_is_stepped_over() -> None:
    desk = _answering_with(_odd(total="F" * 6, volume="F" * 6, price="FFFF", code="FF"))
    assert desk.fuellings == []
    assert desk.count(STEP) >= 1


@pytest.mark.parametrize(
    ("options", "volume_ml", "amount_fen", "price_milli", "steps"),
    [
        ({}, 10_000, 7_770, 7_770, (1, 1)),
        ({"volume_decimals": 2}, 100_000, 7_770, 7_770, (10, 1)),
        ({"amount_decimals": 1, "price_decimals": 2}, 10_000, 77_700, 77_700, (1, 10)),
        ({"amount_decimals": 0, "minor_decimals": 0}, 10_000, 7_770, 7_770, (1, 1)),
    ],
)
def test_decimals_of_the_site_override_the_code(
    options: dict[str, int], volume_ml: int, amount_fen: int, price_milli: int, steps: tuple[int, int]
) -> None:
    desk = _running(**options)
    desk.simulator.sell("04", 10_000, 7_770, 7_770)
    desk.run(1_000)
    fuelling = desk.fuellings[0]
    assert (fuelling.volume_ml, fuelling.amount_fen, fuelling.unit_price_milli) == (
        volume_ml,
        amount_fen,
        price_milli,
    )
    assert (fuelling.volume_step_ml, fuelling.amount_step_fen) == steps


@pytest.mark.parametrize(("decimals", "step_ml"), [(3, 1), (2, 10), (1, 100), (0, 1_000)])
def test_the_step_of_the_totalizer_is_that_of_its_decimals(decimals: int, step_ml: int) -> None:
    desk = _running(totalizer_decimals=decimals)
    desk.simulator.sell("04", 10_000, 7_770, 7_770)
    desk.run(1_000)
    assert desk.fuellings[0].totalizer_step_ml == step_ml
