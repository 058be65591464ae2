"""Unit: does the session keep its word in the Horustech protocol, where the step has a reply?"""

import pytest

from drivers.companytec import horustech
from drivers.companytec.horustech_simulator import HorustechSimulator
from drivers.events import DeviceSilent, FuellingStarted, Monotonic
from tests.unit.drivers.companytec.desk import NOT_NOW, YES, Desk


def _running(simulator: HorustechSimulator | None = None, **options: object) -> Desk:
    desk = Desk(simulator or HorustechSimulator(), protocol="horustech", **options)
    desk.run(1_000)
    return desk


def _sell(desk: Desk, count: int) -> None:
    for number in range(1, count + 1):
        desk.simulator.sell("03", 10_000 * number, 7_770 * number, 7_770)


def test_a_sale_is_reported_then_stepped_over_once() -> None:
    desk = _running()
    _sell(desk, 3)
    desk.run(1_500)
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == [10_000, 20_000, 30_000]
    assert [fuelling.nozzle for fuelling in desk.fuellings] == ["03"] * 3
    assert desk.count(horustech.STEP) == 3
    assert len(desk.simulator.released) == 3


def test_nothing_is_stepped_over_while_the_till_cannot_keep_it() -> None:
    desk = _running()
    desk.till = lambda event: NOT_NOW
    _sell(desk, 1)
    desk.run(3_000)
    assert desk.count(horustech.STEP) == 0
    assert len({fuelling.raw for fuelling in desk.fuellings}) == 1
    desk.till = lambda event: YES
    desk.run(1_000)
    assert desk.count(horustech.STEP) == 1


def test_a_lost_step_shows_as_the_same_record_and_is_stepped_again() -> None:
    desk = _running()
    lost: list[bytes] = []

    def lose_first_step(data: bytes) -> list[bytes]:
        if data == horustech.STEP and not lost:
            lost.append(data)
            return []
        return [data]

    desk.wire = lose_first_step
    _sell(desk, 2)
    desk.run(4_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [0, 0, 1]
    assert [record.number for record in desk.simulator.released] == [0, 1]


def test_a_step_whose_reply_is_lost_is_not_sent_again() -> None:
    desk = _running()
    honest = desk.session.receive
    desk.session.receive = lambda data, now: honest(b"" if data[6:8] == b"06" else data, now)  # type: ignore[method-assign]
    _sell(desk, 2)
    desk.run(6_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [0, 1]
    assert desk.count(horustech.STEP) == 2
    assert desk.session.counters()["MISSED_RECORD"] == 4, "only the look back at the start"


def test_a_step_that_the_wire_repeats_skips_a_record_which_is_fetched_by_its_number() -> None:
    desk = _running()
    desk.wire = lambda data: [data, data] if data == horustech.STEP else [data]
    _sell(desk, 4)
    desk.run(6_000)
    assert {fuelling.sequence_no for fuelling in desk.fuellings} == {0, 1, 2, 3}
    assert desk.session.counters()["LATE_ANSWER"] >= 2


def test_a_second_program_on_our_port_is_noticed() -> None:
    desk = _running()
    _sell(desk, 1)
    desk.simulator.step_by_another_program()
    desk.run(11_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [0]


def test_the_record_number_wraps_with_the_ring() -> None:
    simulator = HorustechSimulator()
    simulator.concentrator.write = simulator.read = 9_998
    desk = _running(simulator)
    _sell(desk, 4)
    desk.run(2_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [9_998, 9_999, 0, 1]


def test_start_end_and_silence_are_seen() -> None:
    desk = _running()
    desk.simulator.begin("03")
    desk.run(2_000)
    assert FuellingStarted("1", "03") in desk.events
    desk.simulator.sell("03", 5_000, 3_885, 7_770)
    desk.run(1_000)
    assert desk.fuellings[0].ended is not None
    desk.wire = lambda data: []
    desk.run(9_000)
    assert sum(isinstance(event, DeviceSilent) for event in desk.events) == 1
    assert desk.session.counters()["SILENT"] == 1


@pytest.mark.parametrize("bit", range(8))
def test_a_damaged_frame_is_counted_and_not_believed(bit: int) -> None:
    desk = _running()
    honest = desk.session.receive
    spoilt: list[bytes] = []

    def spoil(data: bytes, now: object) -> None:
        if data[6:8] == b"02" and len(data) > 20 and not spoilt:
            spoilt.append(data)
            data = data[:40] + bytes([data[40] ^ 1 << bit]) + data[41:]
        honest(data, now)  # type: ignore[arg-type]

    desk.session.receive = spoil  # type: ignore[method-assign]
    _sell(desk, 1)
    desk.run(3_000)
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == [10_000]
    assert desk.session.counters()["BAD_FRAME"] == 1


@pytest.mark.parametrize(("decimals", "volume_ml"), [("233", 1_060), ("243", 106), ("263", 1), ("273", None)])
def test_more_decimals_than_we_count_are_cut_off_and_less_than_a_millilitre_is_no_fuelling(
    decimals: str, volume_ml: int | None
) -> None:
    desk = _running()
    honest = desk.session.receive

    def scaled(data: bytes, now: Monotonic) -> None:
        for frame in horustech.Reader().feed(data):
            if frame.startswith("!021"):
                data = horustech.framed(frame[1:38] + decimals + frame[41:], kind="!")
        honest(data, now)

    desk.session.receive = scaled  # type: ignore[method-assign]
    desk.simulator.sell("03", 1_060, 106, 1_000)
    desk.run(1_500)
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == ([] if volume_ml is None else [volume_ml])
    assert desk.simulator.backlog() == 0
