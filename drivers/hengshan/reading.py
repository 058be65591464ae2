"""From a record's numbers to a `Fuelling`: scales are the site's options, integers only.

The totalizer is no part of a record, and is known only while its sale is the newest one. It is therefore no
part of the raw digits: a sale that is read again later, by its number, must be the same fuelling.
"""

from dataclasses import dataclass

from drivers.events import Fuelling, HandOver, Monotonic, RawDigits
from drivers.hengshan.options import HengshanOptions
from drivers.hengshan.words import Sale
from drivers.scales import LITRE_DECIMALS, PRICE_DECIMALS, cut

AMOUNT_BELOW_MINOR = "AMOUNT_BELOW_MINOR"
NUMBER_DIFFERS = "NUMBER_DIFFERS"
TOTALIZER_MISSING = "TOTALIZER_MISSING"
NOZZLE = "1"
"""One hose at each address [one]."""
NUMBER_MODULUS = 2**32


@dataclass(frozen=True, slots=True)
class Total:
    """The volume total right after the sale of this number, in the dispenser's own steps."""

    sequence_no: int
    count: int


def total_ml(count: int, options: HengshanOptions) -> int:
    return cut(count, options.totalizer_decimals, LITRE_DECIMALS)[0]


def before(sequence_no: int, last: Total | None) -> Total | None:
    """The total at which this sale began: the last one, if it is that of the sale right before."""
    if last is None or (last.sequence_no + 1) % NUMBER_MODULUS != sequence_no:
        return None
    return last


def as_fuelling(
    sale: Sale,
    sequence_no: int,
    address: str,
    options: HengshanOptions,
    *,
    after: Total | None,
    last: Total | None,
    ended: Monotonic | None = None,
) -> Fuelling:
    """The fuelling of a record with volume. `after` is the total after it, `last` that of an earlier sale."""
    assert sale.volume_count > 0
    amount_fen, amount_exact = cut(sale.amount_count, options.amount_decimals, options.minor_decimals)
    began = before(sequence_no, last)
    flags = (
        (NUMBER_DIFFERS, sale.echo_no != sequence_no),
        (TOTALIZER_MISSING, after is None),
        (AMOUNT_BELOW_MINOR, not amount_exact),
    )
    return Fuelling(
        address=address,
        nozzle=NOZZLE,
        hand_over=HandOver.BUFFERED,
        sequence_no=sequence_no,
        raw=RawDigits(str(sale.volume_count), str(sale.amount_count), str(sale.unit_price_count), ""),
        volume_ml=cut(sale.volume_count, options.volume_decimals, LITRE_DECIMALS)[0],
        amount_fen=amount_fen,
        unit_price_milli=cut(sale.unit_price_count, options.price_decimals, PRICE_DECIMALS)[0],
        volume_step_ml=10 ** (3 - options.volume_decimals),
        amount_step_fen=10 ** max(0, options.minor_decimals - options.amount_decimals),
        totalizer_after_ml=None if after is None else total_ml(after.count, options),
        totalizer_before_ml=None if began is None or after is None else total_ml(began.count, options),
        totalizer_modulus_ml=total_ml(options.wraps_at, options),
        totalizer_step_ml=10 ** (3 - options.totalizer_decimals),
        ended=ended,
        flags=tuple(flag for flag, holds in flags if holds),
    )
