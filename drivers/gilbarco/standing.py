"""What was read of a display that stands at rest, and of the totals beside it: how often, and how surely."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from drivers.events import Monotonic
from drivers.gilbarco.words import GradeTotals, Sale


@dataclass(slots=True)
class Standing:
    """One display from the moment when it came to rest. `is_watched`: we saw fuel flow for it. `is_clean`:
    nothing damaged was heard since. `is_judged`: it was reported, or is none to report."""

    is_watched: bool = False
    ended: Monotonic | None = None
    is_clean: bool = True
    is_judged: bool = False
    sale: Sale | None = None
    sale_count: int = 0
    """Equal readings of `sale` since our sight of the pump is unbroken."""
    rival: Sale | None = None
    """Another sale was read meanwhile: damage, or the next fuelling already."""
    totals: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By grade the digits, and how often they were read like that."""
    totals_count: int = 0
    complete_at: Monotonic | None = None
    """Since when there is one reading of both."""

    def take_sale(self, sale: Sale) -> bool:
        """One reading. False if it is another sale than before."""
        if self.sale is not None and sale != self.sale:
            return False
        self.sale, self.rival = sale, None
        self.sale_count += 1
        return True

    def replace_sale(self, sale: Sale) -> None:
        """What was read before was damaged: this one was read twice since."""
        self.sale, self.sale_count, self.rival = sale, 2, None

    def take_totals(self, totals: Iterable[GradeTotals]) -> None:
        """One reading of all grades."""
        self.totals_count += 1
        for each in totals:
            digits, count = self.totals.get(each.grade, ("", 0))
            self.totals[each.grade] = (each.volume, count + 1 if digits == each.volume else 1)

    def break_sight(self) -> None:
        """Fuellings may have been missed: the sale must be read again, and totals count no more."""
        self.sale_count, self.rival, self.complete_at = 0, None, None
        self.forget_totals()

    def forget_totals(self) -> None:
        """They may be of before a fuelling."""
        self.totals.clear()
        self.totals_count = 0

    def total(self) -> tuple[str, int]:
        """The totalizer of the sale's grade and how often it was read like that, ("", 0) if never."""
        return ("", 0) if self.sale is None else self.totals.get(self.sale.grade, ("", 0))

    def equal_count(self) -> int:
        """How often both were read, each time equal."""
        return min(self.sale_count, self.total()[1])
