"""From the port's digits to a `Fuelling`: scales are the site's options, integers only."""

from dataclasses import dataclass

from drivers.cn_tax_port.codec import Grand, Latest
from drivers.cn_tax_port.options import TaxPortOptions
from drivers.events import Fuelling, HandOver, Monotonic, RawDigits
from drivers.scales import LITRE_DECIMALS, PRICE_DECIMALS, scaled

TOTALIZER_MODULUS = 10**12
"""Twelve digits, volume and money alike."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one gun says at one time: its latest sale and its grand total."""

    latest: Latest
    grand: Grand


def volume_ml(latest: Latest, options: TaxPortOptions) -> int:
    return scaled(latest.volume, options.volume_decimals, LITRE_DECIMALS)


def total_ml(digits: str, options: TaxPortOptions) -> int:
    return scaled(digits, options.totalizer_decimals, LITRE_DECIMALS)


def moved_ml(before: Grand, after: Grand, options: TaxPortOptions) -> int:
    """How far the volume total moved, across its wrap."""
    return total_ml(_moved(before.volume, after.volume), options)


def misfits(before: Grand | None, reading: Reading, options: TaxPortOptions) -> tuple[str, ...]:
    """Flags for totals that did not move by what was sold, to within the coarser step; none if nothing is
    known of before."""
    if before is None:
        return ()
    latest, after = reading.latest, reading.grand
    step_ml = max(total_ml("1", options), scaled("1", options.volume_decimals, LITRE_DECIMALS))
    short_ml = moved_ml(before, after, options) - volume_ml(latest, options)
    short_amount = int(_moved(before.amount, after.amount)) - int(latest.amount)
    flags = (("TOTAL_DIFFERS", abs(short_ml) >= step_ml), ("AMOUNT_TOTAL_DIFFERS", short_amount != 0))
    return tuple(flag for flag, holds in flags if holds)


def _moved(before: str, after: str) -> str:
    return str((int(after) - int(before)) % TOTALIZER_MODULUS)


def as_fuelling(
    reading: Reading,
    gun: int,
    address: str,
    options: TaxPortOptions,
    *,
    before: Grand | None,
    ended: Monotonic | None,
) -> Fuelling:
    """The latest sale as hand-over B. The port gives a day without a month, which is no `DeviceTime`."""
    latest = reading.latest
    return Fuelling(
        address=address,
        nozzle=str(gun),
        hand_over=HandOver.LAST_SALE,
        sequence_no=None,
        raw=RawDigits(latest.volume, latest.amount, latest.unit_price, reading.grand.volume),
        volume_ml=volume_ml(latest, options),
        amount_fen=scaled(latest.amount, options.amount_decimals, options.minor_decimals),
        unit_price_milli=scaled(latest.unit_price, options.price_decimals, PRICE_DECIMALS),
        volume_step_ml=scaled("1", options.volume_decimals, LITRE_DECIMALS),
        amount_step_fen=max(1, scaled("1", options.amount_decimals, options.minor_decimals)),
        totalizer_after_ml=total_ml(reading.grand.volume, options),
        totalizer_before_ml=None if before is None else total_ml(before.volume, options),
        totalizer_modulus_ml=total_ml(str(TOTALIZER_MODULUS), options),
        totalizer_step_ml=total_ml("1", options),
        ended=ended,
        flags=misfits(before, reading, options),
    )
