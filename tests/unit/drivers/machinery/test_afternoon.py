"""Conformance: does a driver that was made by drivers/README.md ("Add one"), in a distribution of its own, do
what ours do?

`afternoon/` is that distribution as an installer would lay it down: a package and its `*.dist-info`. It is
put on the path for these tests alone and found through its entry point, as a third party's would be. Its
record is in `driver.py`, not in an `__init__.py`: no folder below tests/ has one.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import catalogue
from drivers.conformance import PumpCase, run, soak
from drivers.events import (
    Answer,
    DeviceBack,
    DeviceSilent,
    DriverEvent,
    Fuelling,
    FuellingStarted,
    Monotonic,
    Outcome,
)
from drivers.faults import WIRES
from drivers.session import Session
from drivers.views import NOISE, Check
from tests.house.clock_rules import clocks_and_chance
from tests.house.code_rules import broad_excepts, io_in_pure_modules, undone
from tests.house.numbers_rules import floats, nameless_units
from tests.house.sources import ROOT, python_sources

HERE = Path(__file__).with_name("afternoon")
NAME = "tallyline"
DISPLAY = bytes.fromhex("A5 03 91 00 02 00 30 12 02 36 44 07 85 85")
ASK_DISPLAY, ASK_TOTALIZER = bytes.fromhex("A5 03 11 B9"), bytes.fromhex("A5 03 12 BA")
YES, NOT_NOW = Answer(Outcome.DONE, durable=True), Answer(Outcome.UNAVAILABLE, durable=False)


@pytest.fixture(scope="module", autouse=True)
def installed() -> Iterator[None]:
    """The distribution is on the path, and afterwards it and its modules are gone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        yield
    for module in [name for name in sys.modules if name.split(".")[0] == NAME]:
        del sys.modules[module]


class Desk:
    """A display of address 3 and a session of ours; the till says `answer` to every event."""

    def __init__(self, totalizer_cl: int = 0) -> None:
        self.display = import_module("tallyline.simulator").TallylineSimulator(3, totalizer_cl)
        self.events: list[DriverEvent] = []
        self.answer, self.now = YES, Monotonic(0)
        self.restart()

    def restart(self) -> None:
        driver = catalogue.find(NAME)
        self.session = driver.open_session("3", driver.options())

    def run(self, duration_ms: int, wire: Callable[[bytes], bytes] = lambda said: said) -> list[Fuelling]:
        """Let time pass; the fuellings that were reported in it. `wire` is what becomes of an answer."""
        begun = len(self.events)
        for _ in range(duration_ms // 10):
            self.now = Monotonic(self.now + 10)
            self.session.handle_timer(self.now)
            self.display.receive(self.session.bytes_to_send(self.now), self.now)
            self.session.receive(wire(self.display.bytes_to_send(self.now)), self.now)
            while (event := self.session.next_event()) is not None:
                self.events.append(event)
                self.session.confirm(event, self.answer, self.now)
        return [event for event in self.events[begun:] if isinstance(event, Fuelling)]


# The third party's road


def test_its_entry_point_is_found_and_listed() -> None:
    driver = catalogue.find(NAME)
    assert (driver.name, driver.role) == (NAME, "B")
    assert NAME in catalogue.names()
    assert driver in catalogue.all()
    assert f"| `{NAME}` | a last-sale display" in catalogue.table(catalogue.all())
    assert set(catalogue.conformance_cases(NAME)) == {"plain"}


def test_without_the_distribution_nobody_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(HERE)])
    assert NAME not in catalogue.names()
    with pytest.raises(catalogue.UnknownDriver, match=f"no driver '{NAME}'"):
        catalogue.find(NAME)


@pytest.mark.parametrize("ours", ["companytec", "blueprint"])
def test_it_cannot_replace_one_of_ours(ours: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    false = tmp_path / "false-1.0.dist-info"
    false.mkdir()
    (false / "METADATA").write_text("Metadata-Version: 2.1\nName: false\nVersion: 1.0\n")
    claims = f"[forecourt.drivers]\n{ours} = tallyline.driver:DRIVER\npigeon = tallyline.driver:DRIVER\n"
    (false / "entry_points.txt").write_text(claims)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "pigeon" in catalogue.names(), "the false distribution is there"
    assert catalogue.find(ours) is import_module(f"drivers.{ours}").DRIVER
    cases = import_module(f"drivers.{ours}").conformance_cases()
    assert set(catalogue.conformance_cases(ours)) == set(cases)
    assert list(catalogue.names()) == sorted(set(catalogue.names()))


def _typed(*arguments: str) -> str:
    """What a command prints whose environment has the distribution on its path."""
    environment = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return ended.stdout


def test_the_command_that_replays_a_run_knows_it() -> None:
    assert "failures=()" in _typed("-m", "drivers.conformance", f"{NAME}/plain", "all_at_once", "1")


def test_the_command_explain_takes_its_frames_apart() -> None:
    explain = ("-c", "from agent.cli import main; main()", "device", "explain", "--json")
    told = json.loads(_typed(*explain, DISPLAY.hex()))
    assert (told["ok"], told["driver"]) == (True, NAME), "it explains its own frames best of all drivers"
    (view,) = told["views"]
    details = {each["name"]: (each["raw"], each["meaning"]) for each in view["details"]}
    assert details["volume"] == ("003012", "30120 ml")
    assert details["unit price"] == ("0785", "7850 milli a litre")


# The promises


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("wire", WIRES)
def test_it_keeps_its_promises_on_every_wire(wire: str, seed: int) -> None:
    case, said = _overheard()
    report = run(catalogue.find(NAME), "plain", case, WIRES[wire], seed)
    assert not report.failures, report.explain()
    assert report.true_count >= 8
    assert set(said) == {ASK_DISPLAY, ASK_TOTALIZER}, "it only reads"


def test_what_a_wire_that_never_gets_better_loses_shows_as_litres_of_its_nozzle() -> None:
    endured = soak(catalogue.find(NAME), "plain", catalogue.conformance_cases(NAME)["plain"](), 60, 1)
    assert not endured.failures, endured.explain()
    assert endured.retries > 100


def _overheard() -> tuple[PumpCase, list[bytes]]:
    """A case whose sessions write down all that they say."""
    case: Any = catalogue.conformance_cases(NAME)["plain"]()
    said: list[bytes] = []
    fresh = case.open_session

    def open_session() -> Session:
        session: Session = fresh()
        speak = session.bytes_to_send

        def bytes_to_send(now: Monotonic) -> bytes:
            if data := speak(now):
                said.append(data)
            return data

        session.bytes_to_send = bytes_to_send  # type: ignore[method-assign]
        return session

    case.open_session = open_session
    return case, said


def test_the_rules_of_the_house_hold_for_it() -> None:
    sources = list(python_sources(str(HERE.relative_to(ROOT))))
    assert {"codec", "session", "simulator"} <= {source.module.split(".")[-1] for source in sources}
    for source in sources:
        where = source.path.replace(str(HERE.relative_to(ROOT)), "drivers")
        judged = type(source)(where, source.text)
        for rule in (broad_excepts, io_in_pure_modules, clocks_and_chance, nameless_units, floats):
            assert list(rule(judged)) == [], rule.__name__
        assert list(undone(where, source.text)) == []


# Its frames


def test_the_frames_on_the_page_of_facts_are_its_frames() -> None:
    codec: Any = import_module("tallyline.codec")
    notes = (HERE / NAME / "NOTES.md").read_text(encoding="utf-8")
    printed = [bytes.fromhex(found) for found in re.findall(r"`(A5(?: [0-9A-F]{2}){3,})`", notes)]
    assert printed == [ASK_DISPLAY, DISPLAY]
    assert codec.encode(codec.Frame(3, codec.ASK_DISPLAY)) == ASK_DISPLAY
    (frame,) = codec.Reader().feed(DISPLAY)
    assert codec.as_display(frame) == codec.Display("00", "02", "003012", "023644", "0785")
    assert codec.encode(frame) == DISPLAY


def test_a_torn_frame_does_not_hide_the_next() -> None:
    codec: Any = import_module("tallyline.codec")
    reader = codec.Reader()
    frames = [frame for byte in DISPLAY[:9] + DISPLAY for frame in reader.feed(bytes((byte,)))]
    assert [codec.encode(frame) for frame in frames] == [DISPLAY]
    assert reader.bad_frames == 1


@given(st.lists(st.one_of(st.binary(max_size=20), st.sampled_from([DISPLAY, DISPLAY[:7], ASK_TOTALIZER]))))
@settings(deadline=None, max_examples=60)
def test_its_views_hide_nothing(pieces: list[bytes]) -> None:
    driver = catalogue.find(NAME)
    data = b"".join(pieces)
    views = driver.explain(data, driver.options())
    assert b"".join(view.data for view in views) == data
    assert all(view.check is Check.NONE for view in views if view.title == NOISE)
    right = [view.data for view in views if view.check is Check.OK]
    assert right.count(DISPLAY) >= pieces.count(DISPLAY) - len(
        [piece for piece in pieces if 0xA5 in piece[:-1]]
    )


def test_a_damaged_frame_is_shown_as_one() -> None:
    driver = catalogue.find(NAME)
    damaged = DISPLAY[:8] + b"\x03" + DISPLAY[9:]
    (wrong, torn, right) = driver.explain(damaged + DISPLAY[:9] + ASK_TOTALIZER * 2, driver.options())[:3]
    assert (wrong.data, wrong.check, wrong.details) == (damaged, Check.WRONG, ())
    assert (torn.data, torn.title) == (DISPLAY[:9], NOISE)
    assert (right.data, right.sender, right.check) == (ASK_TOTALIZER, "host", Check.OK)


# Its two nasty ones, and what a last sale is


def test_a_sale_that_was_watched_is_told_from_lift_to_hang_up() -> None:
    desk = Desk(totalizer_cl=100_000)
    desk.display.lift(2, 785)
    desk.run(1_000)
    desk.display.hang_up(3_012, 23_644)
    (fuelling,) = desk.run(1_000)
    assert [type(event) for event in desk.events] == [DeviceBack, FuellingStarted, Fuelling]
    assert (fuelling.nozzle, fuelling.volume_ml, fuelling.amount_fen) == ("02", 30_120, 23_644)
    assert (fuelling.totalizer_before_ml, fuelling.totalizer_after_ml) == (1_000_000, 1_030_120)
    assert fuelling.ended is not None
    assert desk.now - fuelling.ended < 1_000


def test_the_display_that_is_kept_over_a_power_cut_is_no_new_sale() -> None:
    desk = Desk()
    desk.display.sell(1, 500, 4_000, 800)
    (fuelling,) = desk.run(1_000)
    desk.display.power_cycle(desk.now)
    assert desk.run(2_000) == []
    desk.restart()
    (again,) = desk.run(1_000)
    assert (again.raw, again.nozzle, again.sequence_no) == (fuelling.raw, fuelling.nozzle, None)
    assert again.ended is None, "nobody watched it end"
    assert desk.run(2_000) == []


def test_a_totalizer_that_wraps_goes_on() -> None:
    desk = Desk(totalizer_cl=999_000)
    desk.display.sell(1, 500, 4_000, 800)
    desk.run(1_000)
    desk.display.sell(1, 600, 4_800, 800)
    (fuelling,) = desk.run(1_000)
    assert (fuelling.totalizer_before_ml, fuelling.totalizer_after_ml) == (9_995_000, 1_000)
    assert fuelling.totalizer_modulus_ml == 10_000_000
    assert fuelling.raw.totalizer_after == "000100"


def test_a_sale_that_nobody_read_shows_in_the_totalizer_of_its_nozzle_alone() -> None:
    desk = Desk()
    for nozzle_no in (1, 2):
        desk.display.sell(nozzle_no, 500, 4_000, 800)
        desk.run(1_000)
    desk.display.sell(1, 700, 5_600, 800)
    desk.display.sell(2, 900, 7_200, 800)
    desk.run(1_000)
    desk.display.sell(1, 100, 800, 800)
    desk.run(1_000)
    told = [event for event in desk.events if isinstance(event, Fuelling)]
    moved = [(each.nozzle, each.totalizer_before_ml, each.totalizer_after_ml) for each in told[2:]]
    assert moved == [("02", 5_000, 14_000), ("01", 5_000, 13_000)]


def test_two_equal_sales_are_two() -> None:
    desk = Desk()
    for _ in range(2):
        desk.display.sell(1, 500, 4_000, 800)
        desk.run(1_000)
    first, second = (event for event in desk.events if isinstance(event, Fuelling))
    assert first.raw.volume == second.raw.volume
    assert first.raw.totalizer_after != second.raw.totalizer_after


def test_a_nozzle_lifted_for_nothing_is_counted_and_not_reported() -> None:
    desk = Desk()
    desk.run(1_000)
    desk.display.lift(1, 800)
    desk.run(1_000)
    desk.display.hang_up(0, 0)
    assert desk.run(1_000) == []
    assert desk.session.counters()["ZERO_VOLUME"] == 1


def test_what_the_till_could_not_keep_is_reported_again_unaltered_when_the_display_has_moved_on() -> None:
    desk = Desk()
    desk.answer = NOT_NOW
    desk.display.sell(1, 500, 4_000, 800)
    refused = desk.run(2_000)
    assert len(refused) > 2
    desk.display.sell(2, 700, 5_600, 800)
    refused += desk.run(2_000)
    desk.answer = YES
    first, second = desk.run(2_000)
    assert {*refused, first} == {refused[0]}
    assert (second.nozzle, second.volume_ml) == ("02", 7_000)


def test_an_answer_that_comes_too_late_is_none() -> None:
    """It comes while the session keeps quiet, and not as the answer to its next question."""
    desk = Desk()
    held: list[bytes] = []
    desk.display.sell(1, 500, 4_000, 800)

    def hold(said: bytes) -> bytes:
        held.extend([said] if said else [])
        return b""

    desk.run(300, hold)
    assert desk.session.awaiting()
    assert desk.session.counters()["NO_ANSWER"] == 1
    (late,) = held
    desk.session.receive(late, desk.now)
    assert desk.session.bytes_to_send(desk.now) == b""
    assert desk.session.counters()["LATE_ANSWER"] == 1
    assert len(desk.run(2_000)) == 1


def test_an_answer_that_is_heard_twice_answers_once() -> None:
    desk = Desk()
    said_before = [b""]

    def echo(said: bytes) -> bytes:
        heard = said_before[-1] + said if said else b""
        said_before.append(said or said_before[-1])
        return heard

    desk.display.sell(1, 500, 4_000, 800)
    assert len(desk.run(1_000, echo)) == 1
    assert desk.session.counters()["LATE_ANSWER"] > 3
    assert desk.session.counters()["DISAGREES"] == 0


def test_damage_that_cancels_out_is_not_believed() -> None:
    """One bit more in the volume, one less in the amount: the sum is right."""
    desk = Desk()
    desk.display.sell(2, 3_012, 23_644, 785)
    forged = iter([DISPLAY[:7] + b"\x13" + b"\x02\x35" + DISPLAY[10:]])
    reported = desk.run(2_000, lambda said: next(forged, said) if said == DISPLAY else said)
    assert desk.session.counters()["DISAGREES"] == 1
    assert desk.session.counters()["BAD_FRAME"] == 0
    assert [fuelling.raw.volume for fuelling in reported] == ["003012"]


def test_digits_that_are_no_decimals_are_not_believed() -> None:
    desk = Desk()
    desk.display.sell(2, 3_012, 23_644, 785)
    odd = DISPLAY[:7] + b"\x1a" + DISPLAY[8:-1] + bytes((DISPLAY[-1] + 8,))
    assert desk.run(1_000, lambda said: odd if said == DISPLAY else said) == []
    assert desk.session.counters()["NOT_DECIMAL"] > 1


def test_who_shares_the_wire_is_not_taken_for_ours() -> None:
    desk = Desk()
    other = bytes.fromhex("A5 04 91 00 02 00 30 12 02 36 44 07 85 86")
    assert desk.run(1_000, lambda said: other + ASK_DISPLAY if said else b"") == []
    assert desk.session.counters()["HEARD"] == 0
    assert desk.session.counters()["OTHER_ADDRESS"] >= 1
    assert desk.session.counters()["OTHER_MASTER"] >= 1


def test_a_display_without_a_sale_says_where_its_totalizer_was() -> None:
    desk = Desk(totalizer_cl=100_000)
    assert desk.run(1_000) == []
    desk.display.sell(1, 500, 4_000, 800)
    (fuelling,) = desk.run(1_000)
    assert (fuelling.totalizer_before_ml, fuelling.totalizer_after_ml) == (1_000_000, 1_005_000)


def test_a_dead_display_is_told_once_and_so_is_its_return() -> None:
    desk = Desk()
    desk.run(1_000)
    desk.run(10_000, lambda said: b"")
    desk.run(2_000)
    assert [type(event) for event in desk.events] == [DeviceBack, DeviceSilent, DeviceBack]
    assert desk.session.counters()["SILENT"] == 1


def test_a_sale_that_ended_while_the_display_was_silent_was_not_watched() -> None:
    desk = Desk()
    desk.display.lift(1, 800)
    desk.run(1_000)
    desk.run(5_000, lambda said: b"")
    desk.display.hang_up(500, 4_000)
    (fuelling,) = desk.run(2_000)
    assert fuelling.ended is None


def test_the_record_makes_its_simulator_sell_and_asks_what_it_answers() -> None:
    driver = catalogue.find(NAME)
    device = driver.open_simulator("3", driver.options())
    assert driver.sell is not None
    driver.sell(device, "", 30_120, 23_644, 7_850, Monotonic(0))
    for ask in driver.asks("3", driver.options()):
        device.receive(ask.data, Monotonic(0))
    display, totalizer = driver.explain(device.bytes_to_send(Monotonic(0)), driver.options())
    assert (display.title, totalizer.title) == ("display", "totalizer")
    assert totalizer.details[-1].meaning == "30120 ml"


def test_an_address_that_no_display_has_is_refused() -> None:
    driver = catalogue.find(NAME)
    with pytest.raises(ValueError, match="1 to 31"):
        driver.open_session("32", driver.options())
    assert driver.asks("32", driver.options()) == ()
