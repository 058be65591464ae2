"""Unit: does the session live with what was seen on a maker's concentrator simulator (devices.md 2.2)?"""

import random

import pytest

from drivers.companytec import codec
from drivers.companytec.commands import Kind
from drivers.companytec.simulator import CompanytecSimulator, StatesShape
from drivers.events import Monotonic
from tests.unit.drivers.companytec.desk import Desk


def _odd_simulator(states: StatesShape = "cbc") -> CompanytecSimulator:
    return CompanytecSimulator(
        answer_ms=120,
        pointer_head="TG99",
        whole_segments=True,
        silent_to={Kind.READ_EXTENDED},
        states=states,
        clock_frames=21,
    )


@pytest.mark.parametrize("record", ["identified", "dual", "paf1", "auto"])
def test_every_oddity_at_once_loses_nothing(record: str) -> None:
    simulator = _odd_simulator()
    desk = Desk(simulator, record=record)
    desk.run(2_000)
    rng = random.Random(record)
    for _ in range(12):
        volume_ml = rng.randrange(10, 90_000, 10)
        simulator.sell("04", volume_ml, volume_ml * 7_770 // 10_000, 7_770)
        desk.run(rng.randrange(50, 2_500))
    desk.run(8_000)
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == [
        sold.volume_ml for sold in simulator.concentrator.sold
    ]
    assert len(simulator.released) == 12


def test_the_simulator_wants_one_whole_frame_in_a_segment() -> None:
    simulator = _odd_simulator()
    for segment in (b"(&V", b")", b"(&V)(&T99P3C)"):
        simulator.receive(segment, Monotonic(0))
    assert simulator.bytes_to_send(Monotonic(200)) == b"(0)"


def test_we_write_one_whole_frame_at_a_time() -> None:
    desk = Desk(_odd_simulator(), record="auto", unknown_tags="count")
    desk.run(2_000)
    desk.simulator.sell("04", 10_000, 7_770, 7_770)
    desk.simulator.present("04", "B328000000000001")
    desk.run(4_000)
    assert all((frame.count(b"("), frame.count(b")")) == (1, 1) for frame in desk.sent)


def test_twenty_one_frames_that_another_program_asked_for_do_no_harm() -> None:
    desk = Desk(_odd_simulator())
    desk.run(2_000)
    desk.simulator.sell("04", 10_000, 7_770, 7_770)
    for _ in range(5):
        desk.simulator.receive(b"(&R)", desk.now)
        desk.run(400)
    desk.run(3_000)
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == [10_000]
    counters = desk.session.counters()
    assert counters["LATE_ANSWER"] + counters["OTHER_FRAME"] == 5 * 21
    assert counters["BAD_FRAME"] == 0


@pytest.mark.parametrize("shape", ["cbc", "nine_channels", "twelve_channels"])
def test_every_shape_of_the_states_is_read(shape: StatesShape) -> None:
    simulator = _odd_simulator(shape)
    simulator.receive(codec.STATES, Monotonic(0))
    (body,) = codec.Reader().feed(simulator.bytes_to_send(Monotonic(200)))
    states = codec.parse_states(body)
    assert states is not None
    assert states.letters.startswith("DLF")
    assert (states.rest == "") == (shape == "twelve_channels")
    assert codec.is_sound(body)


@pytest.mark.parametrize(
    ("body", "letters", "rest"),
    [
        ("SBBFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF6V8.4M1.0G84", "BB" + "F" * 34, "6V8.4M1.0G84"),
        ("SBBFFABFFLLFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "BBFFABFFLL" + "F" * 38, ""),
    ],
)
def test_the_printed_states(body: str, letters: str, rest: str) -> None:
    assert codec.parse_states(body) == codec.States(letters, rest)


@pytest.mark.parametrize("head", ["TP99", "TG99"])
def test_both_heads_of_the_pointers_are_read(head: str) -> None:
    (body,) = codec.Reader().feed(codec.checked(f"{head}07000683"))
    assert codec.parse_pointers(body) == codec.Pointers(700, 683)
