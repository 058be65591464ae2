"""From a record's digits to a `Fuelling`: scales, tags, oddities. Integers only; nothing is refused
that has a volume, because a readable record is always booked (decisions.md 2)."""

from collections.abc import Mapping

from drivers.companytec import codec
from drivers.companytec.options import CompanytecOptions
from drivers.events import Credential, CredentialKind, DeviceTime, Fuelling, HandOver, RawDigits

MEMORY_STATUS = "MEMORY_STATUS"
DEVICE_TIME_ODD = "DEVICE_TIME_ODD"
TOTALIZER_ODD = "TOTALIZER_ODD"
RECORD_NUMBER_ODD = "RECORD_NUMBER_ODD"
AMOUNT_BELOW_MINOR = "AMOUNT_BELOW_MINOR"


def scaled(digits: str, decimals: int, wanted_decimals: int) -> tuple[int, bool]:
    """`digits` with `decimals` as an integer with `wanted_decimals`, rounded down; True if exact."""
    if wanted_decimals >= decimals:
        return int(digits) * 10 ** (wanted_decimals - decimals), True
    value, rest = divmod(int(digits), 10 ** (decimals - wanted_decimals))
    return value, rest == 0


def is_readable(fields: Mapping[str, str]) -> bool:
    """True if volume, total, price and their scales are numbers; without them there is nothing to book."""
    digits = fields["total"] + fields["volume"] + fields["unit_price"]
    return codec.is_digits(digits) and codec.is_hex(fields["decimals"]) and codec.is_hex(fields["nozzle"])


def has_volume(fields: Mapping[str, str]) -> bool:
    """False for a nozzle lifted and hung up again: a record, but not a fuelling."""
    return int(fields["volume"]) > 0


def record_no(fields: Mapping[str, str]) -> int | None:
    """The record's number in the ring (PAF records give six digits of it)."""
    return int(fields["record"]) % codec.RING if codec.is_digits(fields["record"]) else None


def as_fuelling(fields: Mapping[str, str], address: str, options: CompanytecOptions) -> Fuelling:
    """The fuelling that readable `fields` describe; `ended` is for the session to add.

    Decimals code (DT435 3.7, [pub]): bits 0-1 total, 2-3 volume, 4-5 price; options override it. The
    totalizer has no code: two decimals in every printed example, configurable. It wraps at ten digits.
    """
    assert is_readable(fields)
    assert has_volume(fields)
    code = int(fields["decimals"], 16)
    amount_decimals = _either(options.amount_decimals, code & 3)
    volume_decimals = _either(options.volume_decimals, code >> 2 & 3)
    price_decimals = _either(options.price_decimals, code >> 4 & 3)
    amount_fen, amount_exact = scaled(fields["total"], amount_decimals, options.minor_decimals)
    volume_ml, _ = scaled(fields["volume"], volume_decimals, 3)
    unit_price_milli, _ = scaled(fields["unit_price"], price_decimals, 3)
    device_time = _device_time(fields)
    totalizer_ml = _totalizer_ml(fields["totalizer"], options)
    flags = (
        (MEMORY_STATUS, fields["status"] != "00"),
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
        raw=RawDigits(fields["volume"], fields["total"], fields["unit_price"], fields["totalizer"]),
        volume_ml=volume_ml,
        amount_fen=amount_fen,
        unit_price_milli=unit_price_milli,
        volume_step_ml=10 ** (3 - volume_decimals),
        amount_step_fen=10 ** max(0, options.minor_decimals - amount_decimals),
        totalizer_after_ml=totalizer_ml,
        totalizer_before_ml=_totalizer_ml(fields.get("totalizer_before", ""), options),
        totalizer_modulus_ml=10 ** (10 + 3 - options.totalizer_decimals),
        totalizer_step_ml=10 ** (3 - options.totalizer_decimals),
        device_time=device_time,
        duration_s=int(fields["duration"], 16) if codec.is_hex(fields["duration"]) else None,
        credential=_credential(fields),
        flags=tuple(flag for flag, holds in flags if holds),
    )


def _either(override: int | None, coded: int) -> int:
    return coded if override is None else override


def _totalizer_ml(digits: str, options: CompanytecOptions) -> int | None:
    return scaled(digits, options.totalizer_decimals, 3)[0] if codec.is_digits(digits) else None


def _device_time(fields: Mapping[str, str]) -> DeviceTime | None:
    """The short record has no year and no second; only the long form has a year, of two digits."""
    names = ("month", "day", "hour", "minute")
    if not codec.is_digits("".join(fields[name] for name in names)):
        return None
    month, day, hour, minute = (int(fields[name]) for name in names)
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour <= 23 and minute <= 59):
        return None
    year = fields.get("year", "")
    return DeviceTime(2000 + int(year) if codec.is_digits(year) else None, month, day, hour, minute)


def _credential(fields: Mapping[str, str]) -> Credential | None:
    """The client's tag where the record has two, else the tag that released the nozzle."""
    tag = fields.get("client", fields.get("tag", "F" * 16))
    return None if tag in codec.NO_TAG else Credential(CredentialKind.TAG, tag)
