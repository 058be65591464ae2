"""One fuelling point of a simulated dispenser without its line: customers, states, records, totals.

`needs_master` True is a point that calls and waits to be authorised; False sells by itself. While a sale is
not acknowledged the next customer waits, unless `sells_on`: then sales gather, as behind a dead controller.
"""

from collections import deque
from dataclasses import dataclass, replace

from drivers.events import Monotonic

LIFT_MS, PAUSE_MS, STEP_MS = 300, 200, 400
"""From the lift to the flow; between two customers; between two changes of the display."""
AUTHORISED_MS = 5_000
"""After so long an authorisation is used up, which makes a sale of nothing (devices.md 4.1)."""
TOTAL_MODULUS = 2**32
IDLE, CALLING, AUTHORISED, STARTED, FUELLING = 3, 4, 5, 6, 8


@dataclass(frozen=True, slots=True)
class Customer:
    """What a customer will take, in the dispenser's own steps. `price` and `chain` are the bytes as written,
    possible or not; a preset's chain number comes with the customer. `arrival_no` is for who counts them."""

    volume_count: int
    amount_count: int
    price: bytes
    chain: bytes = b"\x00\x00"
    duration_ms: int = 0
    arrival_no: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """A sale as it is kept, with both totals after it and a number that nobody outside can read."""

    volume_count: int
    amount_count: int
    price: bytes
    chain: bytes
    volume_total_count: int
    amount_total_count: int
    number: int
    arrival_no: int


class FuellingPoint:
    """Concrete verbs: `arrive` for a customer, `store` for a finished sale. Truth: `sales()`, `released`."""

    def __init__(self, *, needs_master: bool = False, sells_on: bool = False) -> None:
        self.volume_total_count = self.amount_total_count = 0
        self.state = IDLE
        self.is_up = False
        self.shown = (0, 0)
        """Volume and amount on the display."""
        self.records: deque[Record] = deque()
        self.released: list[Record] = []
        self._needs_master = needs_master
        self._sells_on = sells_on
        self._sold: list[Record] = []
        self._waiting: deque[Customer] = deque()
        self._served: Customer | None = None
        self._began = Monotonic(0)
        self._next_at: Monotonic | None = None

    @property
    def chain_wanted(self) -> bytes | None:
        """The chain number for the preset of the customer who calls, None if nobody calls."""
        return self._served.chain if self._served is not None and self.state == CALLING else None

    def arrive(self, customer: Customer, now: Monotonic) -> None:
        """One more customer at this point; they are served one after the other."""
        self._waiting.append(customer)
        if self._served is None and self._next_at is None:
            self._next_at = now

    def store(self, customer: Customer) -> None:
        """A whole sale at once, whatever waits."""
        record = self._record(customer)
        self.volume_total_count, self.amount_total_count = (
            record.volume_total_count,
            record.amount_total_count,
        )
        self._sold.append(record)
        self.records.append(record)

    def sales(self) -> list[Record]:
        """Every sale with volume, those that are still to come included, in order."""
        coming, volume_count, amount_count = [], self.volume_total_count, self.amount_total_count
        for customer in ([self._served] if self._served else []) + list(self._waiting):
            volume_count = (volume_count + customer.volume_count) % TOTAL_MODULUS
            amount_count = (amount_count + customer.amount_count) % TOTAL_MODULUS
            coming.append(_record(customer, volume_count, amount_count, 0))
        return [record for record in self._sold + coming if record.volume_count]

    def state_byte(self) -> int:
        idle_bits = 0x60 if self.state == IDLE and not self.is_up else 0x20
        return self.state | idle_bits | (0x10 if self.records else 0) | (0x80 if self.is_up else 0)

    def acknowledge(self, chain: bytes) -> Record | None:
        """Only the oldest sale can be acknowledged, by its own number. What was removed, if any was."""
        if not self.records or self.records[0].chain != chain:
            return None
        self.released.append(self.records.popleft())
        return self.released[-1]

    def authorise(self, now: Monotonic) -> None:
        if self.state == CALLING:
            self.state, self._next_at = STARTED, Monotonic(now + LIFT_MS)
        elif self.state == IDLE and not self.records:
            self.state, self._next_at = AUTHORISED, Monotonic(now + AUTHORISED_MS)

    def next_timer(self) -> Monotonic | None:
        return self._next_at

    def tick(self, now: Monotonic) -> None:
        """Time has passed."""
        if self._next_at is None or now < self._next_at:
            return
        if self.state == AUTHORISED and not self._waiting:
            self.state, self._next_at = IDLE, None
            self.store(Customer(0, 0, b"\x07\x50"))
        elif self._served is None:
            self._lift(now)
        elif self.state == FUELLING:
            self._flow(now)
        else:
            self._begin_flow(now)

    def lose_power(self, back_at: Monotonic) -> None:
        """Flow stops, the customer pays what was delivered; records and totals stay."""
        customer, was_flowing = self._served, self.state == FUELLING
        self.state, self._served, self.is_up = IDLE, None, False
        if customer is not None and was_flowing:
            self.store(replace(customer, volume_count=self.shown[0], amount_count=self.shown[1]))
        self._next_at = Monotonic(back_at + PAUSE_MS) if self._waiting else None

    def _lift(self, now: Monotonic) -> None:
        if not self._waiting or (self.records and not self._sells_on):
            self._next_at = Monotonic(now + PAUSE_MS) if self._waiting else None
            return
        self._served, self.is_up = self._waiting.popleft(), True
        is_free = not self._needs_master or self.state == AUTHORISED
        self.state = STARTED if is_free else CALLING
        self._next_at = Monotonic(now + LIFT_MS) if is_free else None

    def _begin_flow(self, now: Monotonic) -> None:
        self.state, self.shown, self._began = FUELLING, (0, 0), now
        self._next_at = Monotonic(now + STEP_MS)

    def _flow(self, now: Monotonic) -> None:
        customer, flowed_ms = self._served, now - self._began
        assert customer is not None
        if flowed_ms < customer.duration_ms:
            part_volume_count = customer.volume_count * flowed_ms // customer.duration_ms
            part_amount_count = customer.amount_count * flowed_ms // customer.duration_ms
            self.shown = (part_volume_count, part_amount_count)
            self._next_at = Monotonic(min(now + STEP_MS, self._began + customer.duration_ms))
            return
        self.shown = (customer.volume_count, customer.amount_count)
        self.store(customer)
        self.state, self._served, self.is_up = IDLE, None, False
        self._next_at = Monotonic(now + PAUSE_MS) if self._waiting else None

    def _record(self, customer: Customer) -> Record:
        return _record(
            customer,
            (self.volume_total_count + customer.volume_count) % TOTAL_MODULUS,
            (self.amount_total_count + customer.amount_count) % TOTAL_MODULUS,
            len(self._sold) + 1,
        )


def _record(customer: Customer, volume_total_count: int, amount_total_count: int, number: int) -> Record:
    return Record(
        customer.volume_count,
        customer.amount_count,
        customer.price,
        customer.chain,
        volume_total_count,
        amount_total_count,
        number,
        customer.arrival_no,
    )
