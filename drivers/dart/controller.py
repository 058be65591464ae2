"""A simulated controller and its pumps on one wire, as somebody hears it who listens: the whole wire at once.

The controller does what ours never does: it programs prices, resets and authorises. After a fuelling it reads
the totals of the nozzle, after a restart of a pump also the display.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from drivers.dart import words
from drivers.dart.codec import Control, Frame, Reader
from drivers.dart.hydraulics import AUTHORISED, COMPLETE, FILLING, NOT_PROGRAMMED, RESET
from drivers.dart.simulator import DartSimulator, data_frame
from drivers.events import Monotonic

ANSWER_MS = 10
NO_ANSWER_MS = 120
TURN_MS = 60
"""Between two pumps' turns."""
DO_RESET, DO_AUTHORISE = b"\x01\x01\x05", b"\x01\x01\x06"
DO_PRICES = b"\x05\x06\x00\x07\x50\x00\x07\x80"


@dataclass(slots=True)
class _Desk:
    """What the controller knows of one pump, and what it will say to it."""

    address: int
    pump: DartSimulator
    state_code: int = COMPLETE
    nozzle_no: int = 1
    is_out: bool = False
    tx_no: int = 0
    to_say: deque[bytes] = field(default_factory=deque)

    def want(self, *transactions: bytes) -> None:
        self.to_say.extend(each for each in transactions if each not in self.to_say)


class TappedWire:
    """A `Simulator` that is a whole wire: what it is sent is lost. `pumps[address]` sells."""

    def __init__(
        self,
        addresses: Iterable[int] = (0x50,),
        *,
        reads_totals: bool = True,
        resets_at_once: bool = False,
        polls_with_acknowledgement: bool = False,
        names_nozzle: bool = True,
    ) -> None:
        self.pumps = {
            address: DartSimulator(address, needs_master=True, names_nozzle=names_nozzle)
            for address in addresses
        }
        self._desks = deque(_Desk(address, pump) for address, pump in self.pumps.items())
        self._reads_totals = reads_totals
        self._resets_at_once = resets_at_once
        self._polls_with_acknowledgement = polls_with_acknowledgement
        self._reader = Reader()
        self._heard = bytearray()
        self._answer: bytes = b""
        self._speak_at = Monotonic(0)

    def sell(
        self, nozzle: int, volume_count: int, amount_count: int, price_count: int, now: Monotonic
    ) -> None:
        """A customer comes to the first pump."""
        next(iter(self.pumps.values())).sell(nozzle, volume_count, amount_count, price_count, now)

    def receive(self, data: bytes, now: Monotonic) -> None:
        """Nobody may speak here but the controller."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data, self._heard = bytes(self._heard), bytearray()
        return data

    def next_timer(self) -> Monotonic | None:
        timers = [pump.next_timer() for pump in self.pumps.values()]
        return min([self._speak_at, *(timer for timer in timers if timer is not None)])

    def handle_timer(self, now: Monotonic) -> None:
        for pump in self.pumps.values():
            timer = pump.next_timer()
            if timer is not None and timer <= now:
                pump.handle_timer(now)
        if now < self._speak_at:
            return
        if self._answer:
            self._hear(now)
        else:
            self._next_turn(now)

    def power_cycle(self, now: Monotonic) -> None:
        """All pumps lose their power; the controller has a battery."""
        for pump in self.pumps.values():
            pump.power_cycle(now)
        self._answer = b""

    def _next_turn(self, now: Monotonic) -> None:
        self._desks.rotate(-1)
        desk = self._desks[0]
        if desk.to_say:
            self._say(data_frame(desk.address, desk.tx_no, desk.to_say[0]), now)
        else:
            self._say(bytes((desk.address, 0x20, 0xFA)), now)

    def _say(self, frame: bytes, now: Monotonic) -> None:
        """One frame, and when the answer to it will be heard."""
        pump = self._desks[0].pump
        self._heard += frame
        pump.receive(frame, now)
        self._answer = pump.bytes_to_send(now)
        self._speak_at = Monotonic(now + (ANSWER_MS if self._answer else NO_ANSWER_MS))

    def _hear(self, now: Monotonic) -> None:
        answer, self._answer = self._answer, b""
        self._heard += answer
        desk = self._desks[0]
        self._speak_at = Monotonic(now + TURN_MS)
        for frame in self._reader.feed(answer):
            if frame.control is Control.DATA:
                self._take(desk, frame)
                self._acknowledge(desk, frame.tx_no, now)
            elif frame.control is Control.ACK:
                desk.to_say.popleft()
                desk.tx_no = 1 if desk.tx_no == 15 else desk.tx_no + 1
                self._desks.rotate(1)

    def _acknowledge(self, desk: _Desk, tx_no: int, now: Monotonic) -> None:
        if self._polls_with_acknowledgement:
            self._say(bytes((desk.address, 0xE0 | tx_no, 0xFA)), now)
            return
        self._say(bytes((desk.address, 0xC0 | tx_no, 0xFA)), now)
        self._desks.rotate(1)
        self._speak_at = Monotonic(now + ANSWER_MS)

    def _take(self, desk: _Desk, frame: Frame) -> None:
        before = desk.state_code
        for word in words.words(frame.data):
            if isinstance(word, words.Nozzle):
                desk.is_out = word.is_out
                desk.nozzle_no = word.number or desk.nozzle_no
            elif isinstance(word, words.Status):
                desk.state_code = word.code
            elif isinstance(word, words.Totals) and self._resets_at_once and desk.state_code == COMPLETE:
                desk.want(DO_RESET)
        self._decide(desk, before)

    def _decide(self, desk: _Desk, before: int) -> None:
        if desk.state_code == NOT_PROGRAMMED:
            desk.want(DO_PRICES)
        elif desk.state_code == COMPLETE and before in (AUTHORISED, FILLING, NOT_PROGRAMMED):
            if before == NOT_PROGRAMMED:
                desk.want(words.ASK_FILLING)
            if self._reads_totals:
                desk.want(words.ask_totals(desk.nozzle_no))
        if desk.state_code == COMPLETE and desk.is_out:
            desk.want(DO_RESET)
        elif desk.state_code == RESET and desk.is_out:
            desk.want(DO_AUTHORISE)
