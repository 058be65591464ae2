"""One fuelling point of a simulated Hengshan dispenser without its line: customers, states, sales, total.

`needs_master` False sells by itself; True waits to be authorised. `holds`: an ended sale waits for its
confirmation before the next customer can begin. `stores_zero`: a nozzle hung up again makes a record too.
`counts_at_lift`: the number goes up when a nozzle is lifted, not when the sale is stored (no source says what
a real one does).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from drivers.events import Monotonic

IDLE, CALLING, AUTHORISED, FUELLING, LIMIT, ENDED = range(6)
LIFT_MS, STORE_MS, PAUSE_MS = 300, 150, 200
KEPT_SALES = 200
MODULUS = 2**32


@dataclass(frozen=True, slots=True)
class Customer:
    """What a customer will take. Volumes in 10 ml, amount in fen, price in fen a litre."""

    volume_cl: int
    amount_fen: int
    price_fen: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Sale:
    """A stored sale, with the volume total after it."""

    sequence_no: int
    volume_cl: int
    amount_fen: int
    price_fen: int
    total_cl: int


class Dispenser:
    """Verbs: `arrive`, `authorise`, `confirm`. Truth: `sales()` (those to come included) and `released`
    (confirmed after somebody had read them)."""

    def __init__(
        self,
        *,
        needs_master: bool = False,
        holds: bool = True,
        stores_zero: bool = True,
        counts_at_lift: bool = False,
        last_number: int = 0,
        total_cl: int = 0,
    ) -> None:
        self.state = IDLE
        self.released: list[Sale] = []
        self.newest_number = last_number
        self.total_cl = total_cl
        self.stored: dict[int, Sale] = {}
        self._sold: list[Sale] = []
        self._read_numbers: set[int] = set()
        self._needs_master = needs_master
        self._holds = holds
        self._stores_zero = stores_zero
        self._counts_at_lift = counts_at_lift
        self._waiting: deque[Customer] = deque()
        self._served: Customer | None = None
        self._began = Monotonic(0)
        self._next_at: Monotonic | None = None

    # What people and the controller do.

    def arrive(self, customer: Customer, now: Monotonic) -> None:
        """One more customer; they are served one after the other."""
        self._waiting.append(customer)
        if self.state == IDLE and self._next_at is None:
            self._next_at = now

    def authorise(self, now: Monotonic) -> bool:
        if self.state != CALLING:
            return False
        self.state, self._next_at = AUTHORISED, Monotonic(now + LIFT_MS)
        return True

    def confirm(self, now: Monotonic) -> bool:
        if self.state != ENDED:
            return False
        newest = self.stored[self.newest_number]
        if newest.sequence_no in self._read_numbers:
            self.released.append(newest)
        self._rest(now)
        return True

    def read(self, sequence_no: int) -> Sale | None:
        """The stored sale of this number, as it is told on the line."""
        sale = self.stored.get(sequence_no)
        if sale is not None:
            self._read_numbers.add(sequence_no)
        return sale

    def shown(self, now: Monotonic) -> tuple[int, int]:
        """Volume and amount on the display while fuel flows."""
        customer = self._served
        if customer is None or self.state != FUELLING:
            return 0, 0
        flowed_ms = min(now - self._began, customer.duration_ms)
        whole_ms = max(1, customer.duration_ms)
        return customer.volume_cl * flowed_ms // whole_ms, customer.amount_fen * flowed_ms // whole_ms

    def sales(self) -> list[Sale]:
        return [*self._sold, *self._coming()]

    # What time does.

    def next_timer(self) -> Monotonic | None:
        return self._next_at

    def tick(self, now: Monotonic) -> None:
        if self._next_at is None or now < self._next_at:
            return
        self._next_at = None
        if self.state == IDLE and self._waiting:
            self._lift(now)
        elif self.state in (CALLING, AUTHORISED):
            self._leave_or_flow(now)
        elif self.state == FUELLING:
            self.state, self._next_at = LIMIT, Monotonic(now + STORE_MS)
        elif self.state == LIMIT and self._served is not None:
            self._store(self._served, now)
        elif self.state == ENDED:
            self._rest(now)

    def lose_power(self, now: Monotonic, back_at: Monotonic) -> None:
        """What flowed is sold; who had only lifted goes away; what waits for a confirmation still waits."""
        if self._served is not None:
            volume_cl, amount_fen = self.shown(now)
            if self.state == LIMIT:
                self._store(self._served, back_at)
            elif volume_cl:
                self._store(replace(self._served, volume_cl=volume_cl, amount_fen=amount_fen), back_at)
            else:
                self.newest_number -= self._counts_at_lift
                self._served, self.state = None, IDLE
        if self.state == IDLE:
            self._rest(back_at)
        elif self._next_at is not None:
            self._next_at = max(self._next_at, back_at)

    def _lift(self, now: Monotonic) -> None:
        self._served, self.state = self._waiting.popleft(), CALLING
        self.newest_number = (self.newest_number + self._counts_at_lift) % MODULUS
        is_leaving = not self._served.volume_cl
        self._next_at = Monotonic(now + LIFT_MS) if is_leaving or not self._needs_master else None

    def _leave_or_flow(self, now: Monotonic) -> None:
        assert self._served is not None
        if self._served.volume_cl:
            self._flow(now)
        elif self._stores_zero:
            self._store(self._served, now)
        else:
            self.newest_number -= self._counts_at_lift
            self._served = None
            self._rest(now)

    def _flow(self, now: Monotonic) -> None:
        assert self._served is not None
        self.state, self._began = FUELLING, now
        self._next_at = Monotonic(now + self._served.duration_ms)

    def _store(self, customer: Customer, now: Monotonic) -> None:
        self.total_cl = (self.total_cl + customer.volume_cl) % MODULUS
        self.newest_number = (self.newest_number + (not self._counts_at_lift)) % MODULUS
        sale = _sale(customer, self.newest_number, self.total_cl)
        self.stored[sale.sequence_no] = sale
        while len(self.stored) > KEPT_SALES:
            del self.stored[next(iter(self.stored))]
        self._sold.append(sale)
        self._served, self.state = None, ENDED
        self._next_at = None if self._holds else Monotonic(now + PAUSE_MS)

    def _rest(self, now: Monotonic) -> None:
        self.state = IDLE
        self._next_at = Monotonic(now + PAUSE_MS) if self._waiting else None

    def _coming(self) -> Iterator[Sale]:
        number = (self.newest_number - (self._counts_at_lift and self._served is not None)) % MODULUS
        total_cl = self.total_cl
        for customer in ([self._served] if self._served else []) + list(self._waiting):
            if customer.volume_cl or self._stores_zero:
                number, total_cl = (number + 1) % MODULUS, (total_cl + customer.volume_cl) % MODULUS
                yield _sale(customer, number, total_cl)


def _sale(customer: Customer, sequence_no: int, total_cl: int) -> Sale:
    return Sale(sequence_no, customer.volume_cl, customer.amount_fen, customer.price_fen, total_cl)
