"""The dispenser's side of the Hengshan FA line, without I/O. It reads and writes its own frames, so that a
mistake of the codec cannot answer itself.

What no source says (what the bytes between the known ones are) is filled in freely.
"""

from collections import deque

from drivers.events import Monotonic
from drivers.hengshan.dispenser import FUELLING, Customer, Dispenser

BOOT_MS = 1_500
LONGEST_BUFFER_BYTES = 1_024
_DONE, _REFUSED = b"\x55", b"\xaa"


class HengshanSimulator:
    """Verb: `sell`. Truth: `dispenser`. `forbidden_heard` are the frames that do more than read and confirm.

    `names_sales`: a record begins with its number. `checks_doubled`: the check value of a question with an
    FA in it is expected over the doubled bytes. `confirms`: False refuses every confirmation.
    """

    def __init__(
        self,
        dispenser: Dispenser | None = None,
        *,
        address: int = 1,
        answer_ms: int = 10,
        names_sales: bool = True,
        checks_doubled: bool = False,
        confirms: bool = True,
    ) -> None:
        self.dispenser = dispenser or Dispenser()
        self.forbidden_heard: list[bytes] = []
        self._address = address
        self._answer_ms = answer_ms
        self._names_sales = names_sales
        self._checks_doubled = checks_doubled
        self._confirms = confirms
        self._buffer = b""
        self._answers: deque[tuple[Monotonic, bytes]] = deque()
        self._back_at: Monotonic | None = None

    def sell(
        self, volume_cl: int, amount_fen: int, price_fen: int, now: Monotonic, duration_ms: int = 1_500
    ) -> None:
        """A customer comes; volume 0 lifts the nozzle and hangs it up again."""
        self.dispenser.arrive(Customer(volume_cl, amount_fen, price_fen, duration_ms), now)

    def receive(self, data: bytes, now: Monotonic) -> None:
        if self._back_at is not None:
            return
        self._buffer += data
        while (begin := self._buffer.find(b"\xfa\x00")) >= 0:
            body, rest = unpacked(self._buffer[begin:])
            if body is None:
                self._buffer = self._buffer[begin:]
                break
            self._buffer = rest
            if _check_holds(body, doubled=self._checks_doubled) and body[2] == self._address:
                self._hear(body, now)
        self._buffer = self._buffer[-LONGEST_BUFFER_BYTES:]

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data = b""
        while self._answers and self._answers[0][0] <= now:
            data += self._answers.popleft()[1]
        return data

    def next_timer(self) -> Monotonic | None:
        if self._back_at is not None:
            return self._back_at
        timers = [self._answers[0][0] if self._answers else None, self.dispenser.next_timer()]
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, now: Monotonic) -> None:
        if self._back_at is not None and now >= self._back_at:
            self._back_at = None
        if self._back_at is None:
            self.dispenser.tick(now)

    def power_cycle(self, now: Monotonic) -> None:
        """Half-heard questions and unsent answers are gone; sales, number and total are not."""
        self._buffer = b""
        self._answers.clear()
        self._back_at = Monotonic(now + BOOT_MS)
        self.dispenser.lose_power(now, self._back_at)

    def _hear(self, body: bytes, now: Monotonic) -> None:
        command, data = body[5], body[6:-2]
        answer = self._answer(command, data, now)
        if answer is not None:
            reply = frame(self._address, body[3], command, answer)
            self._answers.append((Monotonic(now + self._answer_ms), reply))

    def _answer(self, command: int, data: bytes, now: Monotonic) -> bytes | None:
        if command == 0x06:
            price = b"\x03\x09"
            return b"\x01" + price + _four(self.dispenser.newest_number) + _four(self.dispenser.total_cl)
        if command == 0x03 and len(data) == 4:
            return self._record(data)
        if command == 0x14:
            return _DONE if self._confirms and self.dispenser.confirm(now) else _REFUSED
        if command == 0x01:
            return b"HENGSHAN"
        self.forbidden_heard.append(bytes((command,)) + data)
        if command == 0x02:
            return self._state(now)
        if command == 0x11:
            return _DONE if self.dispenser.authorise(now) else _REFUSED
        return None

    def _state(self, now: Monotonic) -> bytes:
        state = bytes((self.dispenser.state,))
        if self.dispenser.state != FUELLING:
            return state
        volume_cl, amount_fen = self.dispenser.shown(now)
        return state + _four(volume_cl) + _four(amount_fen)

    def _record(self, number: bytes) -> bytes:
        sale = self.dispenser.read(int.from_bytes(number, "big"))
        if sale is None:
            return number
        name = number if self._names_sales else b"\x20\x26\x01\x01"
        price = sale.price_fen.to_bytes(2, "big")
        return name + b"\x01\x00" + price + bytes(9) + _four(sale.volume_cl) + _four(sale.amount_fen)


def frame(address: int, number: int, command: int, data: bytes) -> bytes:
    """A frame as a dispenser writes it, byte by byte."""
    covered = bytes((0, address, number, len(data) + 1, command)) + data
    check = _crc(covered)
    stuffed = bytearray(b"\xfa")
    for byte in (*covered, check & 0xFF, check >> 8):
        stuffed += b"\xfa\xfa" if byte == 0xFA else bytes((byte,))
    return bytes(stuffed)


def unpacked(heard: bytes) -> tuple[bytes | None, bytes]:
    """(frame without doubling, what follows) of bytes that begin with a frame. None while it is not whole; a
    torn one is b"" with a length that no check value fits."""
    body, at = bytearray(heard[:1]), 1
    while at < len(heard):
        if heard[at] == 0xFA:
            if at + 1 == len(heard):
                break
            if heard[at + 1] != 0xFA:
                return b"", heard[at:]
            at += 1
        body.append(heard[at])
        at += 1
        if len(body) > 4 and len(body) == body[4] + 7:
            return bytes(body), heard[at:]
    return None, heard


def _check_holds(body: bytes, *, doubled: bool) -> bool:
    if len(body) < 8:
        return False
    covered = body[1:-2].replace(b"\xfa", b"\xfa\xfa") if doubled else body[1:-2]
    return _crc(covered) == body[-2] | body[-1] << 8


def _crc(data: bytes) -> int:
    """CRC-16/KERMIT bit by bit."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc


def _four(value: int) -> bytes:
    return (value % 2**32).to_bytes(4, "big")
