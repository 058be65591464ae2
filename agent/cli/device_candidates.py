"""Who may be on a port and what speaks for it. Pure: it judges bytes that were heard."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum

from agent.cli.device_choice import Chosen, is_tcp
from agent.cli.device_places import Place
from drivers.views import NOISE, Check

PROVEN_FRAMES = 3
"""Right frames of an answering device with which we stop asking it."""
_HEARD_FRAMES = 5
_UNCHECKED_BYTES = 8
"""So long at least are the frames of protocols without a check value; of shorter ones any bytes are made."""


class Sureness(IntEnum):
    GUESS = 0
    LIKELY = 1
    SURE = 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who it may be and what speaks for it. `address` and `question` are "" if it was only heard.

    `line_errors` are the framing and parity errors that the kernel counted meanwhile, None if it does not.
    """

    chosen: Chosen
    place: Place
    frames: int
    right_frames: int
    wrong_frames: int
    explained_bytes: int
    heard_bytes: int
    address: str = ""
    question: str = ""
    has_echo: bool = False
    line_errors: int | None = None

    @property
    def sureness(self) -> Sureness:
        """A check value of 8 bits or less lets damaged frames pass: one frame proves little, and what
        was only heard proves less than the answer to a question. Without check values nothing is sure."""
        mostly = 10 * self.explained_bytes >= 9 * self.heard_bytes
        enough = PROVEN_FRAMES if self.question else _HEARD_FRAMES
        if self.right_frames >= enough and mostly and not self.wrong_frames:
            return Sureness.SURE
        if self.right_frames > self.wrong_frames and 2 * self.explained_bytes >= self.heard_bytes:
            return Sureness.LIKELY
        if self.frames >= enough and self._is_long_and_whole:
            return Sureness.LIKELY
        return Sureness.GUESS

    @property
    def is_usual(self) -> bool:
        """True if the driver's own makers wire it like this."""
        return is_tcp(self.place.device) or self.place.wiring in self.chosen.driver.wirings

    @property
    def _is_long_and_whole(self) -> bool:
        is_long = self.explained_bytes >= _UNCHECKED_BYTES * self.frames
        return is_long and self.explained_bytes == self.heard_bytes


@dataclass(frozen=True, slots=True)
class Found:
    """`overheard` are bytes that nobody was asked for; `strange` is an answer that nobody explains."""

    candidates: tuple[Candidate, ...]
    asked_count: int
    overheard: bytes = b""
    strange: bytes = b""

    @property
    def best(self) -> Candidate | None:
        """The surest, if it is more than a guess."""
        first = self.candidates[0] if self.candidates else None
        return first if first is not None and first.sureness > Sureness.GUESS else None


def rated(tenant: Chosen, place: Place, data: bytes, *, device_only: bool) -> Candidate:
    """`device_only`: an answer; what a host would say in it is no sign of a device."""
    views = tenant.driver.explain(data, tenant.options)
    frames = [v for v in views if v.title != NOISE and not (device_only and v.sender == "host")]
    right = sum(view.check is Check.OK for view in frames)
    wrong = sum(view.check is Check.WRONG for view in frames)
    explained = sum(len(view.data) for view in frames if view.check is not Check.WRONG)
    return Candidate(tenant, place, len(frames), right, wrong, explained, len(data))


def together(one: Candidate, other: Candidate) -> Candidate:
    return replace(
        one,
        frames=one.frames + other.frames,
        right_frames=one.right_frames + other.right_frames,
        wrong_frames=one.wrong_frames + other.wrong_frames,
        explained_bytes=one.explained_bytes + other.explained_bytes,
        heard_bytes=one.heard_bytes + other.heard_bytes,
        has_echo=one.has_echo or other.has_echo,
    )


def ranked(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """The surest first; among equals the usual wiring, more frames, fewer errors of the wire."""

    def weight(each: Candidate) -> tuple[int, bool, int, int, int, int]:
        share = 100 * each.explained_bytes // max(1, each.heard_bytes)
        errors = each.line_errors or 0
        return each.sureness, each.is_usual, each.right_frames, -errors, share, -each.frames

    return tuple(sorted(candidates, key=weight, reverse=True))
