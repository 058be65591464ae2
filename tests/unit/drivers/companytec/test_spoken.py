"""Conformance: over every bad wire, does a session say anything but what reads and steps?"""

import random

import pytest

from drivers import catalogue
from drivers.companytec.case import CompanytecCase, HorustechCase
from drivers.companytec.codec import Reader
from drivers.companytec.commands import Command, Kind, parse_command, parse_question
from drivers.companytec.horustech import Reader as HorustechReader
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.session import CompanytecSession
from drivers.conformance import as_sold, run
from drivers.events import Monotonic
from drivers.faults import WIRES
from drivers.session import Session
from tests.unit.drivers.companytec.desk import Desk

READING = {
    "identified": Kind.READ_IDENTIFIED,
    "short": Kind.READ,
    "dual": Kind.READ_BOTH_TAGS,
    "paf2": Kind.READ_PAF2,
    "auto": Kind.READ_PAF1,
}
ALWAYS = {Kind.STEP, Kind.POINTERS, Kind.FLOW, Kind.READ_POSITION}
MAY = {"auto": {Kind.READ_EXTENDED, Kind.READ_IDENTIFIED}}


def _commands(frame: bytes) -> list[Command | None]:
    if frame.startswith(b">"):
        return [parse_question(text[1:]) for text in HorustechReader().feed(frame)]
    return [parse_command(body) for body in Reader().feed(frame)]


class Overheard(CompanytecSession):
    """Everything that it says is kept, across all sessions of a run."""

    said: list[bytes]

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data = super().bytes_to_send(now)
        if data:
            self.said.append(data)
        return data


def _said(case: CompanytecCase | HorustechCase, options: CompanytecOptions, wire: str) -> list[bytes]:
    said: list[bytes] = []

    def open_session() -> Session:
        session = Overheard("1", options)
        session.said = said
        return session

    case.open_session = open_session  # type: ignore[method-assign]
    report = run(catalogue.find("companytec"), "spoken", case, WIRES[wire], 5)
    assert not report.failures, report.explain()
    assert len(said) > 50
    return said


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("form", ["identified", "auto"])
def test_cbc_sessions_only_read_and_step(form: str, wire: str) -> None:
    options = CompanytecOptions.model_validate({"record": form, "poll_ms": 500})
    kinds = set()
    for frame in _said(CompanytecCase(options.form), options, wire):
        (command,) = _commands(frame)
        assert command is not None
        kinds.add(command.kind)
    assert kinds - MAY.get(form, set()) == ALWAYS | {READING[form]}


@pytest.mark.parametrize("wire", WIRES)
def test_horustech_sessions_only_read_and_step(wire: str) -> None:
    options = CompanytecOptions(protocol="horustech", poll_ms=500)
    kinds = set()
    for frame in _said(HorustechCase(), options, wire):
        (command,) = _commands(frame)
        assert command is not None
        kinds.add(command.kind)
    may = {Kind.READ, Kind.READ_EXTENDED}
    assert kinds - may == {Kind.STEP_ANSWERED, Kind.POINTERS, Kind.FLOW, Kind.READ_POSITION}


@pytest.mark.parametrize("form", ["short", "dual", "paf2"])
def test_the_other_forms_too(form: str) -> None:
    desk = Desk(record=form)
    desk.run(1_000)
    desk.simulator.begin("05")
    for _ in range(3):
        desk.simulator.sell("04", 10_000, 7_770, 7_770)
    desk.simulator.step_by_another_program()
    desk.run(12_000)
    kinds = {command.kind for frame in desk.sent for command in _commands(frame) if command}
    assert kinds == ALWAYS | {READING[form]}
    assert len(desk.fuellings) == 3
    assert desk.simulator.forbidden_heard == []


@pytest.mark.parametrize(
    ("case", "options"), [(CompanytecCase(), {}), (HorustechCase(), {"protocol": "horustech"})]
)
def test_odd_records_are_handed_over_and_the_backlog_empties(
    case: CompanytecCase | HorustechCase, options: dict[str, object]
) -> None:
    desk, rng = Desk(case.simulator, **options), random.Random(3)
    desk.run(1_000)
    for _ in range(30):
        case.sell_odd(rng, desk.now)
    assert case.backlog() == 30
    desk.run(15_000)
    assert case.backlog() == 0
    assert [as_sold(fuelling) for fuelling in desk.fuellings] == case.sold()
    assert {fuelling.nozzle for fuelling in desk.fuellings} > {"63"}
    assert 0 < desk.session.counters()["ZERO_VOLUME"] < 15
    assert any(fuelling.device_time is None for fuelling in desk.fuellings)
    assert any(fuelling.totalizer_after_ml < 10**6 for fuelling in desk.fuellings)  # type: ignore[operator]


class WideCase(CompanytecCase):
    """Sales of seven digits, for wires on which no step is repeated: those would be fetched by position,
    where only six digits can be read."""

    def __init__(self) -> None:
        super().__init__("auto")

    def _sell(self, rng: random.Random, nozzle: str, price_milli: int) -> None:
        volume_ml = rng.randrange(1_300_000, 2_000_000, 10)
        self.simulator.sell(nozzle, volume_ml, volume_ml * price_milli // 10_000, price_milli)


@pytest.mark.parametrize("wire", ["clean", "one_byte", "loses_bytes", "flips"])
def test_seven_digits_survive_a_bad_wire(wire: str) -> None:
    for seed in range(4):
        report = run(catalogue.find("companytec"), "wide", WideCase(), WIRES[wire], seed)
        assert not report.failures, report.explain()
