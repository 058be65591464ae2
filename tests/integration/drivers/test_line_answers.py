"""Integration: does the line count how long its questions wait for an answer, and only questions?"""

from drivers.blueprint.options import BlueprintOptions
from drivers.blueprint.session import BlueprintSession
from drivers.blueprint.simulator import BlueprintSimulator
from drivers.events import Monotonic
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
