"""A simulated control system and its pumps on one wire, as somebody hears it who listens: the whole wire.

It does what ours never does: it presets and authorises. It reads the running sale if told so, confirms each
finished one, and reads totals when `reads_totals` says.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from drivers.azt2.simulator import AztSimulator, Habits
from drivers.events import Monotonic

ReadsTotals = Literal["after", "before", "never"]
ANSWER_MS = 15
NO_ANSWER_MS = 400
TURN_MS = 60
STATE, AUTHORISE, SALE, TOTALS, CONFIRM = b"1", b"2", b"5", b"6", b"8"
PRESET = b"T010000"


@dataclass(slots=True)
class _Desk:
    """What the control system knows of one pump, and what it will say to it."""

    channel_no: int
    pump: AztSimulator
    to_say: deque[bytes] = field(default_factory=deque)


class TappedWire:
    """A `Simulator` that is a whole wire: what it is sent is lost. `pumps[channel]` sells."""

    def __init__(
        self,
        channels: Iterable[int] = (1,),
        habits: Habits | None = None,
        *,
        reads_totals: ReadsTotals = "after",
        reads_running_sale: bool = False,
    ) -> None:
        habits = habits or Habits(needs_authorisation=True)
        assert habits.needs_authorisation, "here the control system authorises"
        self.pumps = {channel: AztSimulator(channel, habits) for channel in channels}
        self._desks = deque(_Desk(channel, pump) for channel, pump in self.pumps.items())
        self._reads_totals = reads_totals
        self._reads_running_sale = reads_running_sale
        self._heard = bytearray()
        self._question = b""
        self._answer = b""
        self._speak_at = Monotonic(0)

    def sell(self, volume_cl: int, amount_fen: int, price_fen: int, now: Monotonic) -> None:
        """A customer comes to the first pump."""
        next(iter(self.pumps.values())).sell(volume_cl, amount_fen, price_fen, now)

    def receive(self, data: bytes, now: Monotonic) -> None:
        """Nobody may speak here but the control system."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data, self._heard = bytes(self._heard), bytearray()
        return data

    def next_timer(self) -> Monotonic | None:
        timers = [pump.next_timer() for pump in self.pumps.values()]
        return min([self._speak_at, *(timer for timer in timers if timer is not None)])

    def handle_timer(self, now: Monotonic) -> None:
        for pump in self.pumps.values():
            pump.handle_timer(now)
        if now < self._speak_at:
            return
        if self._answer:
            self._hear(now)
        else:
            self._ask(now)

    def power_cycle(self, now: Monotonic) -> None:
        """All pumps lose their power; the control system has a battery."""
        for pump in self.pumps.values():
            pump.power_cycle(now)
        self._answer = b""

    def _ask(self, now: Monotonic) -> None:
        desk = self._desks[0]
        self._question = desk.to_say.popleft() if desk.to_say else STATE
        frame = _question(desk.channel_no, self._question)
        self._heard += frame
        desk.pump.receive(frame, now)
        self._answer = desk.pump.bytes_to_send(now)
        self._speak_at = Monotonic(now + (ANSWER_MS if self._answer else NO_ANSWER_MS))

    def _hear(self, now: Monotonic) -> None:
        answer, self._answer = self._answer, b""
        self._heard += answer
        self._speak_at = Monotonic(now + TURN_MS)
        desk = self._desks[0]
        if self._question == STATE:
            self._decide(desk, chr(answer[2]))
        if not desk.to_say:
            self._desks.rotate(-1)

    def _decide(self, desk: _Desk, state: str) -> None:
        if state == "1":
            desk.to_say.extend((PRESET, AUTHORISE))
        elif state == "3" and self._reads_running_sale:
            desk.to_say.append(SALE)
        elif state == "4":
            desk.to_say.append(SALE)
            if self._reads_totals == "before":
                desk.to_say.append(TOTALS)
            desk.to_say.append(CONFIRM)
            if self._reads_totals == "after":
                desk.to_say.append(TOTALS)


def _question(channel: int, command: bytes) -> bytes:
    start, low = (2, channel) if channel <= 15 else (6 + channel // 15, channel % 15)
    check, frame = 0x03, bytes((0x7F, start))
    for byte in bytes((0x20 + low,)) + command:
        check ^= byte
        frame += bytes((byte, byte ^ 0x7F))
    return frame + bytes((3, 3, check | 0x40))
