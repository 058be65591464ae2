"""Listening to a control system and one of its channels: nothing is ever said.

Both directions arrive as one stream. A question names its channel, a reply names nothing: it belongs to the
question directly before it, if it begins within `reply_ms` and nothing torn lies between. Otherwise, where a
reply and the next question were lost, the next reply would be taken for another channel's.
"""

from collections import Counter

from drivers.azt2 import codec, words
from drivers.azt2.codec import Frame, Piece, Said
from drivers.azt2.options import SILENCE_MS, AztOptions
from drivers.azt2.overheard import Overheard
from drivers.azt2.words import Asked
from drivers.events import Monotonic
from drivers.listener import Listener

SIGHT_MS = 2_000
"""A pump that was not heard for so long may have sold meanwhile."""
MOST_NOISE_BYTES = 2
"""So many stray bytes may lie between question and answer: a line that turns round makes some."""


class AztTap(Listener):
    """A `Session` that only listens. See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: AztOptions) -> None:
        super().__init__(address, SILENCE_MS)
        self._number = codec.channel_of(address)
        self._options = options
        self._reader = codec.Reader()
        self._sales = Overheard(address, options)
        self._question: Asked | None = None
        self._asked_at = Monotonic(0)
        self._noise_bytes = 0
        self._began = Monotonic(0)
        self._heard_at: Monotonic | None = None

    def receive(self, data: bytes, now: Monotonic) -> None:
        if self._reader.is_between_frames:
            self._began = now
        for piece in self._reader.pieces(data):
            self._hear_piece(piece, now)
            self._began = now

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._question = None
        self._owed.add(self._sales.lose_sight())

    def counters(self) -> Counter[str]:
        return super().counters() + self._sales.counts

    def _hear_piece(self, piece: Piece, now: Monotonic) -> None:
        if piece.said is not None:
            self._hear(piece.said, now)
            return
        self._counters["BAD_FRAME"] += piece.is_torn
        self._counters["NOISE_BYTES"] += 0 if piece.is_torn else len(piece.data)
        self._noise_bytes += len(piece.data)
        if piece.is_torn or self._noise_bytes > MOST_NOISE_BYTES:
            self._question = None

    def _hear(self, said: Said, now: Monotonic) -> None:
        question, asked_at = self._question, self._asked_at
        self._question, self._noise_bytes = None, 0
        if isinstance(said, Frame) and (asked := words.asked(said)) is not None:
            self._question, self._asked_at = asked, now
        elif question is None:
            self._counters["ANSWER_WITHOUT_QUESTION"] += 1
        elif self._began - asked_at > self._options.reply_ms:
            self._counters["LATE_ANSWER"] += 1
        elif question.channel_no == self._number:
            self._hear_pump(question.command_code, said, now)

    def _hear_pump(self, command: int, said: Said, now: Monotonic) -> None:
        if self._heard_at is not None and now - self._heard_at > SIGHT_MS:
            self._owed.add(self._sales.lose_sight())
        self._heard_at = now
        self._heard(now)
        self._owed.add(self._sales.hear(command, said, now))
