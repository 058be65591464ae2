"""Listening to a controller and one of its pumps: nothing is ever said.

Both directions arrive as one stream. A data frame behind a POLL (or ACKPOLL) to this pump is the pump's,
unless its layout is only the controller's; elsewhere it is the controller's, unless its layout is only a
pump's. Only what the pump says is believed: a command that was heard is not yet obeyed.
"""

from collections import Counter
from collections.abc import Mapping

from drivers.dart import codec, words
from drivers.dart.codec import Control, Frame
from drivers.dart.oddities import count_oddities
from drivers.dart.options import SILENCE_MS, DartOptions
from drivers.dart.overheard import Overheard
from drivers.dart.sequence import Heard, Sequence
from drivers.events import Answer, DriverEvent, Monotonic, Notice
from drivers.owed import Owed
from drivers.presence import Presence

SIGHT_MS = 2_000
"""A pump that was not heard for so long may have sold, or lost its power, meanwhile."""


class DartTap:
    """A `Session` that only listens. See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: DartOptions) -> None:
        self._device = codec.address_of(address)
        self._options = options
        self._reader = codec.Reader()
        self._sequence = Sequence()
        self._sales = Overheard(address, options)
        self._presence = Presence(address, SILENCE_MS)
        self._owed = Owed()
        self._counters: Counter[str] = Counter()
        self._was_polled = False

    def receive(self, data: bytes, now: Monotonic) -> None:
        bad_before, noise_before = self._reader.bad_frames, self._reader.noise_bytes
        for frame in self._reader.feed(data):
            self._hear(frame, now)
        self._counters["BAD_FRAME"] += self._reader.bad_frames - bad_before
        self._counters["NOISE_BYTES"] += self._reader.noise_bytes - noise_before

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
        silent = self._presence.check(now)
        self._counters["SILENT"] += len(silent)
        self._owed.add(silent)

    def awaiting(self) -> bool:
        return False

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._was_polled = False
        self._lose_sight()

    def counters(self) -> Mapping[str, int]:
        return self._counters + self._sales.counts + self._owed.counts

    def _hear(self, frame: Frame, now: Monotonic) -> None:
        was_polled = self._was_polled
        is_ours = frame.address == self._device
        self._was_polled = is_ours and frame.control in (Control.POLL, Control.ACKPOLL)
        if not is_ours:
            return
        if frame.control is Control.EOT:
            self._heard(now)
            self._owed.add(self._sales.at_end())
        elif frame.control is Control.DATA and _is_of_pump(frame, was_polled):
            self._heard(now)
            self._hear_pump(frame, now)

    def _heard(self, now: Monotonic) -> None:
        if self._presence.unheard_ms(now) > SIGHT_MS:
            self._lose_sight()
        self._counters["HEARD"] += 1
        self._owed.add(self._presence.heard(now))

    def _hear_pump(self, frame: Frame, now: Monotonic) -> None:
        heard = self._sequence.hear(frame.tx_no)
        if heard is Heard.DUPLICATE:
            self._counters["DUPLICATE"] += 1
            return
        if heard in (Heard.GAP, Heard.RESTARTED):
            self._counters["PUMP_RESTARTED" if heard is Heard.RESTARTED else "FRAMES_MISSED"] += 1
            self._sales.lose_sight()
        said = words.words(frame.data)
        count_oddities(said, self._options, self._counters)
        self._owed.add(self._sales.hear(said, now))

    def _lose_sight(self) -> None:
        self._sequence.forget()
        self._sales.lose_sight()


def _is_of_pump(frame: Frame, was_polled: bool) -> bool:
    speaker = words.only_one_says(frame.data)
    return speaker == "device" if speaker else was_polled
