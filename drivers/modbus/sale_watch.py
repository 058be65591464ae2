"""When the reading of an unnumbered last sale is a sale to report: the judgement of `last_sale.py`.

A new sale is known by its identity: last volume, last amount and totalizer, because two equal sales
in a row are legitimate and a retained display is no sale. It is reported at once when the totals
moved by exactly what it says. Otherwise, and after a break when nothing is known of before, the same
must be read `STEADY_READINGS` times, because a device may update its totals after it raises the flag.
"""

from dataclasses import dataclass

from drivers.events import Monotonic
from drivers.modbus.map_parts import Register
from drivers.modbus.maps import LastSaleMap
from drivers.modbus.registers import Reading, step
from drivers.scales import scaled

STEADY_READINGS = 3
UNMOVED_READINGS = 20
"""Patience with totals that have not moved at all: read too early, they would name the sale wrongly."""

THOUSANDTHS = 3
"""Decimals of a thousandth: of the litre (a millilitre), of the currency (for prices and comparisons)."""
FEN_DECIMALS = 2


@dataclass(frozen=True, slots=True)
class Seen:
    """One consistent reading. `is_ended`: the end-of-sale flag is up."""

    is_ended: bool
    volume: Reading
    amount: Reading
    unit_price: Reading
    current: Reading
    total_volume: Reading
    total_amount: Reading | None

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.volume.digits, self.amount.digits, self.total_volume.digits

    @property
    def flows(self) -> bool:
        return not self.is_ended and bool(self.current.count)

    def shows_the_sale_of(self, other: "Seen") -> bool:
        return (self.volume, self.amount) == (other.volume, other.amount)


@dataclass(frozen=True, slots=True)
class NewSale:
    """A sale to report: its reading, the one of the sale before (if known), and when its end was watched."""

    seen: Seen
    before: Seen | None
    ended: Monotonic | None
    flags: tuple[str, ...]


class SaleWatch:
    """Fed with every reading of one device in order."""

    def __init__(self, found: LastSaleMap) -> None:
        self._roles = found.roles
        self._last: Seen | None = None
        """The last sale that was reported, or the last display that was none."""
        self.sight_lost()

    def sight_lost(self) -> None:
        """What is read next was not watched coming."""
        self._previous: Seen | None = None
        self._steady = 0
        self._settling: Seen | None = None
        self._ended: Monotonic | None = None
        self._has_caught_up = False
        self._flag_fell = False
        self._flow_from: Seen | None = None
        """The first reading of the fuelling that runs."""

    def wants_certainty(self, seen: Seen) -> bool:
        """The reading may be a sale to report: read its trigger again before `see`."""
        is_candidate = seen.is_ended or not self._has_caught_up
        return is_candidate and (self._last is None or seen.identity != self._last.identity)

    def see(self, seen: Seen, now: Monotonic, *, may_report: bool) -> NewSale | None:
        """Judge one reading; `may_report` False keeps a sale back while another is with the till."""
        previous, self._previous = self._previous, seen
        same = previous is not None and seen.identity == previous.identity
        self._steady = self._steady + 1 if same else 1
        if seen.is_ended:
            self._flow_from = None
            return self._at_rest(seen, now, was_watched=previous is not None, may_report=may_report)
        return self._while_running(seen, may_report=may_report)

    def _at_rest(self, seen: Seen, now: Monotonic, *, was_watched: bool, may_report: bool) -> NewSale | None:
        if not self._is_new(seen):
            self._settling, self._has_caught_up = None, True
            if self._steady >= STEADY_READINGS:
                self._flag_fell = False
            return None
        if self._settling is None:
            self._ended = now if was_watched else None
        self._settling = seen
        return self._new_sale(seen) if may_report and self._has_settled(seen) else None

    def _while_running(self, seen: Seen, *, may_report: bool) -> NewSale | None:
        self._flag_fell = True
        if seen.flows and self._flow_from is None:
            self._flow_from = seen
        if not may_report:
            return None
        if self._settling is not None:
            # The next fuelling has begun, its totals are no longer this sale's: what was read must do.
            return self._new_sale(self._settling)
        if self._has_caught_up or self._steady < STEADY_READINGS or not self._totals_stand_still(seen):
            return None
        # We came while a fuelling ran: the sale before it is still shown and would soon be overwritten.
        return self._new_sale(seen) if self._is_new(seen) else None

    def _totals_stand_still(self, seen: Seen) -> bool:
        """Nothing has flowed yet, or it flows and the totals do not count it: they are the last sale's."""
        began = self._flow_from
        if began is None or began.current.count is None or seen.current.count is None:
            return seen.current.count == 0
        total, current = self._roles.total_volume, self._roles.current_volume
        grown = scaled(seen.current.count - began.current.count, current.decimals, THOUSANDTHS)
        enough = 2 * step(total.decimals, THOUSANDTHS)
        return grown >= enough and seen.total_volume == began.total_volume

    def _is_new(self, seen: Seen) -> bool:
        last = self._last
        if last is None or not seen.shows_the_sale_of(last):
            return True
        if seen.identity == last.identity:
            return False
        # The totals moved under the same display: a second equal sale, or totals that count while fuel flows.
        return self._flag_fell or not self._has_caught_up or self._fits(seen, last)

    def _has_settled(self, seen: Seen) -> bool:
        if self._last is None or not seen.volume.count:
            return self._steady >= STEADY_READINGS
        if self._fits(seen, self._last):
            return True
        unmoved = seen.total_volume == self._last.total_volume
        return self._steady >= (UNMOVED_READINGS if unmoved else STEADY_READINGS)

    def _fits(self, seen: Seen, last: Seen) -> bool:
        return not self._misfits(seen, last)

    def _misfits(self, seen: Seen, last: Seen) -> tuple[str, ...]:
        roles = self._roles
        flags = []
        if not _moved_by(roles.total_volume, last.total_volume, seen.total_volume, roles.volume, seen.volume):
            flags.append("TOTAL_DIFFERS")
        if roles.total_amount and seen.total_amount and last.total_amount:
            role = roles.total_amount
            if not _moved_by(role, last.total_amount, seen.total_amount, roles.amount, seen.amount):
                flags.append("AMOUNT_TOTAL_DIFFERS")
        return tuple(flags)

    def _new_sale(self, seen: Seen) -> NewSale:
        flags: tuple[str, ...] = ("TOTAL_UNREADABLE",) if seen.total_volume.count is None else ()
        if self._last is not None and not flags:
            flags = self._misfits(seen, self._last)
        sale = NewSale(seen, self._last, self._ended, flags)
        self._last = seen
        self._settling = self._ended = None
        self._has_caught_up, self._flag_fell = True, not seen.is_ended
        return sale


def _moved_by(total: Register, before: Reading, after: Reading, one: Register, sold: Reading) -> bool:
    """The totalizer moved by what was sold, to within the coarser of the two steps, across its wrap."""
    if before.count is None or after.count is None or sold.count is None:
        return False
    moved = scaled((after.count - before.count) % total.modulus, total.decimals, THOUSANDTHS)
    coarser = max(step(total.decimals, THOUSANDTHS), step(one.decimals, THOUSANDTHS))
    return abs(moved - scaled(sold.count, one.decimals, THOUSANDTHS)) < coarser
