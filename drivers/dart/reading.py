"""From a pump's digits to a `Fuelling`: scales are the site's options, integers only.

The price is said again whenever it changes, also while the last fuelling still stands on the display, so it
is no part of the raw digits: a price change would else make a second fuelling of it.
"""

from dataclasses import dataclass

from drivers.dart.options import DartOptions
from drivers.dart.pump_view import Shown
from drivers.dart.words import Filling
from drivers.events import Fuelling, HandOver, RawDigits
from drivers.scales import LITRE_DECIMALS, PRICE_DECIMALS, scaled

_FINE_DECIMALS = 7
"""As many as price and volume can have together, so that nothing is rounded."""
TOTALIZER_MODULUS = 10**10
"""Ten digits."""


@dataclass(frozen=True, slots=True)
class Meter:
    """What is said of the totalizer. `raw` goes into the identity; the others may be None."""

    raw: str
    after_ml: int | None
    before_ml: int | None


def volume_ml(filling: Filling, options: DartOptions) -> int:
    return scaled(filling.volume, options.volume_decimals, LITRE_DECIMALS)


def total_ml(digits: str, options: DartOptions) -> int:
    return scaled(digits, options.totalizer_decimals, LITRE_DECIMALS)


def modulus_ml(options: DartOptions) -> int:
    """Where the totalizer wraps."""
    return total_ml(str(TOTALIZER_MODULUS), options)


def totalizer_step_ml(options: DartOptions) -> int:
    return total_ml("1", options)


def moved_ml(before: str, after: str, options: DartOptions) -> int:
    """How far the totalizer moved, across its wrap."""
    return total_ml(str((int(after) - int(before)) % TOTALIZER_MODULUS), options)


def fits(moved: int, filling: Filling, options: DartOptions) -> bool:
    """The totalizer moved by what was sold, to within the coarser of the two steps."""
    coarser = max(totalizer_step_ml(options), volume_step_ml(options))
    return abs(moved - volume_ml(filling, options)) < coarser


def price_fits(shown: Shown, options: DartOptions) -> bool:
    """Price times volume is the amount, to within price times volume step and one amount step."""
    price_step = scaled(shown.price, options.price_decimals + options.volume_decimals, _FINE_DECIMALS)
    amount_step = scaled("1", options.amount_decimals, _FINE_DECIMALS)
    due, said = price_step * int(shown.filling.volume), amount_step * int(shown.filling.amount)
    return abs(due - said) <= price_step + amount_step


def volume_step_ml(options: DartOptions) -> int:
    return scaled("1", options.volume_decimals, LITRE_DECIMALS)


def as_fuelling(
    shown: Shown, nozzle: int, meter: Meter, flags: tuple[str, ...], address: str, options: DartOptions
) -> Fuelling:
    """The fuelling on the display, for hand-over B: without a number of its own."""
    return Fuelling(
        address=address,
        nozzle=str(nozzle),
        hand_over=HandOver.LAST_SALE,
        sequence_no=None,
        raw=RawDigits(shown.filling.volume, shown.filling.amount, "", meter.raw),
        volume_ml=volume_ml(shown.filling, options),
        amount_fen=scaled(shown.filling.amount, options.amount_decimals, options.minor_decimals),
        unit_price_milli=scaled(shown.price, options.price_decimals, PRICE_DECIMALS),
        volume_step_ml=volume_step_ml(options),
        amount_step_fen=max(1, scaled("1", options.amount_decimals, options.minor_decimals)),
        totalizer_after_ml=meter.after_ml,
        totalizer_before_ml=meter.before_ml,
        totalizer_modulus_ml=modulus_ml(options),
        totalizer_step_ml=totalizer_step_ml(options),
        ended=shown.ended,
        flags=flags,
    )
