"""From a sale's raw counts to a `Fuelling`: scales are the site's options, integers only.

The raw digits are the sale's own bytes alone, never the totals command's: those move on while a sale waits,
and the same sale read again, or overheard by somebody else, must have the same identity. The other bytes of
the sale (chain number, and what holds its own totalizer) stand in the place of the totalizer.
"""

from drivers.events import Fuelling, HandOver, Monotonic, RawDigits
from drivers.scales import LITRE_DECIMALS, PRICE_DECIMALS, scaled
from drivers.zhengxing.ledger import Evidence
from drivers.zhengxing.options import ZhengxingOptions
from drivers.zhengxing.words import TOTAL_MODULUS, Sale


def volume_ml(count: int, options: ZhengxingOptions) -> int:
    return scaled(count, options.volume_decimals, LITRE_DECIMALS)


def amount_fen(count: int, options: ZhengxingOptions) -> int:
    return scaled(count, options.amount_decimals, options.minor_decimals)


def price_milli(digits: str, options: ZhengxingOptions) -> int | None:
    """None if a half-byte is no digit."""
    return scaled(digits, options.price_decimals, PRICE_DECIMALS) if digits.isdecimal() else None


def total_ml(count: int, options: ZhengxingOptions) -> int:
    return scaled(count, options.totalizer_decimals, LITRE_DECIMALS)


def chain_no(sale: Sale) -> int | None:
    """The number that came with the preset and comes back with the sale; None if it is no number."""
    digits = sale.chain.hex()
    return int(digits) if digits.isdecimal() else None


def raw_of(sale: Sale) -> RawDigits:
    return RawDigits(str(sale.volume_count), str(sale.amount_count), sale.price, sale.other.hex())


def as_fuelling(
    sale: Sale,
    point: int,
    evidence: Evidence,
    ended: Monotonic | None,
    address: str,
    options: ZhengxingOptions,
) -> Fuelling:
    """The fuelling that a sale with volume tells of, whatever else is odd about it."""
    unit_price_milli = price_milli(sale.price, options)
    odd = () if unit_price_milli is not None else ("PRICE_UNREADABLE",)
    after, before = evidence.after_count, evidence.before_count
    return Fuelling(
        address=address,
        nozzle=str(point),
        hand_over=HandOver.BUFFERED,
        sequence_no=chain_no(sale),
        raw=raw_of(sale),
        volume_ml=volume_ml(sale.volume_count, options),
        amount_fen=amount_fen(sale.amount_count, options),
        unit_price_milli=unit_price_milli or 0,
        volume_step_ml=volume_ml(1, options),
        amount_step_fen=max(1, amount_fen(1, options)),
        totalizer_after_ml=None if after is None else total_ml(after, options),
        totalizer_before_ml=None if before is None else total_ml(before, options),
        totalizer_modulus_ml=total_ml(TOTAL_MODULUS, options),
        totalizer_step_ml=total_ml(1, options),
        ended=ended,
        flags=odd + evidence.flags,
    )
