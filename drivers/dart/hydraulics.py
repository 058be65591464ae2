"""One side of a simulated DART pump without its line: customers, nozzles, display, totals, state.

`needs_master` False is a pump that sells by itself; True is one that waits for RESET and AUTHORISE, forgets
its prices when its power fails, and then waits for them too.
"""

from collections import deque
from dataclasses import dataclass, replace

from drivers.events import Monotonic

LIFT_MS = 300
"""From the lift to the flow, where the pump does not wait for anybody."""
STEP_MS = 400
"""How often the display changes while fuel flows."""
PAUSE_MS = 200
"""Between two customers."""
TOTAL_MODULUS = 10**10
NOT_PROGRAMMED, RESET, AUTHORISED, FILLING, COMPLETE = 0, 1, 2, 4, 5


@dataclass(frozen=True, slots=True)
class Customer:
    """What a customer will take, in the pump's own steps; `volume_count` 0 hangs up again."""

    nozzle_no: int
    volume_count: int
    amount_count: int
    price_count: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Sale:
    """A fuelling in the pump's own steps, with its nozzle's totalizer after it."""

    nozzle_no: int
    volume_count: int
    amount_count: int
    price_count: int
    total_count: int


class Hydraulics:
    """Concrete verb: `arrive`. Truth: `sales()`, those of waiting customers included."""

    def __init__(self, *, needs_master: bool) -> None:
        self._needs_master = needs_master
        self.state = COMPLETE
        self.volume_count = self.amount_count = self.price_count = 0
        self.nozzle = 0
        self.is_out = False
        self.totals: dict[int, int] = {}
        self.changes: set[str] = set()
        """Of "status", "filling" and "nozzle", what is to be said on the line."""
        self._waiting: deque[Customer] = deque()
        self._served: Customer | None = None
        self._began = Monotonic(0)
        self._next_at: Monotonic | None = None
        self._sold: list[Sale] = []

    def arrive(self, customer: Customer, now: Monotonic) -> None:
        """One more customer at this side; they are served one after the other."""
        self._waiting.append(customer)
        if self._served is None and self._next_at is None:
            self._next_at = now

    def sales(self) -> list[Sale]:
        """Every fuelling with volume, those that are still to come included, in order."""
        totals = dict(self.totals)
        coming = []
        for customer in ([self._served] if self._served else []) + list(self._waiting):
            total = (totals.get(customer.nozzle_no, 0) + customer.volume_count) % TOTAL_MODULUS
            totals[customer.nozzle_no] = total
            coming.append(_sale(customer, total))
        return [sale for sale in self._sold + coming if sale.volume_count]

    def next_timer(self) -> Monotonic | None:
        return self._next_at

    def tick(self, now: Monotonic) -> None:
        """Time has passed."""
        if self._next_at is None or now < self._next_at:
            return
        if self._served is None:
            self._lift(now)
        elif self.state == FILLING:
            self._flow(now)
        else:
            self._begin_flow(now)

    def reset(self) -> None:
        if self.state == COMPLETE:
            self._enter(RESET)
            self._show(0, 0)

    def authorise(self, now: Monotonic) -> None:
        if self.state != RESET:
            return
        self._enter(AUTHORISED)
        if self._served is not None:
            self._next_at = Monotonic(now + LIFT_MS)

    def take_prices(self) -> None:
        if self.state == NOT_PROGRAMMED:
            self._enter(COMPLETE)

    def lose_power(self, back_at: Monotonic) -> None:
        """Flow stops; display and totals stay. The customer hangs up and pays what was delivered."""
        if self._served is not None:
            part = replace(self._served, volume_count=self.volume_count, amount_count=self.amount_count)
            self._hang_up(part if self.state == FILLING else replace(part, volume_count=0))
        self.state = NOT_PROGRAMMED if self._needs_master else COMPLETE
        self.changes = {"status", "nozzle"}
        self._next_at = Monotonic(back_at + PAUSE_MS) if self._waiting else None

    def _lift(self, now: Monotonic) -> None:
        if self.state == NOT_PROGRAMMED:
            self._next_at = Monotonic(now + PAUSE_MS)
            return
        self._served = self._waiting.popleft()
        self.nozzle, self.is_out = self._served.nozzle_no, True
        self.price_count = self._served.price_count
        self.changes.add("nozzle")
        may_flow = self.state == AUTHORISED or not self._needs_master
        self._next_at = Monotonic(now + LIFT_MS) if may_flow else None

    def _begin_flow(self, now: Monotonic) -> None:
        self._enter(FILLING)
        self._show(0, 0)
        self._began = now
        self._next_at = Monotonic(now + STEP_MS)

    def _flow(self, now: Monotonic) -> None:
        customer = self._served
        assert customer is not None
        flowed_ms = now - self._began
        if flowed_ms >= customer.duration_ms:
            self._show(customer.volume_count, customer.amount_count)
            self._hang_up(customer)
            self._enter(COMPLETE)
            self._next_at = Monotonic(now + PAUSE_MS) if self._waiting else None
            return
        self._show(
            customer.volume_count * flowed_ms // customer.duration_ms,
            customer.amount_count * flowed_ms // customer.duration_ms,
        )
        self._next_at = Monotonic(min(now + STEP_MS, self._began + customer.duration_ms))

    def _hang_up(self, customer: Customer) -> None:
        total = (self.totals.get(customer.nozzle_no, 0) + customer.volume_count) % TOTAL_MODULUS
        self.totals[customer.nozzle_no] = total
        self._sold.append(_sale(customer, total))
        self._served, self.is_out = None, False
        self.changes.add("nozzle")

    def _enter(self, state: int) -> None:
        self.state = state
        self.changes.add("status")

    def _show(self, volume_count: int, amount_count: int) -> None:
        self.volume_count, self.amount_count = volume_count, amount_count
        self.changes.add("filling")


def _sale(customer: Customer, total_count: int) -> Sale:
    return Sale(
        customer.nozzle_no, customer.volume_count, customer.amount_count, customer.price_count, total_count
    )
