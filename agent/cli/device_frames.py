"""Bytes as they come become frames as people read them. Pure: times are passed in.

Bytes belong together while no pause is between them. USB converters deliver every 16 ms and an answer may
follow its question at once, so what comes out is what the driver's `explain` finds in a burst. The tail of a
burst that is no frame yet waits a while for its rest.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from drivers.replay import End
from drivers.views import NOISE, Check, View

TORN_MS = 250
"""A frame that is not whole after this long without a byte is torn."""
BURST_BYTES = 512
"""From here on whole frames are shown although no pause came."""
LONGEST_BYTES = 4_096

Explain = Callable[[bytes], tuple[View, ...]]


@dataclass(frozen=True, slots=True)
class Frame:
    """`at_ms` is when its last byte came. `end` is who said it: known where we speak ourselves, else as the
    protocol tells."""

    at_ms: int
    end: End
    view: View


def pause_ms(baud: int) -> int:
    """What parts two bursts: a converter's delivery, and four characters of the wire."""
    return 30 + 40_000 // baud


class FrameReader:
    """Feed it what passes; it gives the frames that are whole, and in the end what never became one.

    A question and its answer are explained together: of some protocols an answer alone tells little.
    """

    def __init__(self, explain: Explain, pause: int) -> None:
        self._explain = explain
        self._pause_ms = pause
        self._kept = b""
        self._marks: list[tuple[End | None, int]] = []
        self._at_ms = 0

    def feed(self, data: bytes, at_ms: int, end: End | None) -> list[Frame]:
        """`end` None: a wire on which both are heard."""
        frames = self.tick(at_ms)
        self._at_ms = at_ms
        self._kept += data
        self._marks += [(end, at_ms)] * len(data)
        if len(self._kept) >= BURST_BYTES:
            frames += self._settle(keep_last=len(self._kept) < LONGEST_BYTES)
        return frames

    def tick(self, now_ms: int) -> list[Frame]:
        """What a pause until now has settled."""
        quiet_ms = now_ms - self._at_ms
        if not self._kept or quiet_ms < self._pause_ms:
            return []
        if quiet_ms >= TORN_MS:
            return self.flush()
        views = self._explain(self._kept)
        return self._settle(keep_last=views[-1].title == NOISE)

    def flush(self) -> list[Frame]:
        """Everything, also what is torn."""
        return self._settle(keep_last=False)

    def _settle(self, *, keep_last: bool) -> list[Frame]:
        if not self._kept:
            return []
        views = self._explain(self._kept)
        assert b"".join(view.data for view in views) == self._kept, "views hide nothing"
        done = views[:-1] if keep_last else views
        frames, begin = [], 0
        for view in done:
            end, _ = self._marks[begin]
            begin += len(view.data)
            _, at_ms = self._marks[begin - 1]
            frames.append(Frame(at_ms, end or view.sender or "device", view))
        self._kept, self._marks = self._kept[begin:], self._marks[begin:]
        return frames


@dataclass(frozen=True, slots=True)
class Quality:
    """How good a line is. `explained_bytes` lie in frames, which are right or wrong by their check value."""

    frames: int = 0
    right_frames: int = 0
    wrong_frames: int = 0
    explained_bytes: int = 0
    heard_bytes: int = 0
    silences: int = 0
    longest_silence_ms: int = 0
    lasted_ms: int = 0
    last_at_ms: int = 0

    @property
    def bytes_per_s(self) -> int:
        return self.heard_bytes * 1_000 // max(1, self.lasted_ms)


SILENCE_MS = 1_000
"""A pause that is counted as a silence."""


def with_frame(quality: Quality, frame: Frame) -> Quality:
    """The quality with one more frame; its time counts from the start of the listening."""
    view, is_frame = frame.view, frame.view.title != NOISE
    heard = with_time(quality, frame.at_ms)
    return replace(
        heard,
        frames=quality.frames + is_frame,
        right_frames=quality.right_frames + (view.check is Check.OK),
        wrong_frames=quality.wrong_frames + (view.check is Check.WRONG),
        explained_bytes=quality.explained_bytes + (len(view.data) if is_frame else 0),
        heard_bytes=quality.heard_bytes + len(view.data),
        last_at_ms=frame.at_ms,
    )


def with_time(quality: Quality, at_ms: int) -> Quality:
    """The quality at a later time at which nothing came."""
    quiet_ms = at_ms - quality.last_at_ms
    return replace(
        quality,
        silences=quality.silences + (quiet_ms >= SILENCE_MS),
        longest_silence_ms=max(quality.longest_silence_ms, quiet_ms),
        lasted_ms=max(quality.lasted_ms, at_ms),
    )
