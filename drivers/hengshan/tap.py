"""Listening to a controller and one fuelling point: nothing is ever said.

Both directions arrive as one stream; who speaks is told by the layout of the frame.
"""

from collections import Counter
from collections.abc import Mapping

from drivers.events import Answer, DriverEvent, Monotonic, Notice
from drivers.hengshan import codec, words
from drivers.hengshan.codec import Frame
from drivers.hengshan.options import SILENCE_MS, HengshanOptions
from drivers.hengshan.overheard import Overheard
from drivers.owed import Owed
from drivers.presence import Presence

SIGHT_MS = 2_000
"""A dispenser that was not heard for so long may have served a customer meanwhile."""


class HengshanTap:
    """A `Session` that only listens. See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: HengshanOptions) -> None:
        self._device = codec.address_of(address)
        self._reader = codec.Reader()
        self._sales = Overheard(address, options)
        self._presence = Presence(address, SILENCE_MS)
        self._owed = Owed()
        self._counters: Counter[str] = Counter()

    def receive(self, data: bytes, now: Monotonic) -> None:
        bad_before = self._reader.bad_frames
        for frame in self._reader.feed(data):
            if frame.address == self._device:
                self._hear(frame, now)
        self._counters["BAD_FRAME"] += self._reader.bad_frames - bad_before

    def next_event(self) -> DriverEvent | None:
        return self._owed.next_event()

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        self._owed.confirm(event, answer, now)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """Who listens shows nothing."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        return b""

    def next_timer(self) -> Monotonic | None:
        timers = (self._presence.due(), self._owed.due())
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, now: Monotonic) -> None:
        self._owed.check(now)
        if silent := self._presence.check(now):
            self._counters["SILENT"] += 1
            self._owed.add(silent)

    def awaiting(self) -> bool:
        return False

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._sales.lose_sight()

    def counters(self) -> Mapping[str, int]:
        return self._counters + self._sales.counts + self._owed.counts

    def _hear(self, frame: Frame, now: Monotonic) -> None:
        """A number alone, of a question or of "no such sale", is taken for the question: it names the same
        sale."""
        if words.sender(frame) != "device":
            self._sales.hear_host(frame, now)
            return
        if self._presence.unheard_ms(now) > SIGHT_MS:
            self._sales.lose_sight()
        self._counters["HEARD"] += 1
        self._owed.add(self._presence.heard(now))
        self._owed.add(self._sales.hear_device(frame, now))
