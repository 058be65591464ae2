"""Our side of the conversation with one Modbus unit: when to poll, when it is silent, what was seen.

What is asked and what the registers mean is the reader's part (`last_sale.py`, `ring.py`, `counter.py`,
`gauge.py`), pairing questions with answers is `exchange.py`'s. Events leave in the order in which they
were seen.
"""

from collections import Counter, deque
from collections.abc import Mapping

from drivers.events import (
    Answer,
    DeviceBack,
    DeviceSilent,
    DriverEvent,
    Fuelling,
    Monotonic,
    Notice,
)
from drivers.modbus.codec import Reply
from drivers.modbus.counter import CounterReader, Gearing
from drivers.modbus.exchange import Exchange, Failure, Pace
from drivers.modbus.gauge import GaugeReader
from drivers.modbus.last_sale import LastSaleReader
from drivers.modbus.maps import GaugeMap, LastSaleMap, RingMap
from drivers.modbus.options import ModbusOptions
from drivers.modbus.reader import Reader
from drivers.modbus.ring import RingReader

SILENT_AFTER_MS = 5_000
RETRIES = 2
SILENT_POLL_MS = 1_000
"""A device that is away is asked this often, once each time: it must not eat a shared wire's time."""

_BUSY = (5, 6)
"""Acknowledge (still working on it) and device busy: ask again later."""


class ModbusSession:
    """A `Session`. `address` is the unit in decimal, 0 to 255 (1 to 247 on RTU).

    Raises ValueError for an address that is no unit.
    """

    def __init__(self, address: str, options: ModbusOptions) -> None:
        self._address = address
        self._map = options.register_map()
        pace = Pace(options.baud if options.transport == "rtu" else None, options.answer_ms)
        self._exchange = Exchange(options.transport, pace)
        self._reader = open_reader(address, options)
        self._events: deque[DriverEvent] = deque()
        self._counts: Counter[str] = Counter()
        self._poll_at = Monotonic(0)
        self._heard_at: Monotonic | None = None
        self._is_present = False
        self._is_silent = False

    def receive(self, data: bytes, now: Monotonic) -> None:
        self._exchange.receive(data, now)
        self._take_result(now)

    def next_event(self) -> DriverEvent | None:
        self._events.extend(self._reader.events)
        self._reader.events.clear()
        return self._events.popleft() if self._events else None

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        if isinstance(event, Fuelling):
            self._counts["CONFIRMED" if answer.durable else "NOT_CONFIRMED"] += 1
            self._reader.confirmed(event, durable=answer.durable, now=now)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """A dispenser's registers show nothing to members."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        self._begin(now)
        if self._exchange.is_free and now >= self._poll_at:
            question = self._reader.next_question()
            if question is None:
                self._poll_at = Monotonic(now + self._interval_ms())
            else:
                self._exchange.ask(question, now, 0 if self._is_silent else RETRIES)
        return self._exchange.bytes_to_send(now)

    def next_timer(self) -> Monotonic | None:
        if self._heard_at is None:
            return Monotonic(0)
        timers = [
            self._exchange.next_timer(),
            self._poll_at if self._exchange.is_free else None,
            None if self._is_silent else Monotonic(self._heard_at + SILENT_AFTER_MS),
            self._reader.owed_at(),
        ]
        return min(timer for timer in timers if timer is not None)

    def handle_timer(self, now: Monotonic) -> None:
        self._begin(now)
        self._exchange.handle_timer(now)
        self._take_result(now)
        self._reader.repeat_owed(now)
        self._notice_silence(now)

    def awaiting(self) -> bool:
        return self._exchange.holds_the_wire()

    def disconnected(self, now: Monotonic) -> None:
        self._exchange.disconnected()
        self._reader.not_answered()
        self._reader.sight_lost()
        self._poll_at = now

    def counters(self) -> Mapping[str, int]:
        return self._counts + self._exchange.counts + self._reader.counts

    def _begin(self, now: Monotonic) -> None:
        """Silence counts from the first time that we are given the clock."""
        if self._heard_at is None:
            self._heard_at = now
            self._poll_at = now

    def _interval_ms(self) -> int:
        return max(self._map.poll_ms, SILENT_POLL_MS) if self._is_silent else self._map.poll_ms

    def _take_result(self, now: Monotonic) -> None:
        result = self._exchange.result()
        if isinstance(result, Reply):
            self._note_presence(now)
            if result.exception:
                self._refused(result, now)
            else:
                self._reader.answered(result, now)
        elif isinstance(result, Failure):
            self._reader.not_answered()
            self._poll_at = Monotonic(now + self._interval_ms())

    def _refused(self, reply: Reply, now: Monotonic) -> None:
        busy = reply.exception in _BUSY
        self._counts["DEVICE_BUSY" if busy else "DEVICE_REFUSES"] += 1
        self._reader.not_answered()
        self._poll_at = Monotonic(now + self._interval_ms())

    def _note_presence(self, now: Monotonic) -> None:
        self._heard_at = now
        self._is_silent = False
        if not self._is_present:
            self._is_present = True
            self._events.append(DeviceBack(self._address))

    def _notice_silence(self, now: Monotonic) -> None:
        assert self._heard_at is not None
        silent_ms = now - self._heard_at
        if self._is_silent or silent_ms < SILENT_AFTER_MS:
            return
        self._is_silent, self._is_present = True, False
        self._counts["SILENT"] += 1
        self._events.append(DeviceSilent(self._address, silent_ms))
        self._reader.sight_lost()


def open_reader(address: str, options: ModbusOptions) -> Reader:
    """The reader for this kind of map."""
    unit, found = unit_of(address, options), options.register_map()
    if isinstance(found, LastSaleMap):
        return LastSaleReader(address, unit, found)
    if isinstance(found, RingMap):
        return RingReader(address, unit, found)
    if isinstance(found, GaugeMap):
        return GaugeReader(address, unit, found)
    assert options.pulses_per_litre_milli is not None
    gearing = Gearing(options.pulses_per_litre_milli, options.unit_price_milli)
    return CounterReader(address, unit, found, gearing)


def unit_of(address: str, options: ModbusOptions) -> int:
    """The unit number in `address`. Raises ValueError with the range that is allowed."""
    lowest, highest = (1, 247) if options.transport == "rtu" else (0, 255)
    if not (address.isascii() and address.isdecimal() and lowest <= int(address) <= highest):
        raise ValueError(f"address {address!r}: a Modbus unit is a number from {lowest} to {highest}")
    return int(address)
