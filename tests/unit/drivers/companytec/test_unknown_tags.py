"""Unit: are cards that were shown without a sale left alone, counted or reported, as set, and never lost?"""

import pytest

from drivers.companytec import codec, horustech
from drivers.companytec.commands import Kind
from drivers.companytec.horustech_simulator import HorustechSimulator
from drivers.companytec.simulator import CompanytecSimulator
from drivers.events import Answer, Credential, CredentialKind, CredentialShown, DriverEvent, Outcome
from tests.unit.drivers.companytec.desk import YES, Desk

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
    desk.run(3_000)
    assert len(desk.fuellings) == 1
    desk.run(47_000)
    assert desk.count(codec.READ_TAG) == 5, "one lost answer would not make it unknown"


def _cards(desk: Desk) -> list[CredentialShown]:
    return [event for event in desk.events if isinstance(event, CredentialShown)]


@pytest.mark.parametrize("protocol", ["cbc", "horustech"])
def test_who_shows_a_card_is_reported_with_the_nozzle_and_then_taken_off_the_list(protocol: str) -> None:
    desk = _desk(protocol, "present")
    desk.run(3_000)
    for card in CARDS:
        desk.simulator.present("04", card)
    desk.run(6_000)
    shown = _cards(desk)
    assert [card.credential for card in shown] == [Credential(CredentialKind.TAG, card) for card in CARDS]
    assert [card.nozzles for card in shown] == [("04",), ("04",)]
    assert all(card.shown is not None and card.shown >= 3_000 for card in shown)
    assert desk.simulator.read_card == 2


def test_a_card_that_waited_before_we_came_says_nothing_about_the_next_vehicle() -> None:
    desk = _desk("cbc", "present")
    desk.simulator.present("04", CARDS[0])
    desk.run(4_000)
    assert [card.shown for card in _cards(desk)] == [None]
    assert desk.simulator.read_card == 1


def test_a_card_stays_on_the_list_until_the_till_has_it_and_was_shown_when_it_was_shown() -> None:
    desk = _desk("cbc", "present")
    desk.run(3_000)
    full = True

    def till(event: DriverEvent) -> Answer:
        is_card = isinstance(event, CredentialShown)
        return Answer(Outcome.UNAVAILABLE, durable=False) if full and is_card else YES

    desk.till = till
    desk.simulator.present("04", CARDS[0])
    desk.run(20_000)
    assert desk.simulator.read_card == 0
    full = False
    desk.run(3_000)
    assert desk.simulator.read_card == 1
    assert len({card.shown for card in _cards(desk)}) == 1
    assert len(_cards(desk)) > 2


def test_a_card_that_the_till_refuses_does_not_stand_in_the_way_of_the_next() -> None:
    desk = _desk("cbc", "present")
    desk.run(3_000)
    desk.till = lambda event: Answer(Outcome.REFUSED, durable=False, reason="CREDENTIAL_EMPTY")
    for card in CARDS:
        desk.simulator.present("04", card)
    desk.run(6_000)
    assert desk.simulator.read_card == 2


def test_the_nozzle_of_a_cbc_card_is_a_code_whatever_it_is() -> None:
    desk = _desk("cbc", "present")
    desk.simulator.present("00", CARDS[0])
    desk.run(4_000)
    assert [card.nozzles for card in _cards(desk)] == [("00",)]


def test_a_card_that_was_shown_while_the_wire_was_away_says_nothing_about_who_stands_there_now() -> None:
    desk = _desk("cbc", "present")
    desk.run(3_000)
    desk.session.disconnected(desk.now)
    desk.simulator.present("04", CARDS[0])
    desk.run(3_000)
    assert [card.shown for card in _cards(desk)] == [None]


def test_nor_does_one_behind_a_card_that_the_till_could_not_take_for_a_while() -> None:
    desk = _desk("cbc", "present")
    desk.run(3_000)
    desk.till = lambda event: Answer(Outcome.UNAVAILABLE, durable=False)
    for card in CARDS:
        desk.simulator.present("04", card)
    desk.run(15_000)
    desk.till = lambda event: YES
    desk.run(6_000)
    assert [card.shown is None for card in _cards(desk)[-2:]] == [False, True]
