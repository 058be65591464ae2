"""Listening to a controller and one fuelling point: nothing is ever said.

Both directions arrive as one stream; who speaks is told by the layout of the frame.
"""

from collections import Counter

from drivers.events import Monotonic
from drivers.hengshan import codec, words
from drivers.hengshan.codec import Frame
from drivers.hengshan.options import SILENCE_MS, HengshanOptions
from drivers.hengshan.overheard import Overheard
from drivers.listener import Listener

SIGHT_MS = 2_000
"""A dispenser that was not heard for so long may have served a customer meanwhile."""


class HengshanTap(Listener):
    """A `Session` that only listens. See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: HengshanOptions) -> None:
        super().__init__(address, SILENCE_MS)
        self._device = codec.address_of(address)
        self._reader = codec.Reader()
        self._sales = Overheard(address, options)

    def receive(self, data: bytes, now: Monotonic) -> None:
        bad_before = self._reader.bad_frames
        for frame in self._reader.feed(data):
            if frame.address == self._device:
                self._hear(frame, now)
        self._counters["BAD_FRAME"] += self._reader.bad_frames - bad_before

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._sales.lose_sight()

    def counters(self) -> Counter[str]:
        return super().counters() + self._sales.counts

    def _hear(self, frame: Frame, now: Monotonic) -> None:
        """A number alone, of a question or of "no such sale", is taken for the question: it names the same
        sale."""
        if words.sender(frame) != "device":
            self._owed.add(self._sales.hear_host(frame, now))
            return
        if self._presence.unheard_ms(now) > SIGHT_MS:
            self._sales.lose_sight()
        self._heard(now)
        self._owed.add(self._sales.hear_device(frame, now))
