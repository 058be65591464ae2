"""Our side of the conversation with a tank gauge: ask, ask again, and report what both answers said.

One question is out at a time, and every one only reads. The check value is a sum, and the printed form has
none, so each question is put twice and only what was said twice alike is believed. A tank that moves
meanwhile is asked a third time, else it waits for the next turn. Readings are replaced by the next; the
console keeps its deliveries, so one that the till could not keep is simply read and reported again.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence

from drivers.events import (
    Answer,
    DeviceBack,
    DeviceSilent,
    DriverEvent,
    Monotonic,
    Notice,
    TankDelivery,
)
from drivers.veeder_root import codec, printed, reading, reports
from drivers.veeder_root.ieee import Odd
from drivers.veeder_root.options import LONGEST_ANSWER_MS, SILENCE_MS, VeederRootOptions
from drivers.veeder_root.printed import PrintedTank
from drivers.veeder_root.rota import Rota

READINGS = 3
"""How often a question is put at most before what was not said twice alike is left for the next turn."""
REMEMBERED_DELIVERIES = 1_024

Block = reports.Block | PrintedTank


class VeederRootSession:
    """See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: VeederRootOptions) -> None:
        self._address = address
        self._options = options
        self._reader = codec.Reader()
        self._rota = Rota()
        self._events: deque[DriverEvent] = deque()
        self._counters: Counter[str] = Counter()
        self._kept: OrderedDict[str, None] = OrderedDict()
        self._alarms: dict[str, tuple[str, ...]] = {}
        self._system_alarms: frozenset[Block] = frozenset()
        self._last_blocks: frozenset[Block] | None = None
        self._readings = 0
        self._asked_at = Monotonic(0)
        self._answer_due: Monotonic | None = None
        self._speak_at = Monotonic(0)
        self._heard_at: Monotonic | None = None
        self._silent: bool | None = None

    # What the line calls.

    def receive(self, data: bytes, now: Monotonic) -> None:
        torn_before = self._reader.torn_frames
        if self._answer_due is not None:
            due = min(now + self._options.answer_ms, self._asked_at + LONGEST_ANSWER_MS)
            self._answer_due = Monotonic(due)
        for body in self._reader.feed(data):
            self._hear(body, now)
        self._counters["BAD_FRAME"] += self._reader.torn_frames - torn_before

    def next_event(self) -> DriverEvent | None:
        return self._events.popleft() if self._events else None

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        if answer.durable or not isinstance(event, TankDelivery):
            return
        self._counters["NOT_DURABLE"] += 1
        self._kept.pop(_identity(event), None)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """A console shows nothing of ours."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        if self._answer_due is not None or now < self._speak_at:
            return b""
        self._asked_at = now
        self._answer_due = Monotonic(now + self._options.answer_ms)
        return codec.ask(self._rota.question, security_code=self._options.code())

    def next_timer(self) -> Monotonic | None:
        timers = [self._speak_at if self._answer_due is None else self._answer_due]
        if self._heard_at is not None and self._silent is not True:
            timers.append(Monotonic(self._heard_at + SILENCE_MS))
        return min(timers)

    def handle_timer(self, now: Monotonic) -> None:
        if self._heard_at is None:
            self._heard_at = now
        if self._silent is not True and now - self._heard_at >= SILENCE_MS:
            self._silent = True
            self._counters["SILENT"] += 1
            self._events.append(DeviceSilent(self._address, now - self._heard_at))
        if self._answer_due is not None and now >= self._answer_due:
            self._counters["NO_ANSWER"] += 1
            self._fail(now)

    def awaiting(self) -> bool:
        return self._answer_due is not None

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._begin_question(now)

    def counters(self) -> Mapping[str, int]:
        return self._counters

    # What to ask next.

    def _begin_question(self, at_ms: int) -> None:
        self._last_blocks, self._readings = None, 0
        self._answer_due, self._speak_at = None, Monotonic(at_ms)

    def _ask_again(self, now: Monotonic) -> None:
        self._answer_due, self._speak_at = None, Monotonic(now + self._options.gap_ms)

    def _go_on(self, now: Monotonic) -> None:
        self._rota.next(now)
        self._begin_question(now + 1_000 * self._options.poll_s)

    def _fail(self, now: Monotonic) -> None:
        """Stay quiet for one answer time, so that a late answer cannot pass for the next one's."""
        bad_before = self._reader.torn_frames
        self._reader.forget()
        self._counters["BAD_FRAME"] += self._reader.torn_frames - bad_before
        self._rota.next(now)
        self._begin_question(now + self._options.answer_ms)

    # What an answer means.

    def _hear(self, body: str, now: Monotonic) -> None:
        frame = codec.parse(body)
        if frame is None:
            self._counters["BAD_FRAME"] += 1
            return
        if self._answer_due is None:
            self._counters["LATE_ANSWER"] += 1
            return
        if isinstance(frame, codec.NotUnderstood):
            self._heard(now)
            self._hear_refusal(now)
            return
        if (frame.function, frame.tank) != (self._rota.question, codec.ALL_TANKS):
            self._counters["OTHER_FRAME"] += 1
            return
        blocks = _blocks(frame)
        if blocks is None:
            self._counters["UNREADABLE_REPLY"] += 1
            return
        self._heard(now)
        self._rota.answered()
        self._compare(blocks, frame.time if isinstance(frame, codec.Reply) else "", now)

    def _heard(self, now: Monotonic) -> None:
        self._counters["HEARD"] += 1
        self._heard_at = now
        if self._silent is not False:
            self._silent = False
            self._rota.forget_refusals()
            self._events.append(DeviceBack(self._address))

    def _hear_refusal(self, now: Monotonic) -> None:
        self._counters["NOT_UNDERSTOOD"] += 1
        if not self._rota.refused(now):
            self._ask_again(now)
        elif self._rota.instead():
            self._begin_question(now + self._options.gap_ms)
        else:
            self._go_on(now)

    def _compare(self, blocks: Sequence[Block], time: str, now: Monotonic) -> None:
        """Believe what the last reading said too; ask again while something differs."""
        self._readings += 1
        last, self._last_blocks = self._last_blocks, frozenset(blocks)
        agreed = [] if last is None else [block for block in blocks if block in last]
        is_settled = last is not None and len(agreed) == len(blocks)
        if not is_settled and self._readings < READINGS:
            self._counters["READINGS_DIFFER"] += last is not None
            self._ask_again(now)
            return
        self._believe(agreed, time)
        self._go_on(now)

    def _believe(self, blocks: Sequence[Block], time: str) -> None:
        if self._rota.question == codec.SYSTEM:
            alarms = frozenset(blocks)
            self._counters["SYSTEM_ALARM"] += len(alarms - self._system_alarms)
            self._system_alarms = alarms
        for block in blocks:
            match block:
                case reports.Delivery():
                    self._report_delivery(block)
                case reports.TankAlarms():
                    self._take_alarms(block)
                case reports.Tank() | PrintedTank():
                    self._report_tank(block, time)

    def _report_tank(self, block: reports.Tank | PrintedTank, time: str) -> None:
        alarms = self._alarms.get(f"{int(block.tank):02d}", ())
        read = reading.tank_read(block, self._address, self._options.units, time, alarms)
        if isinstance(read, Odd):
            self._counters[read] += 1
        else:
            self._events.append(read)

    def _take_alarms(self, block: reports.TankAlarms) -> None:
        names = tuple(map(reading.alarm_name, block.alarms))
        for name in set(names) - set(self._alarms.get(block.tank, ())):
            self._counters[f"ALARM_{name}"] += 1
        self._alarms[block.tank] = names

    def _report_delivery(self, block: reports.Delivery) -> None:
        delivery = reading.tank_delivery(block, self._address, self._options.units)
        if _identity(delivery) in self._kept:
            return
        self._kept[_identity(delivery)] = None
        if len(self._kept) > REMEMBERED_DELIVERIES:
            self._kept.popitem(last=False)
        self._events.append(delivery)


def _identity(delivery: TankDelivery) -> str:
    return f"{delivery.tank}/{delivery.raw}"


def _blocks(frame: codec.Reply | codec.Printed) -> Sequence[Block] | None:
    if isinstance(frame, codec.Printed):
        return printed.parse_inventory(frame.lines)
    return reports.parse(frame.function, frame.text)
