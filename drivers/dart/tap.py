"""Listening to a controller and one of its pumps: nothing is ever said.

Both directions arrive as one stream. A data frame that answers a POLL (or ACKPOLL) to this pump is the
pump's, unless its layout is only the controller's; elsewhere it is the controller's, unless its layout is
only a pump's. It answers the poll if it begins within `reply_ms` and nothing torn lies between: behind a poll
that nobody answered, or whose answer was torn, the controller may speak next, and its RESET reads like the
state "filling complete". Only what the pump says is believed: a command that was heard is not yet obeyed.
"""

from collections import Counter
from dataclasses import dataclass

from drivers.dart import codec, words
from drivers.dart.codec import Control, Frame
from drivers.dart.oddities import count_oddities
from drivers.dart.options import SILENCE_MS, DartOptions
from drivers.dart.overheard import Overheard
from drivers.dart.sequence import Heard, Sequence
from drivers.events import Monotonic
from drivers.listener import Listener

SIGHT_MS = 2_000
"""A pump that was not heard for so long may have sold, or lost its power, meanwhile."""
MOST_NOISE_BYTES = 1
"""So many stray bytes may lie between poll and answer: a line that turns round makes some. A torn
acknowledgement has more."""


@dataclass(frozen=True, slots=True)
class _Poll:
    """A poll to our pump, and what had been torn before it."""

    at: Monotonic
    bad_frames: int
    noise_bytes: int


class DartTap(Listener):
    """A `Session` that only listens. See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: DartOptions) -> None:
        super().__init__(address, SILENCE_MS)
        self._device = codec.address_of(address)
        self._options = options
        self._reader = codec.Reader()
        self._sequence = Sequence()
        self._sales = Overheard(address, options)
        self._poll: _Poll | None = None
        self._began = Monotonic(0)
        """When the first byte of the present frame came."""

    def receive(self, data: bytes, now: Monotonic) -> None:
        bad_before, noise_before = self._reader.bad_frames, self._reader.noise_bytes
        if self._reader.is_between_frames:
            self._began = now
        for frame in self._reader.feed(data):
            self._hear(frame, now)
            self._began = now
        self._counters["BAD_FRAME"] += self._reader.bad_frames - bad_before
        self._counters["NOISE_BYTES"] += self._reader.noise_bytes - noise_before

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._poll = None
        self._lose_sight()

    def counters(self) -> Counter[str]:
        return super().counters() + self._sales.counts

    def _hear(self, frame: Frame, now: Monotonic) -> None:
        is_answer, self._poll = self._answers_poll(), None
        if frame.address != self._device:
            return
        if frame.control in (Control.POLL, Control.ACKPOLL):
            self._poll = _Poll(now, self._reader.bad_frames, self._reader.noise_bytes)
        elif frame.control is Control.EOT:
            self._note(frame, now)
            self._owed.add(self._sales.at_end())
        elif frame.control is Control.DATA and _is_of_pump(frame, is_answer):
            self._note(frame, now)
            self._hear_pump(frame, now)

    def _answers_poll(self) -> bool:
        poll, reader = self._poll, self._reader
        if poll is None or self._began - poll.at > self._options.reply_ms:
            return False
        return (
            reader.bad_frames == poll.bad_frames and reader.noise_bytes <= poll.noise_bytes + MOST_NOISE_BYTES
        )

    def _note(self, frame: Frame, now: Monotonic) -> None:
        self._sales.note(bytes((frame.control, frame.tx_no)) + frame.data)
        if self._presence.unheard_ms(now) > SIGHT_MS:
            self._lose_sight()
        self._heard(now)

    def _hear_pump(self, frame: Frame, now: Monotonic) -> None:
        heard = self._sequence.hear(frame)
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


def _is_of_pump(frame: Frame, is_answer: bool) -> bool:
    speaker = words.only_one_says(frame.data)
    return speaker == "device" if speaker else is_answer
