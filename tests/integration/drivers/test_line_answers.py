"""Integration: does the line count how long its questions wait for an answer, and only questions?"""

import os
import random
import threading

from drivers.blueprint import codec
from drivers.blueprint.options import BlueprintOptions
from drivers.blueprint.session import BlueprintSession
from drivers.blueprint.simulator import BlueprintSimulator
from drivers.events import Monotonic
from drivers.line import Line
from drivers.ports import PortGone
from drivers.stage import SimulatorOnPty
from tests.integration.drivers.line_rig import Ledger, monotonic_ms, running, wait_until

THINKS_MS = 60


class Thinking(BlueprintSimulator):
    """Answers when it has thought for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.answers_at: Monotonic | None = None
        self.answered = 0

    def receive(self, data: bytes, now: Monotonic) -> None:
        super().receive(data, now)
        self.answers_at = Monotonic(now + THINKS_MS) if data else self.answers_at

    def bytes_to_send(self, now: Monotonic) -> bytes:
        if self.answers_at is None or now < self.answers_at:
            return b""
        self.answers_at = None
        self.answered += 1
        return super().bytes_to_send(now)

    def next_timer(self) -> Monotonic | None:
        return self.answers_at


def test_the_time_between_question_and_answer_is_the_devices() -> None:
    device = Thinking()
    stage = SimulatorOnPty(device, monotonic_ms)
    try:
        with running(stage.path, BlueprintSession("1", BlueprintOptions()), Ledger()) as line:
            wait_until(lambda: line.status().counters.get("ANSWERED", 0) >= 3)
            counters = line.status().counters
    finally:
        stage.close()
    assert counters["ANSWERED"] in (device.answered - 1, device.answered), "one may be on the way"
    assert THINKS_MS <= counters["ANSWER_MS"] // counters["ANSWERED"] < 10 * THINKS_MS


class Telling(BlueprintSession):
    """What it says is no question, so what comes is no answer: a POS link's half of a conversation."""

    def awaiting(self) -> bool:
        return False


def test_what_nobody_asked_for_has_no_time() -> None:
    stage = SimulatorOnPty(BlueprintSimulator(), monotonic_ms)
    try:
        with running(stage.path, Telling("1", BlueprintOptions()), Ledger()) as line:
            wait_until(lambda: line.status().counters.get("HEARD", 0) >= 2)
            counters = line.status().counters
    finally:
        stage.close()
    assert not counters.keys() & {"ANSWERED", "ANSWER_MS"}


class OnePort:
    """Takes a question, then is gone; the port opened after it brings a frame that nobody asked for there."""

    def __init__(self, answer: bytes) -> None:
        self._near, self._far = os.pipe()
        self._answer = answer
        if answer:
            os.write(self._far, b"!")

    def fileno(self) -> int:
        return self._near

    def read(self) -> bytes:
        os.read(self._near, 1)
        if not self._answer:
            raise PortGone("unplugged")
        return self._answer

    def write(self, data: bytes) -> int:
        if not self._answer:
            os.write(self._far, b"!")
        return len(data)

    def close(self) -> None:
        os.close(self._near)
        os.close(self._far)


class Asking(Telling):
    """Asks once, and understands the answer also later."""

    asked = False

    def bytes_to_send(self, now: Monotonic) -> bytes:
        said, self.asked = b"" if self.asked else b"?", True
        return said

    def awaiting(self) -> bool:
        return True


def test_a_question_that_was_out_when_the_port_went_away_is_never_answered() -> None:
    """Else the time that the plug was out would count as the device's."""
    frame = codec.encode(codec.NOTHING)
    ports = iter([OnePort(b""), OnePort(frame)])
    session = Asking("1", BlueprintOptions())
    stop = threading.Event()
    line = Line("gone", lambda: next(ports), session, Ledger().report, monotonic_ms, random.Random(1))
    thread = threading.Thread(target=line.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: line.status().counters.get("HEARD", 0) == 1)
        counters = line.status().counters
    finally:
        stop.set()
        line.wake()
        thread.join(5)
        line.close()
    assert counters["PORT_GONE"] == 1
    assert "ANSWERED" not in counters
