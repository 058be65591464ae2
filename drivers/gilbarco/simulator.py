"""The pumps' side of Two-Wire, without I/O. It writes its own words: the codec cannot answer itself."""

from collections import deque
from collections.abc import Iterable

from drivers.events import Monotonic
from drivers.gilbarco.hydraulics import BOOT_MS, Customer, Hydraulics, Sold

STATE, AUTHORISE, DATA_NEXT, STOP, SALE, TOTALS, MONEY = range(7)
SEND_DATA = 0xD


class GilbarcoSimulator:
    """Pumps on one line. Concrete verb: `sell`. Truth: `sold()`. `forbidden_heard` are words that are no
    questions; pumps that need a master obey them.

    `is_wide`: sales of 8 and prices of 6 digits, totals of 12. `answers_totals` False: pumps without.
    """

    def __init__(
        self,
        pumps: Iterable[int] = (1,),
        *,
        grades: int = 1,
        is_wide: bool = False,
        needs_master: bool = False,
        answers_totals: bool = True,
        lag_ms: int = 0,
        answer_ms: int = 15,
    ) -> None:
        total_modulus = 10**12 if is_wide else 10**8
        self.pumps = {
            number: Hydraulics(number, needs_master, total_modulus=total_modulus, lag_ms=lag_ms)
            for number in pumps
        }
        self.forbidden_heard: list[int] = []
        self._grades = range(grades)
        self._is_wide = is_wide
        self._answers_totals = answers_totals
        self._answer_ms = answer_ms
        self._answers: deque[tuple[Monotonic, bytes]] = deque()
        self._boots_until = Monotonic(0)
        self._arrived_count = 0

    @property
    def first_nozzle(self) -> str:
        return f"{next(iter(self.pumps))}/0"

    def sell(
        self,
        nozzle: str,
        volume_count: int,
        amount_count: int,
        price_count: int,
        now: Monotonic,
        duration_ms: int = 1_500,
    ) -> None:
        """A customer comes to nozzle "pump/grade". Counts are the display's steps; 0 hangs up again."""
        number, _, grade = nozzle.partition("/")
        self._arrived_count += 1
        customer = Customer(
            int(grade), volume_count, amount_count, price_count, duration_ms, self._arrived_count
        )
        self.pumps[int(number)].arrive(customer, now)

    def sold(self) -> list[Sold]:
        """All pumps' fuellings, as their customers came."""
        sold = [each for pump in self.pumps.values() for each in pump.sold()]
        return sorted(sold, key=lambda each: each.arrival_no)

    def receive(self, data: bytes, now: Monotonic) -> None:
        """A block for a pump is let pass: it can only be a preset or a price."""
        for byte in data:
            if byte < 0xE0 and now >= self._boots_until:
                self._hear(byte >> 4, byte & 0x0F or 16, now)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        said = b""
        while self._answers and self._answers[0][0] <= now:
            said += self._answers.popleft()[1]
        return said

    def next_timer(self) -> Monotonic | None:
        timers = [pump.next_timer() for pump in self.pumps.values()]
        timers += [self._answers[0][0] if self._answers else None]
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, now: Monotonic) -> None:
        for pump in self.pumps.values():
            pump.tick(now)

    def power_cycle(self, now: Monotonic) -> None:
        """Unsaid answers are gone; displays and totals are not."""
        self._boots_until = Monotonic(now + BOOT_MS)
        self._answers.clear()
        for pump in self.pumps.values():
            pump.lose_power(now)

    def _hear(self, command: int, number: int, now: Monotonic) -> None:
        pump = self.pumps.get(number)
        if pump is None:
            return
        if command not in (STATE, SALE, TOTALS, MONEY):
            self.forbidden_heard.append(command << 4 | number % 16)
        if command == AUTHORISE and pump.needs_master:
            pump.authorise(now)
        if answer := self._answer(command, pump, now):
            self._answers.append((Monotonic(now + self._answer_ms), answer))

    def _answer(self, command: int, pump: Hydraulics, now: Monotonic) -> bytes:
        pump_id = pump.number % 16
        if command == STATE:
            return bytes((pump.state_code << 4 | pump_id,))
        if command == DATA_NEXT:
            return bytes((SEND_DATA << 4 | pump_id,))
        if command == SALE:
            return self._sale(pump)
        if command == TOTALS and self._answers_totals:
            return block(b"".join(self._totals(pump, grade, now) for grade in self._grades))
        if command == MONEY:
            return _digits(pump.display.amount_count, 6)
        return b""

    def _sale(self, pump: Hydraulics) -> bytes:
        shown, long = pump.display, 8 if self._is_wide else 6
        return block(
            bytes(
                (
                    0xF1,
                    0xF8,
                    0xEA,
                    0xE0 | (pump.number - 1),
                    0xE0,
                    0xE0,
                    0xE0,
                    0xF6,
                    0xE0 | shown.grade_no,
                    0xF4,
                )
            )
            + b"\xf7"
            + _digits(shown.price_count, long - 2)
            + b"\xf9"
            + _digits(shown.volume_count, long)
            + b"\xfa"
            + _digits(shown.amount_count, long)
        )

    def _totals(self, pump: Hydraulics, grade: int, now: Monotonic) -> bytes:
        long, short = (12, 6) if self._is_wide else (8, 4)
        volume_count, amount_count = pump.shown_total(grade, now), pump.amounts.get(grade, 0)
        price = _digits(pump.display.price_count, short)
        return (
            bytes((0xF6, 0xE0 | grade, 0xF9))
            + _digits(volume_count, long)
            + b"\xfa"
            + _digits(amount_count, long)
            + b"\xf4"
            + price
            + b"\xf5"
            + price
        )


def block(contents: bytes) -> bytes:
    """A block as a device writes it: the LRC is minus what the low halves of all words add up to."""
    total = 0xF + 0xB
    for word in contents:
        total += word & 0x0F
    return b"\xff" + contents + bytes((0xFB, 0xE0 | -total % 16, 0xF0))


def _digits(count: int, width: int) -> bytes:
    return bytes(0xE0 | int(digit) for digit in reversed(f"{count % 10**width:0{width}d}"))
