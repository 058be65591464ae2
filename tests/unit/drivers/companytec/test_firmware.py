"""Unit: is every sale read, and soon, where the firmware does not know one of our questions?"""

import pytest

from drivers.companytec import codec, horustech
from drivers.companytec.commands import Kind
from drivers.companytec.horustech_simulator import HorustechSimulator
from drivers.companytec.simulator import CompanytecSimulator
from drivers.events import Answer, CredentialShown, DriverEvent, FuellingStarted, Outcome
from tests.unit.drivers.companytec.desk import NOT_NOW, YES, Desk

TAG = "B328000000000001"


def _desk(protocol: str, silent_to: set[Kind], **options: object) -> Desk:
    make = CompanytecSimulator if protocol == "cbc" else HorustechSimulator
    return Desk(make(silent_to=silent_to), protocol=protocol, **options)


def _sell(desk: Desk, count: int) -> None:
    for number in range(1, count + 1):
        desk.simulator.sell("04", 10_000 * number, 7_770 * number, 7_770, TAG)


@pytest.mark.parametrize("unknown", [Kind.FLOW, Kind.POINTERS, Kind.READ_POSITION, Kind.TAG, Kind.CLOCK])
@pytest.mark.parametrize("protocol", ["cbc", "horustech"])
def test_every_sale_is_read_whatever_else_is_not_answered(protocol: str, unknown: Kind) -> None:
    desk = _desk(protocol, {unknown}, unknown_tags="count")
    _sell(desk, 5)
    desk.run(60_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [0, 1, 2, 3, 4]
    assert desk.simulator.backlog() == 0
    _sell(desk, 1)
    desk.run(2_500)
    assert desk.simulator.backlog() == 0, "and soon, now that it is known"


@pytest.mark.parametrize(("unknown", "question"), [(Kind.FLOW, codec.FLOW), (Kind.POINTERS, codec.POINTERS)])
def test_a_question_without_answer_is_asked_seldom(unknown: Kind, question: bytes) -> None:
    desk = _desk("cbc", {unknown})
    desk.run(20_000)
    asked = desk.count(question)
    assert asked <= 6
    desk.run(58_000)
    assert desk.count(question) <= asked + 1


def test_a_question_that_was_not_answered_is_asked_again_when_the_line_comes_back() -> None:
    desk = _desk("cbc", set())
    desk.run(2_000)
    desk.wire = lambda data: []
    desk.run(60_000)
    desk.wire = lambda data: [data]
    desk.simulator.begin("04")
    desk.run(3_000)
    assert FuellingStarted("1", "04") in desk.events


def test_the_forecourt_rests_between_two_rounds_where_the_flow_is_not_answered() -> None:
    desk = _desk("cbc", {Kind.FLOW}, poll_ms=500)
    desk.run(20_000)
    asked = len(desk.sent)
    desk.run(10_000)
    assert 10 <= len(desk.sent) - asked <= 30


def test_positions_that_nobody_answers_are_given_up_all_at_once_and_counted() -> None:
    desk = _desk("cbc", {Kind.READ_POSITION})
    desk.run(1_000)
    _sell(desk, 1)
    desk.run(40_000)
    assert len(desk.fuellings) == 1
    assert desk.session.counters()["MISSED_GIVEN_UP"] == 4, "the look back at the start"


def test_a_list_of_tags_that_cannot_be_stepped_holds_up_no_sale() -> None:
    desk = _desk("cbc", set(), unknown_tags="count")
    desk.run(1_000)
    desk.wire = lambda data: [] if data == codec.STEP_TAG else [data]
    desk.simulator.present("04", TAG)
    desk.run(2_500)
    _sell(desk, 3)
    desk.run(4_000)
    assert len(desk.fuellings) == 3


def test_a_card_that_the_till_cannot_take_holds_up_no_sale() -> None:
    desk = _desk("cbc", set(), unknown_tags="present")
    desk.run(1_000)
    desk.till = lambda event: NOT_NOW if isinstance(event, CredentialShown) else YES
    desk.simulator.present("04", TAG)
    desk.run(3_000)
    _sell(desk, 3)
    desk.run(4_000)
    assert len(desk.fuellings) == 3
    assert desk.simulator.read_card == 0


def test_one_lost_answer_does_not_blind_us_to_cards() -> None:
    desk = _desk("cbc", set(), unknown_tags="present")
    desk.run(3_000)
    lost: list[bytes] = []

    def lose_one(data: bytes) -> list[bytes]:
        if data == codec.READ_TAG and not lost:
            lost.append(data)
            return []
        return [data]

    desk.wire = lose_one
    desk.run(3_000)
    assert lost
    desk.simulator.present("04", TAG)
    desk.run(4_000)
    (card,) = (event for event in desk.events if isinstance(event, CredentialShown))
    assert card.shown is not None


def test_sales_that_the_till_cannot_take_do_not_hide_that_fuel_flows() -> None:
    desk = _desk("cbc", set())
    desk.run(1_000)

    def till(event: DriverEvent) -> Answer:
        return Answer(Outcome.UNAVAILABLE, durable=False)

    desk.till = till
    _sell(desk, 1)
    desk.run(1_000)
    desk.simulator.begin("44")
    desk.run(2_000)
    assert FuellingStarted("1", "44") in desk.events


# The forms of a record, where `auto` looks for the best that this firmware knows.


def test_where_paf_is_not_known_a_missed_record_is_fetched_in_the_form_that_is() -> None:
    desk = _desk("cbc", {Kind.READ_PAF1, Kind.READ_EXTENDED}, record="auto")
    desk.wire = lambda data: [] if data.startswith(b"(&LC") else [data]
    _sell(desk, 1)
    desk.run(60_000)
    _sell(desk, 2)
    desk.simulator.step_by_another_program()
    desk.run(12_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [0, 1, 2]
    assert all(fuelling.credential is not None for fuelling in desk.fuellings)


def test_firmware_that_takes_any_read_for_the_short_one_is_asked_for_the_tag() -> None:
    desk = Desk(record="auto")
    desk.wire = lambda data: [codec.READS["short"] if data == codec.READS["paf1"] else data]
    desk.run(1_000)
    _sell(desk, 2)
    desk.run(4_000)
    assert [fuelling.credential is not None for fuelling in desk.fuellings] == [True, True]
    assert desk.session.counters()["RECORD_FORM_OTHER"] == 4


def test_and_where_it_knows_no_other_the_short_one_is_taken() -> None:
    desk = Desk(record="auto")
    asked = {codec.READS["paf1"], codec.READS["identified"]}
    desk.wire = lambda data: [codec.READS["short"] if data in asked else data]
    desk.run(1_000)
    _sell(desk, 2)
    desk.run(4_000)
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == [10_000, 20_000]


def test_a_horustech_that_takes_the_extended_read_for_the_plain_one_is_read_all_the_same() -> None:
    desk = Desk(HorustechSimulator(), protocol="horustech")
    extended, plain = horustech.READS["extended"], horustech.READS["plain"]
    desk.wire = lambda data: [plain if data == extended else data]
    desk.run(1_000)
    _sell(desk, 2)
    desk.run(4_000)
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == [10_000, 20_000]


@pytest.mark.parametrize("count", [21, 64])
def test_a_forecourt_where_every_nozzle_flows_is_seen(count: int) -> None:
    desk = _desk("cbc", set())
    desk.run(1_000)
    for nozzle in range(4, 4 + count):
        desk.simulator.begin(f"{nozzle:02X}")
    desk.run(2_000)
    assert sum(isinstance(event, FuellingStarted) for event in desk.events) == count
