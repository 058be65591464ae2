"""The pump's side of DART, without I/O. It writes its own frames: the codec cannot answer itself.

It says nothing unasked: what changed waits for the next POLL, in one frame as real pumps send it (display,
then price and nozzle, then state), until that frame is acknowledged.
"""

from collections import deque
from collections.abc import Callable
from functools import partial

from drivers.checksums import crc16_arc
from drivers.dart.codec import Control, Frame, Reader
from drivers.dart.hydraulics import Customer, Hydraulics, Sale
from drivers.events import Monotonic

BOOT_MS = 2_500
READS = frozenset((b"\x01\x01\x00", b"\x01\x01\x02", b"\x01\x01\x03", b"\x01\x01\x04", b"\x01\x01\x0f"))


class DartSimulator:
    """Concrete verb: `sell`. Truth: `sales()`. `forbidden_heard` are transactions that are no questions;
    a pump that `needs_master` obeys them."""

    def __init__(self, address: int = 0x50, *, needs_master: bool = False, names_nozzle: bool = True) -> None:
        self.pump = Hydraulics(needs_master=needs_master)
        self.forbidden_heard: list[bytes] = []
        self._address = address
        self._names_nozzle = names_nozzle
        """Some pumps say nozzle 0 as soon as it is hung up [cap]."""
        self._reader = Reader()
        self._outgoing = bytearray()
        self._answers: deque[Callable[[], bytes]] = deque()
        """Made when they are said: a pump tells what stands then, not what stood when it was asked."""
        self._unacknowledged: tuple[int, bytes] | None = None
        self._tx_no = 0
        self._host_tx_no: int | None = None
        self._back_at: Monotonic | None = None

    def sell(
        self,
        nozzle: int,
        volume_count: int,
        amount_count: int,
        price_count: int,
        now: Monotonic,
        duration_ms: int = 1_500,
    ) -> None:
        """A customer comes. Counts are the display's steps; volume 0 lifts and hangs up again."""
        self.pump.arrive(Customer(nozzle, volume_count, amount_count, price_count, duration_ms), now)

    def sales(self) -> list[Sale]:
        return self.pump.sales()

    def receive(self, data: bytes, now: Monotonic) -> None:
        for frame in self._reader.feed(data):
            if frame.address == self._address and self._back_at is None:
                self._hear(frame, now)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data, self._outgoing = bytes(self._outgoing), bytearray()
        return data

    def next_timer(self) -> Monotonic | None:
        if self._back_at is not None:
            return self._back_at
        return self.pump.next_timer()

    def handle_timer(self, now: Monotonic) -> None:
        if self._back_at is not None and now >= self._back_at:
            self._back_at = None
        if self._back_at is None:
            self.pump.tick(now)

    def power_cycle(self, now: Monotonic) -> None:
        """Numbers, questions and half-said frames are gone; display and totals are not."""
        self._back_at = Monotonic(now + BOOT_MS)
        self.pump.lose_power(self._back_at)
        self._reader.forget()
        self._outgoing.clear()
        self._answers.clear()
        self._answers.append(_restarted)
        self._unacknowledged, self._host_tx_no, self._tx_no = None, None, 0

    def _hear(self, frame: Frame, now: Monotonic) -> None:
        said = None if self._unacknowledged is None else self._unacknowledged[0]
        if frame.control in (Control.ACK, Control.ACKPOLL) and frame.tx_no == said:
            self._unacknowledged = None
        if frame.control in (Control.POLL, Control.ACKPOLL):
            self._outgoing += self._next_frame()
        elif frame.control is Control.DATA:
            self._outgoing += bytes((self._address, 0xC0 | frame.tx_no, 0xFA))
            if frame.tx_no != self._host_tx_no:
                self._host_tx_no = frame.tx_no
                self._obey(frame.data, now)

    def _next_frame(self) -> bytes:
        if self._unacknowledged is None:
            body = self._changed() + b"".join(answer() for answer in self._answers)
            self._answers.clear()
            if not body:
                return bytes((self._address, 0x70, 0xFA))
            self._unacknowledged = (self._tx_no, data_frame(self._address, self._tx_no, body))
            self._tx_no = 1 if self._tx_no == 15 else self._tx_no + 1
        return self._unacknowledged[1]

    def _changed(self) -> bytes:
        changes, self.pump.changes = self.pump.changes, set()
        said = {"filling": self._filling, "nozzle": self._nozzle, "status": self._status}
        return b"".join(say() for change, say in said.items() if change in changes)

    def _status(self) -> bytes:
        return bytes((0x01, 1, self.pump.state))

    def _filling(self) -> bytes:
        return b"\x02\x08" + _bcd(self.pump.volume_count, 4) + _bcd(self.pump.amount_count, 4)

    def _nozzle(self) -> bytes:
        number = self.pump.nozzle if self._names_nozzle or self.pump.is_out else 0
        return b"\x03\x04" + _bcd(self.pump.price_count, 3) + bytes((number | self.pump.is_out << 4,))

    def _totals(self, counter: int) -> bytes:
        total = _bcd(self.pump.totals.get(counter, 0), 5)
        return b"\x65\x10" + bytes((counter,)) + total + total + bytes(5)

    def _obey(self, data: bytes, now: Monotonic) -> None:
        if data[:1] == b"\x65":
            self._answers.append(partial(self._totals, data[2]))
        elif data == b"\x01\x01\x00":
            self._answers.append(lambda: self._nozzle() + self._status())
        elif data == b"\x01\x01\x04":
            self._answers.append(self._filling)
        elif data == b"\x01\x01\x0f":
            self._answers.append(self._nozzle)
        elif data not in READS:
            self.forbidden_heard.append(data)
            self._act(data, now)

    def _act(self, data: bytes, now: Monotonic) -> None:
        if data == b"\x01\x01\x05":
            self.pump.reset()
        elif data == b"\x01\x01\x06":
            self.pump.authorise(now)
        elif data[:1] == b"\x05":
            self.pump.take_prices()


def _restarted() -> bytes:
    """The alarm "CPU reset"."""
    return b"\x05\x01\x01"


def data_frame(address: int, tx_no: int, body: bytes) -> bytes:
    """A data frame as a device writes it, byte by byte."""
    covered = bytes((address, 0x30 | tx_no)) + body
    check = crc16_arc(covered)
    frame = bytearray()
    for byte in (*covered, check & 0xFF, check >> 8):
        frame += b"\x10\xfa" if byte == 0xFA else bytes((byte,))
    return bytes(frame) + b"\x03\xfa"


def _bcd(value: int, size_bytes: int) -> bytes:
    return bytes.fromhex(f"{value:0{2 * size_bytes}d}")
