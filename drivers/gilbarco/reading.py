"""From a pump's digits to a `Fuelling`: scales are the site's options, integers only."""

from dataclasses import dataclass

from drivers.events import Fuelling, HandOver, Monotonic, RawDigits
from drivers.gilbarco.options import GilbarcoOptions
from drivers.gilbarco.words import Sale
from drivers.scales import LITRE_DECIMALS, PRICE_DECIMALS, scaled

_FINE_DECIMALS = 7
"""As many as price and volume can have together, so that nothing is rounded."""


@dataclass(frozen=True, slots=True)
class Meter:
    """What is said of the totalizer. `raw` goes into the identity; the others may be None."""

    raw: str
    after_ml: int | None
    before_ml: int | None
    modulus_ml: int | None


def nozzle_name(pump: int, grade: str) -> str:
    """Pump 1 to 16 and the grade as the pump numbers it (from 0), such as "3/0"."""
    return f"{pump}/{grade}"


def volume_ml(sale: Sale, options: GilbarcoOptions) -> int:
    return scaled(sale.volume, options.volume_decimals, LITRE_DECIMALS)


def total_ml(digits: str, options: GilbarcoOptions) -> int:
    return scaled(digits, options.totalizer_decimals, LITRE_DECIMALS)


def modulus_ml(digits: str, options: GilbarcoOptions) -> int:
    """Where a totalizer of so many digits wraps."""
    return total_ml("1" + "0" * len(digits), options)


def totalizer_step_ml(options: GilbarcoOptions) -> int:
    return total_ml("1", options)


def volume_step_ml(options: GilbarcoOptions) -> int:
    return scaled("1", options.volume_decimals, LITRE_DECIMALS)


def fits(moved_ml: int, sale: Sale, options: GilbarcoOptions) -> bool:
    """The totalizer moved by what was sold, to within the coarser of the two steps."""
    coarser = max(totalizer_step_ml(options), volume_step_ml(options))
    return moved_ml > 0 and abs(moved_ml - volume_ml(sale, options)) < coarser


def price_fits(sale: Sale, options: GilbarcoOptions) -> bool:
    """Price times volume is the amount, to within price times volume step and one amount step."""
    price_step = scaled(sale.price, options.price_decimals + options.volume_decimals, _FINE_DECIMALS)
    amount_step = scaled("1", options.amount_decimals, _FINE_DECIMALS)
    due, said = price_step * int(sale.volume), amount_step * int(sale.amount)
    return abs(due - said) <= price_step + amount_step


def as_fuelling(
    sale: Sale,
    pump: int,
    meter: Meter,
    ended: Monotonic | None,
    flags: tuple[str, ...],
    address: str,
    options: GilbarcoOptions,
) -> Fuelling:
    """The sale on a display, for hand-over B: without a number of its own."""
    if int(sale.amount) % 10 ** max(0, options.amount_decimals - options.minor_decimals):
        flags += ("AMOUNT_BELOW_MINOR",)
    return Fuelling(
        address=address,
        nozzle=nozzle_name(pump, sale.grade),
        hand_over=HandOver.LAST_SALE,
        sequence_no=None,
        raw=RawDigits(sale.volume, sale.amount, "", meter.raw),
        volume_ml=volume_ml(sale, options),
        amount_fen=scaled(sale.amount, options.amount_decimals, options.minor_decimals),
        unit_price_milli=scaled(sale.price, options.price_decimals, PRICE_DECIMALS),
        volume_step_ml=volume_step_ml(options),
        amount_step_fen=max(1, scaled("1", options.amount_decimals, options.minor_decimals)),
        totalizer_after_ml=meter.after_ml,
        totalizer_before_ml=meter.before_ml,
        totalizer_modulus_ml=meter.modulus_ml,
        totalizer_step_ml=totalizer_step_ml(options),
        ended=ended,
        flags=flags,
    )
