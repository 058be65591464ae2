"""Unit: does the only master of Gilbarco pumps report each fuelling by its totalizer, and only ask?"""

import random
from collections import Counter
from dataclasses import replace

import pytest

from drivers.conformance import run
from drivers.events import DeviceBack, DeviceSilent, DriverEvent, Fuelling, Monotonic
from drivers.faults import WIRES
from drivers.gilbarco import DRIVER
from drivers.gilbarco.case import MasterCase
from drivers.gilbarco.codec import Command, State
from drivers.gilbarco.options import GilbarcoOptions
from drivers.gilbarco.pump import Pump
from drivers.gilbarco.session import GilbarcoMaster
from drivers.gilbarco.simulator import GilbarcoSimulator
from drivers.gilbarco.words import GradeTotals, Sale
from drivers.session import Session
from tests.unit.drivers.gilbarco.gilbarco_bench import MasterBench, sale, shown_total, totals
from tests.unit.drivers.machinery.session_bench import NOT_NOW, YES

NOW = Monotonic(1_000)
OWN, OTHERS = Sale("0", "030000", "002250", "0750"), Sale("1", "010000", "000750", "0750")


def _sold(bench: MasterBench) -> list[tuple[str, int, int | None]]:
    return [(each.nozzle, each.volume_ml, each.totalizer_after_ml) for each in bench.fuellings]


def test_a_fuelling_is_reported_with_both_totals_at_its_end() -> None:
    bench = MasterBench(pumps=(1, 16))
    bench.simulator.pumps[16].totals = {0: 1_000_000, 1: 5_000}
    bench.run(3_000)
    bench.simulator.sell("16/1", 30_000, 2_250, 750, bench.now)
    bench.run(1_000)
    assert bench.started == ["16/0"]
    flow_ends = bench.now + 1_000
    bench.run(3_000)
    (fuelling,) = bench.fuellings
    assert _sold(bench) == [("16/1", 30_000, 35_000)]
    assert fuelling.totalizer_before_ml == 5_000
    assert fuelling.raw.totalizer_after == "00003500"
    assert fuelling.ended is not None
    assert abs(fuelling.ended - flow_ends) <= 350
    assert fuelling.flags == ()


def test_two_equal_fuellings_are_two_and_the_totalizer_wraps() -> None:
    bench = MasterBench()
    bench.simulator.pumps[1].totals = {0: 999_990_000}
    bench.run(3_000)
    for _ in range(2):
        bench.simulator.sell("1/0", 26_670, 2_000, 750, bench.now)
        bench.run(6_000)
    assert _sold(bench) == [("1/0", 26_670, 16_670), ("1/0", 26_670, 43_340)]
    assert [each.totalizer_modulus_ml for each in bench.fuellings] == [10**9] * 2
    assert [each.flags for each in bench.fuellings] == [(), ()]
    assert len(set(bench.identities)) == 2


def test_a_display_that_is_still_there_after_our_restart_is_the_same_digits_again() -> None:
    bench = MasterBench()
    bench.run(1_000)
    bench.simulator.sell("1/0", 30_000, 2_250, 750, bench.now)
    bench.run(6_000)
    bench.restart()
    bench.run(4_000)
    assert len(bench.fuellings) == 2
    assert len(set(bench.identities)) == 1
    assert bench.fuellings[1].ended is None
    bench.session.disconnected(bench.now)
    bench.run(4_000)
    assert len(bench.fuellings) == 2


def test_a_price_that_changes_under_a_display_makes_no_other_fuelling_of_it() -> None:
    bench = MasterBench()
    bench.run(1_000)
    bench.simulator.sell("1/0", 30_000, 2_250, 750, bench.now)
    bench.run(6_000)
    pump = bench.simulator.pumps[1]
    for price_count in (800, 850):
        pump.display = replace(pump.display, price_count=price_count)
        bench.session.disconnected(bench.now)
        bench.run(6_000)
        assert len(bench.fuellings) == 1
    bench.restart()
    bench.run(6_000)
    assert [each.unit_price_milli for each in bench.fuellings] == [750, 850]
    assert len(set(bench.identities)) == 1


def test_without_totals_equal_fuellings_before_and_behind_our_restart_are_two() -> None:
    bench = MasterBench(GilbarcoSimulator(answers_totals=False))
    for start in range(3):
        bench.run(1_000 * start)
        bench.simulator.sell("1/0", 26_666, 2_000, 750, bench.now)
        bench.run(15_000)
        bench.restart()
    assert len(bench.fuellings) == len(set(bench.identities)) == 3


def test_a_fuelling_while_the_plug_was_out_is_read_however_short_that_was() -> None:
    bench = MasterBench()
    bench.run(1_000)
    bench.simulator.sell("1/0", 30_000, 2_250, 750, bench.now)
    bench.run(6_000)
    pump = bench.simulator.pumps[1]
    pump.display = replace(pump.display, volume_count=20_000, amount_count=1_500)
    pump.totals[0] += 20_000
    bench.session.disconnected(bench.now)
    bench.run(3_000)
    assert [volume_ml for _, volume_ml, _ in _sold(bench)] == [30_000, 20_000]


def test_a_lift_without_flow_is_counted_and_is_no_fuelling() -> None:
    bench = MasterBench()
    bench.run(1_000)
    bench.simulator.sell("1/0", 0, 0, 750, bench.now)
    bench.run(4_000)
    assert bench.fuellings == []
    assert bench.count("ZERO_VOLUME") == 1


def test_totals_that_follow_late_are_waited_for() -> None:
    bench = MasterBench(GilbarcoSimulator(grades=2, lag_ms=1_000))
    bench.simulator.pumps[1].totals = {0: 100_000}
    bench.run(3_000)
    bench.simulator.sell("1/0", 30_000, 2_250, 750, bench.now)
    bench.run(8_000)
    assert _sold(bench) == [("1/0", 30_000, 130_000)]


class _Stubborn(GilbarcoSimulator):
    """Its totals do not count what it sells."""

    def handle_timer(self, now: Monotonic) -> None:
        super().handle_timer(now)
        for pump in self.pumps.values():
            pump.totals = {}


def test_totals_that_do_not_move_are_read_again_and_then_reported_with_a_flag() -> None:
    bench = MasterBench(_Stubborn(grades=2))
    bench.run(3_000)
    bench.simulator.sell("1/0", 30_000, 2_250, 750, bench.now)
    bench.run(8_000)
    assert [each.flags for each in bench.fuellings] == [("TOTAL_DIFFERS",)]
    bench.simulator.sell("1/0", 30_000, 2_250, 750, bench.now)
    bench.run(8_000)
    assert len(bench.fuellings) == 1, "equal totals and an equal display are no new fuelling"


def test_a_pump_without_totals_is_reported_only_when_it_was_seen_running() -> None:
    bench = MasterBench(GilbarcoSimulator(answers_totals=False))
    bench.simulator.sell("1/0", 20_000, 1_500, 750, bench.now)
    bench.run(15_000)
    assert [shown_total(each) for each in bench.fuellings] == ["+"]
    assert bench.fuellings[0].flags == ("TOTALIZER_UNHEARD",)
    bench.simulator.sell("1/0", 20_000, 1_500, 750, bench.now)
    bench.run(15_000)
    assert [shown_total(each) for each in bench.fuellings] == ["+", "+"]
    assert len(set(bench.identities)) == 2
    bench.restart()
    bench.run(15_000)
    assert len(bench.fuellings) == 2


def test_missed_litres_show_between_the_totals() -> None:
    bench = MasterBench()
    bench.run(2_000)
    bench.is_cut = True
    for _ in range(2):
        bench.simulator.sell("1/0", 30_000, 2_250, 750, bench.now)
    bench.run(9_000)
    bench.is_cut = False
    bench.run(4_000)
    (fuelling,) = bench.fuellings
    assert (fuelling.totalizer_before_ml, fuelling.totalizer_after_ml) == (0, 60_000)
    assert fuelling.flags == ("TOTAL_DIFFERS",)
    assert fuelling.ended is None


def test_a_fuelling_is_reported_until_the_till_has_it() -> None:
    bench = MasterBench()
    bench.answer = NOT_NOW
    bench.simulator.sell("1/0", 30_000, 2_250, 750, bench.now)
    bench.run(7_000)
    assert len(bench.fuellings) > 2
    bench.answer = YES
    bench.run(2_000)
    reported = len(bench.fuellings)
    bench.run(5_000)
    assert len(bench.fuellings) == reported
    assert len(set(bench.identities)) == 1


def test_silence_and_return_are_reported_once_each() -> None:
    bench = MasterBench()
    bench.run(1_000)
    bench.is_cut = True
    bench.run(12_000)
    bench.is_cut = False
    bench.run(3_000)
    assert [type(event) for event in bench.events] == [DeviceBack, DeviceSilent, DeviceBack]
    assert bench.count("SILENT") == 1


def test_a_line_that_echoes_is_understood_even_if_nobody_takes_the_echo_out() -> None:
    bench = MasterBench()
    bench.echoes = True
    bench.run(2_000)
    bench.simulator.sell("1/0", 30_000, 2_250, 750, bench.now)
    bench.run(6_000)
    assert _sold(bench) == [("1/0", 30_000, 30_000)]
    assert bench.count("ECHO_OR_ERROR") == len(bench.sent)
    assert bench.count("LATE_ANSWER") == 0


def _desk() -> GilbarcoMaster:
    return GilbarcoMaster("1", GilbarcoOptions(mode="master", pumps=(1, 2)))


def test_a_late_answer_is_none_to_a_later_question() -> None:
    session = _desk()
    assert session.bytes_to_send(Monotonic(0)) == b"\x01"
    session.handle_timer(Monotonic(150))
    assert session.counters()["NO_ANSWER"] == 1
    assert session.awaiting()
    assert session.bytes_to_send(Monotonic(290)) == b""
    session.receive(b"\x61", Monotonic(290))
    assert session.counters()["LATE_ANSWER"] == 1
    assert session.bytes_to_send(Monotonic(430)) == b""
    assert session.bytes_to_send(Monotonic(440)) == b"\x02"


def test_after_the_plug_was_out_a_visit_begins_anew() -> None:
    """With what was answered before it nothing is done any more."""
    session = _desk()
    session.bytes_to_send(Monotonic(0))
    session.receive(b"\x61", Monotonic(30))
    assert session.bytes_to_send(Monotonic(35)) == b"\x41"
    session.disconnected(Monotonic(40))
    assert session.bytes_to_send(Monotonic(40)) == b"\x02"
    session.receive(b"\x92", Monotonic(60))
    session.disconnected(Monotonic(61))
    for now in (70, 80, 200):
        session.handle_timer(Monotonic(now))
        assert session.bytes_to_send(Monotonic(now)) in (b"", b"\x01", b"\x02")
    assert [type(event) for event in iter(session.next_event, None)] == [DeviceBack]


def test_a_state_that_does_not_stand_alone_is_not_believed() -> None:
    session = _desk()
    session.bytes_to_send(Monotonic(0))
    session.receive(b"\x91", Monotonic(30))
    assert session.bytes_to_send(Monotonic(30)) == b""
    session.receive(b"\x61", Monotonic(32))
    session.handle_timer(Monotonic(40))
    assert session.counters()["LATE_ANSWER"] == 1
    assert session.bytes_to_send(Monotonic(40)) == b""
    assert [type(event) for event in iter(session.next_event, None)] == [DeviceBack]


def test_two_pumps_that_answer_at_once_are_both_not_believed() -> None:
    session = _desk()
    for now in (0, 1_000, 2_000):
        session.handle_timer(Monotonic(now))
        assert session.bytes_to_send(Monotonic(now)) == b"\x01"
        session.receive(b"\x61", Monotonic(now + 30))
        assert session.bytes_to_send(Monotonic(now + 35)) == b"\x41"
        session.receive(sale("000000", "000000", pump=2) + sale("030000", "002250"), Monotonic(now + 60))
        assert session.bytes_to_send(Monotonic(now + 70)) == b""
        assert session.bytes_to_send(Monotonic(now + 220)) == b"\x02"
        session.handle_timer(Monotonic(now + 400))
    assert session.counters()["LATE_ANSWER"] == 3


def test_a_block_of_another_kind_is_no_answer() -> None:
    session = _desk()
    session.bytes_to_send(Monotonic(0))
    session.receive(b"\x61", Monotonic(30))
    assert session.bytes_to_send(Monotonic(35)) == b"\x41"
    session.receive(totals("00000100"), Monotonic(60))
    assert session.counters()["LATE_ANSWER"] == 1
    assert session.bytes_to_send(Monotonic(65)) == b""


def test_a_long_block_is_waited_for_while_its_words_come() -> None:
    session = _desk()
    session.bytes_to_send(Monotonic(0))
    session.receive(b"\x61", Monotonic(30))
    session.bytes_to_send(Monotonic(35))
    block = sale("030000", "002250")
    for at, byte in enumerate(block):
        now = Monotonic(100 + 30 * at)
        session.receive(bytes((byte,)), now)
        session.handle_timer(now)
    assert "NO_ANSWER" not in session.counters()
    assert session.bytes_to_send(Monotonic(now + 5)) == b"\x51"


def _pump() -> tuple[Pump, Counter[str]]:
    counts: Counter[str] = Counter()
    return Pump(1, "1", GilbarcoOptions(mode="master"), counts), counts


def _hear_states(pump: Pump, *states: State) -> list[DriverEvent]:
    return [event for state in states for event in pump.hear_state(state, NOW) if isinstance(event, Fuelling)]


def test_a_sale_that_was_read_once_may_be_another_pumps() -> None:
    pump, counts = _pump()
    _hear_states(pump, State.BUSY, State.BUSY, State.PEOT)
    assert pump.hear_sale(OTHERS, NOW) == []
    assert pump.hear_sale(OWN, NOW) == []
    assert pump.hear_sale(OWN, NOW) == []
    (fuelling,) = _hear_states(pump, State.BUSY, State.BUSY)
    assert isinstance(fuelling, Fuelling)
    assert fuelling.volume_ml == 30_000
    _hear_states(pump, State.PEOT)
    pump.hear_sale(OTHERS, NOW)
    assert _hear_states(pump, State.BUSY, State.BUSY) == []
    assert counts["SALE_DOUBTED"] == 1


def test_readings_of_before_a_gap_are_not_counted_with_those_behind_it() -> None:
    """Another fuelling may have come between that shows the same."""
    pump, _ = _pump()
    total = (GradeTotals("0", "00010000", "00010000"),)
    for readings, reported in ((2, 0), (2, 0), (3, 1)):
        _hear_states(pump, State.IDLE)
        heard = []
        for _ in range(readings):
            heard += [*pump.hear_sale(OWN, NOW), *pump.hear_totals(total, NOW)]
        assert len(heard) == reported
        pump.lose_sight()


def test_a_display_reported_without_totals_is_not_reported_again_with_them() -> None:
    pump, _ = _pump()
    for volume in ("00010000",) * 3:
        _hear_states(pump, State.IDLE)
        pump.hear_sale(OTHERS, NOW)
        pump.hear_totals((GradeTotals("0", volume, volume),), NOW)
    _hear_states(pump, State.BUSY, State.BUSY, State.PEOT)
    pump.hear_sale(OWN, NOW)
    pump.hear_sale(OWN, NOW)
    assert [shown_total(each) for each in pump.refuse_totals(NOW)] == ["00010000+"]
    _hear_states(pump, State.BUSY, State.IDLE)
    for _ in range(9):
        pump.hear_sale(OWN, NOW)
        assert pump.hear_totals((GradeTotals("0", "00099999", "00099999"),), NOW) == []
    assert not pump.wants_reading


class PresetCase(MasterCase):
    """Nearly everybody takes the same."""

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        volume_count = rng.choice((26_667, 26_667, 13_333))
        self.simulator.sell(f"1/{rng.randrange(2)}", volume_count, volume_count * 3 // 40, 750, now)


@pytest.mark.parametrize("wire", WIRES)
def test_equal_fuellings_are_told_apart_on_every_wire(wire: str) -> None:
    report = run(DRIVER, "presets", PresetCase(), WIRES[wire], 3)
    assert not report.failures, report.explain()


class Overheard(GilbarcoMaster):
    """Everything that it says is kept, across all sessions of a run."""

    said: list[bytes]

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data = super().bytes_to_send(now)
        if data:
            self.said.append(data)
        return data


class OverheardCase(MasterCase):
    def __init__(self, said: list[bytes]) -> None:
        super().__init__()
        self._said = said

    def open_session(self) -> Session:
        session = Overheard("1", self._options)
        session.said = self._said
        return session


@pytest.mark.parametrize("wire", WIRES)
def test_nothing_is_ever_said_but_three_questions(wire: str) -> None:
    said: list[bytes] = []
    case = OverheardCase(said)
    report = run(DRIVER, "spoken", case, WIRES[wire], 5)
    assert not report.failures, report.explain()
    assert {len(data) for data in said} == {1}
    assert {Command(data[0] >> 4) for data in said} == {Command.STATE, Command.SALE, Command.TOTALS}
    assert {data[0] & 0x0F for data in said} == {0, 1}
    if WIRES[wire].invents_nothing():
        assert case.simulator.forbidden_heard == []
