"""Our side at the tax-control port: each gun's latest sale and grand total in turn, and nothing else.

A reply does not say whose it is. So a reading is one gun's 86 and 89, directly one after the other, and
if they say anything new the 86 once more: an answer that came late, or twice, stands where the other
command's is expected, or differs, and the reading is dropped.
"""

from collections import Counter
from collections.abc import Mapping

from drivers.cn_tax_port import codec
from drivers.cn_tax_port.codec import Command, Frame, Grand, Latest
from drivers.cn_tax_port.gun_watch import GunWatch
from drivers.cn_tax_port.options import SILENCE_MS, TaxPortOptions
from drivers.cn_tax_port.reading import Reading
from drivers.events import Answer, DriverEvent, Monotonic, Notice
from drivers.owed import Owed
from drivers.presence import Presence


class TaxPortSession:
    """See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: TaxPortOptions) -> None:
        self._options = options
        self._reader = codec.Reader()
        self._presence = Presence(address, SILENCE_MS)
        self._owed = Owed()
        self._counters: Counter[str] = Counter()
        self._watches = [GunWatch(gun, address, options, self._counters) for gun in options.guns]
        self._turn = 0
        self._round_at = Monotonic(0)
        self._latest: Latest | None = None
        self._grand: Grand | None = None
        self._asked: Command | None = None
        self._answer_due = Monotonic(0)
        self._speak_at = Monotonic(0)
        self._last_heard: Frame | None = None
        self._is_waiting_out = False

    # What the line calls.

    def receive(self, data: bytes, now: Monotonic) -> None:
        bad_before = self._reader.bad_frames
        for frame in self._reader.feed(data):
            self._hear(frame, now)
        self._counters["BAD_FRAME"] += self._reader.bad_frames - bad_before
        if self._asked is None:
            self._be_quiet(self._options.gap_ms, now)

    def next_event(self) -> DriverEvent | None:
        return self._owed.next_event()

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        self._owed.confirm(event, answer, now)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """A tax-control port shows nothing."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        if self._asked is not None or now < self._speak_at:
            return b""
        self._is_waiting_out = False
        gun = self._options.guns[self._turn]
        self._reader.forget()
        if self._turn == 0 and self._latest is None:
            self._round_at = Monotonic(now + self._options.poll_ms)
        self._answer_due = Monotonic(now + self._options.answer_ms)
        is_for_total = self._latest is not None and self._grand is None
        self._asked = Command.GRAND if is_for_total else Command.LATEST
        return codec.ask_grand(gun) if is_for_total else codec.ask_latest(gun)

    def next_timer(self) -> Monotonic | None:
        turn = self._speak_at if self._asked is None else self._answer_due
        timers = (turn, self._presence.due(), self._owed.due())
        return min(timer for timer in timers if timer is not None)

    def handle_timer(self, now: Monotonic) -> None:
        self._owed.check(now)
        silent = self._presence.check(now)
        if silent:
            self._counters["SILENT"] += 1
            self._lose_sight()
        self._owed.add(silent)
        if self._asked is not None and now >= self._answer_due:
            self._counters["NO_ANSWER"] += 1
            self._fail(now)

    def awaiting(self) -> bool:
        return self._asked is not None or self._is_waiting_out

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._lose_sight()
        self._asked = self._last_heard = None
        self._is_waiting_out = False
        self._speak_at = now

    def counters(self) -> Mapping[str, int]:
        return self._counters + self._owed.counts

    # What is heard.

    def _hear(self, frame: Frame, now: Monotonic) -> None:
        if frame.code != self._asked:
            if frame == self._last_heard:
                self._counters["REPEATED_ANSWER"] += 1
            else:
                self._counters["LATE_ANSWER"] += 1
                self._fail(now)
            return
        self._last_heard, self._asked = frame, None
        self._counters["HEARD"] += 1
        self._owed.add(self._presence.heard(now))
        if frame.code == Command.LATEST:
            self._hear_latest(frame, now)
        else:
            self._hear_grand(frame, now)

    def _hear_latest(self, frame: Frame, now: Monotonic) -> None:
        latest, before = codec.parse_latest(frame.body), self._latest
        if latest is None:
            self._counters["SALE_UNREADABLE"] += 1
            self._next_gun(now)
        elif before is None or self._grand is None:
            self._latest = latest
        elif latest == before:
            self._finish(Reading(latest, self._grand), now)
        else:
            self._counters["SALE_CHANGED"] += 1
            self._next_gun(now)

    def _hear_grand(self, frame: Frame, now: Monotonic) -> None:
        grand, latest = codec.parse_grand(frame.body), self._latest
        assert latest is not None
        if grand is None:
            self._counters["TOTAL_UNREADABLE"] += 1
            self._next_gun(now)
            return
        self._grand = grand
        reading = Reading(latest, grand)
        if self._watches[self._turn].knows(reading):
            self._finish(reading, now)

    def _finish(self, reading: Reading, now: Monotonic) -> None:
        self._owed.add(self._watches[self._turn].see(reading, now))
        self._next_gun(now)

    def _next_gun(self, now: Monotonic) -> None:
        self._forget_reading()
        self._turn = (self._turn + 1) % len(self._options.guns)
        if self._turn == 0:
            self._speak_at = max(now, self._round_at)

    def _forget_reading(self) -> None:
        self._latest = self._grand = None

    def _fail(self, now: Monotonic) -> None:
        """No answer, or somebody else's: be quiet for one answer time, then read the next gun from its
        beginning, so that one gun that never answers does not keep us from the others."""
        self._asked = None
        self._next_gun(now)
        self._is_waiting_out = True
        self._be_quiet(self._options.answer_ms, now)

    def _be_quiet(self, duration_ms: int, now: Monotonic) -> None:
        self._speak_at = max(self._speak_at, Monotonic(now + duration_ms))

    def _lose_sight(self) -> None:
        self._forget_reading()
        for watch in self._watches:
            watch.sight_lost()
