"""From a pump's digits to a `Fuelling`: scales are the site's options, integers only.

The register that 35 reads is set to zero when the next fuelling is authorised, not when it ends. Fuel that
flows without that (a drip, a topping up) makes a second record whose register still holds the first.
"""

from dataclasses import dataclass

from drivers.azt2.codec import channel_of
from drivers.azt2.options import AztOptions
from drivers.azt2.words import OVERRUN, Sale
from drivers.events import Fuelling, HandOver, Monotonic, RawDigits
from drivers.scales import LITRE_DECIMALS, PRICE_DECIMALS, scaled


@dataclass(frozen=True, slots=True)
class Record:
    """A finished fuelling as it was read. `totals` and `number` are digits, "" where there are none."""

    sale: Sale
    reason: str
    totals: str = ""
    number: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of before: the totalizer's digits, "" if they are not, and the record before it on the
    same register, if it is safe."""

    before: str = ""
    earlier: Record | None = None


def volume_ml(sale: Sale, options: AztOptions) -> int:
    return scaled(sale.volume, options.volume_decimals, LITRE_DECIMALS)


def amount_fen(sale: Sale, options: AztOptions) -> int:
    return scaled(sale.amount, options.amount_decimals, options.minor_decimals)


def total_ml(digits: str, options: AztOptions) -> int | None:
    return scaled(digits, options.totalizer_decimals, LITRE_DECIMALS) if digits else None


def moved_ml(before: str, after: str, options: AztOptions) -> int | None:
    """How far the totalizer moved, across its wrap; None if one is not known or their widths differ."""
    if not before or len(before) != len(after):
        return None
    moved = (int(after) - int(before)) % 10 ** len(after)
    return scaled(str(moved), options.totalizer_decimals, LITRE_DECIMALS)


def fits(record: Record, evidence: Evidence, options: AztOptions) -> bool:
    """The totalizer moved by what was sold, or by what was added to the record before."""
    moved = moved_ml(evidence.before, record.totals, options)
    if moved is None:
        return False
    return _is_near(moved, volume_ml(record.sale, options), options) or continues(record, evidence, options)


def continues(record: Record, evidence: Evidence, options: AztOptions) -> bool:
    """Fuel flowed on without an authorisation: the register holds the record before as well."""
    moved, earlier = moved_ml(evidence.before, record.totals, options), evidence.earlier
    if not moved or earlier is None:
        return False
    if record.sale.unit_price != earlier.sale.unit_price or int(record.sale.amount) < int(
        earlier.sale.amount
    ):
        return False
    added = volume_ml(record.sale, options) - volume_ml(earlier.sale, options)
    is_whole = _is_near(moved, volume_ml(record.sale, options), options)
    return added > 0 and not is_whole and _is_near(moved, added, options)


def _is_near(moved: int, sold: int, options: AztOptions) -> bool:
    steps = (options.totalizer_decimals, options.volume_decimals)
    return moved > 0 and abs(moved - sold) < max(10 ** (LITRE_DECIMALS - decimals) for decimals in steps)


def as_fuelling(
    record: Record,
    evidence: Evidence,
    address: str,
    options: AztOptions,
    *,
    ended: Monotonic | None,
    stand_in: str = "",
) -> Fuelling:
    """The fuelling of a record with volume. Of a record that continues another one only what was added.

    `stand_in` identifies a record whose totals were not heard, in their place.
    """
    volume, amount = volume_ml(record.sale, options), amount_fen(record.sale, options)
    is_continued = continues(record, evidence, options)
    if is_continued:
        assert evidence.earlier is not None
        volume -= volume_ml(evidence.earlier.sale, options)
        amount -= amount_fen(evidence.earlier.sale, options)
    moved = moved_ml(evidence.before, record.totals, options)
    flags = (
        ("OVERRUN", record.reason == OVERRUN),
        ("CONTINUED", is_continued),
        ("TOTALIZER_UNHEARD" if stand_in else "TOTALIZER_MISSING", not record.totals),
        ("TOTAL_DIFFERS", moved is not None and not fits(record, evidence, options)),
    )
    digits = len(record.totals)
    return Fuelling(
        address=address,
        nozzle=str(channel_of(address)),
        hand_over=HandOver.BUFFERED,
        sequence_no=int(record.number) if record.number else None,
        raw=RawDigits(
            record.sale.volume, record.sale.amount, record.sale.unit_price, record.totals or stand_in
        ),
        volume_ml=volume,
        amount_fen=amount,
        unit_price_milli=scaled(record.sale.unit_price, options.price_decimals, PRICE_DECIMALS),
        volume_step_ml=10 ** (LITRE_DECIMALS - options.volume_decimals),
        amount_step_fen=max(1, scaled("1", options.amount_decimals, options.minor_decimals)),
        totalizer_after_ml=total_ml(record.totals, options),
        totalizer_before_ml=None if moved is None else total_ml(evidence.before, options),
        totalizer_modulus_ml=total_ml("1" + "0" * digits, options) if digits else None,
        totalizer_step_ml=10 ** (LITRE_DECIMALS - options.totalizer_decimals),
        ended=ended,
        flags=tuple(flag for flag, holds in flags if holds),
    )
