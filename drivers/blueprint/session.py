"""Our side of the blueprint conversation: ask, report, and only when it is durable say "keep".

One question is out at a time. A lost "keep" needs no cure of its own: the device offers the sale
again, the till says REPEATED, and it is kept then. Nor does an answer that comes after its time: each
says what it answers, and a sale says its number. Where a device's answers do not, the session keeps
quiet (and `awaiting()`) until none can come any more.
"""

from collections import Counter, deque
from collections.abc import Mapping

from drivers.blueprint import codec
from drivers.blueprint.options import BlueprintOptions
from drivers.events import (
    Answer,
    DeviceBack,
    DeviceSilent,
    DriverEvent,
    Fuelling,
    HandOver,
    Monotonic,
    Notice,
    RawDigits,
)

SILENCE_MS = 3_000
"""More than the slowest options need for two questions, so that one lost answer is no silence."""


class BlueprintSession:
    """See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: BlueprintOptions) -> None:
        self._address = address
        self._options = options
        self._reader = codec.Reader()
        self._events: deque[DriverEvent] = deque()
        self._counters: Counter[str] = Counter()
        self._with_till: Fuelling | None = None
        self._question = codec.READ
        self._answer_due: Monotonic | None = None
        self._speak_at = Monotonic(0)
        self._heard_at: Monotonic | None = None
        self._silent: bool | None = None

    def receive(self, data: bytes, now: Monotonic) -> None:
        bad_before = self._reader.bad_frames
        for body in self._reader.feed(data):
            self._hear(body, now)
        self._counters["BAD_FRAME"] += self._reader.bad_frames - bad_before

    def next_event(self) -> DriverEvent | None:
        return self._events.popleft() if self._events else None

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        if event is not self._with_till:
            return
        self._with_till = None
        if answer.durable:
            self._question, self._speak_at = f"K,{event.sequence_no:04d}", now
        else:
            self._counters["NOT_DURABLE"] += 1
            self._speak_at = Monotonic(now + self._options.poll_ms)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """This device shows nothing."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        if self._with_till is not None or self._answer_due is not None or now < self._speak_at:
            return b""
        self._answer_due = Monotonic(now + self._options.answer_ms)
        return codec.encode(self._question)

    def next_timer(self) -> Monotonic | None:
        timers = []
        if self._answer_due is not None:
            timers.append(self._answer_due)
        elif self._with_till is None:
            timers.append(self._speak_at)
        if self._heard_at is not None and self._silent is not True:
            timers.append(Monotonic(self._heard_at + SILENCE_MS))
        return min(timers, default=None)

    def handle_timer(self, now: Monotonic) -> None:
        if self._heard_at is None:
            self._heard_at = now
        if self._silent is not True and now - self._heard_at >= SILENCE_MS:
            self._silent = True
            self._counters["SILENT"] += 1
            self._events.append(DeviceSilent(self._address, now - self._heard_at))
        if self._answer_due is not None and now >= self._answer_due:
            self._counters["NO_ANSWER"] += 1
            self._read_next(now + self._options.poll_ms)

    def awaiting(self) -> bool:
        return self._answer_due is not None

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._read_next(now)

    def counters(self) -> Mapping[str, int]:
        return self._counters

    def _read_next(self, at_ms: int) -> None:
        self._question, self._answer_due, self._speak_at = codec.READ, None, Monotonic(at_ms)

    def _hear(self, body: str, now: Monotonic) -> None:
        if body == codec.READ:
            self._counters["OTHER_MASTER"] += 1
            return
        self._note_life(now)
        sale = codec.parse_sale(body)
        reading = self._question == codec.READ
        expected = (sale is not None or body == codec.NOTHING) if reading else body == self._question
        if self._answer_due is None or not expected:
            self._counters["LATE_ANSWER"] += 1
            return
        nothing_more = reading and sale is None
        self._read_next(now + self._options.poll_ms if nothing_more else now)
        if sale is not None:
            self._take(sale)

    def _note_life(self, now: Monotonic) -> None:
        self._counters["HEARD"] += 1
        self._heard_at = now
        if self._silent is not False:
            self._silent = False
            self._events.append(DeviceBack(self._address))

    def _take(self, sale: codec.Sale) -> None:
        if int(sale.volume) == 0:
            self._counters["ZERO_VOLUME"] += 1
            self._question = f"K,{sale.sequence_no}"
            return
        self._with_till = Fuelling(
            address=self._address,
            nozzle=sale.nozzle,
            hand_over=HandOver.BUFFERED,
            sequence_no=int(sale.sequence_no),
            raw=RawDigits(sale.volume, sale.amount, sale.unit_price, sale.totalizer),
            volume_ml=int(sale.volume) * 10,
            amount_fen=int(sale.amount),
            unit_price_milli=int(sale.unit_price) * 10,
            volume_step_ml=10,
            amount_step_fen=1,
            totalizer_after_ml=int(sale.totalizer) * 10,
            totalizer_modulus_ml=10**11,
        )
        self._events.append(self._with_till)
