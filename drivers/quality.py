"""Whether a line becomes worse: its last hour against its own last day.

Made of the counters that every session and the line keep (`drivers/session.py`, `drivers/line.py`). Errors
are frames that came damaged and questions that stayed unanswered, as a share of these and of all valid
frames; a late answer is not one more, for its question was counted when nobody answered it. A damaged answer
may count twice, as bad and as missing: then and now alike. While a device is silent the questions that it
does not answer say nothing of the wire, and are left out.

A limit is `FACTOR` times the past, but never below the floor, and for errors never above the ceiling, which
holds also where nothing is known of the past: so it tells of a line that was never good. What crossed a limit
is good again when it stayed at half of it for two hours. Hours that were bad are no past: a wire that stays
bad does not become the usual. A line that says little in an hour is not judged, and stays what it was.

Whoever works at a cable stops the agent first. So what was usual can be taken along (`usual`, `remember`) and
is the past of the day after a start, as if it had been said in the hour before.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass, field

from drivers.events import Monotonic

SLICE_MS, RECENT_MS, PAST_MS = 600_000, 3_600_000, 86_400_000
GOOD_FOR_MS = 7_200_000
ENOUGH_FRAMES, ENOUGH_PAST_FRAMES, ENOUGH_ERRORS = 300, 1_000, 10
"""Fewer prove nothing: at 0.1 % ten errors in 300 frames come by chance once in 10^12 hours."""
_DEVIATIONS = 5
"""By so many more than half of the limit the errors of an hour must be: few frames scatter widely."""
FACTOR = 4
ERRORS_FLOOR_BP, ERRORS_CEILING_BP = 100, 500
ANSWER_FLOOR_MS = 50
_COUNTED = ("HEARD", "BAD_FRAME", "NO_ANSWER", "LATE_ANSWER", "SILENT", "ANSWERED", "ANSWER_MS")
_USUAL = ("HEARD", "BAD_FRAME", "NO_ANSWER", "ANSWERED", "ANSWER_MS")
"""In the order of the fields of `Usual`."""


USUAL_FRAMES = 10_000
"""What is taken along weighs at most so much: enough for 0.01 %, and soon less than what is new."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What was counted while a line was good; `answers_ms` is how long all answers took together."""

    heard_count: int
    damaged_count: int
    unanswered_count: int
    answered_count: int
    answers_ms: int


@dataclass(frozen=True, slots=True)
class Quality:
    """A line's last hour; shares in basis points of `frames`. None: too little was heard to say.

    `frames` are those heard, those that came damaged and those that never came. `past_…` are of the day
    before the hour. `answer_ms` is the mean from the last byte of a question to the first valid frame.
    `silences`: how often a device was given up.
    """

    frames: int
    error_bp: int | None
    bad_frame_bp: int | None
    no_answer_bp: int | None
    late_answer_bp: int | None
    silences: int
    answer_ms: int | None
    past_error_bp: int | None
    past_answer_ms: int | None
    has_more_errors: bool
    is_slower: bool

    @property
    def is_worse(self) -> bool:
        return self.has_more_errors or self.is_slower

    def told(self) -> str:
        """For people: what was found, and what was usual."""
        if self.error_bp is None:
            return f"only {self.frames} frames in the last hour"
        parts = (
            f"damaged {_percent(self.bad_frame_bp)}, unanswered {_percent(self.no_answer_bp)}, "
            f"late {_percent(self.late_answer_bp)}"
        )
        said = f"last hour {_percent(self.error_bp)} errors of {self.frames} ({parts})"
        if self.past_error_bp is not None:
            said += f", {_percent(self.past_error_bp)} the day before"
        if self.answer_ms is not None:
            said += f"; answers after {self.answer_ms} ms"
            said += "" if self.past_answer_ms is None else f", {self.past_answer_ms} ms the day before"
        return said


class LineQuality:
    """One line's hour and day, kept as sums of ten minutes. `look` now and then, twice a minute is plenty."""

    def __init__(self) -> None:
        self._seen: Counter[str] | None = None
        self._all_were_there = False
        self._recent: deque[_Slice] = deque()
        self._past: deque[_Slice] = deque()
        self._past_counts: Counter[str] = Counter()
        self._errors = _Trend(ERRORS_FLOOR_BP, ERRORS_CEILING_BP)
        self._answers = _Trend(ANSWER_FLOOR_MS, None)

    def look(self, counters: Mapping[str, int], now: Monotonic, *, all_are_there: bool) -> Quality:
        """`counters` only grow. `all_are_there`: the port is open and no device on it is silent."""
        self._roll(now)
        self._count(counters, now, all_are_there)
        recent, past = _sum(self._recent), self._past_counts
        errors_bp, past_errors_bp = _errors_bp(recent, ENOUGH_FRAMES), _errors_bp(past, ENOUGH_PAST_FRAMES)
        answer_ms, past_ms = _answer_ms(recent, ENOUGH_FRAMES), _answer_ms(past, ENOUGH_PAST_FRAMES)
        self._errors.judge(errors_bp, past_errors_bp, now, lambda limit: _proves(recent, limit))
        self._answers.judge(answer_ms, past_ms, now, lambda limit: True)
        return Quality(
            frames=_frames(recent),
            error_bp=errors_bp,
            bad_frame_bp=_share_bp(recent["BAD_FRAME"], recent, ENOUGH_FRAMES),
            no_answer_bp=_share_bp(recent["NO_ANSWER"], recent, ENOUGH_FRAMES),
            late_answer_bp=_share_bp(recent["LATE_ANSWER"], recent, ENOUGH_FRAMES),
            silences=recent["SILENT"],
            answer_ms=answer_ms,
            past_error_bp=past_errors_bp,
            past_answer_ms=past_ms,
            has_more_errors=self._errors.stands,
            is_slower=self._answers.stands,
        )

    def usual(self) -> Usual | None:
        """What is usual here; None while too little is known of it. The last hour counts unless it is bad."""
        counts = self._past_counts + (Counter() if self._stands else _sum(self._recent))
        if _frames(counts) < ENOUGH_PAST_FRAMES:
            return None
        named = (counts[code] for code in _USUAL)
        return Usual(*(count * min(USUAL_FRAMES, _frames(counts)) // _frames(counts) for count in named))

    def remember(self, usual: Usual, now: Monotonic) -> None:
        """Take what was usual before a start for the past; it is forgotten after a day like any other."""
        counts = Counter(dict(zip(_USUAL, astuple(usual), strict=True)))
        self._past.appendleft(_Slice(Monotonic(now - RECENT_MS), counts))
        self._past_counts.update(counts)

    @property
    def _stands(self) -> bool:
        return self._errors.stands or self._answers.stands

    def _roll(self, now: Monotonic) -> None:
        """What is older than an hour becomes the past, unless it was bad; what is older than that goes."""
        while self._recent and self._recent[0].began <= now - RECENT_MS:
            old = self._recent.popleft()
            if not self._stands:
                self._past.append(old)
                self._past_counts.update(old.counts)
        while self._past and self._past[0].began <= now - RECENT_MS - PAST_MS:
            self._past_counts.subtract(self._past.popleft().counts)

    def _count(self, counters: Mapping[str, int], now: Monotonic, all_are_there: bool) -> None:
        seen = Counter({code: counters.get(code, 0) for code in _COUNTED})
        fresh = Counter() if self._seen is None else seen - self._seen
        if not (all_are_there and self._all_were_there):
            del fresh["NO_ANSWER"]
        self._seen, self._all_were_there = seen, all_are_there
        if not self._recent or self._recent[-1].began <= now - SLICE_MS:
            self._recent.append(_Slice(now))
        self._recent[-1].counts.update(fresh)


@dataclass(frozen=True, slots=True)
class _Slice:
    began: Monotonic
    counts: Counter[str] = field(default_factory=Counter)


class _Trend:
    """One measure against its past. `stands` from the crossing of a limit until two hours at half of it."""

    def __init__(self, floor: int, ceiling: int | None) -> None:
        self._floor = floor
        self._ceiling = ceiling
        self._crossed: int | None = None
        self._good_since: Monotonic | None = None

    @property
    def stands(self) -> bool:
        return self._crossed is not None

    def judge(
        self, value: int | None, past: int | None, now: Monotonic, proves: Callable[[int], bool]
    ) -> None:
        """`value` None: too little is known, nothing changes. `proves`: is it beyond a limit for sure."""
        if value is None:
            return
        if self._crossed is not None:
            self._look_for_the_end(2 * value <= self._crossed, now)
            return
        limit = self._limit(past)
        if limit is not None and value >= limit and proves(limit):
            self._crossed = limit

    def _look_for_the_end(self, is_good: bool, now: Monotonic) -> None:
        if not is_good:
            self._good_since = None
        elif self._good_since is None:
            self._good_since = now
        elif now - self._good_since >= GOOD_FOR_MS:
            self._crossed = self._good_since = None

    def _limit(self, past: int | None) -> int | None:
        if past is None:
            return self._ceiling
        limit = max(self._floor, FACTOR * past)
        return limit if self._ceiling is None else min(limit, self._ceiling)


def _sum(slices: Iterable[_Slice]) -> Counter[str]:
    total: Counter[str] = Counter()
    for each in slices:
        total.update(each.counts)
    return total


def _errors(counts: Counter[str]) -> int:
    return counts["BAD_FRAME"] + counts["NO_ANSWER"]


def _proves(counts: Counter[str], limit_bp: int) -> bool:
    """Whether so many errors do not come by chance on a line that has half of the limit."""
    usual = _frames(counts) * limit_bp // 20_000
    more = _errors(counts) - usual
    return _errors(counts) >= ENOUGH_ERRORS and more > 0 and more**2 >= _DEVIATIONS**2 * usual


def _frames(counts: Counter[str]) -> int:
    return counts["HEARD"] + _errors(counts)


def _share_bp(part: int, counts: Counter[str], enough: int) -> int | None:
    return 10_000 * part // _frames(counts) if _frames(counts) >= enough else None


def _errors_bp(counts: Counter[str], enough: int) -> int | None:
    return _share_bp(_errors(counts), counts, enough)


def _answer_ms(counts: Counter[str], enough: int) -> int | None:
    return counts["ANSWER_MS"] // counts["ANSWERED"] if counts["ANSWERED"] >= enough else None


def _percent(share_bp: int | None) -> str:
    assert share_bp is not None, "told only where enough was heard"
    return f"{share_bp // 100}.{share_bp % 100:02d} %"
