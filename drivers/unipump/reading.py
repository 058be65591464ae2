"""From a record's digits to a `Fuelling`: scales and oddities. Integers only; nothing is refused that has
a volume, because a readable record is always booked (decisions.md 2)."""

from drivers.events import Fuelling, HandOver, Monotonic, RawDigits
from drivers.scales import cut
from drivers.unipump.codec import Record
from drivers.unipump.options import UnipumpOptions

AMOUNT_BELOW_MINOR = "AMOUNT_BELOW_MINOR"
NOZZLE_ODD = "NOZZLE_ODD"
TOTALIZER_MISSING = "TOTALIZER_MISSING"
TRANSACTION_STOPPED = "TRANSACTION_STOPPED"
LAST_NOZZLE = 6
"""The vendor's library knows six nozzles to a point."""
TOTALIZER_DIGITS = 10


def has_volume(record: Record) -> bool:
    return int(record.volume) > 0


def nozzle_name(point: int, nozzle: str) -> str:
    """A nozzle's name at this device, such as "3/1": point 3, its nozzle 1."""
    return f"{point}/{nozzle}"


def volume_ml(record: Record, options: UnipumpOptions) -> int:
    return cut(record.volume, options.volume_decimals, 3)[0]


def totalizer_ml(digits: str, options: UnipumpOptions) -> int | None:
    """None for a totalizer that was never read (no digits)."""
    return cut(digits, options.totalizer_decimals, 3)[0] if digits else None


def modulus_ml(options: UnipumpOptions) -> int:
    """Where a totalizer begins again with 0."""
    modulus_ml: int = 10 ** (TOTALIZER_DIGITS + 3 - options.totalizer_decimals)
    return modulus_ml


def as_fuelling(
    record: Record,
    point: int,
    address: str,
    options: UnipumpOptions,
    *,
    after: str,
    before: str,
    ended: Monotonic | None,
    is_stopped: bool,
) -> Fuelling:
    """The fuelling of a record with volume. `after` and `before` are the totalizer's digits, "" if they
    are not known."""
    assert has_volume(record)
    amount_fen, amount_exact = cut(record.amount, options.amount_decimals, options.minor_decimals)
    flags = (
        (NOZZLE_ODD, not 1 <= int(record.nozzle) <= LAST_NOZZLE),
        (TOTALIZER_MISSING, not after),
        (TRANSACTION_STOPPED, is_stopped),
        (AMOUNT_BELOW_MINOR, not amount_exact),
    )
    return Fuelling(
        address=address,
        nozzle=nozzle_name(point, record.nozzle),
        hand_over=HandOver.BUFFERED,
        sequence_no=int(record.transaction),
        raw=RawDigits(record.volume, record.amount, record.unit_price, after),
        volume_ml=volume_ml(record, options),
        amount_fen=amount_fen,
        unit_price_milli=cut(record.unit_price, options.price_decimals, 3)[0],
        volume_step_ml=10 ** (3 - options.volume_decimals),
        amount_step_fen=10 ** max(0, options.minor_decimals - options.amount_decimals),
        totalizer_after_ml=totalizer_ml(after, options),
        totalizer_before_ml=totalizer_ml(before, options),
        totalizer_modulus_ml=modulus_ml(options),
        totalizer_step_ml=10 ** (3 - options.totalizer_decimals),
        ended=ended,
        flags=tuple(flag for flag, holds in flags if holds),
    )
