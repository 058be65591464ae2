"""One simulated pump without its line: customers, grades, display, totalizers, state.

`needs_master` False is a pump that sells by itself; True is one that waits in "call" until it is authorised.
"""

from collections import deque
from dataclasses import dataclass, field, replace

from drivers.events import Monotonic

IDLE, CALL, AUTHORISED, BUSY, PEOT, FEOT = 0x6, 0x7, 0x8, 0x9, 0xA, 0xB
LASTS_MS = {CALL: 400, AUTHORISED: 100, PEOT: 300, FEOT: 400, IDLE: 300}
"""How long a state lasts that nobody has to end; idle: between two customers."""
BOOT_MS = 2_500
_START = Monotonic(0)


@dataclass(frozen=True, slots=True)
class Customer:
    """What a customer will take, in the display's own steps; `volume_count` 0 hangs up again. `arrival_no`
    is his place among the customers of all pumps."""

    grade_no: int
    volume_count: int
    amount_count: int
    price_count: int
    duration_ms: int
    arrival_no: int = 0


@dataclass(frozen=True, slots=True)
class Sold:
    """A fuelling in the display's own steps, with its grade's totalizer after it in the totalizer's."""

    pump_no: int
    grade_no: int
    volume_count: int
    amount_count: int
    price_count: int
    total_count: int
    arrival_no: int


NOBODY = Customer(0, 0, 0, 0, 0)


@dataclass(slots=True)
class Hydraulics:
    """Verbs: `arrive`, `authorise`. Truth: `sold()`, those of waiting customers included.

    `totals` are in the volume's steps and shown in tens of them; `lag_ms`: how late the shown ones follow.
    """

    number: int
    needs_master: bool = False
    total_modulus: int = 10**8
    lag_ms: int = 0
    state_code: int = IDLE
    display: Customer = NOBODY
    totals: dict[int, int] = field(default_factory=dict)
    amounts: dict[int, int] = field(default_factory=dict)
    _shown: dict[int, int] = field(default_factory=dict)
    _lags_until: Monotonic = _START
    _queue: deque[Customer] = field(default_factory=deque)
    _served: Customer | None = None
    _began: Monotonic = _START
    _next_at: Monotonic | None = None
    _boots_until: Monotonic = _START
    _sold: list[Sold] = field(default_factory=list)

    def arrive(self, customer: Customer, now: Monotonic) -> None:
        """One more customer; they are served one after the other."""
        self._queue.append(customer)
        if self._served is None and self._next_at is None:
            self._next_at = max(now, self._boots_until)

    def authorise(self, now: Monotonic) -> None:
        if self.state_code == CALL and self._served is not None:
            self._enter(AUTHORISED, now)

    def sold(self) -> list[Sold]:
        """Every fuelling with volume, those that are still to come included, in order."""
        totals = dict(self.totals)
        coming = []
        waits = self._served is not None and self.state_code in (CALL, AUTHORISED, BUSY)
        for customer in ([self._served] if waits and self._served else []) + list(self._queue):
            totals[customer.grade_no] = totals.get(customer.grade_no, 0) + customer.volume_count
            coming.append(self._as_sold(customer, totals[customer.grade_no]))
        return [sold for sold in self._sold + coming if sold.volume_count]

    def shown_total(self, grade: int, now: Monotonic) -> int:
        """The totalizer as it is told."""
        total = self._shown.get(grade, 0) if now < self._lags_until else self.totals.get(grade, 0)
        return total // 10 % self.total_modulus

    def next_timer(self) -> Monotonic | None:
        return self._next_at

    def tick(self, now: Monotonic) -> None:
        """Time has passed."""
        if self._next_at is None or now < self._next_at:
            return
        if self._served is None:
            self._lift(now)
        elif self.state_code == CALL:
            self._enter(AUTHORISED, now)
        elif self.state_code == AUTHORISED:
            self._enter(BUSY, now)
            self._began, self._next_at = now, Monotonic(now + self._served.duration_ms)
        elif self.state_code == BUSY:
            self._finish(self._served, now)
            self._enter(PEOT, now)
        elif self.state_code == PEOT:
            self._enter(FEOT, now)
        else:
            self._hang_up(now)

    def lose_power(self, now: Monotonic) -> None:
        """Flow stops; display and totals stay. The customer pays what was delivered."""
        served = self._served
        if served is not None and self.state_code == BUSY and served.duration_ms:
            self._finish(_part(served, now - self._began), now)
        self._boots_until = Monotonic(now + BOOT_MS)
        self._hang_up(self._boots_until)

    def _lift(self, now: Monotonic) -> None:
        self._served = self._queue.popleft()
        self._enter(CALL, now)
        if self.needs_master:
            self._next_at = None

    def _enter(self, state: int, now: Monotonic) -> None:
        self.state_code = state
        self._next_at = Monotonic(now + LASTS_MS.get(state, 0))

    def _finish(self, customer: Customer, now: Monotonic) -> None:
        self._shown, self._lags_until = dict(self.totals), Monotonic(now + self.lag_ms)
        self.display = customer
        for counted, count in (
            (self.totals, customer.volume_count),
            (self.amounts, customer.amount_count),
        ):
            counted[customer.grade_no] = counted.get(customer.grade_no, 0) + count
        self._sold.append(self._as_sold(customer, self.totals[customer.grade_no]))

    def _hang_up(self, now: Monotonic) -> None:
        self.state_code, self._served = IDLE, None
        self._next_at = Monotonic(now + LASTS_MS[IDLE]) if self._queue else None

    def _as_sold(self, customer: Customer, total: int) -> Sold:
        return Sold(
            self.number,
            customer.grade_no,
            customer.volume_count,
            customer.amount_count,
            customer.price_count,
            total // 10 % self.total_modulus,
            customer.arrival_no,
        )


def _part(customer: Customer, flowed_ms: int) -> Customer:
    """What was delivered until now, in whole steps of the totalizer."""
    volume_count = customer.volume_count * flowed_ms // customer.duration_ms // 10 * 10
    amount_count = customer.amount_count * volume_count // max(1, customer.volume_count)
    return replace(customer, volume_count=volume_count, amount_count=amount_count)
