"""The controller's side of UniPump, without I/O: points whose transactions are shown until closed.

It frames and checks with its own code, so that a mistake of the codec cannot answer itself. What no source
says (how a totalizer is fetched, whether a cut of power keeps an open transaction) it does as its
arguments say, or as NOTES.md notes under "unknown".
"""

import re
from collections import deque
from dataclasses import dataclass, field

from drivers.events import Monotonic

TOTALIZER_MODULUS_CL = 10**10
LONGEST_BUFFER_BYTES = 1_024
_FRAME = re.compile(rb"\x10\x02((?:[^\x10]|\x10\x10)*)\x10\x03", re.DOTALL)
_ACTING = frozenset(b"AHLUpQZW")
"""Codes of commands that act on a point or change the controller; none may ever be heard from us."""


@dataclass(frozen=True, slots=True)
class Sale:
    """One transaction. Volumes in 10 ml, amount in fen, price in fen a litre."""

    point_number: int
    nozzle_number: int
    transaction: int
    volume_cl: int
    amount_fen: int
    price_fen: int
    totalizer_cl: int
    totalizer_fen: int
    is_stopped: bool

    @property
    def name(self) -> str:
        return f"{self.point_number}/{self.nozzle_number}"


@dataclass
class _Point:
    """`queue`: the fuelling in progress or its open transaction, then the customers behind it."""

    transaction: int
    began: Monotonic
    queue: deque[Sale] = field(default_factory=deque)
    sold: dict[int, tuple[int, int]] = field(default_factory=dict)
    shown: dict[int, tuple[int, int]] = field(default_factory=dict)
    lifted_number: int = 0
    fetched_number: int = 0
    fetched_at: Monotonic | None = None


class UnipumpSimulator:
    """Verbs: `lift`, `sell`. Truth: `sold` (all) and `released` (closed by us).

    `fuelling_ms`: how long fuel flows. `master_closes_ms`: another program closes a transaction when it has
    stood for so long, and before the next fuelling of its point; None where only we close.
    `fetch_ms`: 0 answers a question about totals at once; else the state is answered with the command
    pending, and a later question gets the totals. `lag_ms`: how late a totalizer follows its transaction.
    """

    def __init__(
        self,
        points: int = 1,
        *,
        fuelling_ms: int = 0,
        master_closes_ms: int | None = None,
        fetch_ms: int = 0,
        lag_ms: int = 0,
        is_locked: bool = True,
        gives_totals: bool = True,
        first_transaction: int = 1,
        answer_ms: int = 0,
    ) -> None:
        self.sold: list[Sale] = []
        self.released: list[Sale] = []
        self.forbidden_heard: list[bytes] = []
        self._points = {number: _Point(first_transaction, Monotonic(0)) for number in range(1, points + 1)}
        self._fuelling_ms = fuelling_ms
        self._master_closes_ms = master_closes_ms
        self._fetch_ms = fetch_ms
        self._lag_ms = lag_ms
        self._is_locked = is_locked
        self._gives_totals = gives_totals
        self._answer_ms = answer_ms
        self._heard = b""
        self._replies: deque[tuple[Monotonic, bytes]] = deque()

    # What customers and the master do.

    def lift(self, nozzle: str) -> None:
        """Take nozzle "point/nozzle" out; "point/0" hangs it up."""
        number, _, digit = nozzle.partition("/")
        self._points[int(number)].lifted_number = int(digit)

    def start_totalizer(self, nozzle: str, volume_cl: int) -> None:
        """What a nozzle had sold before."""
        number, _, digit = nozzle.partition("/")
        point = self._points[int(number)]
        point.sold[int(digit)] = point.shown[int(digit)] = (0, volume_cl)

    def sell(
        self,
        nozzle: str,
        volume_cl: int,
        amount_fen: int,
        price_fen: int,
        now: Monotonic,
        *,
        is_stopped: bool = False,
    ) -> Sale:
        """One fuelling at "point/nozzle". It begins when the transaction before it is closed."""
        number, _, digit = nozzle.partition("/")
        point, at = self._points[int(number)], int(digit)
        total_fen, total_cl = point.sold.get(at, (0, 0))
        total_fen += amount_fen
        total_cl = (total_cl + volume_cl) % TOTALIZER_MODULUS_CL
        point.sold[at] = (total_fen, total_cl)
        sale = Sale(
            point_number=int(number),
            nozzle_number=at,
            transaction=point.transaction,
            volume_cl=volume_cl,
            amount_fen=amount_fen,
            price_fen=price_fen,
            totalizer_cl=total_cl,
            totalizer_fen=total_fen,
            is_stopped=is_stopped,
        )
        point.transaction = (point.transaction + 1) % 100
        self._master_closes(point, now, at_once=True)
        point.queue.append(sale)
        point.lifted_number = 0
        if len(point.queue) == 1:
            point.began = now
        self.sold.append(sale)
        return sale

    def close_by_master(self, number: int, now: Monotonic) -> None:
        """Another program closes what stands open at a point."""
        self._pop(self._points[number], now)

    def backlog(self) -> int:
        """Transactions that are not closed yet."""
        return sum(len(point.queue) for point in self._points.values())

    # What the wire sees.

    def receive(self, data: bytes, now: Monotonic) -> None:
        self._heard += data
        while found := _FRAME.search(self._heard):
            self._heard = self._heard[found.end() :]
            body = found[1].replace(b"\x10\x10", b"\x10")
            if len(body) >= 4 and _crc(body) == b"\0\0" and body[0] - 0x30 in self._points:
                self._answer(body[0] - 0x30, body[1:-2], now)
        self._heard = self._heard[-LONGEST_BUFFER_BYTES:]

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data = b""
        while self._replies and self._replies[0][0] <= now:
            data += self._replies.popleft()[1]
        return data

    def next_timer(self) -> Monotonic | None:
        return self._replies[0][0] if self._replies else None

    def handle_timer(self, now: Monotonic) -> None:
        """Late answers go out with `bytes_to_send`; a controller never speaks first."""

    def power_cycle(self, now: Monotonic) -> None:
        """Open transactions and totals are kept; half frames, unsent answers, what was pending are gone."""
        self._heard = b""
        self._replies.clear()
        for point in self._points.values():
            point.fetched_at = None

    def _answer(self, number: int, data: bytes, now: Monotonic) -> None:
        point = self._points[number]
        self._master_closes(point, now, at_once=False)
        if data[0] in _ACTING:
            self.forbidden_heard.append(data)
            return
        if data[:1] == b"T" and len(data) == 2:
            reply = self._asked_for_totals(point, data[1] - 0x30, now)
        elif data[:1] == b"C" and len(data) == 3:
            self._close(point, data[1:], now)
            reply = self._show(point, now)
        elif data == b"S":
            reply = self._fetched(point, now) or self._show(point, now)
        else:
            return
        self._replies.append((Monotonic(now + self._answer_ms), _frame(number, reply)))

    def _show(self, point: _Point, now: Monotonic) -> str:
        """What every question is answered with: the open transaction, the flow, else the state."""
        if not point.queue:
            return self._state(point, point.lifted_number, 3 if point.lifted_number else 1)
        sale, elapsed_ms = point.queue[0], now - point.began
        if elapsed_ms < self._fuelling_ms:
            flowed_cl = sale.volume_cl * elapsed_ms // self._fuelling_ms
            return f"A{sale.transaction:02d}{sale.nozzle_number}{flowed_cl:08d}"
        if sale.is_stopped and elapsed_ms < self._fuelling_ms + 300:
            return self._state(point, sale.nozzle_number, 7)
        return (
            f"T{sale.transaction:02d}{sale.nozzle_number}{sale.volume_cl:08d}{sale.price_fen:04d}"
            f"{sale.amount_fen:08d}"
        )

    def _state(self, point: _Point, nozzle: int, state: int) -> str:
        pending = "T" if point.fetched_at is not None else "0"
        return f"{'S' if self._is_locked else 'U'}{nozzle}{state}{pending}"

    def _asked_for_totals(self, point: _Point, nozzle: int, now: Monotonic) -> str:
        if not self._gives_totals or not 1 <= nozzle <= 9:
            return self._show(point, now)
        if not self._fetch_ms:
            return self._totals(point, nozzle, now)
        point.fetched_number, point.fetched_at = nozzle, Monotonic(now + self._fetch_ms)
        state = 1 if not point.queue else 6
        return self._state(point, nozzle, state)

    def _fetched(self, point: _Point, now: Monotonic) -> str:
        if point.fetched_at is None or now < point.fetched_at:
            return ""
        point.fetched_at = None
        return self._totals(point, point.fetched_number, now)

    def _totals(self, point: _Point, nozzle: int, now: Monotonic) -> str:
        transaction = point.queue[0].transaction if point.queue else 0
        total_fen, total_cl = self._shown(point, now).get(nozzle, (0, 0))
        return f"C{transaction:02d}{nozzle}{total_fen % 10**10:010d}{total_cl:010d}"

    def _shown(self, point: _Point, now: Monotonic) -> dict[int, tuple[int, int]]:
        if point.queue and now - point.began >= self._fuelling_ms + self._lag_ms:
            sale = point.queue[0]
            point.shown[sale.nozzle_number] = (sale.totalizer_fen, sale.totalizer_cl)
        return point.shown

    def _close(self, point: _Point, digits: bytes, now: Monotonic) -> None:
        if point.queue and now - point.began >= self._fuelling_ms:
            sale = point.queue[0]
            if f"{sale.transaction:02d}".encode("ascii") == digits:
                self.released.append(sale)
                self._pop(point, now)

    def _master_closes(self, point: _Point, now: Monotonic, *, at_once: bool) -> None:
        if self._master_closes_ms is None or not point.queue:
            return
        stood_ms = now - point.began - self._fuelling_ms
        if stood_ms >= (0 if at_once else self._master_closes_ms):
            self._pop(point, now)

    def _pop(self, point: _Point, now: Monotonic) -> None:
        sale = point.queue.popleft()
        point.shown[sale.nozzle_number] = (sale.totalizer_fen, sale.totalizer_cl)
        point.began = now


def _frame(point: int, text: str) -> bytes:
    body = bytes([0x30 + point]) + text.encode("ascii")
    body += _crc(body)
    return (
        b"\x10\x02" + b"".join(b"\x10\x10" if byte == 0x10 else bytes([byte]) for byte in body) + b"\x10\x03"
    )


def _crc(data: bytes) -> bytes:
    """CRC-16/ARC bit by bit, low byte first; over a body with its CRC it is 00 00."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return bytes((crc & 0xFF, crc >> 8))
