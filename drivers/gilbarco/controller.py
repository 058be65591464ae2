"""A simulated controller and its pumps on one line, as somebody hears it who listens: all of it at once.

The controller does what ours never does: it programs prices and authorises. After a fuelling it reads the
sale and the totals, each `readings` times, because the LRC is weak; so it does when a pump's power is back.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from drivers.events import Monotonic
from drivers.gilbarco.hydraulics import AUTHORISED, BUSY, CALL, FEOT, IDLE, PEOT, Hydraulics
from drivers.gilbarco.simulator import (
    AUTHORISE,
    DATA_NEXT,
    MONEY,
    SALE,
    SEND_DATA,
    STATE,
    TOTALS,
    GilbarcoSimulator,
    block,
)

ANSWER_MS = 10
NO_ANSWER_MS = 70
TURN_MS = 60
"""Between two pumps' turns."""
PRICE = block(b"\xe5\xf4\xf6\xe0\xf7\xe0\xe6\xe7\xe0")


@dataclass(slots=True)
class _Desk:
    """What the controller knows of one pump, and what it will say to it before its next look."""

    pump: Hydraulics
    state_code: int | None = None
    to_say: deque[int] = field(default_factory=deque)


class TappedWire:
    """A `Simulator` that is a whole line: what it is sent is lost. Verbs and truth are those of `pumps`."""

    def __init__(
        self, numbers: Iterable[int] = (1,), *, grades: int = 1, is_wide: bool = False, readings: int = 2
    ) -> None:
        self.pumps = GilbarcoSimulator(
            numbers, grades=grades, is_wide=is_wide, needs_master=True, answer_ms=0
        )
        self._desks = deque(_Desk(pump) for pump in self.pumps.pumps.values())
        self._reads = (SALE,) * readings + (TOTALS,) * readings
        self._heard = bytearray()
        self._answer = b""
        self._speak_at = Monotonic(0)

    @property
    def first_nozzle(self) -> str:
        return self.pumps.first_nozzle

    def sell(
        self, nozzle: str, volume_count: int, amount_count: int, price_count: int, now: Monotonic
    ) -> None:
        """A customer comes to nozzle "pump/grade"."""
        self.pumps.sell(nozzle, volume_count, amount_count, price_count, now)

    def receive(self, data: bytes, now: Monotonic) -> None:
        """Nobody may speak here but the controller."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data, self._heard = bytes(self._heard), bytearray()
        return data

    def next_timer(self) -> Monotonic | None:
        timers = (self._speak_at, self.pumps.next_timer())
        return min(timer for timer in timers if timer is not None)

    def handle_timer(self, now: Monotonic) -> None:
        self.pumps.handle_timer(now)
        if now < self._speak_at:
            return
        if self._answer:
            self._hear(now)
        else:
            self._next_turn(now)

    def power_cycle(self, now: Monotonic) -> None:
        """All pumps lose their power; the controller has a battery."""
        self.pumps.power_cycle(now)
        self._answer = b""

    def _next_turn(self, now: Monotonic) -> None:
        self._desks.rotate(-1)
        desk = self._desks[0]
        command = desk.to_say.popleft() if desk.to_say else STATE
        self._say(bytes((command << 4 | desk.pump.number % 16,)), now)
        if command == STATE and not self._answer:
            desk.state_code = None

    def _say(self, data: bytes, now: Monotonic) -> None:
        """One question, and when the answer to it will be heard."""
        self._heard += data
        self.pumps.receive(data, now)
        self._answer = self.pumps.bytes_to_send(now)
        self._speak_at = Monotonic(now + (ANSWER_MS if self._answer else NO_ANSWER_MS))

    def _hear(self, now: Monotonic) -> None:
        answer, self._answer = self._answer, b""
        self._heard += answer
        self._speak_at = Monotonic(now + TURN_MS)
        if len(answer) == 1 and answer[0] >> 4 == SEND_DATA:
            self._say(PRICE, now)
        elif len(answer) == 1:
            self._decide(self._desks[0], answer[0] >> 4)

    def _decide(self, desk: _Desk, state: int) -> None:
        before, desk.state_code = desk.state_code, state
        if state == CALL:
            desk.to_say.append(AUTHORISE)
        elif state == BUSY:
            desk.to_say.append(MONEY)
        elif state in (PEOT, FEOT, IDLE) and before in (AUTHORISED, BUSY):
            desk.to_say.extend(self._reads)
        elif before is None:
            desk.to_say.extend((DATA_NEXT, *self._reads))
