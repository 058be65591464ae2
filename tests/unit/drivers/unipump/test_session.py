"""Unit: does a UniPump session give every sale an identity that lasts, and close what is safe and ours?"""

import random

import pytest

from drivers.conformance import identity_of, run
from drivers.events import (
    Answer,
    DeviceSilent,
    DriverEvent,
    Fuelling,
    FuellingStarted,
    Monotonic,
    RawDigits,
)
from drivers.faults import WIRES
from drivers.unipump import DRIVER, codec, conformance_cases, layouts
from drivers.unipump.case import UnipumpCase
from drivers.unipump.options import UnipumpOptions
from drivers.unipump.session import UnipumpSession
from drivers.unipump.simulator import UnipumpSimulator
from tests.unit.drivers.unipump.controller_desk import NOT_NOW, YES, ControllerDesk, said

PRICE_FEN = 777
SETTLED_MS = 7_000
"""Enough for a first totalizer, which nothing proves."""


def _sell(desk: ControllerDesk, nozzle: str = "1/1", volume_cl: int = 1_000, **more: bool) -> None:
    desk.simulator.sell(nozzle, volume_cl, volume_cl * PRICE_FEN // 100, PRICE_FEN, desk.now, **more)


def _closing(**simulator: int | bool) -> ControllerDesk:
    return ControllerDesk(UnipumpSimulator(**simulator), closes=True)  # type: ignore[arg-type]


def _beside_master(**simulator: int | bool) -> ControllerDesk:
    return ControllerDesk(UnipumpSimulator(master_closes_ms=10**9, **simulator))  # type: ignore[arg-type]


def test_a_sale_is_reported_in_the_agents_units_and_closed_after_it_is_durable() -> None:
    desk = _closing()
    seen_open: list[int] = []

    def till(event: DriverEvent) -> Answer:
        if isinstance(event, Fuelling):
            seen_open.append(desk.simulator.backlog())
        return YES

    desk.till = till
    desk.simulator.start_totalizer("1/1", 5_000)
    _sell(desk)
    desk.run(5_000)
    (fuelling,) = desk.fuellings
    assert (fuelling.nozzle, fuelling.sequence_no) == ("1/1", 1)
    assert (fuelling.volume_ml, fuelling.amount_fen, fuelling.unit_price_milli) == (10_000, 7_770, 7_770)
    assert fuelling.raw == RawDigits("00001000", "00007770", "0777", "0000006000")
    assert (fuelling.totalizer_after_ml, fuelling.totalizer_modulus_ml) == (60_000, 10**11)
    assert (fuelling.volume_step_ml, fuelling.amount_step_fen, fuelling.totalizer_step_ml) == (10, 1, 10)
    assert fuelling.ended is None, "nobody watched it end"
    assert seen_open == [1]
    assert desk.simulator.backlog() == 0
    assert desk.count("close transaction") == 1


def test_nothing_is_closed_while_the_till_cannot_take_it() -> None:
    desk = _closing()
    desk.till = lambda event: NOT_NOW
    _sell(desk)
    desk.run(5_000)
    assert len(desk.fuellings) > 5, "it is reported again and again"
    assert len(set(map(identity_of, desk.fuellings))) == 1
    assert desk.simulator.backlog() == 1
    desk.till = lambda event: YES
    desk.run(500)
    assert desk.simulator.backlog() == 0


def test_a_lost_close_leads_to_the_same_report_again() -> None:
    desk = _closing()
    _sell(desk)
    desk.wire = lambda data: [] if said(data) == "close transaction" else [data]
    desk.run(SETTLED_MS)
    assert desk.count("close transaction") > 1
    assert len(desk.fuellings) > 1
    assert len(set(map(identity_of, desk.fuellings))) == 1
    desk.wire = lambda data: [data]
    desk.run(1_000)
    assert desk.simulator.backlog() == 0


@pytest.mark.parametrize("fetch_ms", [0, 300])
def test_the_same_record_after_a_restart_has_the_same_digits(fetch_ms: int) -> None:
    """The second session knows no totalizer from before, the first one did."""
    desk = _closing(fetch_ms=fetch_ms)
    _sell(desk)
    desk.run(SETTLED_MS)
    desk.wire = lambda data: [] if said(data) == "close transaction" else [data]
    _sell(desk)
    desk.run(2_000)
    before = desk.fuellings[-1]
    desk.restart()
    desk.wire = lambda data: [data]
    desk.run(SETTLED_MS)
    assert identity_of(desk.fuellings[-1]) == identity_of(before)
    assert before.totalizer_before_ml is not None
    assert desk.fuellings[-1].totalizer_before_ml is None
    assert desk.simulator.backlog() == 0


def test_equal_sales_a_hundred_apart_differ() -> None:
    desk = _closing()
    for _ in range(101):
        _sell(desk)
        desk.run(500)
    desk.run(3_000)
    first, last = desk.fuellings[0], desk.fuellings[-1]
    assert len(desk.fuellings) == 101
    assert (first.sequence_no, first.raw.volume, first.raw.amount) == (
        last.sequence_no,
        last.raw.volume,
        last.raw.amount,
    )
    assert len(set(map(identity_of, desk.fuellings))) == 101


@pytest.mark.parametrize("volumes_cl", [(1_000, 1_000), (1_000, 2_500)])
def test_a_totalizer_that_lags_behind_is_waited_for(volumes_cl: tuple[int, int]) -> None:
    desk = _closing(lag_ms=1_800)
    for volume_cl in volumes_cl:
        _sell(desk, volume_cl=volume_cl)
        desk.run(8_000)
    assert [fuelling.totalizer_after_ml for fuelling in desk.fuellings] == [10_000, sum(volumes_cl) * 10]
    assert desk.simulator.backlog() == 0


def test_a_totalizer_that_never_moves_does_not_hold_the_sale() -> None:
    desk = _closing(lag_ms=10**9)
    for _ in range(2):
        _sell(desk)
        desk.run(6_000)
        desk.simulator.start_totalizer("1/1", 0)
    assert [fuelling.totalizer_after_ml for fuelling in desk.fuellings] == [0, 0]
    assert desk.simulator.backlog() == 0


def test_a_controller_that_gives_no_totals_is_given_up_with_a_flag_and_then_asked_once_a_sale() -> None:
    desk = ControllerDesk(UnipumpSimulator(gives_totals=False), closes=True, totals_ms=1_000)
    _sell(desk)
    desk.run(4_000)
    assert desk.fuellings == []
    desk.run(3_000)
    (fuelling,) = desk.fuellings
    assert (fuelling.raw.totalizer_after, fuelling.totalizer_after_ml) == ("", None)
    assert fuelling.flags == ("TOTALIZER_MISSING",)
    asked = desk.count("ask totals")
    _sell(desk)
    desk.run(2_000)
    assert len(desk.fuellings) == 2
    assert desk.count("ask totals") == asked + 1
    assert desk.simulator.backlog() == 0
    assert desk.session.counters()["TOTALS_REFUSED"] == 2


def test_without_totals_none_are_asked_for() -> None:
    desk = ControllerDesk(UnipumpSimulator(), closes=True, totals=False)
    _sell(desk)
    desk.run(500)
    assert len(desk.fuellings) == 1
    assert desk.count("ask totals") == 0


def test_beside_a_master_nothing_is_closed_and_each_sale_is_reported_once() -> None:
    desk = _beside_master()
    for _ in range(3):
        _sell(desk)
        desk.run(SETTLED_MS)
    assert desk.simulator.backlog() == 1, "the last one stands open"
    assert len(desk.fuellings) == 3
    assert len(set(map(identity_of, desk.fuellings))) == 3
    assert desk.count("close transaction") == 0


def test_beside_a_master_the_record_of_before_a_restart_keeps_its_identity() -> None:
    desk = _beside_master()
    _sell(desk)
    desk.run(SETTLED_MS)
    desk.restart()
    desk.run(SETTLED_MS)
    first, again = desk.fuellings
    assert identity_of(first) == identity_of(again)


def test_a_master_that_closes_at_once_does_not_cost_the_totalizer() -> None:
    desk = _beside_master()
    _sell(desk)
    while not desk.session.counters()["HEARD"]:
        desk.run(5)
    desk.simulator.close_by_master(1, desk.now)
    desk.run(SETTLED_MS)
    (fuelling,) = desk.fuellings
    assert fuelling.totalizer_after_ml == 10_000


def test_totals_read_after_a_break_are_not_given_to_a_record_from_before_it() -> None:
    """Heard, then the plug is out; meanwhile its master closes it and sells more on the same nozzle."""
    desk = _beside_master(lag_ms=400)
    _sell(desk)
    desk.run(100)
    assert desk.fuellings == []
    desk.session.disconnected(desk.now)
    _sell(desk, volume_cl=500)
    desk.run(8_000)
    first, second = desk.fuellings
    assert (first.volume_ml, second.volume_ml) == (10_000, 5_000)
    assert (first.totalizer_after_ml, second.totalizer_after_ml) == (0, 15_000)
    assert desk.session.counters()["RECORD_OVERTAKEN"] == 1


def test_a_silence_long_enough_for_a_fuelling_puts_a_waiting_record_in_doubt() -> None:
    desk = _beside_master()
    _sell(desk)
    desk.run(100)
    desk.wire = lambda data: []
    _sell(desk, volume_cl=500)
    desk.run(3_000)
    desk.wire = lambda data: [data]
    desk.run(8_000)
    assert [fuelling.totalizer_after_ml for fuelling in desk.fuellings] == [10_000, 15_000]


@pytest.mark.parametrize(("is_standing", "reported_count"), [(True, 0), (False, 1)])
def test_a_record_overtaken_without_any_totalizer_is_reported_only_if_nobody_can_have_done_it_before(
    is_standing: bool, reported_count: int
) -> None:
    """Its litres show as a gap of the totalizer; a second identity would be points given twice."""
    desk = ControllerDesk(UnipumpSimulator(master_closes_ms=10**9, gives_totals=False))
    if is_standing:
        _sell(desk)
        desk.run(300)
    else:
        desk.run(300)
        _sell(desk)
        desk.run(300)
    desk.simulator.close_by_master(1, desk.now)
    desk.simulator.lift("1/2")
    desk.run(300)
    assert [fuelling.flags for fuelling in desk.fuellings] == [("TOTALIZER_MISSING",)] * reported_count
    assert desk.session.counters()["STANDING_RECORD_LOST"] == is_standing


def test_a_zero_volume_is_closed_counted_once_and_not_reported() -> None:
    desk = _closing()
    dropped = iter([True])
    desk.wire = lambda data: [] if said(data) == "close transaction" and next(dropped, False) else [data]
    _sell(desk, volume_cl=0)
    desk.run(2_000)
    assert desk.fuellings == []
    assert desk.session.counters()["ZERO_VOLUME"] == 1
    assert desk.count("close transaction") == 2
    assert desk.simulator.backlog() == 0


def test_start_and_end_are_seen_and_a_stopped_transaction_says_so() -> None:
    desk = _closing(fuelling_ms=1_000)
    desk.simulator.lift("1/2")
    desk.run(500)
    _sell(desk, "1/2", is_stopped=True)
    began = desk.now
    desk.run(SETTLED_MS)
    (fuelling,) = desk.fuellings
    assert desk.events.count(FuellingStarted("1", "1/2")) == 1
    assert fuelling.flags == ("TRANSACTION_STOPPED",)
    assert fuelling.ended is not None
    assert 0 <= fuelling.ended - began - 1_000 < 200
    _sell(desk, "1/2")
    desk.run(SETTLED_MS)
    assert desk.events.count(FuellingStarted("1", "1/2")) == 2
    assert desk.fuellings[-1].flags == ()


def test_an_end_that_came_while_the_wire_was_away_is_not_seen() -> None:
    desk = _closing(fuelling_ms=1_000)
    _sell(desk)
    desk.run(500)
    desk.wire = lambda data: []
    desk.run(3_000)
    desk.wire = lambda data: [data]
    desk.run(SETTLED_MS)
    assert desk.fuellings[0].ended is None


def test_odd_nozzles_are_reported_with_a_flag() -> None:
    desk = _closing()
    _sell(desk, "1/9")
    desk.run(SETTLED_MS)
    _sell(desk, "1/0")
    desk.run(SETTLED_MS)
    nine, nought = desk.fuellings
    assert (nine.flags, nine.totalizer_after_ml) == (("NOZZLE_ODD",), 10_000)
    assert nought.flags == ("NOZZLE_ODD", "TOTALIZER_MISSING")
    assert desk.simulator.backlog() == 0


def test_an_answer_of_another_point_or_after_its_time_is_not_taken() -> None:
    session = UnipumpSession("1", ControllerDesk(UnipumpSimulator(2), point_count=2).options)
    record = b"T0110000100007770000007770"[:24]
    assert codec.parse_reply(record) is not None
    assert session.bytes_to_send(Monotonic(0)) == codec.encode(1, b"S")
    session.receive(codec.encode(2, record), Monotonic(5))
    assert session.awaiting()
    session.handle_timer(Monotonic(300))
    session.receive(codec.encode(1, record), Monotonic(310))
    assert session.bytes_to_send(Monotonic(320)) == b"", "quiet for one answer time"
    assert session.counters()["LATE_ANSWER"] == 2
    assert session.counters()["NO_ANSWER"] == 1
    assert session.next_event() is None


def test_sixteen_points_are_all_served() -> None:
    desk = ControllerDesk(UnipumpSimulator(16), closes=True, point_count=16, totals=False)
    for point in range(1, 17):
        _sell(desk, f"{point}/1")
    desk.run(3_000)
    assert sorted(fuelling.nozzle for fuelling in desk.fuellings) == sorted(
        f"{point}/1" for point in range(1, 17)
    )
    assert desk.simulator.backlog() == 0


def test_a_point_that_is_not_there_costs_the_others_little() -> None:
    desk = ControllerDesk(UnipumpSimulator(1), closes=True, point_count=2)
    _sell(desk)
    desk.run(10_000)
    assert len(desk.fuellings) == 1
    _sell(desk)
    desk.run(1_500)
    assert len(desk.fuellings) == 2
    assert desk.session.counters()["SILENT"] == 0
    assert desk.session.counters()["NO_ANSWER"] > 3


class OddCase(UnipumpCase):
    """Sells nothing but oddities."""

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        self.sell_odd(rng, now)
        self.sell_odd(rng, now)


@pytest.mark.parametrize("seed", [1, 2])
def test_odd_records_are_reported_over_a_bad_wire(seed: int) -> None:
    report = run(DRIVER, "odd", OddCase(), WIRES["loses_writes"], seed)
    assert not report.failures, report.explain()


def test_odd_records_stop_no_pump() -> None:
    case = OddCase()
    desk = ControllerDesk(case.simulator, point_count=2, closes=True)
    rng = random.Random(7)
    for _ in range(10):
        case.sell(rng, desk.now)
    assert case.backlog() == 20
    desk.run(90_000)
    assert case.backlog() == 0
    assert len(desk.fuellings) == len(case.sold()) > 10


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", conformance_cases())
def test_only_questions_and_acknowledgements_are_ever_said(
    name: str, wire: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    speak = UnipumpSession.bytes_to_send

    def noted(session: UnipumpSession, now: Monotonic) -> bytes:
        data = speak(session, now)
        sent.extend([data] if data else [])
        return data

    monkeypatch.setattr(UnipumpSession, "bytes_to_send", noted)
    report = run(DRIVER, name, conformance_cases()[name](), WIRES[wire], 5)
    assert not report.failures, report.explain()
    titles = {said(frame) for frame in sent}
    closing = set() if name == "beside_master" else {"close transaction"}
    assert titles == {"ask state", "ask totals"} | closing
    acting = {layout.title for layout in layouts.LAYOUTS if layout.acts}
    assert "authorise" in acting
    assert not titles & acting


@pytest.mark.parametrize("address", ["", "0", "2", "01", "31", "one"])
def test_a_controller_has_no_address_and_is_called_1(address: str) -> None:
    """Two names for it on one line would report each of its sales as two."""
    with pytest.raises(ValueError, match='write "1"'):
        UnipumpSession(address, UnipumpOptions())
    assert DRIVER.asks(address, UnipumpOptions()) == ()


def test_nobody_else_may_speak_while_a_late_answer_is_waited_out() -> None:
    """No answer says what it answers: on a shared wire a late one would reach whoever asked next."""
    session = UnipumpSession("1", UnipumpOptions(answer_ms=300))
    session.bytes_to_send(Monotonic(0))
    session.handle_timer(Monotonic(300))
    assert session.awaiting()
    assert session.bytes_to_send(Monotonic(599)) == b""
    session.handle_timer(Monotonic(600))
    assert not session.awaiting()
    session.bytes_to_send(Monotonic(1_000))
    session.handle_timer(Monotonic(1_300))
    session.disconnected(Monotonic(1_310))
    assert not session.awaiting()
    session.bytes_to_send(Monotonic(1_320))
    session.receive(codec.encode(1, b"S010"), Monotonic(1_330))
    assert not session.awaiting()


@pytest.mark.parametrize("point_count", [1, 16])
def test_the_slowest_options_lose_an_answer_without_a_silence(point_count: int) -> None:
    names = ("poll_ms", "answer_ms", "gap_ms")
    slowest = {name: _greatest(name) for name in names}
    desk = ControllerDesk(UnipumpSimulator(point_count), point_count=point_count, **slowest)
    desk.run(10_000)
    lost: list[bytes] = []

    def lose_one(data: bytes) -> list[bytes]:
        lost.append(data)
        desk.wire = lambda data: [data]
        return []

    desk.wire = lose_one
    desk.run(10_000)
    assert lost
    assert not any(isinstance(event, DeviceSilent) for event in desk.events)


def _greatest(name: str) -> int:
    bounds = UnipumpOptions.model_fields[name].metadata
    (bound,) = (each.le for each in bounds if hasattr(each, "le"))
    return int(bound)


@pytest.mark.parametrize("state", [b"U100", b"U180"])
def test_a_pump_that_its_controller_lost_has_not_ended_its_fuelling(state: bytes) -> None:
    """State 0 (offline) or 8 (error) in the middle of the flow: what flows on, ends when nobody looks."""
    desk = _closing(fuelling_ms=60_000)
    desk.run(200)
    _sell(desk)
    desk.run(1_000)
    honest = desk.simulator._show
    desk.simulator._show = lambda point, now: state.decode()  # type: ignore[method-assign]
    desk.run(1_000)
    desk.simulator._show = honest  # type: ignore[method-assign]
    desk.simulator._fuelling_ms = 0
    desk.run(SETTLED_MS)
    (fuelling,) = desk.fuellings
    assert fuelling.ended is None


def test_a_fuelling_starts_once_though_its_nozzle_is_not_named_in_every_answer() -> None:
    desk = _closing()
    answers = iter([b"U130", b"U030", b"U130", b"A01100000100", b"U050", b"A01100000200"])
    session = desk.session
    for step, answer in enumerate(answers):
        now = Monotonic(1_000 * (step + 1))
        session.bytes_to_send(now)
        session.receive(codec.encode(1, answer), now)
    events = [session.next_event() for _ in range(10)]
    assert events.count(FuellingStarted("1", "1/1")) == 1


def test_where_nobody_closes_the_next_fuelling_does_not_begin() -> None:
    """As NOTES.md and the option say."""
    desk = ControllerDesk(UnipumpSimulator(), closes=False)
    _sell(desk)
    _sell(desk)
    desk.run(30_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [1], "reported once"
    assert desk.simulator.backlog() == 2


def test_transaction_numbers_wrap_from_99_to_0() -> None:
    desk = _closing(first_transaction=98)
    for _ in range(4):
        _sell(desk)
        desk.run(SETTLED_MS)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [98, 99, 0, 1]
    assert [data[3:-4] for data in desk.sent if said(data) == "close transaction"] == [
        b"C98",
        b"C99",
        b"C00",
        b"C01",
    ]


def test_a_transaction_that_its_master_closed_and_began_anew_is_not_closed_for_it() -> None:
    """While the till took its time another one was opened: its number is not the one that is safe."""
    desk = _closing(fuelling_ms=0)
    desk.run(300)
    _sell(desk)

    def till(event: DriverEvent) -> Answer:
        if isinstance(event, Fuelling) and event.sequence_no == 1:
            desk.simulator.close_by_master(1, desk.now)
            _sell(desk, volume_cl=2_000)
        return YES

    desk.till = till
    desk.run(2 * SETTLED_MS)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [1, 2]
    assert [sale.transaction for sale in desk.simulator.released] == [2]


def test_many_points_that_are_not_there_starve_no_other() -> None:
    """`point_count = 16` at a site with one pump."""
    desk = ControllerDesk(UnipumpSimulator(1), closes=True, point_count=16)
    desk.run(30_000)
    _sell(desk)
    desk.run(2 * SETTLED_MS)
    assert len(desk.fuellings) == 1
    assert desk.session.counters()["SILENT"] == 0
    assert desk.simulator.backlog() == 0


def test_a_controller_that_says_nothing_about_totals_does_not_hold_the_sale() -> None:
    """Perhaps it gives them to a till that locked the point, and is silent to others."""
    desk = _closing()
    desk.wire = lambda data: [] if said(data) == "ask totals" else [data]
    _sell(desk)
    desk.run(20_000)
    (fuelling,) = desk.fuellings
    assert fuelling.flags == ("TOTALIZER_MISSING",)
    assert desk.simulator.backlog() == 0
    _sell(desk)
    desk.run(4_000)
    assert len(desk.fuellings) == 2, "from the second on it is known"
    assert desk.simulator.backlog() == 0


def test_a_totalizer_from_before_a_cut_proves_nothing_after_it() -> None:
    """Two equal sales while the plug was out, and a totalizer that lags: its reading would fit the first."""
    desk = _beside_master(lag_ms=1_800)
    _sell(desk)
    desk.run(SETTLED_MS)
    desk.session.disconnected(desk.now)
    _sell(desk)
    _sell(desk)
    desk.run(SETTLED_MS)
    assert [fuelling.totalizer_after_ml for fuelling in desk.fuellings] == [10_000, 30_000]


def test_equal_digits_after_a_cut_are_another_sale_if_the_totalizer_says_so() -> None:
    """A hundred sales while the plug was out: the number is the same again."""
    desk = _beside_master()
    _sell(desk)
    desk.run(SETTLED_MS)
    desk.session.disconnected(desk.now)
    for _ in range(100):
        _sell(desk)
    desk.run(SETTLED_MS)
    first, second = desk.fuellings
    assert first.sequence_no == second.sequence_no
    assert (first.totalizer_after_ml, second.totalizer_after_ml) == (10_000, 1_010_000)


def test_what_a_point_does_not_show_any_more_is_not_closed() -> None:
    """Another program closed it before the till could keep it."""
    desk = _closing()
    answers = iter([NOT_NOW] * 3)
    desk.till = lambda event: next(answers, YES) if isinstance(event, Fuelling) else YES
    _sell(desk)
    while not desk.fuellings:
        desk.run(5)
    desk.simulator.close_by_master(1, desk.now)
    desk.run(3_000)
    assert len(desk.fuellings) == 4
    assert desk.count("close transaction") == 0


def test_beside_a_master_a_zero_volume_is_not_closed_either() -> None:
    desk = _beside_master()
    _sell(desk, volume_cl=0)
    desk.run(3_000)
    assert desk.session.counters()["ZERO_VOLUME"] == 1
    assert desk.count("close transaction") == 0


def test_a_totalizer_is_not_read_for_a_record_that_was_out_of_sight_for_a_whole_fuelling() -> None:
    """The record was seen, its totals were not; then nothing for 3 s, in which its master closed it and sold
    as much again at the same nozzle."""
    desk = _beside_master()
    desk.run(300)
    desk.wire = lambda data: [] if said(data) == "ask totals" else [data]
    _sell(desk)
    desk.run(300)
    desk.wire = lambda data: []
    desk.simulator.close_by_master(1, desk.now)
    _sell(desk)
    desk.simulator.close_by_master(1, desk.now)
    desk.run(3_000)
    desk.wire = lambda data: [data]
    desk.run(SETTLED_MS)
    (fuelling,) = desk.fuellings
    assert (fuelling.totalizer_after_ml, fuelling.flags) == (None, ("TOTALIZER_MISSING",))


def test_totals_of_another_nozzle_are_not_taken() -> None:
    desk = _closing()
    desk.simulator.start_totalizer("1/2", 77_700)
    honest = desk.simulator._totals
    wrong = iter([2, 2, 2])
    desk.simulator._totals = (  # type: ignore[method-assign]
        lambda point, nozzle, now: honest(point, next(wrong, nozzle), now)
    )
    _sell(desk)
    desk.run(4 * SETTLED_MS)
    assert [fuelling.totalizer_after_ml for fuelling in desk.fuellings] == [10_000]
    assert desk.session.counters()["OTHER_TOTALS"] == 3


def test_an_end_that_was_seen_is_not_given_to_the_next_customer() -> None:
    """The first record was closed before we saw it; the second fuelling went by between two looks."""
    desk = _beside_master(fuelling_ms=1_000)
    desk.run(300)
    _sell(desk)
    desk.run(900)
    desk.simulator.close_by_master(1, desk.now)
    desk.run(500)
    desk.simulator.lift("1/1")
    desk.run(500)
    desk.simulator._fuelling_ms = 0
    _sell(desk)
    desk.run(SETTLED_MS)
    (fuelling,) = desk.fuellings
    assert (fuelling.sequence_no, fuelling.ended) == (2, None)


def test_all_points_are_asked_at_once_when_the_controller_is_back() -> None:
    desk = ControllerDesk(UnipumpSimulator(16), closes=True, point_count=16, totals=False)
    desk.run(3_000)
    desk.wire = lambda data: []
    desk.run(60_000)
    for point in range(1, 17):
        _sell(desk, f"{point}/1")
    desk.wire = lambda data: [data]
    desk.run(5_000)
    assert len(desk.fuellings) == 16


def test_a_point_is_looked_at_between_two_questions_about_its_totals() -> None:
    """Also when these are not answered: the next customer is seen all the same."""
    desk = _beside_master()
    desk.wire = lambda data: [] if said(data) == "ask totals" else [data]
    _sell(desk)
    desk.run(1_000)
    desk.simulator.close_by_master(1, desk.now)
    desk.simulator.lift("1/2")
    desk.run(1_000)
    assert FuellingStarted("1", "1/2") in desk.events
