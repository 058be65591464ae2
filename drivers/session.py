"""The contract of every driver: a conversation without a wire.

A session is fed bytes and time and says what to send, what happened and when it wants to be
woken. It reads no clock, opens no port, draws no chance and logs nothing; `drivers/line.py` is the
only loop. What every session promises is stated in `drivers/conformance/` and tried there.
"""

from collections.abc import Mapping
from typing import Protocol

from drivers.events import Answer, DriverEvent, Monotonic, Notice


class Session(Protocol):
    """Our side of the conversation with one device (or one concentrator, or one POS).

    `confirm` is called exactly once for every event taken from `next_event`, with the till's
    answer. Only when `answer.durable` may the device be told that we have the record; otherwise
    the session must report the same record again later.
    """

    def receive(self, data: bytes, now: Monotonic) -> None:
        """Take bytes from the wire: any bytes, in any pieces. Never raises, memory stays bounded."""

    def next_event(self) -> DriverEvent | None:
        """The next thing that happened, or None."""

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        """The till's answer to `event`."""

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """Something for this device to show; devices that cannot show anything ignore it."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        """Bytes for the wire (b"" if none). What is returned is taken as sent."""

    def next_timer(self) -> Monotonic | None:
        """When `handle_timer` wants to be called next; None means not before bytes arrive."""

    def handle_timer(self, now: Monotonic) -> None:
        """Time has passed `next_timer`."""

    def awaiting(self) -> bool:
        """True while a question of ours is out (or its late answer is waited out): on a shared wire
        nobody else may speak."""

    def disconnected(self, now: Monotonic) -> None:
        """The wire is gone (unplugged, closed): forget half-heard frames and unanswered questions."""

    def counters(self) -> Mapping[str, int]:
        """What went wrong or right on this conversation, by reason code; only ever grows.

        Five of them are the quality of the line, under the same names in every driver (0 may be absent):
        `HEARD` valid frames from the device (the line takes the time of the last one from it), `BAD_FRAME`
        frames that were torn or whose check value was wrong, `NO_ANSWER` questions that stayed unanswered,
        `LATE_ANSWER` valid answers that came when nobody waited for them any more, `SILENT` how often the
        device was given up.
        """


class Simulator(Protocol):
    """The device's side, also without I/O, for tests, demo and training.

    Concrete simulators add verbs such as `sell(...)`; what they know to be true is compared with
    what the station booked.
    """

    def receive(self, data: bytes, now: Monotonic) -> None: ...
    def bytes_to_send(self, now: Monotonic) -> bytes: ...
    def next_timer(self) -> Monotonic | None: ...
    def handle_timer(self, now: Monotonic) -> None: ...
    def power_cycle(self, now: Monotonic) -> None:
        """Lose what the real device loses when its power fails, keep what it keeps."""
