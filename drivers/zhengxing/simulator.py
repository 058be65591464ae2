"""The dispenser's side of the line, without I/O: it speaks only when asked, and writes its bytes by hand.

A sale's reply carries, at places that nobody knows of the real one, the total after it (eight decimal digits,
so that it wraps at 999999.99) and a number.
"""

from collections.abc import Iterable, Sequence

from drivers.events import Monotonic
from drivers.zhengxing.dispenser import Customer, FuellingPoint, Record

BOOT_MS = 1_500
_LENGTHS = {0x01: 10, 0x02: 9, 0x03: 6, 0x08: 5, 0x17: 6}
_READS = frozenset((0x0C, 0x0D, 0x12, 0x13, 0x15, 0x18))


class ZhengxingSimulator:
    """A `Simulator` of one dispenser. `points[number]` sell; `forbidden_heard` are commands that change
    something besides acknowledging; `varies` puts other unknown bytes into every reply of a sale;
    `says_nothing_short` answers "no sale" with 5 bytes instead of 36."""

    def __init__(
        self,
        numbers: Iterable[int] = (1,),
        *,
        needs_master: bool = False,
        sells_on: bool = False,
        varies: bool = False,
        says_nothing_short: bool = False,
    ) -> None:
        self.points = {
            number: FuellingPoint(needs_master=needs_master, sells_on=sells_on) for number in numbers
        }
        self.released: list[tuple[int, Record]] = []
        """Number of the point and sale, in the order in which they were acknowledged."""
        self.forbidden_heard: list[bytes] = []
        self._varies = varies
        self._says_nothing_short = says_nothing_short
        self._said_count = 0
        self._buffer = bytearray()
        self._outgoing = bytearray()
        self._back_at: Monotonic | None = None

    def sell(
        self, number: int, volume_count: int, amount_count: int, price_count: int, now: Monotonic
    ) -> None:
        """One customer with a nozzle to lift. Counts are the dispenser's own steps."""
        price = bytes.fromhex(f"{price_count:04d}")
        self.points[number].arrive(Customer(volume_count, amount_count, price), now)

    def sales(self) -> list[tuple[int, Record]]:
        """Number of the point and sale, point by point."""
        return [(number, record) for number, point in self.points.items() for record in point.sales()]

    def backlog(self) -> int:
        """Sales that are not acknowledged."""
        return sum(len(point.records) for point in self.points.values())

    def receive(self, data: bytes, now: Monotonic) -> None:
        if self._back_at is not None:
            return
        self._buffer += data
        while len(self._buffer) >= 4:
            length = _LENGTHS.get(self._buffer[1], 4)
            if self._buffer[0] == 0xFC and len(self._buffer) < length:
                return
            if self._buffer[0] == 0xFC and _xor(self._buffer[1:length]) == 0:
                self._obey(bytes(self._buffer[:length]), now)
                del self._buffer[:length]
            else:
                del self._buffer[0]

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data, self._outgoing = bytes(self._outgoing), bytearray()
        return data

    def next_timer(self) -> Monotonic | None:
        if self._back_at is not None:
            return self._back_at
        return min(
            (at for point in self.points.values() if (at := point.next_timer()) is not None), default=None
        )

    def handle_timer(self, now: Monotonic) -> None:
        if self._back_at is not None and now >= self._back_at:
            self._back_at = None
        if self._back_at is None:
            for point in self.points.values():
                point.tick(now)

    def power_cycle(self, now: Monotonic) -> None:
        """Half-heard and half-said frames are gone; sales and totals are not."""
        self._back_at = Monotonic(now + BOOT_MS)
        self._buffer.clear()
        self._outgoing.clear()
        for point in self.points.values():
            point.lose_power(self._back_at)

    def _obey(self, frame: bytes, now: Monotonic) -> None:
        command, point = frame[1], self.points.get(frame[2])
        if point is None:
            return
        if command == 0x17:
            record = point.acknowledge(frame[3:5])
            self.released += [(frame[2], record)] if record is not None else []
        elif command not in _READS:
            self.forbidden_heard.append(frame)
            if command == 0x06:
                point.authorise(now)
        self._say(frame, point)

    def _say(self, frame: bytes, point: FuellingPoint) -> None:
        command, body = frame[1], bytes((point.state_byte(),))
        if command in (0x01, 0x02, 0x03):
            body += b"\xbb"
        elif command == 0x0C:
            body += point.amount_total_count.to_bytes(4, "big") + point.volume_total_count.to_bytes(4, "big")
            body += bytes(4)
        elif command == 0x12:
            body += b"\x07\x50\x07\x45\x20\x26\x01\x31\x12\x00\x00" + bytes(2)
        elif command == 0x18:
            body += _bcd(point.shown[0], 3) + _bcd(point.shown[1], 3) + bytes(2)
        elif command in (0x13, 0x15):
            records: Sequence[Record] = point.records if command == 0x15 else point.released[-1:]
            if records:
                body += self._sale(records[0])
            else:
                command, body = 0x16, body + bytes(0 if self._says_nothing_short else 31)
        covered = bytes((command, frame[2])) + body
        self._outgoing += b"\xfc" + covered + bytes((_xor(covered),))

    def _sale(self, record: Record) -> bytes:
        """Bytes 4 to 34: kind, quantities, the totalizer, price, chain, number."""
        self._said_count += 1
        quantities = record.amount_count << 20 | record.volume_count
        varying = self._said_count % 251 if self._varies else 0
        return (
            b"\x00\x01"
            + quantities.to_bytes(5, "big")
            + _bcd(record.volume_total_count % 10**8, 4)
            + bytes(4)
            + record.price
            + bytes(2)
            + record.chain
            + bytes((varying,))
            + record.number.to_bytes(4, "big")
            + bytes(5)
        )


def _bcd(value: int, size_bytes: int) -> bytes:
    return bytes.fromhex(f"{value % 100**size_bytes:0{2 * size_bytes}d}")


def _xor(data: bytes | bytearray) -> int:
    check = 0
    for byte in data:
        check ^= byte
    return check
