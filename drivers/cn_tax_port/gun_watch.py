"""When what a gun shows is a fuelling to report.

The latest sale stays readable until the next one, without a number. It is identified by its digits and the
grand total: what was read before is no new sale, and two equal sales differ in the total. It is reported at
once if the totals, volume and money, moved by it: that proves every digit but the price. Otherwise, and when
nothing is known of before, the same must be read for `STILL_MS`: a port may count its totals after it shows
the sale, and a total read too early would name the sale wrongly. If the total moves later still, by just what
is shown, that was the same sale and no second one. What is overwritten before is not reported; its litres
show in the total of the next one.
"""

from collections import Counter
from dataclasses import dataclass

from drivers.cn_tax_port import reading as scales
from drivers.cn_tax_port.codec import Grand
from drivers.cn_tax_port.options import TaxPortOptions
from drivers.cn_tax_port.reading import Reading
from drivers.events import Fuelling, Monotonic

STEADY_READINGS = 3
STEADY_MS = 4_000
"""An equal second sale is one if its total stands for so long."""
STILL_MS = 15_000
SIGHT_MS = 6_000
"""An end is watched if the gun was read at most this long before."""


@dataclass(slots=True)
class _Candidate:
    """What is shown and not judged yet. `ended` is when it came, if we watched it come."""

    reading: Reading
    since: Monotonic
    ended: Monotonic | None
    count: int = 0


class GunWatch:
    """Fed with every whole reading of one gun in order."""

    def __init__(self, gun: int, address: str, options: TaxPortOptions, counts: Counter[str]) -> None:
        self._gun = gun
        self._address = address
        self._options = options
        self._counts = counts
        self._last: Reading | None = None
        self._is_counted = True
        """Nothing speaks against it that the grand total of `_last` has its sale in it."""
        self._candidate: _Candidate | None = None
        self._seen_at: Monotonic | None = None

    def sight_lost(self) -> None:
        """The port was away: what is shown next was not watched coming."""
        self._seen_at = None

    def knows(self, reading: Reading) -> bool:
        """Nothing has changed: no need to read it more closely."""
        return reading == self._last and self._candidate is None

    def see(self, reading: Reading, now: Monotonic) -> list[Fuelling]:
        """Judge one reading; gives the fuelling that is to be reported now, if there is one."""
        is_watched = self._seen_at is not None and now - self._seen_at <= SIGHT_MS
        self._seen_at = now
        if reading == self._last:
            self._candidate = None
            return []
        candidate = self._candidate
        if candidate is None or candidate.reading != reading:
            candidate = self._begin(reading, candidate, now, is_watched)
        candidate.count += 1
        self._candidate = candidate
        return self._settle(candidate) if self._is_enough(candidate, now) else []

    def _begin(
        self, reading: Reading, before: _Candidate | None, now: Monotonic, is_watched: bool
    ) -> _Candidate:
        if before is not None and before.reading.latest == reading.latest:
            return _Candidate(reading, now, before.ended)
        if before is not None and (self._last is None or before.reading.latest != self._last.latest):
            self._counts["OVERTAKEN"] += 1
        return _Candidate(reading, now, now if is_watched and self._last is not None else None)

    def _is_enough(self, candidate: _Candidate, now: Monotonic) -> bool:
        """Whether the reading was seen often and long enough for what it says."""
        reading, last = candidate.reading, self._last
        is_new = last is None or reading.latest != last.latest
        if is_new and not int(reading.latest.volume):
            return True
        stands_ms = STILL_MS
        if last is not None and not self._misfits(reading, last.grand):
            # Under the same display it is an equal second sale, or a total that counts while fuel flows.
            stands_ms = 0 if is_new else STEADY_MS
        is_seen_often = candidate.count >= STEADY_READINGS or not stands_ms
        return is_seen_often and now - candidate.since >= stands_ms

    def _settle(self, candidate: _Candidate) -> list[Fuelling]:
        reading, last, was_counted = candidate.reading, self._last, self._is_counted
        self._last, self._candidate = reading, None
        before = None if last is None else last.grand
        fits = before is None or not self._misfits(reading, before)
        is_same = last is not None and last.latest == reading.latest
        self._is_counted = fits or is_same
        if not int(reading.latest.volume):
            self._counts["ZERO_VOLUME"] += 1
            return []
        if is_same and not (fits and was_counted):
            self._counts["TOTAL_MOVED_ALONE"] += 1
            return []
        fuelling = scales.as_fuelling(
            reading, self._gun, self._address, self._options, before=before, ended=candidate.ended
        )
        self._counts["TOTAL_DIFFERS"] += "TOTAL_DIFFERS" in fuelling.flags
        return [fuelling]

    def _misfits(self, reading: Reading, before: Grand) -> bool:
        return bool(scales.misfits(before, reading, self._options))
