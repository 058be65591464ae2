"""Unit: does the session only read, believe only what was said twice, and lose no delivery?"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.conformance import run
from drivers.events import Answer, DeviceBack, DeviceSilent, DriverEvent, Monotonic, TankDelivery, TankRead
from drivers.faults import WIRES
from drivers.session import Session
from drivers.veeder_root import DRIVER, codec, conformance_cases
from drivers.veeder_root import session as veeder_session
from drivers.veeder_root.case import VeederRootCase
from drivers.veeder_root.options import VeederRootOptions
from drivers.veeder_root.session import Block, VeederRootSession
from drivers.veeder_root.simulator import SimulatedTank, VeederRootSimulator
from tests.unit.drivers.veeder_root.console_desk import NOT_NOW, ConsoleDesk

READING_FUNCTIONS = {b"i101", b"i201", b"i202", b"i20C", b"i205", b"I201"}


class Noting(VeederRootSession):
    said: ClassVar[set[bytes]] = set()

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data = super().bytes_to_send(now)
        self.said.add(data)
        return data


@pytest.mark.parametrize("name", conformance_cases())
def test_nothing_leaves_a_session_but_questions(name: str) -> None:
    for wire in WIRES.values():
        case = conformance_cases()[name]()
        assert isinstance(case, VeederRootCase)
        _open_as(case, Noting)
        assert not run(DRIVER, name, case, wire, 5).failures
    said = Noting.said - {b""}
    assert {frame[1:5] for frame in said} <= READING_FUNCTIONS
    assert {frame[:1] + frame[5:] for frame in said} == {b"\x0100\x03"}


def _open_as(case: VeederRootCase, kind: Callable[[str, VeederRootOptions], VeederRootSession]) -> None:
    options = VeederRootOptions(poll_s=1, answer_ms=1_000, gap_ms=20)

    def open_session() -> Session:
        return kind("1", options)

    case.open_session = open_session  # type: ignore[method-assign]


class ReportsAgain(VeederRootSession):
    """Forgets what it has reported."""

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        super().confirm(event, replace(answer, durable=False), now)


class TakesNoForYes(VeederRootSession):
    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        super().confirm(event, replace(answer, durable=True), now)


class AltersReadings(VeederRootSession):
    def next_event(self) -> DriverEvent | None:
        event = super().next_event()
        return replace(event, volume_ml=event.volume_ml + 1) if isinstance(event, TankRead) else event


class AltersDeliveries(VeederRootSession):
    def next_event(self) -> DriverEvent | None:
        event = super().next_event()
        return replace(event, end_volume_ml=1) if isinstance(event, TankDelivery) else event


class ReportsNoTank(VeederRootSession):
    def next_event(self) -> DriverEvent | None:
        event = super().next_event()
        return None if isinstance(event, TankRead) and event.tank == "2" else event


class NeverSilent(VeederRootSession):
    def next_event(self) -> DriverEvent | None:
        event = super().next_event()
        return None if isinstance(event, DeviceSilent) else event


@pytest.mark.parametrize(
    ("cheat", "wire", "code"),
    [
        (ReportsAgain, "clean", "TWICE"),
        (TakesNoForYes, "clean", "LOST"),
        (AltersReadings, "clean", "INVENTED"),
        (AltersDeliveries, "clean", "INVENTED"),
        (ReportsNoTank, "clean", "LOST"),
        (NeverSilent, "clean", "SILENCE_UNNOTICED"),
    ],
)
def test_the_kit_catches_a_gauge_driver_that_cheats(
    cheat: type[VeederRootSession], wire: str, code: str
) -> None:
    codes = set()
    for seed in range(8):
        case = VeederRootCase()
        _open_as(case, cheat)
        codes |= {failure.split()[0] for failure in run(DRIVER, "cheat", case, WIRES[wire], seed).failures}
    assert code in codes


def _pair_that_cancels_out(data: bytes) -> bytes:
    """Of the volume 4106 one digit is one less, another one more: the sum stays."""
    assert b"45805000" in data
    return data.replace(b"45805000", b"45705100", 1)


class BelievesAtOnce(VeederRootSession):
    """Puts no question twice."""

    def _compare(self, blocks: Sequence[Block], time: str, now: Monotonic) -> None:
        self._believe(blocks, time)
        self._go_on(now)


@pytest.mark.parametrize(("kind", "is_fooled"), [(VeederRootSession, False), (BelievesAtOnce, True)])
def test_damage_that_the_sum_does_not_see_needs_the_second_reading(
    kind: type[VeederRootSession], is_fooled: bool
) -> None:
    desk = ConsoleDesk(VeederRootSimulator({1: SimulatedTank("P", "1", 30_000_000, 4_106_000)}))
    desk.session = kind("1", desk.options)
    harm = [_pair_that_cancels_out]
    desk.to_host = lambda data: harm.pop()(data) if harm else data
    desk.run(3_000)
    assert not harm
    assert desk.session.counters()["BAD_FRAME"] == 0, "the check value holds"
    assert ({read.volume_ml for read in desk.readings} != {4_106_000}) == is_fooled
    assert desk.readings


@pytest.mark.parametrize("name", conformance_cases())
def test_the_kits_tanks_never_run_dry_nor_over(name: str) -> None:
    case = conformance_cases()[name]()
    assert isinstance(case, VeederRootCase)
    rng = random.Random(4)
    for minute in range(400):
        case.change(rng, Monotonic(60_000 * minute))
        assert all(0 <= tank.volume_ml <= tank.capacity_ml for tank in case.simulator.tanks.values())


def test_a_tank_without_numbers_does_not_hide_the_others() -> None:
    """A console may give no values at all for a probe that is out (NOTES.md, "Unknown")."""
    desk = ConsoleDesk()

    def without_the_second(data: bytes) -> bytes:
        text = data[1:-5].decode()
        at = text.index("022")
        text = text[:at] + "022000000" + text[at + 9 + 56 :]
        return b"\x01" + (text + codec.check_value(text)).encode() + b"\x03"

    desk.to_host = without_the_second
    desk.run(900)
    assert [read.tank for read in desk.readings] == ["1", "3"]
    assert desk.session.counters()["NO_VOLUME"] == 1


@pytest.mark.parametrize(("poll_s", "answer_ms"), [(12, 500), (11, 2_000), (3, 10_000)])
def test_one_lost_or_endless_answer_is_no_silence(poll_s: int, answer_ms: int) -> None:
    """A list of deliveries that 2400 baud cannot bring in time must not look like a dead console."""
    desk = ConsoleDesk(poll_s=poll_s, answer_ms=answer_ms)
    desk.to_device = lambda data: b"" if b"i202" in data else data
    for _ in range(1_200):
        desk.run(100)
        if desk.sent and b"i202" in desk.sent[-1]:
            desk.session.receive(b"\x01" if desk.session._reader._body is None else b"0", desk.now)
    assert [type(e) for e in desk.events if isinstance(e, DeviceSilent | DeviceBack)] == [DeviceBack]
    assert desk.session.counters()["NO_ANSWER"] >= 1


@pytest.mark.parametrize(("poll_s", "answer_ms"), [(12, 2_000), (11, 5_000), (4, 10_000), (20, 200)])
def test_times_that_make_one_lost_answer_look_like_silence_are_refused(poll_s: int, answer_ms: int) -> None:
    with pytest.raises(ValueError, match="poll_s"):
        VeederRootOptions.model_validate({"poll_s": poll_s, "answer_ms": answer_ms})


def test_the_first_round_reads_tanks_deliveries_and_alarms() -> None:
    desk = ConsoleDesk()
    desk.simulator.tanks[2].alarms += ["03", "77"]
    desk.simulator.deliver(1, 8_000_000, desk.now)
    desk.run(9_000)
    assert {read.tank: read.volume_ml for read in desk.readings} == {
        "1": 28_000_000,
        "2": 15_000_000,
        "3": 22_000_125,
    }
    assert [(each.tank, each.start_volume_ml, each.end_volume_ml) for each in desk.deliveries] == [
        ("1", 20_000_000, 28_000_000)
    ]
    assert desk.readings[-2].alarms == ("HIGH_WATER", "TANK_ALARM_77")
    counters = desk.session.counters()
    assert (counters["ALARM_HIGH_WATER"], counters["ALARM_TANK_ALARM_77"], counters["SYSTEM_ALARM"]) == (
        1,
        1,
        2,
    )
    assert {question[:4] for question in desk.simulator.asked} == {"i201", "i101", "i20C", "i205", "i202"}


def test_a_delivery_shows_while_it_goes_on() -> None:
    desk = ConsoleDesk()
    desk.simulator.begin_delivery(3)
    desk.run(1_000)
    assert [read.is_delivering for read in desk.readings] == [False, False, True]


def test_a_delivery_that_was_not_kept_is_reported_again_and_one_that_was_is_not() -> None:
    desk = ConsoleDesk()
    desk.simulator.deliver(1, 5_000_000, desk.now)
    refusals = [NOT_NOW, NOT_NOW]
    yes = desk.till
    desk.till = lambda event: refusals.pop() if refusals and isinstance(event, TankDelivery) else yes(event)
    desk.run(30_000)
    assert len(desk.deliveries) == 3
    assert len(set(desk.deliveries)) == 1
    assert desk.session.counters()["NOT_DURABLE"] == 2
    desk.restart()
    desk.run(10_000)
    assert len(desk.deliveries) == 4, "a new session cannot know"


def test_deliveries_made_while_nobody_listened_are_all_found() -> None:
    desk = ConsoleDesk()
    for minute in range(4):
        desk.simulator.deliver(3, 125_000 * (minute + 1), Monotonic(60_000 * minute))
    desk.run(9_000)
    assert sorted(each.end_volume_ml or 0 for each in desk.deliveries) == [
        22_125_125,
        22_375_125,
        22_750_125,
        23_250_125,
    ]


def test_a_tank_that_moves_does_not_hold_up_the_others() -> None:
    desk = ConsoleDesk()

    def pump(data: bytes) -> bytes:
        desk.simulator.draw(1, 125)
        return data

    desk.to_device = pump
    desk.run(20_000)
    assert {read.tank for read in desk.readings} == {"2", "3"}
    assert desk.session.counters()["READINGS_DIFFER"] > 0


def test_a_console_that_only_prints_is_read_from_print() -> None:
    desk = ConsoleDesk(VeederRootSimulator(prints_only=True))
    desk.run(20_000)
    assert {read.tank: read.volume_ml for read in desk.readings} == {
        "1": 20_000_000,
        "2": 15_000_000,
        "3": 22_000_000,
    }
    assert {read.product for read in desk.readings} == {"PETROL 92", "PETROL 95", "DIESEL 0"}
    refused = [question for question in desk.simulator.asked if question == "i20100"]
    assert len(refused) == 5, "asked until it is sure, and then no more for ten minutes"
    desk.run(600_000)
    assert desk.simulator.asked.count("i20100") == 10


def test_one_damaged_question_is_no_reason_to_read_print() -> None:
    desk = ConsoleDesk()
    harm = [b"\x01i2@100\x03"] * 4
    desk.to_device = lambda data: harm.pop() if harm else data
    desk.run(5_000)
    assert desk.session.counters()["NOT_UNDERSTOOD"] == 4
    assert desk.readings[0].raw_volume == "469C4000"
    assert codec.ask("I201") not in desk.sent


def test_the_security_code_goes_with_every_question_and_is_told_to_nobody() -> None:
    desk = ConsoleDesk(VeederRootSimulator(security_code="s3cr3t"), security_code="s3cr3t")
    desk.run(5_000)
    assert desk.readings
    assert all(frame.startswith(b"\x01s3cr3t") for frame in desk.sent)
    assert "s3cr3t" not in f"{desk.options!r} {desk.events!r} {desk.session.counters()!r}"
    deaf = ConsoleDesk(VeederRootSimulator(security_code="s3cr3t"))
    deaf.run(5_000)
    assert not deaf.events


@pytest.mark.parametrize("code", ["abcde", "too long", "new\nli", "ünicod"])
def test_a_security_code_is_six_printable_characters(code: str) -> None:
    with pytest.raises(ValueError, match="security_code") as refused:
        VeederRootOptions.model_validate({"security_code": code})
    assert code not in str(refused.value)


def test_silence_and_return() -> None:
    desk = ConsoleDesk()
    desk.run(2_000)
    desk.to_device = lambda data: b""
    desk.run(DRIVER.silence_ms + 2_000)
    assert [type(e) for e in desk.events if isinstance(e, DeviceSilent | DeviceBack)] == [
        DeviceBack,
        DeviceSilent,
    ]
    assert desk.session.counters()["SILENT"] == 1
    desk.to_device = lambda data: data
    desk.run(3_000)
    assert isinstance([e for e in desk.events if isinstance(e, DeviceSilent | DeviceBack)][-1], DeviceBack)


def test_an_answer_to_another_question_is_not_believed() -> None:
    """How the tanks stood before is said again, twice alike, in answer to a question about alarms."""
    desk = ConsoleDesk()
    heard: list[bytes] = []

    def stale(data: bytes) -> bytes:
        heard.append(data)
        return heard[0] if data[1:5] == b"i101" else data

    desk.to_host = stale
    desk.run(900)
    desk.simulator.draw(1, 5_000_000)
    desk.run(20_000)
    told = [read.volume_ml for read in desk.readings if read.tank == "1"]
    assert told == [20_000_000, *[15_000_000] * (len(told) - 1)]
    assert len(told) > 1
    assert desk.session.counters()["OTHER_FRAME"] > 1


def test_what_was_said_before_the_plug_was_pulled_bears_nothing_out() -> None:
    desk = ConsoleDesk()
    while len(desk.sent) < 2:
        desk.run(20)
    desk.session.receive(b"\x01i20100", desk.now)
    desk.session.disconnected(desk.now)
    desk.simulator.power_cycle(desk.now)
    desk.session.receive(b"2601010000" + b"&&FFFF\x03", desk.now)
    desk.run(20)
    assert desk.session.counters()["BAD_FRAME"] == 0, "two halves of two connections are no frame"
    desk.run(900)
    assert [frame[1:5] for frame in desk.sent] == [b"i201"] * 4, "once before, once lost, and twice anew"
    assert len(desk.readings) == 3


def test_a_console_that_comes_back_is_asked_in_computer_form_again() -> None:
    """It was swapped for a newer one while it was away."""
    desk = ConsoleDesk(VeederRootSimulator(prints_only=True))
    desk.run(10_000)
    assert desk.readings[0].product == "PETROL 92"
    desk.to_device = lambda data: b""
    desk.run(DRIVER.silence_ms + 2_000)
    desk.simulator = VeederRootSimulator()
    desk.to_device = lambda data: data
    desk.events.clear()
    desk.run(15_000)
    assert {read.product for read in desk.readings} >= {"1", "2", "3"}


def test_what_is_remembered_of_deliveries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(veeder_session, "REMEMBERED_DELIVERIES", 3)
    desk = ConsoleDesk()
    for minute in range(5):
        desk.simulator.deliver(1, 125_000, Monotonic(60_000 * minute))
    desk.run(9_000)
    assert len(set(desk.deliveries)) == 5
    assert len(desk.session._kept) == 3


def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    desk = ConsoleDesk(VeederRootSimulator(answer_ms=700))
    desk.run(20_000)
    assert not desk.readings
    counters = desk.session.counters()
    assert counters["LATE_ANSWER"] > 5
    assert counters["HEARD"] == 0


def test_a_volume_that_is_no_number_is_counted_and_the_others_are_reported() -> None:
    desk = ConsoleDesk()

    def spoil(data: bytes) -> bytes:
        text = data[1:-5].decode().replace("469C4000", "7FC00000")
        return b"\x01" + (text + codec.check_value(text)).encode() + b"\x03"

    desk.to_host = spoil
    desk.run(1_000)
    assert [read.tank for read in desk.readings] == ["2", "3"]
    assert desk.session.counters()["NOT_A_NUMBER"] == 1


@given(
    st.lists(
        st.one_of(st.binary(max_size=60), st.sampled_from([b"\x01", b"\x019999FF1B\x03", b"\x03"])),
        max_size=40,
    )
)
@settings(deadline=None, max_examples=60)
def test_any_bytes_are_survived(pieces: list[bytes]) -> None:
    desk = ConsoleDesk(VeederRootSimulator({}))
    for piece in pieces:
        desk.simulator.receive(piece, desk.now)
        desk.session.receive(piece, desk.now)
        desk.run(200)
    assert not desk.readings
