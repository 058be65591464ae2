"""From a record's digits to a `Fuelling`: scales, tags, oddities. Integers only; nothing is refused
that has a volume, because a readable record is always booked (decisions.md 2)."""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.companytec import codec
from drivers.companytec.options import CompanytecOptions
from drivers.events import Credential, CredentialKind, DeviceTime, Fuelling, HandOver, RawDigits
from drivers.scales import cut

MEMORY_STATUS = "MEMORY_STATUS"
DEVICE_TIME_ODD = "DEVICE_TIME_ODD"
TOTALIZER_ODD = "TOTALIZER_ODD"
RECORD_NUMBER_ODD = "RECORD_NUMBER_ODD"
AMOUNT_BELOW_MINOR = "AMOUNT_BELOW_MINOR"


@dataclass(frozen=True, slots=True)
class Scales:
    """Decimals of total, volume and unit price."""

    total_decimals: int
    volume_decimals: int
    price_decimals: int


def scales_of(fields: Mapping[str, str], options: CompanytecOptions) -> Scales:
    """CBC has a code (DT435 3.7, [pub]): bits 0-1 total, 2-3 volume, 4-5 price; Horustech has a digit for
    each. Options override them, because decimals are site configuration."""
    if "decimals" in fields:
        code = int(fields["decimals"], 16)
        coded = code & 3, code >> 2 & 3, code >> 4 & 3
    else:
        coded = int(fields["total_decimals"]), int(fields["volume_decimals"]), int(fields["price_decimals"])
    wanted = options.amount_decimals, options.volume_decimals, options.price_decimals
    return Scales(*(_either(override, said) for override, said in zip(wanted, coded, strict=True)))


def is_readable(fields: Mapping[str, str]) -> bool:
    """True if volume, total, price and their scales are numbers; without them there is nothing to book."""
    digits = fields["total"] + fields["volume"] + fields["unit_price"]
    scales = [
        fields[name] for name in ("total_decimals", "volume_decimals", "price_decimals") if name in fields
    ]
    return (
        codec.is_digits(digits + "".join(scales))
        and codec.is_hex(fields.get("decimals", "0"))
        and codec.is_hex(fields["nozzle"])
    )


def has_volume(fields: Mapping[str, str], options: CompanytecOptions) -> bool:
    """False for a nozzle lifted and hung up again, and for less than a millilitre: no fuelling."""
    return cut(fields["volume"], scales_of(fields, options).volume_decimals, 3)[0] > 0


def record_no(fields: Mapping[str, str]) -> int | None:
    """The record's number, the same from four digits and from six; no setting of the site is in it."""
    return int(fields["record"]) % codec.RING if codec.is_digits(fields["record"]) else None


def position(fields: Mapping[str, str], options: CompanytecOptions) -> int | None:
    """Where in the ring the record is."""
    return int(fields["record"]) % options.ring_records if codec.is_digits(fields["record"]) else None


def fits(fields: Mapping[str, str], options: CompanytecOptions) -> bool:
    """True if total, volume, price and the two totalizers of readable `fields` agree with one another.

    Where they do not, six digits may have been too few. A coincidence of one (1,000 l at 10 yuan are just
    a million fen) is caught by the other.
    """
    scales = scales_of(fields, options)
    volume_ml, _ = cut(fields["volume"], scales.volume_decimals, 3)
    price_milli, _ = cut(fields["unit_price"], scales.price_decimals, 3)
    amount_fen, _ = cut(fields["total"], scales.total_decimals, options.minor_decimals)
    volume_step_ml = _step(3, scales.volume_decimals)
    amount_step_fen = _step(options.minor_decimals, scales.total_decimals)
    fen = 10 ** (6 - options.minor_decimals)
    off = abs(volume_ml * price_milli - amount_fen * fen)
    if off > price_milli * volume_step_ml + amount_step_fen * fen:
        return False
    moved_ml = _moved_ml(fields, options)
    return moved_ml is None or abs(moved_ml - volume_ml) <= volume_step_ml + 10 ** (
        3 - options.totalizer_decimals
    )


def widened(fields: Mapping[str, str], wide: Mapping[str, str]) -> Mapping[str, str] | None:
    """`fields` with the digits of `wide` that have no room in it; None if `wide` is of another sale.

    Where things stand in the extended form is known only up to the nozzle, so it is believed only as far
    as the known form says the same.
    """
    names = ("total", "volume", "unit_price")
    same_ends = all(wide[name].endswith(fields[name]) for name in names)
    same_rest = all(wide[name] == fields[name] for name in ("serial", "decimals", "duration", "nozzle"))
    if not (same_ends and same_rest and all(codec.is_digits(wide[name]) for name in names)):
        return None
    return {**fields, **{name: wide[name] for name in names}}


def as_fuelling(fields: Mapping[str, str], address: str, options: CompanytecOptions) -> Fuelling:
    """The fuelling that readable `fields` describe; `ended` is for the session to add.

    The raw digits are the last six of volume and total and the last four of the price, which every form
    of a record has: so the fact has one id, whichever form it was read in. The totalizer has no decimals
    code: two in every printed example, configurable. It wraps at ten digits.
    """
    assert is_readable(fields)
    assert has_volume(fields, options)
    scales = scales_of(fields, options)
    amount_fen, amount_exact = cut(fields["total"], scales.total_decimals, options.minor_decimals)
    volume_ml, _ = cut(fields["volume"], scales.volume_decimals, 3)
    unit_price_milli, _ = cut(fields["unit_price"], scales.price_decimals, 3)
    device_time = _device_time(fields)
    totalizer_ml = _totalizer_ml(fields["totalizer"], options)
    flags = (
        (MEMORY_STATUS, fields.get("status", "00") != "00"),
        (DEVICE_TIME_ODD, device_time is None),
        (TOTALIZER_ODD, totalizer_ml is None),
        (RECORD_NUMBER_ODD, record_no(fields) is None),
        (AMOUNT_BELOW_MINOR, not amount_exact),
    )
    return Fuelling(
        address=address,
        nozzle=fields["nozzle"],
        hand_over=HandOver.BUFFERED,
        sequence_no=record_no(fields),
        raw=RawDigits(
            fields["volume"][-6:], fields["total"][-6:], fields["unit_price"][-4:], fields["totalizer"]
        ),
        volume_ml=volume_ml,
        amount_fen=amount_fen,
        unit_price_milli=unit_price_milli,
        volume_step_ml=_step(3, scales.volume_decimals),
        amount_step_fen=_step(options.minor_decimals, scales.total_decimals),
        totalizer_after_ml=totalizer_ml,
        totalizer_before_ml=_totalizer_ml(fields.get("totalizer_before", ""), options),
        totalizer_modulus_ml=_modulus_ml(options),
        totalizer_step_ml=_step(3, options.totalizer_decimals),
        device_time=device_time,
        duration_s=int(fields["duration"], 16) if codec.is_hex(fields["duration"]) else None,
        credential=credential(fields),
        flags=tuple(flag for flag, holds in flags if holds),
    )


def _step(wanted_decimals: int, decimals: int) -> int:
    return int(10 ** max(0, wanted_decimals - decimals))


def _modulus_ml(options: CompanytecOptions) -> int:
    return int(10 ** (10 + 3 - options.totalizer_decimals))


def _moved_ml(fields: Mapping[str, str], options: CompanytecOptions) -> int | None:
    after_ml = _totalizer_ml(fields["totalizer"], options)
    before_ml = _totalizer_ml(fields.get("totalizer_before", ""), options)
    if after_ml is None or before_ml is None:
        return None
    return (after_ml - before_ml) % _modulus_ml(options)


def _either(override: int | None, coded: int) -> int:
    return coded if override is None else override


def _totalizer_ml(digits: str, options: CompanytecOptions) -> int | None:
    return cut(digits, options.totalizer_decimals, 3)[0] if codec.is_digits(digits) else None


def _device_time(fields: Mapping[str, str]) -> DeviceTime | None:
    """Short records have no year, and only PAF2 and the extended Horustech form have seconds. A year of
    two digits is one of this century; a year or a second that is none is left out."""
    names = ("month", "day", "hour", "minute")
    if not codec.is_digits("".join(fields[name] for name in names)):
        return None
    month, day, hour, minute = (int(fields[name]) for name in names)
    year, second = _number(fields, "year"), _number(fields, "second")
    days = calendar.monthrange(2000 + (year or 0), month)[1] if 1 <= month <= 12 else 0
    if not (1 <= day <= days and hour <= 23 and minute <= 59):
        return None
    return DeviceTime(
        None if year is None else 2000 + year,
        month,
        day,
        hour,
        minute,
        second if second is not None and second <= 59 else None,
    )


def _number(fields: Mapping[str, str], name: str) -> int | None:
    digits = fields.get(name, "")
    return int(digits) if codec.is_digits(digits) else None


def nozzles(fields: Mapping[str, str]) -> tuple[str, ...]:
    """Of a card without a sale: one in CBC, up to four of its side in Horustech, unused places 00."""
    if "nozzle" in fields:
        return (fields["nozzle"],)
    codes = fields["nozzles"]
    return tuple(code for at in range(0, len(codes), 2) if (code := codes[at : at + 2]) != "00")


def credential(fields: Mapping[str, str]) -> Credential | None:
    """The client's tag where the record has two, else the tag that released the nozzle."""
    tag = fields.get("client", fields.get("tag", "F" * 16))
    return None if tag in codec.NO_TAG else Credential(CredentialKind.TAG, tag)
