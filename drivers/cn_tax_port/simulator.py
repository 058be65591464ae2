"""The tax-control port's side, without I/O: for each gun the latest sale and what it sold in its life.

It frames with its own code, so that a mistake of the codec cannot answer itself. What no source says (the
status bytes, what a gun answers that is not there, a total that follows late) it does as its arguments say.
"""

import re
from collections import deque
from dataclasses import dataclass, field

from drivers.events import Monotonic

MODULUS = 10**12
LONGEST_BUFFER_BYTES = 512
_QUESTION = re.compile(rb"\xbb(?:\x04\xff\x83(.)|\x05\xff\x86(.)\x01|\x06\xff\x89(.)\x00\x01)(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Sale:
    """One fuelling: volumes in 10 ml, amount in fen, price in fen a litre; `when` is day, hour, minute."""

    gun_no: int
    when: str
    volume_cl: int
    amount_fen: int
    price_fen: int
    total_cl: int


@dataclass
class _Gun:
    latest: str = "0" * 22
    sold_counts: tuple[int, int] = (0, 0)
    shown_counts: tuple[int, int] = (0, 0)
    counts_at: Monotonic = field(default=Monotonic(0))


class TaxPortSimulator:
    """Verb: `sell`. Truth: `sold`. `padding` is what one maker appends to an 86; `lag_ms` is how late the
    total follows the sale; `answer_ms` how long an answer takes."""

    def __init__(
        self, guns: tuple[int, ...] = (1,), *, padding: bytes = b"", lag_ms: int = 0, answer_ms: int = 0
    ) -> None:
        self.sold: list[Sale] = []
        self.questions: list[bytes] = []
        self.first_gun = guns[0]
        self._guns = {gun: _Gun() for gun in guns}
        self._padding = padding
        self._lag_ms = lag_ms
        self._answer_ms = answer_ms
        self._heard = b""
        self._replies: deque[tuple[Monotonic, bytes]] = deque()

    def start_totals(self, gun: int, volume_cl: int, amount_fen: int) -> None:
        """What a gun had sold before."""
        self._guns[gun].sold_counts = self._guns[gun].shown_counts = (volume_cl, amount_fen)

    def sell(
        self,
        gun: int,
        volume_cl: int,
        amount_fen: int,
        price_fen: int,
        now: Monotonic,
        *,
        when: str = "311259",
    ) -> Sale:
        """One fuelling has ended. `when` is day, hour and minute, two digits each."""
        at = self._guns[gun]
        self._count(at, now)
        total_cl, total_fen = at.sold_counts
        at.sold_counts = ((total_cl + volume_cl) % MODULUS, (total_fen + amount_fen) % MODULUS)
        at.latest = f"{when}{volume_cl:06d}{amount_fen:06d}{price_fen:04d}"
        at.counts_at = Monotonic(now + self._lag_ms)
        sale = Sale(gun, when, volume_cl, amount_fen, price_fen, at.sold_counts[0])
        self.sold.append(sale)
        return sale

    def receive(self, data: bytes, now: Monotonic) -> None:
        self._heard += data
        while found := _QUESTION.search(self._heard):
            self._heard = self._heard[found.end() :]
            if _xor(found[0][2:-1]) == found[0][-1]:
                self.questions.append(found[0])
                self._answer(found, now)
        self._heard = self._heard[-LONGEST_BUFFER_BYTES:]

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data = b""
        while self._replies and self._replies[0][0] <= now:
            data += self._replies.popleft()[1]
        return data

    def next_timer(self) -> Monotonic | None:
        return self._replies[0][0] if self._replies else None

    def handle_timer(self, now: Monotonic) -> None:
        """Late answers go out with `bytes_to_send`; the port never speaks first."""

    def power_cycle(self, now: Monotonic) -> None:
        """Fiscal memory is permanent; half frames and unsent answers are gone."""
        self._heard = b""
        self._replies.clear()

    def _answer(self, question: re.Match[bytes], now: Monotonic) -> None:
        tax, latest, grand = question[1], question[2], question[3]
        gun = self._guns.get((tax or latest or grand)[0])
        if gun is None:
            return
        self._count(gun, now)
        if tax:
            reply = _frame(b"\x83\x00" + b"0123456789")
        elif latest:
            reply = _frame(b"\x86\x01" + gun.latest.encode("ascii") + self._padding)
        else:
            volume_cl, amount_fen = gun.shown_counts
            reply = _frame(b"\x89\x01" + f"{volume_cl:012d}{amount_fen:012d}".encode("ascii"))
        self._replies.append((Monotonic(now + self._answer_ms), reply))

    def _count(self, gun: _Gun, now: Monotonic) -> None:
        if now >= gun.counts_at:
            gun.shown_counts = gun.sold_counts


def _frame(content: bytes) -> bytes:
    inner = b"\xff" + content
    return bytes((0xBB, len(inner) + 1)) + inner + bytes((_xor(inner),))


def _xor(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
    return value
