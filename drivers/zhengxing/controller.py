"""A simulated controller and a dispenser on one wire, as somebody hears it who listens.

The controller does what ours never does: it sets the mode, presets and authorises. After a fuelling it reads
the totals, then the sale, and acknowledges it, in the order of the published driver; `reads_totals` may be
`after` the acknowledgement, or `never`.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from drivers.events import Monotonic
from drivers.zhengxing.dispenser import Record
from drivers.zhengxing.simulator import ZhengxingSimulator

ANSWER_MS = 20
NO_ANSWER_MS = 120
GAP_MS = 60
"""Between an answer and the next question."""

ReadsTotals = Literal["before", "after", "never"]


@dataclass(slots=True)
class _Desk:
    """What the controller will ask one fuelling point, besides its state."""

    number: int
    to_say: deque[bytes] = field(default_factory=deque)


class TappedWire:
    """A `Simulator` that is a whole wire: what it is sent is lost. `points[number]` sell."""

    def __init__(self, numbers: Iterable[int] = (1,), *, reads_totals: ReadsTotals = "before") -> None:
        self.dispenser = ZhengxingSimulator(numbers, needs_master=True)
        self.points = self.dispenser.points
        self._desks = deque(_Desk(number, deque([b"\x08\xaa"])) for number in self.points)
        self._reads_totals = reads_totals
        self._heard = bytearray()
        self._answer = b""
        self._speak_at = Monotonic(0)

    def sell(
        self, number: int, volume_count: int, amount_count: int, price_count: int, now: Monotonic
    ) -> None:
        """One customer, whom the controller serves."""
        self.dispenser.sell(number, volume_count, amount_count, price_count, now)

    def sales(self) -> list[tuple[int, Record]]:
        return self.dispenser.sales()

    def receive(self, data: bytes, now: Monotonic) -> None:
        """Nobody may speak here but the controller."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data, self._heard = bytes(self._heard), bytearray()
        return data

    def next_timer(self) -> Monotonic | None:
        timer = self.dispenser.next_timer()
        return self._speak_at if timer is None else min(timer, self._speak_at)

    def handle_timer(self, now: Monotonic) -> None:
        timer = self.dispenser.next_timer()
        if timer is not None and timer <= now:
            self.dispenser.handle_timer(now)
        if now < self._speak_at:
            return
        if self._answer:
            self._hear(now)
        else:
            self._ask(now)

    def power_cycle(self, now: Monotonic) -> None:
        """The dispenser loses its power; the controller has a battery, and begins again with it."""
        self.dispenser.power_cycle(now)
        self._answer = b""
        for desk in self._desks:
            desk.to_say = deque([b"\x08\xaa"])

    def _ask(self, now: Monotonic) -> None:
        """The next question of the point whose turn it is."""
        desk = self._desks[0]
        said = desk.to_say[0] if desk.to_say else b"\x0d"
        covered = said[:1] + bytes((desk.number,)) + said[1:]
        frame = b"\xfc" + covered + bytes((_xor(covered),))
        self._heard += frame
        self.dispenser.receive(frame, now)
        self._answer = self.dispenser.bytes_to_send(now)
        if not self._answer:
            self._desks.rotate(-1)
        self._speak_at = Monotonic(now + (ANSWER_MS if self._answer else NO_ANSWER_MS))

    def _hear(self, now: Monotonic) -> None:
        answer, self._answer = self._answer, b""
        self._heard += answer
        self._speak_at = Monotonic(now + GAP_MS)
        desk = self._desks[0]
        if desk.to_say:
            desk.to_say.popleft()
        self._decide(desk, answer)
        if not desk.to_say:
            self._desks.rotate(-1)

    def _decide(self, desk: _Desk, answer: bytes) -> None:
        """What an answer leads to."""
        command, state = answer[1], answer[3]
        if command == 0x0D and state & 0x10:
            desk.to_say.extend([b"\x0c", b"\x15"] if self._reads_totals == "before" else [b"\x15"])
        elif command == 0x0D and state & 0x0F == 0x08:
            desk.to_say.append(b"\x18")
        elif command == 0x0D and (chain := self.points[desk.number].chain_wanted) is not None:
            desk.to_say.extend([b"\x01\x00\x50\x00\x00" + chain, b"\x06"] if any(chain) else [b"\x06"])
        elif command in (0x13, 0x15):
            desk.to_say.append(b"\x17" + answer[23:25])
        elif command == 0x17 and self._reads_totals == "after":
            desk.to_say.append(b"\x0c")


def _xor(data: bytes) -> int:
    check = 0
    for byte in data:
        check ^= byte
    return check
