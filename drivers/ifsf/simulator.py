"""A dispenser's side of IFSF, without I/O, with its own way of writing bytes.

It behaves as seen: the Millennium boxes' console captures (two buffers a point, scale 4 digits before the
point) with `transport="serial"`, the PetroChina adapter's frames (lists that end with an ack, scale 6
digits) with "tcp". What it keeps is in `dispenser.py`.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Literal

from drivers.events import Monotonic
from drivers.ifsf.codec import Kind, Message, Reader
from drivers.ifsf.device_digits import bcd, clock_of, fields, total
from drivers.ifsf.dispenser import CALLING, CLEARED, FUELLING, Dispenser, Point, Sale
from drivers.ifsf.wrapper import framing_of

UNKNOWN_PLACE, NOT_ACCEPTED = 6, 5
Scale = Literal[4, 6]


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
        self.released: list[Sale] = []
        self.forbidden_heard: list[Message] = []
        self.receipts_heard: list[Message] = []
        self._kept = Dispenser(first_sequences, unpaid_limit, self._push_state, self._push_sale)
        self._is_serial = transport == "serial"
        self._us = bytes((node, 0)) if self._is_serial else bytes((1, node))
        self._controller = bytes((2, controller_node))
        self._scale: Scale = 4 if self._is_serial else 6
        self._offline_after_ms = offline_after_ms
        self._wants_receipts = wants_receipts
        self._answer_ms = answer_ms
        self._reader = Reader(framing_of(transport), self._us + self._controller)
        self._replies: deque[tuple[Monotonic, bytes]] = deque()
        self._turns_taken = 0
        self._heard_at: Monotonic | None = None
        self._now = Monotonic(0)

    @property
    def sold(self) -> list[Sale]:
        return self._kept.sold

    # What happens at the pump.

    def lift(self, point_no: int, nozzle_no: int) -> None:
        self._kept.stands(point_no, CALLING, nozzle_no)

    def begin(self, point_no: int) -> None:
        """Fuel flows."""
        self._kept.stands(point_no, FUELLING, self._kept.points[point_no].nozzle_no)

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
        clock = clock_of(self._now) if clock is None else clock
        return self._kept.sell(point_no, nozzle_no, volume_cl, amount_fen, price_milli, clock, error_code)

    def set_total(self, point_no: int, nozzle_no: int, total_cl: int) -> None:
        """Where a nozzle's meter stands, for meters that are about to wrap."""
        self._kept.totals_cl[point_no, nozzle_no] = total_cl

    def set_next_sequence(self, point_no: int, sequence_no: int) -> None:
        """The number of the point's next sale, for numbers that come again."""
        self._kept.points[point_no].next_sequence_no = sequence_no

    def lock(self, sale: Sale) -> None:
        """Another controller takes this sale to be paid."""
        self._kept.lock(sale)

    def unlock(self, sale: Sale) -> None:
        self._kept.unlock(sale)

    def clear_by_other(self, sale: Sale) -> None:
        self._kept.clear(sale)

    def unpaid(self) -> list[Sale]:
        return self._kept.unpaid()

    def backlog(self) -> int:
        """Sales that are still kept for us, with those that cannot begin yet."""
        return self._kept.backlog()

    # What the line calls.

    def receive(self, data: bytes, now: Monotonic) -> None:
        self._now = now
        for message in self._reader.feed(data):
            self._heard_at = now
            self._kept.is_offline = False
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
            self._kept.go_offline()

    def power_cycle(self, now: Monotonic) -> None:
        """Sales and meters are permanent; half frames, unsent words and a running fuelling are gone."""
        self._reader.forget()
        self._replies.clear()
        self._turns_taken = self._reader.turns_heard
        self._kept.lose_power()

    def _offline_at(self) -> Monotonic | None:
        if self._offline_after_ms is None or self._heard_at is None or self._kept.is_offline:
            return None
        return Monotonic(self._heard_at + self._offline_after_ms)

    # Words.

    def _read(self, asked: Message) -> None:
        place = asked.place
        point = self._kept.points.get(place[0] - 0x20)
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
            self._kept.clear(sale)
        elif asked.data == b"\xc9\x00":
            if not self._kept.shelf or _place(self._kept.shelf[0]) != asked.place:
                self._ack(asked, b"\x05\xc9\x06")
                return
            self.released.append(self._kept.shelf.popleft())
            self._ack(asked, b"\x00\xc9\x00")
        else:
            self.forbidden_heard.append(asked)
            self._refuse(asked, NOT_ACCEPTED)

    def _say_shelf(self, asked: Message) -> None:
        if self._kept.shelf:
            sale = self._kept.shelf[0]
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
        point = self._kept.points.get(place[0] - 0x20)
        if point is None or len(place) != 4 or place[1] != 0x21 or not place[2:].hex().isdecimal():
            return None
        return point.sale(int(place[2:].hex()))

    def _state_of(self, sale: Sale) -> int:
        return self._kept.points[sale.point_no].state_of(sale)

    def _sale_fields(self, sale: Sale, ids: Iterable[int]) -> bytes:
        values = {
            0x01: bcd(sale.sequence_no, 2),
            0x05: self._figure(sale.amount_fen),
            0x06: self._figure(sale.volume_cl),
            0x07: self._price(sale.price_milli),
            0x08: bytes((sale.nozzle_no,)),
            0x0C: bytes((sale.error_code,)),
            0x15: bytes((self._state_of(sale),)),
        }
        if not self._is_serial:
            values |= {0xCA: sale.clock[:4], 0xCB: sale.clock[4:]}
            values |= {0xCC: total(sale.total_before_cl), 0xCD: total(sale.total_after_cl)}
        return fields(values, ids)

    def _point_fields(self, point: Point, ids: Iterable[int]) -> bytes:
        running = point.next_sequence_no if point.state_code == FUELLING else 0
        bits = 1 << (point.nozzle_no - 1) if point.nozzle_no else 0
        values = {0x14: bytes((point.state_code,)), 0x15: bytes((bits,)), 0x1D: bcd(running, 2)}
        return fields(values, ids)

    def _total_fields(self, place: bytes, ids: Iterable[int]) -> bytes:
        total_cl = self._kept.totals_cl.get((place[0] - 0x20, place[1] - 0x10), 0)
        return fields({0x14: total(total_cl)}, ids)

    def _buffer_fields(self, sale: Sale | None) -> bytes:
        if sale is None:
            return b"\x01\x02\xaa\xaa\x15\x01\x01"
        return b"\x01\x02" + bcd(sale.sequence_no, 2) + bytes((0x15, 1, self._state_of(sale)))

    def _push_state(self, point_no: int) -> None:
        point = self._kept.points[point_no]
        data = b"\x64\x00" + self._point_fields(point, b"\x14\x15") + b"\x16\x02" + self._controller
        self._push(bytes((0x20 + point_no,)), data)

    def _push_sale(self, sale: Sale) -> None:
        data = b"\x64\x00" + self._sale_fields(sale, b"\x01\x15") + b"\x14\x02\x00\x00"
        self._push(_place(sale), data + self._sale_fields(sale, b"\x05\x06"))

    def _push(self, place: bytes, data: bytes) -> None:
        if not self._kept.is_offline:
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
        return bytes((self._scale,)) + bcd(hundredths * 10 ** (6 - self._scale), 4)

    def _price(self, price_milli: int) -> bytes:
        if self._is_serial:
            return b"\x01" + bcd(price_milli * 100, 3)
        return b"\x04" + bcd(price_milli // 10, 3)


def _place(sale: Sale) -> bytes:
    return bytes((0x20 + sale.point_no, 0x21)) + bcd(sale.sequence_no, 2)
