"""Unit: does a scan say nothing but questions, and does no question change what a device keeps?"""

import os
from dataclasses import replace
from typing import Any

import pytest

from agent.cli import device_search
from agent.cli.device_choice import Chosen, chosen
from agent.cli.device_line import NOT_NOW
from agent.cli.device_places import places, usable
from agent.cli.device_search import Search
from agent.clock import SystemClock
from drivers.blueprint import codec
from drivers.driver import Ask
from drivers.events import Answer, DriverEvent, Fuelling, Monotonic, Outcome
from drivers.ports import PortSpec
from drivers.views import Check
from tests.unit.agent.taped import SETTINGS, set_up

DONE = Answer(Outcome.DONE, durable=True)
STEP_MS, STARTS_MS, FLOWS_MS, SILENT_MS, LASTS_MS = 5, 1_000, 8_000, 1_000, 15_000


def _questions(who: Chosen) -> list[Ask]:
    return [
        question for address in who.driver.addresses for question in who.driver.asks(address, who.options)
    ]


ASKING = [name for name in SETTINGS if _questions(set_up(name))]


class NobodyThere:
    """A port on which nothing ever comes; what is said is noted with how the port was open."""

    def __init__(self, spec: PortSpec, said: list[tuple[PortSpec, bytes]]) -> None:
        self._spec, self._said = spec, said
        self._quiet, self._other = os.pipe()

    def fileno(self) -> int:
        return self._quiet

    def read(self) -> bytes:
        return b""

    def write(self, data: bytes) -> int:
        self._said.append((self._spec, data))
        return len(data)

    def close(self) -> None:
        os.close(self._quiet)
        os.close(self._other)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[PortSpec, bytes]]:
    heard: list[tuple[PortSpec, bytes]] = []
    monkeypatch.setattr(device_search, "open_port", lambda spec: NobodyThere(spec, heard))
    monkeypatch.setattr(device_search, "ANSWER_MS", 1)
    monkeypatch.setattr(device_search, "QUIET_MS", 1)
    return heard


@pytest.mark.parametrize("port", ["/dev/ttyUSB0", "socket://10.0.0.9"])
def test_a_scan_says_each_drivers_first_question_at_each_of_its_wirings_and_nothing_else(
    said: list[tuple[PortSpec, bytes]], port: str
) -> None:
    tenants = [*usable(), *(set_up(name) for name in ASKING)]
    ways = places(port, tenants)
    Search(ways, "", SystemClock().monotonic_ms, 1, None).run()
    wanted = [
        (way.device, way.wiring.baud, way.wiring.parity, question.data)
        for way in ways
        for tenant in way.tenants
        for address in tenant.driver.addresses
        for question in tenant.driver.asks(address, tenant.options)[:1]
    ]
    assert [(spec.device, spec.baud, spec.parity, data) for spec, data in said] == wanted
    assert len(wanted) > 10
    assert {way.wiring for way in ways} >= {
        w for each in tenants for w in each.driver.wirings
    } or "//" in port


def test_who_only_listens_as_it_is_set_up_has_no_question() -> None:
    for name in SETTINGS:
        who = set_up(name)
        assert not (who.listens and _questions(who)), name


@pytest.mark.parametrize("name", ASKING)
def test_no_driver_takes_the_question_of_another_for_a_frame_of_its_own(name: str) -> None:
    """At the same speed and character a question would reach their devices too."""
    who = set_up(name)
    rivals = [set_up(other) for other in SETTINGS if set_up(other).driver.name != who.driver.name]
    for rival in rivals:
        if not set(rival.driver.wirings) & set(who.driver.wirings):
            continue
        for question in _questions(who):
            views = rival.driver.explain(question.data, rival.options)
            assert all(view.check is not Check.OK for view in views), (rival.driver.name, question)


@pytest.mark.parametrize("name", ASKING)
def test_what_a_device_keeps_is_the_same_after_all_questions(name: str) -> None:
    who = set_up(name)
    questions = who.driver.asks(who.address, who.options)
    asked, unasked = _Life(who), _Life(who)
    first, again = ([asked.ask(q.data) for q in questions] for _ in range(2))
    assert first[0], "the cheapest question is answered"
    assert [bool(answer) for answer in again] == [bool(answer) for answer in first]
    for _ in range(2 * len(questions)):
        unasked.ask(b"")
    assert asked.serve() == unasked.serve()
    assert who.driver.sell is None or asked.fuellings, "there was something to lose"


def test_a_question_that_took_something_would_be_seen() -> None:
    """An acknowledgement called a question: the record is gone for who comes after."""
    asked, unasked = _Life(chosen("blueprint", {})), _Life(chosen("blueprint", {}))
    asked.ask(codec.encode("K,0001"))
    unasked.ask(b"")
    assert asked.serve() != unasked.serve()


class _Life:
    """A device that sold once while its session watched with a till that never kept it; then questions; then
    the session with a till that does."""

    def __init__(self, who: Chosen) -> None:
        self._driver = who.driver
        self._device: Any = who.driver.open_simulator(who.address, who.options)
        self._session = who.driver.open_session(who.address, who.options)
        self._now = Monotonic(0)
        self._answer = NOT_NOW
        self.fuellings: list[DriverEvent] = []
        self._pass(STARTS_MS)
        if who.driver.sell is not None:
            who.driver.sell(self._device, "", 30_120, 23_644, 7_850, self._now)
        self._pass(FLOWS_MS)

    def ask(self, question: bytes) -> bytes:
        """What is answered within a second; nobody else speaks meanwhile."""
        self._device.receive(question, self._now)
        heard, until = b"", self._now + SILENT_MS
        while self._now < until:
            heard += self._device.bytes_to_send(self._now)
            self._step()
        return heard

    def serve(self) -> list[DriverEvent]:
        """What the session then reports, without the moments."""
        self.fuellings.clear()
        self._answer = DONE
        self._pass(LASTS_MS)
        return self.fuellings

    def _step(self) -> None:
        self._now = Monotonic(self._now + STEP_MS)
        if (timer := self._device.next_timer()) is not None and timer <= self._now:
            self._device.handle_timer(self._now)

    def _pass(self, for_ms: int) -> None:
        until = self._now + for_ms
        while self._now < until:
            self._step()
            self._turn(self._now)

    def _turn(self, now: Monotonic) -> None:
        if (timer := self._session.next_timer()) is not None and timer <= now:
            self._session.handle_timer(now)
        while (event := self._session.next_event()) is not None:
            if isinstance(event, Fuelling):
                self.fuellings.append(replace(event, ended=None))
            self._session.confirm(event, self._answer, now)
        while said := self._session.bytes_to_send(now):
            self._device.receive(said, now)
        if answer := self._device.bytes_to_send(now):
            self._session.receive(answer, now)
