"""A dispenser's side of IFSF, without I/O, with its own way of writing bytes.

It behaves as seen: the Millennium boxes' console captures (two buffers a point, scale 4 digits before the
point) with `transport="serial"`, the PetroChina adapter's frames (lists that end with an ack, scale 6
digits) with "tcp". A point holds `unpaid_limit` unpaid sales, then the next customer waits: the pump stops.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from drivers.events import Monotonic
from drivers.ifsf.codec import Kind, Message, Reader
from drivers.ifsf.wrapper import framing_of

IDLE, CALLING, FUELLING = 3, 4, 8
CLEARED, PAYABLE, LOCKED = 1, 2, 3
LAST_SEQUENCE = 9_999
UNKNOWN_PLACE, NOT_ACCEPTED = 6, 5
Scale = Literal[4, 6]


@dataclass(frozen=True, slots=True)
class Sale:
    """One sale as the device knows it: hundredths of litres, fen, thousandths of the unit a litre."""

    point_no: int
    nozzle_no: int
    sequence_no: int
    volume_cl: int
    amount_fen: int
    price_milli: int
    total_before_cl: int
    total_after_cl: int
    clock: bytes
    error_code: int


@dataclass(slots=True)
class _Point:
    """What one fuelling point keeps whatever happens to its power, except for state and lifted nozzle."""

    next_sequence_no: int
    state_code: int = IDLE
    nozzle_no: int = 0
    waiting: deque[Sale] = field(default_factory=deque)
    unpaid: dict[int, Sale] = field(default_factory=dict)
    locked_numbers: set[int] = field(default_factory=set)
    history: deque[Sale] = field(default_factory=lambda: deque(maxlen=15))
    buffers: list[Sale | None] = field(default_factory=lambda: [None, None])


class IfsfSimulator:
    """Concrete verbs: `lift`, `begin`, `sell`, `lock`, `unlock`, `clear_by_other`. Truth: `sold`, `released`.

    `offline_after_ms` without a word from its controller it takes unpaid sales for settled and puts them on
    its offline shelf. `wants_receipts`: what it says by itself wants an ack. `forbidden_heard` are writes
    other than clear and remove.
    """

    def __init__(
        self,
        node: int = 1,
        *,
        controller_node: int = 1,
        transport: Literal["tcp", "serial"] = "tcp",
        first_sequences: Sequence[int] = (1, 1),
        unpaid_limit: int = 2,
        offline_after_ms: int | None = None,
        wants_receipts: bool = False,
        answer_ms: int = 0,
    ) -> None:
        self.sold: list[Sale] = []
        self.released: list[Sale] = []
        self.shelf: deque[Sale] = deque()
        self.forbidden_heard: list[Message] = []
        self.receipts_heard: list[Message] = []
        self.is_offline = False
        self._points = {no: _Point(first) for no, first in enumerate(first_sequences, 1)}
        self._totals_cl: dict[tuple[int, int], int] = {}
        self._is_serial = transport == "serial"
        self._us = bytes((node, 0)) if self._is_serial else bytes((1, node))
        self._controller = bytes((2, controller_node))
        self._scale: Scale = 4 if self._is_serial else 6
        self._unpaid_limit = unpaid_limit
        self._offline_after_ms = offline_after_ms
        self._wants_receipts = wants_receipts
        self._answer_ms = answer_ms
        self._reader = Reader(framing_of(transport), self._us + self._controller)
        self._replies: deque[tuple[Monotonic, bytes]] = deque()
        self._turns_taken = 0
        self._heard_at: Monotonic | None = None
        self._now = Monotonic(0)

    # What happens at the pump.

    def lift(self, point_no: int, nozzle_no: int) -> None:
        point = self._points[point_no]
        point.state_code, point.nozzle_no = CALLING, nozzle_no
        self._push_state(point_no)

    def begin(self, point_no: int) -> None:
        """Fuel flows."""
        self._points[point_no].state_code = FUELLING
        self._push_state(point_no)

    def sell(
        self,
        point_no: int,
        nozzle_no: int,
        volume_cl: int,
        amount_fen: int,
        price_milli: int,
        *,
        error_code: int = 0,
        clock: bytes | None = None,
    ) -> Sale:
        """One finished sale. Volume and amount below 10,000.00 (serial) or 1,000,000.00; the price has three
        decimals and is below 10 (serial), or has two."""
        point, meter = self._points[point_no], (point_no, nozzle_no)
        before_cl = self._totals_cl.get(meter, 0)
        sale = Sale(
            point_no=point_no,
            nozzle_no=nozzle_no,
            sequence_no=point.next_sequence_no,
            volume_cl=volume_cl,
            amount_fen=amount_fen,
            price_milli=price_milli,
            total_before_cl=before_cl,
            total_after_cl=(before_cl + volume_cl) % 10**12,
            clock=_clock(self._now) if clock is None else clock,
            error_code=error_code,
        )
        self._totals_cl[meter] = sale.total_after_cl
        point.next_sequence_no = sale.sequence_no % LAST_SEQUENCE + 1
        self.sold.append(sale)
        point.waiting.append(sale)
        point.state_code, point.nozzle_no = IDLE, 0
        self._push_state(point_no)
        self._let_in(point)
        return sale

    def set_total(self, point_no: int, nozzle_no: int, total_cl: int) -> None:
        """Where a nozzle's meter stands, for meters that are about to wrap."""
        self._totals_cl[point_no, nozzle_no] = total_cl

    def lock(self, sale: Sale) -> None:
        """Another controller takes this sale to be paid."""
        self._points[sale.point_no].locked_numbers.add(sale.sequence_no)
        self._push_sale(sale)

    def unlock(self, sale: Sale) -> None:
        self._points[sale.point_no].locked_numbers.discard(sale.sequence_no)
        self._push_sale(sale)

    def clear_by_other(self, sale: Sale) -> None:
        self._clear(sale)

    def backlog(self) -> int:
        """Sales that are still kept for us, with those that cannot begin yet."""
        return len(self.shelf) + sum(
            len(point.unpaid) + len(point.waiting) for point in self._points.values()
        )

    # What the line calls.

    def receive(self, data: bytes, now: Monotonic) -> None:
        self._now = now
        for message in self._reader.feed(data):
            self._heard_at = now
            self.is_offline = False
            if message.kind is Kind.READ:
                self._read(message)
            elif message.kind is Kind.WRITE:
                self._write(message)
            elif message.kind is Kind.ACK:
                self.receipts_heard.append(message)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        self._now = now
        if self._is_serial and self._turns_taken == self._reader.turns_heard:
            return b""
        data = b""
        while self._replies and self._replies[0][0] <= now:
            data += self._replies.popleft()[1]
        if self._is_serial and not self._replies:
            self._turns_taken = self._reader.turns_heard
            data += b"\xfe"
        return data

    def next_timer(self) -> Monotonic | None:
        timers = [self._replies[0][0]] if self._replies and not self._is_serial else []
        offline_at = self._offline_at()
        return min(timers if offline_at is None else [*timers, offline_at], default=None)

    def handle_timer(self, now: Monotonic) -> None:
        self._now = now
        offline_at = self._offline_at()
        if offline_at is not None and now >= offline_at:
            self.is_offline = True
            for point in self._points.values():
                self._put_on_shelf(point)
                self._let_in(point)

    def power_cycle(self, now: Monotonic) -> None:
        """Sales and meters are permanent; half frames, unsent words and a running fuelling are gone."""
        self._reader.forget()
        self._replies.clear()
        self._turns_taken = self._reader.turns_heard
        for point in self._points.values():
            point.state_code, point.nozzle_no = IDLE, 0

    def _offline_at(self) -> Monotonic | None:
        if self._offline_after_ms is None or self._heard_at is None or self.is_offline:
            return None
        return Monotonic(self._heard_at + self._offline_after_ms)

    # Sales inside.

    def _let_in(self, point: _Point) -> None:
        while point.waiting and (self.is_offline or len(point.unpaid) < self._unpaid_limit):
            sale = point.waiting.popleft()
            point.unpaid[sale.sequence_no] = sale
            free = [at for at, kept in enumerate(point.buffers) if kept not in point.unpaid.values()]
            if free:
                point.buffers[free[0]] = sale
            if self.is_offline:
                self._put_on_shelf(point)
            else:
                self._push_sale(sale)

    def _put_on_shelf(self, point: _Point) -> None:
        for sequence_no in [number for number in point.unpaid if number not in point.locked_numbers]:
            sale = point.unpaid.pop(sequence_no)
            point.history.append(sale)
            self.shelf.append(sale)

    def _clear(self, sale: Sale) -> None:
        point = self._points[sale.point_no]
        del point.unpaid[sale.sequence_no]
        point.locked_numbers.discard(sale.sequence_no)
        point.history.append(sale)
        self._push_sale(sale)
        self._let_in(point)

    def _state_of(self, sale: Sale) -> int:
        point = self._points[sale.point_no]
        if point.unpaid.get(sale.sequence_no) != sale:
            return CLEARED
        return LOCKED if sale.sequence_no in point.locked_numbers else PAYABLE

    # Words.

    def _read(self, asked: Message) -> None:
        place = asked.place
        point = self._points.get(place[0] - 0x20)
        if place == b"\x20\x21\x00\x00":
            self._say_shelf(asked)
        elif point is None:
            self._refuse(asked, UNKNOWN_PLACE)
        elif len(place) == 1:
            self._answer(asked, place, self._point_fields(point, asked.data))
        elif len(place) == 2 and 0x11 <= place[1] <= 0x18:
            self._answer(asked, place, self._total_fields(place, asked.data))
        elif len(place) == 4 and place[1:] == b"\x20\x00\x00":
            for sale in point.unpaid.values():
                self._answer(asked, _place(sale), self._sale_fields(sale, asked.data))
            self._ack(asked, b"\x00")
        elif len(place) == 4 and place[2:] == b"\x00\x00" and place[1] in (0x22, 0x23):
            self._answer(asked, place, self._buffer_fields(point.buffers[place[1] - 0x22]))
        else:
            self._say_sale(asked)

    def _write(self, asked: Message) -> None:
        sale = self._sale_at(asked.place)
        if asked.data == b"\x1e\x00":
            if sale is None or self._state_of(sale) == CLEARED:
                self._refuse(asked, NOT_ACCEPTED)
                return
            self.released.append(sale)
            self._ack(asked, b"\x00\x1e\x00")
            self._clear(sale)
        elif asked.data == b"\xc9\x00":
            if not self.shelf or _place(self.shelf[0]) != asked.place:
                self._ack(asked, b"\x05\xc9\x06")
                return
            self.released.append(self.shelf.popleft())
            self._ack(asked, b"\x00\xc9\x00")
        else:
            self.forbidden_heard.append(asked)
            self._refuse(asked, NOT_ACCEPTED)

    def _say_shelf(self, asked: Message) -> None:
        if self.shelf:
            sale = self.shelf[0]
            self._answer(asked, _place(sale), self._sale_fields(sale, asked.data))
        else:
            self._ack(asked, b"\x00")

    def _say_sale(self, asked: Message) -> None:
        sale = self._sale_at(asked.place)
        if sale is None:
            self._refuse(asked, UNKNOWN_PLACE)
        else:
            self._answer(asked, asked.place, self._sale_fields(sale, asked.data))

    def _sale_at(self, place: bytes) -> Sale | None:
        point = self._points.get(place[0] - 0x20)
        if point is None or len(place) != 4 or place[1] != 0x21:
            return None
        known = [*point.unpaid.values(), *reversed(point.history)]
        return next((sale for sale in known if _place(sale) == place), None)

    def _sale_fields(self, sale: Sale, ids: Iterable[int]) -> bytes:
        values = {
            0x01: _bcd(sale.sequence_no, 2),
            0x05: self._figure(sale.amount_fen),
            0x06: self._figure(sale.volume_cl),
            0x07: self._price(sale.price_milli),
            0x08: bytes((sale.nozzle_no,)),
            0x0C: bytes((sale.error_code,)),
            0x15: bytes((self._state_of(sale),)),
        }
        if not self._is_serial:
            values |= {0xCA: sale.clock[:4], 0xCB: sale.clock[4:]}
            values |= {0xCC: _total(sale.total_before_cl), 0xCD: _total(sale.total_after_cl)}
        return _fields(values, ids)

    def _point_fields(self, point: _Point, ids: Iterable[int]) -> bytes:
        running = point.next_sequence_no if point.state_code == FUELLING else 0
        bits = 1 << (point.nozzle_no - 1) if point.nozzle_no else 0
        values = {0x14: bytes((point.state_code,)), 0x15: bytes((bits,)), 0x1D: _bcd(running, 2)}
        return _fields(values, ids)

    def _total_fields(self, place: bytes, ids: Iterable[int]) -> bytes:
        total_cl = self._totals_cl.get((place[0] - 0x20, place[1] - 0x10), 0)
        return _fields({0x14: _total(total_cl)}, ids)

    def _buffer_fields(self, sale: Sale | None) -> bytes:
        if sale is None:
            return b"\x01\x02\xaa\xaa\x15\x01\x01"
        return b"\x01\x02" + _bcd(sale.sequence_no, 2) + bytes((0x15, 1, self._state_of(sale)))

    def _push_state(self, point_no: int) -> None:
        point = self._points[point_no]
        data = b"\x64\x00" + self._point_fields(point, b"\x14\x15") + b"\x16\x02" + self._controller
        self._push(bytes((0x20 + point_no,)), data)

    def _push_sale(self, sale: Sale) -> None:
        data = b"\x64\x00" + self._sale_fields(sale, b"\x01\x15") + b"\x14\x02\x00\x00"
        self._push(_place(sale), data + self._sale_fields(sale, b"\x05\x06"))

    def _push(self, place: bytes, data: bytes) -> None:
        if not self.is_offline:
            self._put(0x60 if self._wants_receipts else 0x80, place, data)

    def _answer(self, asked: Message, place: bytes, data: bytes) -> None:
        self._put(0x20 | asked.token_no, place, data)

    def _ack(self, asked: Message, data: bytes) -> None:
        self._put(0xE0 | asked.token_no, asked.place, data)

    def _refuse(self, asked: Message, reason: int) -> None:
        self._ack(asked, bytes((reason,)))

    def _put(self, status: int, place: bytes, data: bytes) -> None:
        body = bytes((len(place),)) + place + data
        size = len(body)
        words = self._controller + self._us + bytes((0, status, size >> 8, size & 0xFF)) + body
        if self._is_serial:
            words = b"\xfd" + words + b"\xfc" + b"%04X" % (sum(words) % 65_536) + b"\xfb"
        self._replies.append((Monotonic(self._now + self._answer_ms), words))

    def _figure(self, hundredths: int) -> bytes:
        return bytes((self._scale,)) + _bcd(hundredths * 10 ** (6 - self._scale), 4)

    def _price(self, price_milli: int) -> bytes:
        if self._is_serial:
            return b"\x01" + _bcd(price_milli * 100, 3)
        return b"\x04" + _bcd(price_milli // 10, 3)


def _place(sale: Sale) -> bytes:
    return bytes((0x20 + sale.point_no, 0x21)) + _bcd(sale.sequence_no, 2)


def _bcd(value: int, size_bytes: int) -> bytes:
    digits = str(value).rjust(2 * size_bytes, "0")
    assert len(digits) == 2 * size_bytes, f"{value} does not fit"
    return bytes(16 * int(digits[at]) + int(digits[at + 1]) for at in range(0, len(digits), 2))


def _total(total_cl: int) -> bytes:
    return b"\x0a" + _bcd(total_cl, 6)


def _fields(values: dict[int, bytes], ids: Iterable[int]) -> bytes:
    """What is not known comes back with length 0."""
    parts = [(id_, values.get(id_, b"")) for id_ in ids]
    return b"".join(bytes((id_, len(value))) + value for id_, value in parts)


def _clock(now: Monotonic) -> bytes:
    """A date and a time of day that move with `now`: year month day, hour minute second, BCD."""
    seconds = now // 1_000
    day, hour, minute = 1 + seconds // 86_400 % 28, seconds // 3_600 % 24, seconds // 60 % 60
    return _bcd(2_026, 2) + b"\x05" + b"".join(_bcd(part, 1) for part in (day, hour, minute, seconds % 60))
