"""An AZT 2.0 pump's side of one channel, without I/O: state 4 holds the sale until it is confirmed.

It frames and checks with its own code, so that a mistake of the codec cannot answer itself. A confirmation is
obeyed only if the sale's data were read in this state and have not changed since ([one], NOTES.md). What no
source says it does as its arguments say.
"""

import re
from collections import deque
from dataclasses import dataclass, replace

from drivers.events import Monotonic

LONGEST_BUFFER_BYTES = 1_024
PAUSE_MS = 150
"""Between a confirmation and the next customer who waits."""
LIFT_MS = 100
_QUESTION = re.compile(rb"\x7f([\x02\x07-\x14])((?:[\x20-\x5f]{2})+)\x03\x03(.)", re.DOTALL)
_ACTING = frozenset(b"23OQRSTUVW[]")
"""Commands that do something at the pump; none may ever be heard from us."""


@dataclass(frozen=True, slots=True)
class Sale:
    """One fuelling: volumes in 10 ml, amount in kopecks, price in kopecks a litre. `register_*` is what 35
    shows: more than the fuelling where it grew from the one before."""

    number: int
    volume_cl: int
    amount_fen: int
    price_fen: int
    total_cl: int
    is_over: bool
    register_cl: int
    register_fen: int


@dataclass(frozen=True, slots=True)
class Habits:
    """What pumps do differently. `lag_ms`: how late totals follow; `counts_at_confirm`: they follow when the
    sale is confirmed; `needs_authorisation`: fuel flows only after 32; `hangs_late`: the nozzle is still up
    after the confirmation; `counts_questions`: the number grows with every question."""

    widths: tuple[int, int, int] = (5, 7, 4)
    total_digits: int = 10
    gives_totals: bool = True
    gives_numbers: bool = True
    lag_ms: int = 0
    counts_at_confirm: bool = False
    needs_authorisation: bool = False
    hangs_late: bool = False
    counts_questions: bool = False
    fuelling_ms: int = 2_000
    answer_ms: int = 0


class AztSimulator:
    """Verb: `sell`. Truth: `sold` (all), `ended_count` (hung up) and `released` (confirmed)."""

    def __init__(self, channel: int = 1, habits: Habits | None = None, *, number: int = 1) -> None:
        self.channel = channel
        self.sold: list[Sale] = []
        self.ended_count = 0
        self.released: list[Sale] = []
        self.forbidden_heard: list[bytes] = []
        self.total_cl = self.total_fen = 0
        self._habits = habits or Habits()
        self._number = number
        self._queue: deque[Sale] = deque()
        self._began = Monotonic(0)
        self._flows_at: Monotonic | None = None
        self._is_over = False
        self._shown = (0, 0)
        self._register: Sale | None = None
        self._read: Sale | None = None
        self._asked_count = 0
        self._lifted = False
        self._heard = b""
        self._replies: deque[tuple[Monotonic, bytes]] = deque()

    def start_totals(self, volume_cl: int) -> None:
        """What the nozzle had sold before."""
        self.total_cl = volume_cl
        self._shown = (volume_cl, 0)

    def lift(self) -> None:
        """A nozzle is taken out, and nobody fuels yet."""
        self._lifted = True

    def hang_up(self) -> None:
        self._lifted = False

    def sell(
        self,
        volume_cl: int,
        amount_fen: int,
        price_fen: int,
        now: Monotonic,
        *,
        is_over: bool = False,
        grows_from: Sale | None = None,
    ) -> Sale:
        """One fuelling. It begins when the one before is confirmed. `grows_from`: fuel that flowed without an
        authorisation after that sale, so the register holds both."""
        modulus: int = 10**self._habits.total_digits
        self.total_cl = (self.total_cl + volume_cl) % modulus
        self.total_fen = (self.total_fen + amount_fen) % modulus
        sale = Sale(
            number=self._number,
            volume_cl=volume_cl,
            amount_fen=amount_fen,
            price_fen=price_fen,
            total_cl=self.total_cl,
            is_over=is_over,
            register_cl=volume_cl + (grows_from.register_cl if grows_from else 0),
            register_fen=amount_fen + (grows_from.register_fen if grows_from else 0),
        )
        self._number += 1
        if not self._queue:
            self._began = now
        self._queue.append(sale)
        self.sold.append(sale)
        self._lifted = False
        return sale

    def drip(self, volume_cl: int, amount_fen: int) -> None:
        """Fuel that flows while the sale waits to be confirmed."""
        sale = self._queue[0]
        self.total_cl += volume_cl
        grown = replace(
            sale,
            volume_cl=sale.volume_cl + volume_cl,
            amount_fen=sale.amount_fen + amount_fen,
            total_cl=self.total_cl,
            is_over=True,
            register_cl=sale.register_cl + volume_cl,
            register_fen=sale.register_fen + amount_fen,
        )
        self._queue[0] = self.sold[-1] = grown

    def backlog(self) -> int:
        """Fuellings that are not confirmed yet."""
        return len(self._queue)

    # What the wire sees.

    def receive(self, data: bytes, now: Monotonic) -> None:
        self._heard += data
        while found := _QUESTION.search(self._heard):
            pairs, start = found[2], found[1][0]
            plain = pairs[::2]
            is_whole = all(a ^ 0x7F == b for a, b in zip(plain, pairs[1::2], strict=True))
            if not is_whole or _check(plain) != found[3][0]:
                self._heard = self._heard[found.start() + 1 :]
                continue
            self._heard = self._heard[found.end() :]
            if len(plain) > 1 and _channel(start, plain[0]) == self.channel:
                self._answer(plain[1:], now)
        self._heard = self._heard[-LONGEST_BUFFER_BYTES:]

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data = b""
        while self._replies and self._replies[0][0] <= now:
            data += self._replies.popleft()[1]
        return data

    def next_timer(self) -> Monotonic | None:
        timers = [self._replies[0][0]] if self._replies else []
        if self._flows_at is not None:
            timers += [] if self._is_over else [Monotonic(self._flows_at + self._habits.fuelling_ms)]
        elif self._queue and not self._habits.needs_authorisation:
            timers.append(Monotonic(self._began + LIFT_MS))
        return min(timers, default=None)

    def handle_timer(self, now: Monotonic) -> None:
        """A customer goes on. Late answers go out with `bytes_to_send`; a pump never speaks first."""
        self.state(now)

    def power_cycle(self, now: Monotonic) -> None:
        """Sale and totals are kept. Half frames are gone, and that its data were read; what flows stops."""
        self._heard = b""
        self._replies.clear()
        self._read = None
        if self._flows_at is not None:
            self._flows_at = Monotonic(now - self._habits.fuelling_ms)

    def state(self, now: Monotonic) -> str:
        """The digit that 31 is answered with."""
        habits = self._habits
        if not self._queue or now < self._began:
            return "1" if self._lifted else "0"
        if self._flows_at is None:
            if habits.needs_authorisation or now < self._began + LIFT_MS:
                return "1"
            self._flows_at = Monotonic(self._began + LIFT_MS)
            self._register = None
        if now < self._flows_at + habits.fuelling_ms:
            return "3"
        self.ended_count += not self._is_over
        self._is_over = True
        return "4"

    def _answer(self, plain: bytes, now: Monotonic) -> None:
        state, command = self.state(now), plain[:1]
        if command[0] in _ACTING:
            self.forbidden_heard.append(plain)
        if command == b"1":
            over = ("1" if self._queue[0].is_over else "0") if state == "4" else ""
            reply = _frame(state + over)
        elif command == b"5":
            reply = _frame(self._sale_digits(state, now))
        elif command == b"6":
            reply = _frame(self._total_digits(state, now)) if self._habits.gives_totals else b"\x7f\x15"
        elif command == b"Y":
            number = self._queue[0].number if state == "4" else self._number
            self._asked_count += self._habits.counts_questions
            number += self._asked_count
            reply = _frame(f"{number % 10**6:06d}") if self._habits.gives_numbers else b"\x7f\x15"
        elif command == b"8":
            reply = b"\x7f\x06" if self._confirm(state, now) else b"\x7f\x18"
        elif command == b"2" and self._habits.needs_authorisation:
            reply = b"\x7f\x06" if self._authorise(state, now) else b"\x7f\x18"
        else:
            reply = b"\x7f\x15"
        self._replies.append((Monotonic(now + self._habits.answer_ms), reply))

    def _authorise(self, state: str, now: Monotonic) -> bool:
        if state != "1" or not self._queue or self._flows_at is not None:
            return False
        self._flows_at, self._register = now, None
        return True

    def _sale_digits(self, state: str, now: Monotonic) -> str:
        volume_cl, amount_fen, price_fen = 0, 0, 0
        if state == "4":
            self._register = self._read = self._queue[0]
        if self._register is not None:
            shown = self._register
            volume_cl, amount_fen, price_fen = shown.register_cl, shown.register_fen, shown.price_fen
        elif state == "3":
            assert self._flows_at is not None
            shown = self._queue[0]
            volume_cl = shown.volume_cl * (now - self._flows_at) // self._habits.fuelling_ms
            amount_fen, price_fen = volume_cl * shown.price_fen // 100, shown.price_fen
        numbers = zip((volume_cl, amount_fen, price_fen), self._habits.widths, strict=True)
        return "".join(f"{number:0{width}d}" for number, width in numbers)

    def _total_digits(self, state: str, now: Monotonic) -> str:
        if state == "4" and not self._habits.counts_at_confirm:
            assert self._flows_at is not None
            if now >= self._flows_at + self._habits.fuelling_ms + self._habits.lag_ms:
                self._count(self._queue[0])
        width = self._habits.total_digits
        return f"{self._shown[0]:0{width}d}{self._shown[1]:0{width}d}"

    def _count(self, sale: Sale) -> None:
        self._shown = (sale.total_cl, sum(each.amount_fen for each in self.sold))

    def _confirm(self, state: str, now: Monotonic) -> bool:
        if state != "4" or self._read is not self._queue[0]:
            return False
        sale = self._queue.popleft()
        self._count(sale)
        self.released.append(sale)
        self._flows_at = self._read = None
        self._is_over = False
        self._began = Monotonic(now + PAUSE_MS)
        self._lifted = self._habits.hangs_late
        return True


def _channel(start: int, byte: int) -> int:
    low = byte - 0x20
    return low if start == 0x02 else (start - 0x06) * 15 + low


def _frame(text: str) -> bytes:
    plain = text.encode("ascii")
    return (
        b"\x7f\x02"
        + bytes(part for byte in plain for part in (byte, byte ^ 0x7F))
        + b"\x03\x03"
        + bytes((_check(plain),))
    )


def _check(plain: bytes) -> int:
    value = 0x03
    for byte in plain:
        value ^= byte
    return value | 0x40
