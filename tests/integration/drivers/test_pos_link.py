"""Integration: does the POS link hold over the kernel's pseudo-terminal and TCP, with the real line loop?"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.events import (
    Answer,
    BasketLine,
    Credential,
    CredentialKind,
    DriverEvent,
    Monotonic,
    Notice,
    Outcome,
    PosRequest,
)
from drivers.line import Line
from drivers.ports import PortSpec, open_port
from drivers.pos_link.options import PosLinkOptions
from drivers.pos_link.session import PosLinkSession
from drivers.pos_link.simulator import PosSimulator
from drivers.stage import SimulatorOnPty, SimulatorOnTcp

WAIT_LIMIT_S = 20
MEMBER = Credential(CredentialKind.PLATE, "鲁A12345")


def clock() -> Monotonic:
    return Monotonic(time.monotonic_ns() // 1_000_000)


def wait_until(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + WAIT_LIMIT_S
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < limit, "it did not happen in time"
        pause.wait(0.002)


class Till:
    """Books each request once and gives every repeat the same answer."""

    def __init__(self) -> None:
        self.booked: dict[PosRequest, Answer] = {}
        self.reported: list[PosRequest] = []

    def report(self, event: DriverEvent, at: Monotonic) -> Answer:
        if not isinstance(event, PosRequest):
            return Answer(Outcome.DONE, durable=False)
        self.reported.append(event)
        answer = Answer(Outcome.DONE, durable=True, points_minor=len(self.booked), text="积分已到账")
        return self.booked.setdefault(event, answer)


@contextmanager
def serving(device: PortSpec, options: PosLinkOptions, till: Till) -> Iterator[Line]:
    line = Line(
        "pos",
        lambda: open_port(device),
        PosLinkSession("pos-1", options),
        till.report,
        clock,
        random.Random(1),
    )
    stop = threading.Event()
    thread = threading.Thread(target=line.run, args=(stop,), name="line:pos")
    thread.start()
    try:
        yield line
    finally:
        stop.set()
        line.wake()
        thread.join(WAIT_LIMIT_S)
        line.close()


def ask_all(pos: PosSimulator, start: int, count: int) -> None:
    for serial in range(start, start + count):
        lines = (BasketLine("矿泉水", 1_000 * serial + 1_000, 400),)
        pos.pay(f"A{serial}", "3", 10_000 + serial, "现金", lines, MEMBER)


def test_two_hundred_requests_over_a_pty_are_each_asked_once_and_answered_in_order() -> None:
    options = PosLinkOptions(register_id="1")
    stage, till = SimulatorOnPty(PosSimulator(options), clock), Till()
    try:
        with serving(PortSpec(stage.path, pty=True), options, till) as line:
            stage.act(lambda pos: ask_all(pos, 0, 200))
            wait_until(lambda: stage.act(lambda pos: pos.unanswered) == 0)
            notice = Notice("1", "A7", "3", 7, 70, 1_764_000_000_000, True, "积分已到账")
            assert line.post(notice)
            wait_until(lambda: stage.act(lambda pos: list(pos.shown)) == [notice])
        asked = stage.act(lambda pos: list(pos.asked.values()))
        told = stage.act(lambda pos: [pos.told[number].answer for number in pos.asked])
    finally:
        stage.close()
    assert till.reported == asked
    assert told == [till.booked[request] for request in asked]


def test_a_pulled_plug_loses_no_request_and_the_pos_is_served_again(tmp_path: Path) -> None:
    options = PosLinkOptions(register_id="1")
    stage = SimulatorOnPty(PosSimulator(options), clock, tmp_path / "pos")
    till = Till()
    try:
        with serving(PortSpec(stage.path, pty=True), options, till) as line:
            stage.act(lambda pos: ask_all(pos, 0, 40))
            wait_until(lambda: len(till.booked) >= 10)
            stage.unplug()
            wait_until(lambda: not line.status().port_open)
            stage.act(lambda pos: ask_all(pos, 40, 5))
            stage.replug()
            wait_until(lambda: stage.act(lambda pos: pos.unanswered) == 0)
        asked = stage.act(lambda pos: list(pos.asked.values()))
        told = stage.act(lambda pos: [pos.told[number].answer for number in pos.asked])
    finally:
        stage.close()
    assert set(till.booked) == set(asked)
    assert told == [till.booked[request] for request in asked]


def test_the_link_works_over_tcp_in_utf_8() -> None:
    options = PosLinkOptions(register_id="1", encoding="utf-8")
    stage, till = SimulatorOnTcp(PosSimulator(options), clock), Till()
    try:
        with serving(PortSpec(stage.device), options, till):
            stage.act(lambda pos: ask_all(pos, 0, 20))
            wait_until(lambda: stage.act(lambda pos: pos.unanswered) == 0)
    finally:
        stage.close()
    assert len(till.reported) == len(till.booked) == 20
