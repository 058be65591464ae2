"""Unit: what becomes of sales when the read pointer is moved, lost, overtaken, or another device's?"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from drivers.companytec import codec, horustech, reading
from drivers.companytec.codec import RING, STEP, Pointers
from drivers.companytec.concentrator import Concentrator
from drivers.companytec.horustech_simulator import HorustechSimulator
from drivers.companytec.simulator import CompanytecSimulator
from drivers.companytec.watches import RingWatch
from drivers.conformance import identity_of
from drivers.events import DeviceBack, Monotonic
from tests.unit.drivers.companytec.desk import NOT_NOW, YES, Desk


def _sell(simulator: CompanytecSimulator | HorustechSimulator, count: int) -> None:
    for number in range(count):
        simulator.sell("04", 10_000 + 10 * number, 7_770 + 8 * number, 7_770)


def _numbers(desk: Desk) -> list[int | None]:
    return [fuelling.sequence_no for fuelling in desk.fuellings]


def _at(position: int) -> CompanytecSimulator:
    simulator = CompanytecSimulator()
    simulator.concentrator.write = simulator.read = position
    return simulator


def _losing(which: bytes, numbers: set[int]) -> Callable[[bytes], list[bytes]]:
    """A wire that repeats every step, and loses some of the frames that begin so."""
    seen = 0

    def wire(data: bytes) -> list[bytes]:
        nonlocal seen
        seen += data.startswith(which)
        if data.startswith(which) and seen in numbers:
            return []
        return [data, data] if data == STEP else [data]

    return wire


# Records are reported in the order of the ring: the till counts litres that passed without a record from
# one report of a nozzle to the next, and would book those of a record that comes late twice.


@pytest.mark.parametrize("question", [codec.POINTERS, b"(&LR"])
@pytest.mark.parametrize("lost", [{1}, {2}, {1, 2}, {1, 3}, {2, 4, 5}])
def test_a_skipped_record_is_fetched_before_the_next_is_read(question: bytes, lost: set[int]) -> None:
    desk = Desk()
    desk.run(1_000)
    desk.wire = _losing(question, lost)
    _sell(desk.simulator, 6)
    desk.run(30_000)
    assert _numbers(desk) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("lost", [{1}, {1, 2, 3}])
def test_after_a_start_nothing_is_read_before_we_know_what_was_stepped_over(lost: set[int]) -> None:
    before = Desk()
    before.run(500)
    _sell(before.simulator, 3)
    before.simulator.step_by_another_program()
    _sell(before.simulator, 6)
    after = Desk(before.simulator)
    after.wire = _losing(codec.POINTERS, lost)
    after.run(30_000)
    assert _numbers(after) == list(range(9))


@pytest.mark.parametrize("protocol", ["cbc", "horustech"])
def test_what_a_second_program_took_is_fetched_before_the_next_is_read(protocol: str) -> None:
    make = CompanytecSimulator if protocol == "cbc" else HorustechSimulator
    desk = Desk(make(), protocol=protocol)
    desk.run(1_000)
    for _ in range(3):
        _sell(desk.simulator, 4)
        desk.simulator.step_by_another_program()
        desk.simulator.step_by_another_program()
        desk.run(5_000)
    assert _numbers(desk) == list(range(12))


def test_where_numbers_are_no_positions_every_record_is_read_all_the_same() -> None:
    desk = Desk()
    cabinet = desk.simulator.concentrator
    desk.run(1_000)
    _sell(desk.simulator, 5)
    for position, record in list(cabinet.ring.items()):
        cabinet.ring[position] = replace(record, number=record.number + 500)
    desk.run(5_000)
    assert _numbers(desk)[0] == 500
    desk.run(60_000)
    assert set(_numbers(desk)) == set(range(500, 505))
    assert desk.session.counters()["OTHER_RECORD"] > 0, "what was fetched by position is of another number"
    assert desk.simulator.backlog() == 0


def test_a_crash_between_the_till_and_the_step_gives_the_same_fact_and_one_step() -> None:
    before = Desk()
    before.run(1_000)
    before.wire = lambda data: [] if data == STEP else [data]
    _sell(before.simulator, 1)
    while not before.fuellings:
        before.run(5)
    after = Desk(before.simulator)
    after.run(3_000)
    assert {identity_of(fuelling) for fuelling in after.fuellings} == {identity_of(before.fuellings[0])}
    assert len(after.fuellings) == after.count(STEP) == len(after.simulator.released) == 1


def test_a_wire_that_goes_while_the_till_thinks_brings_the_record_again_before_any_step() -> None:
    desk = Desk()
    desk.run(1_000)
    honest = desk.session.confirm

    def unplugged(event, answer, now) -> None:  # type: ignore[no-untyped-def]
        desk.session.confirm = honest  # type: ignore[method-assign]
        desk.session.disconnected(now)
        desk.simulator = _at(500)
        _sell(desk.simulator, 1)
        honest(event, answer, now)

    desk.session.confirm = unplugged  # type: ignore[method-assign]
    _sell(desk.simulator, 1)
    desk.run(4_000)
    assert _numbers(desk) == [0, 500]
    assert desk.count(STEP) == 1, "the new device is told nothing about the old one's record"


# The pointer is set, or is another device's.


def test_a_pointer_that_is_set_back_brings_known_records_again() -> None:
    desk = Desk()
    desk.run(1_000)
    _sell(desk.simulator, 5)
    desk.run(3_000)
    desk.simulator.read = 2
    desk.run(13_000)
    assert _numbers(desk) == [0, 1, 2, 3, 4, 2, 3, 4]
    assert len({identity_of(fuelling) for fuelling in desk.fuellings}) == 5
    assert desk.session.counters()["MISSED_RECORD"] == 4, "the look back at the start"


def test_a_pointer_is_compared_afresh_after_it_was_set_back() -> None:
    """What was read before says nothing about the same positions now."""
    desk = Desk()
    desk.run(1_000)
    _sell(desk.simulator, 5)
    desk.run(3_000)
    cabinet = desk.simulator.concentrator
    desk.simulator.read = cabinet.write = 0
    desk.run(11_000)
    _sell(desk.simulator, 3)
    for _ in range(3):
        desk.simulator.step_by_another_program()
    desk.run(11_000)
    assert _numbers(desk) == [0, 1, 2, 3, 4, 0, 1, 2]
    assert desk.session.counters()["POINTER_SET"] == 1


@pytest.mark.parametrize("old", [9_000, 7_000, 100])
def test_a_used_device_in_place_of_the_old_one_is_not_read_from_the_old_ones_position(old: int) -> None:
    used = _at(0)
    _sell(used, 3_000)
    used.read = used.concentrator.write
    desk = Desk(_at(old))
    desk.run(1_000)
    _sell(desk.simulator, 2)
    desk.run(3_000)
    desk.simulator = used
    desk.session.disconnected(desk.now)
    desk.run(20_000)
    assert _numbers(desk) == [old, old + 1]
    _sell(used, 2)
    desk.run(3_000)
    assert _numbers(desk) == [old, old + 1, 3_000, 3_001]
    assert desk.session.counters()["POINTER_SET"] == 1


def test_what_another_program_took_while_our_wire_was_away_is_fetched_when_it_is_back() -> None:
    desk = Desk()
    desk.run(1_000)
    desk.session.disconnected(desk.now)
    _sell(desk.simulator, 100)
    for _ in range(100):
        desk.simulator.step_by_another_program()
    desk.now = Monotonic(desk.now + 600_000)
    desk.run(60_000)
    assert _numbers(desk) == list(range(100))


def test_hundreds_that_waited_for_us_and_that_another_program_took_are_all_fetched_in_order() -> None:
    desk = Desk()
    desk.run(1_000)
    desk.till = lambda event: NOT_NOW
    _sell(desk.simulator, 200)
    desk.run(11_000)
    for _ in range(180):
        desk.simulator.step_by_another_program()
    desk.events.clear()
    desk.till = lambda event: YES
    desk.wire = _losing(b"(&LR", set(range(1, 900, 7)))
    desk.run(200_000)
    numbers = list(dict.fromkeys(_numbers(desk)))
    assert numbers == list(range(200))
    assert desk.session.counters()["MISSED_GIVEN_UP"] == 0


def test_a_record_whose_number_is_none_is_not_taken_for_a_missed_one() -> None:
    desk = Desk()
    desk.run(1_000)
    honest = desk.session.receive

    def spoil(data: bytes, now: Monotonic) -> None:
        if data.startswith(b"(A") and len(data) == 75:
            data = codec.checked(data[1:35].decode() + "0G00" + data[39:-3].decode())
        honest(data, now)

    desk.session.receive = spoil  # type: ignore[method-assign]
    _sell(desk.simulator, 3)
    desk.run(4_000)
    assert [fuelling.flags for fuelling in desk.fuellings] == [("RECORD_NUMBER_ODD",)] * 3
    assert desk.session.counters()["MISSED_RECORD"] == 4, "the look back at the start"


# A Horustech's numbers have six digits; where they wrap is a setting.


def _horustech_of_a_million(**options: object) -> Desk:
    simulator = HorustechSimulator(Concentrator(positions=1_000_000))
    simulator.concentrator.write = simulator.read = 20_000
    return Desk(simulator, protocol="horustech", **options)


def test_pointers_beyond_the_ring_that_was_set_are_counted_and_nothing_old_is_fetched() -> None:
    desk = _horustech_of_a_million()
    _sell(desk.simulator, 3)
    desk.run(20_000)
    assert desk.session.counters()["POINTER_BEYOND_RING"] > 0
    assert desk.session.counters()["MISSED_RECORD"] == 0
    assert _numbers(desk) == [0, 1, 2]


def test_with_the_ring_set_right_what_was_skipped_is_fetched_by_its_six_digits() -> None:
    desk = _horustech_of_a_million(ring_records=1_000_000)
    desk.run(1_000)
    _sell(desk.simulator, 2)
    desk.run(2_000)
    assert desk.session.counters()["MISSED_RECORD"] == 4, "the look back at the start"
    _sell(desk.simulator, 2)
    desk.simulator.step_by_another_program()
    desk.run(12_000)
    assert _numbers(desk) == [0, 1, 2, 3]
    assert horustech.record_at(20_002) in desk.sent
    assert desk.session.counters()["POINTER_BEYOND_RING"] == 0


def test_the_identity_of_a_record_hangs_neither_on_its_form_nor_on_the_ring_that_is_set() -> None:
    assert reading.record_no({"record": "020683"}) == reading.record_no({"record": "0683"}) == 683
    facts = set()
    for ring_records in (10_000, 1_000_000):
        desk = _horustech_of_a_million(ring_records=ring_records)
        _sell(desk.simulator, 1)
        desk.run(1_500)
        facts |= {identity_of(fuelling) for fuelling in desk.fuellings}
    assert len(facts) == 1


# What is told once may be wrong: the check value has 8 bits.


@pytest.mark.parametrize("read", [8, 3, 9_000])
def test_a_pointer_that_is_said_once_moves_nothing(read: int) -> None:
    desk = Desk(_at(5))
    desk.run(1_000)
    honest, wrong = desk.session.receive, [codec.checked(f"TP990005{read:04d}")]

    def damage(data: bytes, now: Monotonic) -> None:
        honest(wrong.pop() if wrong and data.startswith(b"(TP99") else data, now)

    desk.session.receive = damage  # type: ignore[method-assign]
    desk.run(30_000)
    assert not wrong
    assert desk.session.counters()["MISSED_RECORD"] == 4, "the look back at the start"
    assert desk.session.counters()["POINTER_SET"] == 0
    _sell(desk.simulator, 2)
    desk.run(2_000)
    assert _numbers(desk) == [5, 6]


def test_a_dead_wire_gives_no_missed_record_up() -> None:
    desk = Desk()
    desk.run(1_000)
    _sell(desk.simulator, 2)
    desk.simulator.step_by_another_program()
    desk.wire = lambda data: [] if data.startswith(b"(&LR") else [data]
    desk.run(2_000)
    assert desk.session.counters()["MISSED_RECORD"] == 5
    desk.wire = lambda data: []
    desk.run(120_000)
    desk.wire = lambda data: [data]
    desk.run(5_000)
    assert _numbers(desk) == [0, 1]
    assert desk.session.counters()["MISSED_GIVEN_UP"] == 0


def test_no_more_is_remembered_than_can_be_fetched_soon() -> None:
    watch = RingWatch(RING)
    watch.look(Pointers(0, 0))
    for _ in range(2):
        watch.look(Pointers(5_000, 0))
    for _ in range(40):
        watch.look(Pointers(5_000, 900))
    assert 4 <= len(watch.missed) <= 64
    assert list(watch.missed)[4:] == list(range(60))


def test_a_step_that_arrived_twice_is_noticed_at_once() -> None:
    desk = Desk()
    desk.run(1_000)
    desk.wire = lambda data: [data, data] if data == STEP else [data]
    _sell(desk.simulator, 2)
    desk.run(1_000)
    assert _numbers(desk) == [0, 1]


def test_an_answer_that_nobody_waits_for_is_reason_to_look_at_the_pointers() -> None:
    desk = Desk()
    desk.run(2_000)
    asked = desk.count(codec.POINTERS)
    while desk.session.awaiting():
        desk.run(5)
    desk.session.receive(b"(0)", desk.now)
    desk.run(600)
    assert desk.count(codec.POINTERS) == asked + 1


def test_an_answer_after_its_time_is_never_taken_for_that_to_the_next_question() -> None:
    desk = Desk(CompanytecSimulator(answer_ms=700), answer_ms=500)
    _sell(desk.simulator, 3)
    desk.run(20_000)
    counters = desk.session.counters()
    assert counters["HEARD"] == 0
    assert counters["LATE_ANSWER"] >= counters["NO_ANSWER"] - 1 > 10


# A wire that goes and comes, or a device that does.


def test_a_step_that_was_not_sent_when_the_wire_went_is_not_sent_to_who_comes_next() -> None:
    desk = Desk()
    desk.run(1_000)
    honest = desk.session.confirm

    def unplugged(event, answer, now) -> None:  # type: ignore[no-untyped-def]
        desk.session.confirm = honest  # type: ignore[method-assign]
        honest(event, answer, now)
        desk.session.disconnected(now)
        desk.sent.clear()

    desk.session.confirm = unplugged  # type: ignore[method-assign]
    _sell(desk.simulator, 1)
    desk.run(2_000)
    assert desk.sent.index(codec.READS["identified"]) < desk.sent.index(STEP)
    assert _numbers(desk) == [0, 0]


def _in_the_midst_of_a_record() -> Desk:
    """One reading of two was heard."""
    desk = Desk()
    desk.run(1_000)
    _sell(desk.simulator, 1)
    asked = desk.count(codec.READS["identified"])
    while desk.count(codec.READS["identified"]) < asked + 2:
        desk.run(5)
    return desk


def test_where_the_pointers_are_is_the_first_question_on_a_new_wire() -> None:
    desk = _in_the_midst_of_a_record()
    desk.session.disconnected(desk.now)
    desk.sent.clear()
    desk.run(50)
    assert desk.sent[0] == codec.POINTERS


def test_and_the_first_when_the_device_is_heard_again() -> None:
    desk = _in_the_midst_of_a_record()
    desk.simulator.power_cycle(desk.now)
    desk.wire = lambda data: []
    desk.run(70_000)
    desk.wire = lambda data: [data]
    backs = desk.events.count(DeviceBack("1"))
    while desk.events.count(DeviceBack("1")) == backs:
        desk.sent.clear()
        desk.run(5)
    assert desk.sent[0] == codec.POINTERS
    assert desk.fuellings == []


def test_half_a_frame_from_before_the_wire_went_is_not_completed_after_it() -> None:
    desk = Desk()
    desk.run(1_000)
    desk.simulator = _at(0)
    desk.wire = lambda data: []
    desk.session.receive(b"(0", desk.now)
    desk.session.disconnected(desk.now)
    heard = desk.session.counters()["HEARD"]
    desk.run(20)
    desk.session.receive(b")", desk.now)
    assert desk.session.counters()["NOISE_BYTES"] == 1
    assert desk.session.counters()["HEARD"] == heard


# A record that cannot be read keeps its place, not the others theirs.


def _with_an_unreadable_first(protocol: str) -> tuple[Desk, list[bool]]:
    make = CompanytecSimulator if protocol == "cbc" else HorustechSimulator
    desk, is_spoilt = Desk(make(), protocol=protocol), [True]
    desk.run(1_000)
    honest = desk.session.receive

    def spoil(data: bytes, now: Monotonic) -> None:
        if is_spoilt and data.startswith(b"(A") and data[35:39] == b"0000":
            data = codec.checked(data[1:7].decode() + "X" + data[8:-3].decode())
        if is_spoilt and data.startswith(b">!") and data[6:15] == b"021000000":
            data = horustech.framed(data[6:30].decode() + "X" + data[31:-2].decode(), kind="!")
        honest(data, now)

    desk.session.receive = spoil  # type: ignore[method-assign]
    return desk, is_spoilt


@pytest.mark.parametrize("protocol", ["cbc", "horustech"])
def test_what_waits_behind_an_unreadable_record_is_booked_and_nothing_is_stepped_over(protocol: str) -> None:
    desk, is_spoilt = _with_an_unreadable_first(protocol)
    _sell(desk.simulator, 100)
    desk.run(30_000)
    assert _numbers(desk) == list(range(1, 100))
    _sell(desk.simulator, 2)
    desk.run(1_500)
    assert _numbers(desk) == list(range(1, 102))
    assert desk.simulator.backlog() == 102
    assert desk.session.counters()["UNREADABLE_RECORD"] > 10
    is_spoilt.clear()
    desk.run(40_000)
    assert desk.simulator.backlog() == 0
    assert len({identity_of(fuelling) for fuelling in desk.fuellings}) == 102


def test_a_second_unreadable_record_hides_nothing_behind_it_either() -> None:
    desk, is_spoilt = _with_an_unreadable_first("cbc")
    _sell(desk.simulator, 5)
    desk.run(3_000)
    is_spoilt.clear()
    desk.run(3_000)
    desk.simulator.concentrator.ring.clear()
    desk.simulator.concentrator.write = desk.simulator.read = 0
    is_spoilt.append(True)
    desk.run(12_000)
    desk.events.clear()
    _sell(desk.simulator, 5)
    desk.run(3_000)
    assert _numbers(desk) == [1, 2, 3, 4]


def test_nor_is_more_remembered_of_what_waits_behind_one() -> None:
    watch = RingWatch(RING)
    watch.look(Pointers(5_000, 0))
    watch.look(Pointers(5_000, 0))
    watch.missed.clear()
    for _ in range(5):
        watch.read_beyond()
    assert list(watch.missed) == list(range(1, 65))


def test_nothing_is_asked_while_the_till_thinks() -> None:
    desk = Desk()
    desk.run(1_000)
    _sell(desk.simulator, 1)
    desk.session.confirm = lambda event, answer, now: None  # type: ignore[method-assign]
    while not desk.fuellings:
        desk.run(5)
    desk.sent.clear()
    desk.run(3_000)
    assert desk.sent == []


def test_who_steps_over_the_unreadable_record_sets_the_rest_free() -> None:
    desk, _ = _with_an_unreadable_first("cbc")
    _sell(desk.simulator, 3)
    desk.run(3_000)
    desk.simulator.step_by_another_program()
    desk.run(30_000)
    assert desk.simulator.backlog() == 0
    assert set(_numbers(desk)) == {0, 1, 2}, "by its position the first could be read"
