"""Unit: does a Hengshan master report every sale once named and read, and confirm only what is safe?"""

import random
from collections.abc import Callable

import pytest

from drivers.conformance import as_sold, identity_of
from drivers.events import Answer, DeviceBack, DeviceSilent, DriverEvent, Fuelling, Monotonic, RawDigits
from drivers.hengshan import codec, words
from drivers.hengshan.case import MasterCase
from drivers.hengshan.dispenser import Customer, Dispenser
from drivers.hengshan.simulator import HengshanSimulator, frame
from tests.unit.drivers.hengshan.dispenser_desk import DispenserDesk, said
from tests.unit.drivers.machinery.session_bench import NOT_NOW, YES

FLOW_MS = 1_500


def _desk(
    *, last_number: int = 0, total_cl: int = 5_000, holds: bool = True, **simulator: bool
) -> DispenserDesk:
    dispenser = Dispenser(last_number=last_number, total_cl=total_cl, holds=holds)
    return DispenserDesk(HengshanSimulator(dispenser, **simulator))  # type: ignore[arg-type]


def _device(desk: DispenserDesk) -> HengshanSimulator:
    assert isinstance(desk.simulator, HengshanSimulator)
    return desk.simulator


def _sell(desk: DispenserDesk, volume_cl: int = 1_000, count: int = 1) -> None:
    for _ in range(count):
        _device(desk).sell(volume_cl, volume_cl * 777 // 100, 777, desk.now, FLOW_MS)


def _only_drops(command: int) -> Callable[[bytes], list[bytes]]:
    return lambda data: [] if said(data).code == command else [data]


def test_a_sale_is_reported_in_the_agents_units_and_confirmed_after_it_is_durable() -> None:
    desk = _desk()
    held: list[int] = []

    def till(event: DriverEvent) -> Answer:
        if isinstance(event, Fuelling):
            held.append(_device(desk).dispenser.state)
        return YES

    desk.till = till
    _sell(desk)
    desk.run(4_000)
    (fuelling,) = desk.fuellings
    assert (fuelling.address, fuelling.nozzle, fuelling.sequence_no) == ("1", "1", 1)
    assert (fuelling.volume_ml, fuelling.amount_fen, fuelling.unit_price_milli) == (10_000, 7_770, 7_770)
    assert fuelling.raw == RawDigits("1000", "7770", "777", "")
    assert (fuelling.totalizer_after_ml, fuelling.totalizer_modulus_ml) == (60_000, 2**32 * 10)
    assert (fuelling.volume_step_ml, fuelling.amount_step_fen, fuelling.totalizer_step_ml) == (10, 1, 10)
    assert fuelling.ended is None, "without the state nobody watches it end"
    assert fuelling.flags == ()
    assert held == [5]
    assert (_device(desk).dispenser.state, desk.said_count(codec.CONFIRM)) == (0, 1)
    assert [words.asked_number(frame) for frame in desk.sent].count(1) == 2


def test_the_next_sale_says_where_the_total_stood_before() -> None:
    desk = _desk()
    _sell(desk, count=3)
    desk.run(10_000)
    assert [fuelling.totalizer_before_ml for fuelling in desk.fuellings] == [None, 60_000, 70_000]


def test_nothing_is_confirmed_while_the_till_cannot_take_it() -> None:
    desk = _desk()
    desk.answer = NOT_NOW
    _sell(desk)
    desk.run(6_000)
    assert len(desk.fuellings) > 5, "it is reported again and again"
    assert len(set(map(identity_of, desk.fuellings))) == 1
    assert desk.said_count(codec.CONFIRM) == 0
    desk.answer = YES
    desk.run(1_500)
    assert desk.said_count(codec.CONFIRM) == 1
    assert desk.count("NOT_DURABLE") == len(desk.fuellings) - 1


@pytest.mark.parametrize("loses_answer", [False, True])
def test_a_lost_confirmation_is_said_again_after_a_look(loses_answer: bool) -> None:
    desk = _desk()
    _sell(desk, count=2)
    if loses_answer:
        desk.loop = lambda data: [] if said(data).code == codec.CONFIRM else [data]
    else:
        desk.wire = _only_drops(codec.CONFIRM)
    desk.run(3_500)
    commands = [frame.code for frame in desk.sent]
    after = [commands[at - 1] for at, command in enumerate(commands) if command == codec.CONFIRM]
    assert after
    assert set(after) == {codec.TOTALS}, "never without having looked"
    desk.wire = desk.loop = lambda data: [data]
    desk.run(6_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [1, 2]
    assert _device(desk).dispenser.state == 0


def test_the_confirmation_of_a_sale_that_is_no_longer_the_newest_is_not_said() -> None:
    """This dispenser does not wait: it refuses the first one, and has sold again before the next."""
    desk = _desk(holds=False, confirms=False)
    desk.till = lambda event: NOT_NOW if isinstance(event, Fuelling) and event.sequence_no == 2 else YES
    _sell(desk, count=2)
    while not desk.fuellings or desk.fuellings[-1].sequence_no != 2:
        desk.run(100)
    said_before = desk.said_count(codec.CONFIRM)
    desk.run(10_000)
    assert {fuelling.sequence_no for fuelling in desk.fuellings} == {1, 2}
    assert desk.said_count(codec.CONFIRM) == said_before


def test_a_refused_confirmation_is_said_again_once_in_a_while_for_ever() -> None:
    desk = _desk(confirms=False)
    _sell(desk)
    desk.run(20_000)
    assert 2 <= desk.said_count(codec.CONFIRM) <= 4
    assert desk.count("CONFIRM_REFUSED") == desk.said_count(codec.CONFIRM)
    assert len(desk.fuellings) == 1


def test_the_same_sale_after_a_restart_has_the_same_identity_though_it_is_not_the_newest() -> None:
    desk = _desk()
    _sell(desk, count=3)
    desk.run(11_000)
    first = desk.fuellings
    desk.restart()
    desk.run(3_000)
    again = desk.fuellings[3:]
    assert [identity_of(fuelling) for fuelling in again] == [identity_of(fuelling) for fuelling in first]
    assert [fuelling.totalizer_after_ml for fuelling in again] == [None, None, 80_000]
    assert again[0].flags == ("TOTALIZER_MISSING",)


def test_sales_that_another_host_confirmed_are_read_by_their_numbers() -> None:
    """A dispenser that does not wait: our questions are lost for a while, it sells on."""
    desk = _desk(holds=False)
    desk.run(500)
    desk.wire = lambda data: []
    _sell(desk, count=4)
    desk.run(11_000)
    assert desk.fuellings == []
    desk.wire = lambda data: [data]
    desk.run(4_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [1, 2, 3, 4]
    assert [bool(fuelling.flags) for fuelling in desk.fuellings] == [True, True, True, False]


def test_a_restart_looks_back_as_far_as_it_is_told() -> None:
    desk = _desk(last_number=0, holds=False)
    _sell(desk, count=6)
    desk.run(16_000)
    desk.options = desk.options.model_copy(update={"look_back_count": 2})
    desk.restart()
    desk.run(4_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings[6:]] == [4, 5, 6]


def test_numbers_that_do_not_exist_any_more_are_stepped_over() -> None:
    desk = _desk(last_number=5_000)
    _sell(desk)
    desk.run(6_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [5_001]
    assert desk.count("NO_SUCH_SALE") == 11, "the newest at the start, and ten before it"


def test_the_number_wraps_and_jumps() -> None:
    desk = _desk(last_number=2**32 - 2)
    _sell(desk, count=3)
    desk.run(12_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [2**32 - 1, 0, 1]
    _device(desk).dispenser.newest_number = 700_000
    _sell(desk)
    desk.run(5_000)
    assert desk.fuellings[-1].sequence_no == 700_001
    assert desk.count("NUMBER_JUMPED") == 1
    assert _device(desk).dispenser.state == 0


def test_a_number_that_goes_up_at_the_lift_is_waited_for() -> None:
    desk = DispenserDesk(HengshanSimulator(Dispenser(counts_at_lift=True, total_cl=100)))
    _sell(desk, count=2)
    desk.run(8_000)
    assert [(fuelling.sequence_no, fuelling.totalizer_after_ml) for fuelling in desk.fuellings] == [
        (1, 11_000),
        (2, 21_000),
    ]
    assert _device(desk).dispenser.state == 0


@pytest.mark.parametrize("checks_doubled", [False, True])
def test_a_number_with_an_fa_is_asked_for_in_both_forms(checks_doubled: bool) -> None:
    desk = _desk(last_number=249, checks_doubled=checks_doubled)
    _sell(desk)
    desk.run(12_000)
    assert desk.fuellings[-1].sequence_no == 250
    forms = {frame.checks_doubled for frame in desk.sent if frame.data == b"\x00\x00\x00\xfa"}
    assert forms == {False, checks_doubled}
    assert _device(desk).dispenser.state == 0


def test_a_record_that_does_not_say_its_number_is_read_four_times_and_flagged() -> None:
    desk = _desk(names_sales=False)
    _sell(desk)
    desk.run(4_000)
    (fuelling,) = desk.fuellings
    assert fuelling.sequence_no == 1
    assert fuelling.flags == ("NUMBER_DIFFERS",)
    numbers = [words.asked_number(frame) for frame in desk.sent]
    assert numbers.count(1) == 4
    assert _device(desk).dispenser.state == 0


def test_a_total_that_moves_while_the_sale_is_read_is_not_believed() -> None:
    desk = _desk()
    _sell(desk)

    def runs_on(data: bytes) -> list[bytes]:
        _device(desk).dispenser.total_cl += said(data).code == codec.TOTALS
        return [data]

    desk.wire = runs_on
    desk.run(5_000)
    (fuelling,) = desk.fuellings
    assert (fuelling.totalizer_after_ml, fuelling.flags) == (None, ("TOTALIZER_MISSING",))
    assert _device(desk).dispenser.state == 0


def test_a_sale_keeps_its_total_though_a_nozzle_was_lifted_for_nothing_behind_it() -> None:
    """Between its two readings a look names another sale, and the total is the same."""
    desk = _desk(holds=False)
    desk.run(1_000)
    _sell(desk)
    _sell(desk, volume_cl=0)
    heard: list[object] = []

    def loop(data: bytes) -> list[bytes]:
        reply = words.reply(said(data))
        is_second = isinstance(reply, words.Sale) and any(isinstance(each, words.Sale) for each in heard)
        is_named = any(isinstance(each, words.Meter) and each.sequence_no == 2 for each in heard)
        heard.append(reply)
        return [] if is_second and not is_named else [data]

    desk.loop = loop
    desk.run(10_000)
    (fuelling,) = desk.fuellings
    assert (fuelling.sequence_no, fuelling.totalizer_after_ml, fuelling.flags) == (1, 60_000, ())


def test_odd_records_are_handed_over_and_none_is_left() -> None:
    case, rng = MasterCase(), random.Random(3)
    desk = DispenserDesk(case.simulator)
    for _ in range(25):
        case.sell_odd(rng, desk.now)
    assert case.backlog() == 25
    desk.run(70_000)
    assert case.backlog() == 0
    assert [as_sold(fuelling) for fuelling in desk.fuellings] == case.sold()
    assert 0 < desk.count("ZERO_VOLUME") < 15
    assert {fuelling.raw.volume for fuelling in desk.fuellings} >= {str(2**24 - 1), "1000"}
    assert case.simulator.forbidden_heard == []


def test_a_late_answer_does_not_pass_for_the_next_one() -> None:
    """Its frame number is another question's, and this dispenser gives numbers back."""
    desk = _desk()
    _sell(desk)
    desk.run(4_000)
    stale = frame(1, desk.sent[-1].number, codec.TOTALS, bytes(3) + bytes(8))
    while said(codec.encode(desk.sent[-1])).number == stale[3]:
        desk.run(10)
    desk.session.receive(stale, desk.now)
    desk.run(2_000)
    assert desk.count("LATE_ANSWER") == 1
    assert "NUMBER_JUMPED" not in desk.session.counters()


def test_a_dispenser_that_numbers_by_itself_is_understood() -> None:
    desk = _desk()
    _sell(desk, count=2)

    def numbered(data: bytes) -> list[bytes]:
        answer = said(data)
        return [frame(answer.address, 3, answer.code, answer.data)]

    desk.loop = numbered
    desk.run(12_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [1, 2]
    assert desk.count("OTHER_FRAME_NUMBER") > 20


def test_what_a_neighbour_answers_is_not_ours() -> None:
    desk = _desk()

    def loop(data: bytes) -> list[bytes]:
        answer = said(data)
        return [data, frame(2, answer.number, answer.code, answer.data)]

    desk.loop = loop
    _sell(desk)
    desk.run(5_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [1]
    assert desk.count("LATE_ANSWER") == 0

    desk.loop = lambda data: [frame(2, said(data).number, said(data).code, said(data).data)]
    desk.run(6_000)
    assert isinstance(desk.events[-1], DeviceSilent)


def test_silence_and_return_are_told_once() -> None:
    desk = _desk()
    desk.run(1_000)
    desk.wire = lambda data: []
    desk.run(9_000)
    desk.wire = lambda data: [data]
    desk.run(2_000)
    kinds = [type(event) for event in desk.events]
    assert kinds == [DeviceBack, DeviceSilent, DeviceBack]
    assert desk.count("SILENT") == 1


@pytest.mark.parametrize("exists", [False, True])
def test_an_answer_that_comes_after_the_dispenser_was_given_up_is_survived(exists: bool) -> None:
    dispenser = Dispenser()
    desk = DispenserDesk(HengshanSimulator(dispenser, answer_ms=1_080), answer_ms=1_500)
    if exists:
        dispenser.arrive(Customer(1_000, 7_770, 777, 0), desk.now)
        while not dispenser.stored:
            desk.now = Monotonic(desk.now + 100)
            dispenser.tick(desk.now)
    asked: list[bytes] = []

    def loses_first(data: bytes) -> list[bytes]:
        asked.extend([data] if said(data).code == codec.SALE else [])
        return [] if len(asked) == 1 else [data]

    desk.wire = loses_first
    desk.run(7_000)
    assert [type(event) for event in desk.events[:3]] == [DeviceBack, DeviceSilent, DeviceBack]
    assert desk.count("OTHER_SALE") == 1
    desk.run(12_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == ([1] if exists else [])


def test_other_points_on_the_loop_are_not_ours() -> None:
    desk = _desk()
    desk.run(500)
    desk.session.receive(frame(2, desk.sent[-1].number, codec.TOTALS, bytes(11)), desk.now)
    desk.run(500)
    assert "NUMBER_JUMPED" not in desk.session.counters()
    _device(desk).dispenser.arrive(Customer(100, 777, 777, 100), desk.now)
    desk.run(2_000)
    assert len(desk.fuellings) == 1


def test_a_wire_that_was_gone_is_asked_at_once() -> None:
    desk = _desk()
    _sell(desk)
    desk.run(2_010)
    desk.session.disconnected(desk.now)
    assert not desk.session.awaiting()
    desk.run(2_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [1]
    assert desk.fuellings[0].totalizer_after_ml == 60_000
