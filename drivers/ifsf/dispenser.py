"""What a simulated dispenser keeps: its points, their unpaid and cleared sales, meters, the offline shelf.

A point holds `unpaid_limit` unpaid sales, then the next customer waits: the pump stops. Sales and meters
outlive a cut of power.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

IDLE, CALLING, FUELLING = 3, 4, 8
CLEARED, PAYABLE, LOCKED = 1, 2, 3
LAST_SEQUENCE = 9_999
TOTAL_MODULUS_CL = 10**12
HISTORY = 15
"""Cleared sales that a point keeps readable."""


@dataclass(frozen=True, slots=True)
class Sale:
    """One sale as the device knows it: hundredths of litres, fen, thousandths of the unit a litre."""

    point_no: int
    nozzle_no: int
    sequence_no: int
    volume_cl: int
    amount_fen: int
    price_milli: int
    total_before_cl: int
    total_after_cl: int
    clock: bytes
    error_code: int


@dataclass(slots=True)
class Point:
    """What one fuelling point keeps whatever happens to its power, except for state and lifted nozzle."""

    next_sequence_no: int
    state_code: int = IDLE
    nozzle_no: int = 0
    waiting: deque[Sale] = field(default_factory=deque)
    unpaid: dict[int, Sale] = field(default_factory=dict)
    locked_numbers: set[int] = field(default_factory=set)
    history: deque[Sale] = field(default_factory=lambda: deque(maxlen=HISTORY))
    buffers: list[Sale | None] = field(default_factory=lambda: [None, None])

    def stands(self, code: int, nozzle_no: int = 0) -> None:
        self.state_code, self.nozzle_no = code, nozzle_no

    def state_of(self, sale: Sale) -> int:
        if self.unpaid.get(sale.sequence_no) != sale:
            return CLEARED
        return LOCKED if sale.sequence_no in self.locked_numbers else PAYABLE

    def sale(self, sequence_no: int) -> Sale | None:
        """The unpaid one of this number, else the newest cleared one."""
        known = [*self.unpaid.values(), *reversed(self.history)]
        return next((sale for sale in known if sale.sequence_no == sequence_no), None)

    def take_unpaid(self, sale: Sale) -> None:
        self.unpaid[sale.sequence_no] = sale
        free = [at for at, kept in enumerate(self.buffers) if kept not in self.unpaid.values()]
        if free:
            self.buffers[free[0]] = sale

    def settle(self, sale: Sale) -> None:
        del self.unpaid[sale.sequence_no]
        self.locked_numbers.discard(sale.sequence_no)
        self.history.append(sale)


class Dispenser:
    """`says_state` and `says_sale` are called for what the device would say by itself."""

    def __init__(
        self,
        first_sequences: Sequence[int],
        unpaid_limit: int,
        says_state: Callable[[int], None],
        says_sale: Callable[[Sale], None],
    ) -> None:
        self.points = {no: Point(first) for no, first in enumerate(first_sequences, 1)}
        self.totals_cl: dict[tuple[int, int], int] = {}
        self.sold: list[Sale] = []
        self.shelf: deque[Sale] = deque()
        self.is_offline = False
        self._unpaid_limit = unpaid_limit
        self._says_state = says_state
        self._says_sale = says_sale

    def stands(self, point_no: int, code: int, nozzle_no: int) -> None:
        self.points[point_no].stands(code, nozzle_no)
        self._says_state(point_no)

    def sell(
        self,
        point_no: int,
        nozzle_no: int,
        volume_cl: int,
        amount_fen: int,
        price_milli: int,
        clock: bytes,
        error_code: int,
    ) -> Sale:
        point, meter = self.points[point_no], (point_no, nozzle_no)
        before_cl = self.totals_cl.get(meter, 0)
        sale = Sale(
            point_no=point_no,
            nozzle_no=nozzle_no,
            sequence_no=point.next_sequence_no,
            volume_cl=volume_cl,
            amount_fen=amount_fen,
            price_milli=price_milli,
            total_before_cl=before_cl,
            total_after_cl=(before_cl + volume_cl) % TOTAL_MODULUS_CL,
            clock=clock,
            error_code=error_code,
        )
        self.totals_cl[meter] = sale.total_after_cl
        point.next_sequence_no = sale.sequence_no % LAST_SEQUENCE + 1
        self.sold.append(sale)
        point.waiting.append(sale)
        self.stands(point_no, IDLE, 0)
        self._let_in(point)
        return sale

    def lock(self, sale: Sale) -> None:
        self.points[sale.point_no].locked_numbers.add(sale.sequence_no)
        self._says_sale(sale)

    def unlock(self, sale: Sale) -> None:
        self.points[sale.point_no].locked_numbers.discard(sale.sequence_no)
        self._says_sale(sale)

    def clear(self, sale: Sale) -> None:
        point = self.points[sale.point_no]
        point.settle(sale)
        self._says_sale(sale)
        self._let_in(point)

    def go_offline(self) -> None:
        """Nobody is there: what is unpaid and not locked is settled, and goes to the shelf."""
        self.is_offline = True
        for point in self.points.values():
            self._put_on_shelf(point)
            self._let_in(point)

    def lose_power(self) -> None:
        for point in self.points.values():
            point.stands(IDLE)

    def unpaid(self) -> list[Sale]:
        return [sale for point in self.points.values() for sale in point.unpaid.values()]

    def backlog(self) -> int:
        """Sales that are still kept for a controller, with those that cannot begin yet."""
        waiting = sum(len(point.waiting) for point in self.points.values())
        return len(self.shelf) + len(self.unpaid()) + waiting

    def _let_in(self, point: Point) -> None:
        while point.waiting and (self.is_offline or len(point.unpaid) < self._unpaid_limit):
            sale = point.waiting.popleft()
            point.take_unpaid(sale)
            if self.is_offline:
                self._put_on_shelf(point)
            else:
                self._says_sale(sale)

    def _put_on_shelf(self, point: Point) -> None:
        for sale in list(point.unpaid.values()):
            if sale.sequence_no not in point.locked_numbers:
                point.settle(sale)
                self.shelf.append(sale)
