"""What is believed of a display at rest: a fuelling with its totals, one without, nothing new, or not yet.

- A display is known by its volume, its amount and its grade's totalizer, not by its price, which may be
  programmed while it stands. Equal totalizers are no new fuelling.
- The LRC is weak. A display is believed at once if its totalizer moved by its volume and either its price
  fits its amount or it was read twice; else after some equal readings of both.
- Who listens cannot read again. What was read once counts when nobody reads it any more: with its totals if
  nothing damaged was heard meanwhile, else without them; but not if its totalizer stands where it stood.
- Without totals a display is a fuelling only if fuel was seen flowing for it: one that was there before us is
  known by its totalizer or not at all.
"""

from dataclasses import dataclass
from enum import Enum

from drivers.gilbarco import reading
from drivers.gilbarco.meters import Meters
from drivers.gilbarco.options import GilbarcoOptions
from drivers.gilbarco.standing import Standing
from drivers.gilbarco.words import Sale

STEADY_COUNT = {"master": 3, "listen": 2}
"""Equal readings that are believed where the totalizer moved otherwise, or nobody knows where it stood."""
UNMOVED_COUNT = 8
"""Equal readings that are believed where it did not move: it may follow its sale late."""
ABSENT_COUNT = 3
"""So often totals are read without the sale's grade before they are said to be without it."""
TWICE = 2


class Belief(Enum):
    NOT_YET = "not yet"
    WITH_TOTALS = "with totals"
    WITHOUT_TOTALS = "without totals"
    NOTHING_NEW = "nothing new"


@dataclass(frozen=True, slots=True)
class Reported:
    """What was reported last: its totalizer as sent ("" if it was reported without), and its digits."""

    total: str
    sale: Sale

    def stands(self, total: str, sale: Sale) -> bool:
        return (self.total, self.sale.display) == (total, sale.display)


def is_zero(sale: Sale) -> bool:
    return int(sale.volume) == 0


def at_once(
    standing: Standing,
    meters: Meters,
    last: Reported | None,
    options: GilbarcoOptions,
    *,
    are_totals_refused: bool,
) -> Belief:
    """While it may be read again."""
    sale = standing.sale
    if standing.is_judged or sale is None or not standing.sale_count:
        return Belief.NOT_YET
    if is_zero(sale):
        return Belief.NOTHING_NEW if standing.sale_count >= TWICE else Belief.NOT_YET
    if not options.totals_follow and options.mode == "listen" and not standing.is_watched:
        return Belief.NOTHING_NEW
    if standing.total()[0]:
        return _with_total(standing, sale, meters, last, options)
    has_none = are_totals_refused or standing.totals_count >= ABSENT_COUNT
    if has_none or (options.mode == "listen" and not options.totals_follow):
        return _without_total(standing, sale, options)
    return Belief.NOT_YET


def at_last(
    standing: Standing, meters: Meters, last: Reported | None, options: GilbarcoOptions, *, is_gone: bool
) -> Belief:
    """When nobody reads it again; `is_gone` if the next fuelling has begun."""
    sale = standing.sale
    if standing.is_judged or sale is None or is_zero(sale):
        return Belief.NOTHING_NEW if is_gone else Belief.NOT_YET
    total, total_count = standing.total()
    moved_ml = meters.moved_ml(sale.grade, total) if total else None
    if total and _is_known(total, sale, standing, moved_ml, last):
        return Belief.NOTHING_NEW
    moved_fits = moved_ml is not None and reading.fits(moved_ml, sale, options)
    is_sale_vouched = standing.is_clean or reading.price_fits(sale, options)
    is_sale_sure = _is_sure(standing, sale, options) or (moved_fits and is_sale_vouched)
    is_total_sure = total_count >= TWICE or moved_fits or standing.is_clean
    if total and moved_ml != 0 and is_sale_sure and is_total_sure:
        return Belief.WITH_TOTALS
    if not is_gone:
        return Belief.NOT_YET
    is_denied = moved_ml == 0 and standing.sale_count < TWICE
    is_fuelling = is_sale_sure and standing.is_watched and not is_denied
    return Belief.WITHOUT_TOTALS if is_fuelling else Belief.NOTHING_NEW


def _with_total(
    standing: Standing, sale: Sale, meters: Meters, last: Reported | None, options: GilbarcoOptions
) -> Belief:
    total, _ = standing.total()
    moved_ml = meters.moved_ml(sale.grade, total)
    if last is not None and last.stands(total, sale):
        return Belief.NOTHING_NEW
    if moved_ml is not None and reading.fits(moved_ml, sale, options):
        is_sale_sure = standing.sale_count >= TWICE or reading.price_fits(sale, options)
        return Belief.WITH_TOTALS if is_sale_sure else Belief.NOT_YET
    is_known = _is_known(total, sale, standing, moved_ml, last)
    if is_known and not standing.is_watched:
        return Belief.NOTHING_NEW if standing.equal_count() >= TWICE else Belief.NOT_YET
    needed_count = UNMOVED_COUNT if moved_ml == 0 else STEADY_COUNT[options.mode]
    if standing.equal_count() < needed_count:
        return Belief.NOT_YET
    return Belief.NOTHING_NEW if is_known else Belief.WITH_TOTALS


def _without_total(standing: Standing, sale: Sale, options: GilbarcoOptions) -> Belief:
    if not _is_sure(standing, sale, options):
        return Belief.NOT_YET
    return Belief.WITHOUT_TOTALS if standing.is_watched else Belief.NOTHING_NEW


def _is_known(
    total: str, sale: Sale, standing: Standing, moved_ml: int | None, last: Reported | None
) -> bool:
    """The last report's display again: its digits, and no litres since. One that was reported without its
    totals is the same display until the pump was seen running."""
    if last is None or last.sale.display != sale.display:
        return False
    if not last.total and not standing.is_watched:
        return True
    return moved_ml == 0 or total == last.total


def _is_sure(standing: Standing, sale: Sale, options: GilbarcoOptions) -> bool:
    """Without its totals. One wrong bit in our question is enough for another pump to answer with its own
    sale: who can ask twice must have asked twice."""
    is_twice = standing.sale_count >= TWICE
    return is_twice or (options.mode == "listen" and reading.price_fits(sale, options))
