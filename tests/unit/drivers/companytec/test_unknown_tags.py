"""Unit: are cards that were shown without a sale left alone, or counted and taken off the list, as set?"""

import pytest

from drivers.companytec import codec, horustech
from drivers.companytec.commands import Kind
from drivers.companytec.horustech_simulator import HorustechSimulator
from drivers.companytec.simulator import CompanytecSimulator
from tests.unit.drivers.companytec.desk import Desk

CARDS = ("B328000000000001", "B328000000000002")


def _desk(protocol: str, unknown_tags: str) -> Desk:
    simulator = CompanytecSimulator() if protocol == "cbc" else HorustechSimulator()
    return Desk(simulator, protocol=protocol, unknown_tags=unknown_tags)


@pytest.mark.parametrize("protocol", ["cbc", "horustech"])
def test_they_are_counted_once_each_and_sales_go_on(protocol: str) -> None:
    desk = _desk(protocol, "count")
    desk.run(1_000)
    for card in CARDS:
        desk.simulator.present("04", card)
    desk.simulator.sell("04", 10_000, 7_770, 7_770)
    desk.run(6_000)
    assert desk.session.counters()["UNKNOWN_TAG"] == 2
    assert desk.simulator.read_card == 2
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == [10_000]


@pytest.mark.parametrize("protocol", ["cbc", "horustech"])
def test_they_are_left_to_the_stations_system_unless_set(protocol: str) -> None:
    desk = _desk(protocol, "leave")
    desk.run(1_000)
    desk.simulator.present("04", CARDS[0])
    desk.run(6_000)
    asks = (codec.READ_TAG, codec.STEP_TAG, horustech.READ_TAG, horustech.STEP_TAG)
    assert not any(frame in asks for frame in desk.sent)
    assert desk.simulator.read_card == 0


def test_firmware_that_does_not_know_the_question_is_asked_seldom() -> None:
    desk = Desk(CompanytecSimulator(silent_to={Kind.TAG}), unknown_tags="count")
    desk.run(1_000)
    desk.simulator.sell("04", 10_000, 7_770, 7_770)
    desk.run(50_000)
    assert desk.count(codec.READ_TAG) == 1
    assert len(desk.fuellings) == 1
