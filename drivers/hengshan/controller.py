"""A simulated controller and its fuelling points on one loop, as somebody hears it who listens.

The controller does what ours never does: it tells the time, and authorises. When a sale has ended it asks for
the totals, reads the sale that they name, and confirms it (devices.md 4.2, [one]).
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from drivers.events import Monotonic
from drivers.hengshan import simulator
from drivers.hengshan.dispenser import CALLING, ENDED
from drivers.hengshan.simulator import HengshanSimulator

ANSWER_MS = 10
NO_ANSWER_MS = 150
TURN_MS = 100
STATE, SALE, TOTALS, CONFIRM, AUTHORISE = 0x02, 0x03, 0x06, 0x14, 0x11
FILL_UP = b"\x02\x00\x00\x00\x00"


@dataclass(slots=True)
class _Desk:
    """What the controller will say to one fuelling point before it asks for its state again."""

    address: int
    point: HengshanSimulator
    frame_number: int = 0
    to_say: deque[tuple[int, bytes]] = field(default_factory=deque)


class TappedLoop:
    """A `Simulator` that is a whole wire: what it is sent is lost. `points[address]` sells.

    `reads_totals` False: a controller that knows the number of the next sale by itself."""

    def __init__(self, points: Mapping[int, HengshanSimulator], *, reads_totals: bool = True) -> None:
        self.points = points
        self._desks = deque(_Desk(address, point) for address, point in points.items())
        self._reads_totals = reads_totals
        self._heard = bytearray()
        self._answer = b""
        self._speak_at = Monotonic(0)

    def receive(self, data: bytes, now: Monotonic) -> None:
        """Nobody may speak here but the controller."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data, self._heard = bytes(self._heard), bytearray()
        return data

    def next_timer(self) -> Monotonic | None:
        return min([self._speak_at, *_timers(self.points.values())])

    def handle_timer(self, now: Monotonic) -> None:
        for point in self.points.values():
            point.handle_timer(now)
        if now < self._speak_at:
            return
        if self._answer:
            self._hear(now)
        else:
            self._next_turn(now)

    def power_cycle(self, now: Monotonic) -> None:
        """All fuelling points lose their power; the controller has a battery."""
        for point in self.points.values():
            point.power_cycle(now)
        self._answer = b""

    def _next_turn(self, now: Monotonic) -> None:
        self._desks.rotate(-1)
        desk = self._desks[0]
        command, data = desk.to_say[0] if desk.to_say else (STATE, _time_of_day(now))
        desk.frame_number = (desk.frame_number + 1) % 17
        question = simulator.frame(desk.address, desk.frame_number, command, data)
        self._heard += question
        desk.point.receive(question, now)
        answered_at = Monotonic(now + ANSWER_MS)
        self._answer = desk.point.bytes_to_send(answered_at)
        self._speak_at = answered_at if self._answer else Monotonic(now + NO_ANSWER_MS)

    def _hear(self, now: Monotonic) -> None:
        answer, self._answer = self._answer, b""
        self._heard += answer
        desk = self._desks[0]
        body, _ = simulator.unpacked(answer)
        assert body, "a dispenser answers with a whole frame"
        self._take(desk, body[5], body[6:-2])
        if desk.to_say:
            self._desks.rotate(1)
        self._speak_at = Monotonic(now + TURN_MS)

    def _take(self, desk: _Desk, command: int, data: bytes) -> None:
        if desk.to_say and desk.to_say[0][0] == command:
            desk.to_say.popleft()
        if command == STATE and data[0] == CALLING:
            desk.to_say.append((AUTHORISE, FILL_UP))
        elif command == STATE and data[0] == ENDED:
            desk.to_say.append((TOTALS, b"") if self._reads_totals else (SALE, self._newest_number(desk)))
        elif command == TOTALS:
            desk.to_say.append((SALE, data[3:7]))
        elif command == SALE:
            desk.to_say.append((CONFIRM, b""))

    def _newest_number(self, desk: _Desk) -> bytes:
        return desk.point.dispenser.newest_number.to_bytes(4, "big")


def _timers(points: Iterable[HengshanSimulator]) -> list[Monotonic]:
    timers = (point.next_timer() for point in points)
    return [timer for timer in timers if timer is not None]


def _time_of_day(now: Monotonic) -> bytes:
    """Year, month, day, hour, minute, second in BCD."""
    seconds = now // 1_000
    return bytes.fromhex(f"20260314{seconds // 3_600 % 24:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}")
