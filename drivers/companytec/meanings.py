"""What one field of a record means, in the agent's units."""

from collections.abc import Callable, Mapping

from drivers.companytec import codec, reading
from drivers.companytec.options import CompanytecOptions
from drivers.scales import cut

Fields = Mapping[str, str]


def meaning(name: str, fields: Fields, options: CompanytecOptions) -> str:
    """In words, "" where the digits say all or make no number."""
    explained = _MEANINGS.get(name)
    return explained(name, fields, options) if explained is not None else ""


def _quantity(name: str, fields: Fields, options: CompanytecOptions) -> str:
    if not ("volume" in fields and reading.is_readable(fields)):
        return ""
    scales = reading.scales_of(fields, options)
    decimals, wanted, unit = {
        "total": (scales.total_decimals, options.minor_decimals, "fen"),
        "volume": (scales.volume_decimals, 3, "ml"),
        "unit_price": (scales.price_decimals, 3, "milli a litre"),
    }[name]
    return f"{cut(fields[name], decimals, wanted)[0]} {unit}"


def _litres(name: str, fields: Fields, options: CompanytecOptions) -> str:
    if not codec.is_digits(fields[name]):
        return ""
    return f"{cut(fields[name], options.totalizer_decimals, 3)[0]} ml"


def _total(name: str, fields: Fields, options: CompanytecOptions) -> str:
    if fields["kind"] in ("l", "L", "01"):
        return _litres(name, fields, options)
    if fields["kind"] in ("$", "02") and codec.is_digits(fields[name]):
        decimals = 2 if options.amount_decimals is None else options.amount_decimals
        return f"{cut(fields[name], decimals, options.minor_decimals)[0]} fen"
    return ""


def _duration(name: str, fields: Fields, options: CompanytecOptions) -> str:
    return f"{int(fields[name], 16)} s" if codec.is_hex(fields[name]) else ""


def _number(name: str, fields: Fields, options: CompanytecOptions) -> str:
    return f"{int(fields[name])}" if codec.is_digits(fields[name]) else ""


def _year(name: str, fields: Fields, options: CompanytecOptions) -> str:
    return f"{2000 + int(fields[name])}" if codec.is_digits(fields[name]) else ""


def _decimals(name: str, fields: Fields, options: CompanytecOptions) -> str:
    if not codec.is_hex(fields[name]):
        return ""
    code = int(fields[name], 16)
    return f"total {code & 3}, volume {code >> 2 & 3}, price {code >> 4 & 3}"


def _tag(name: str, fields: Fields, options: CompanytecOptions) -> str:
    return "none" if fields[name] in codec.NO_TAG else ""


def _status(name: str, fields: Fields, options: CompanytecOptions) -> str:
    return "good" if fields[name] == "00" else "not good"


def _unknown(name: str, fields: Fields, options: CompanytecOptions) -> str:
    return "where things stand here is not known"


_MEANINGS: Mapping[str, Callable[[str, Fields, CompanytecOptions], str]] = {
    **dict.fromkeys(("total", "volume", "unit_price"), _quantity),
    **dict.fromkeys(("totalizer", "totalizer_before"), _litres),
    **dict.fromkeys(("record", "read", "write", "tag_read", "tag_write", "tag_record", "position"), _number),
    **dict.fromkeys(("tag", "attendant", "client"), _tag),
    **dict.fromkeys(("status", "tag_status"), _status),
    "digits": _total,
    "duration": _duration,
    "decimals": _decimals,
    "year": _year,
    "rest": _unknown,
}
