"""From a device's digits or counts to our units: integers only, the scale is the site's option."""

LITRE_DECIMALS = 3
"""Volumes are in ml."""
PRICE_DECIMALS = 3
"""Unit prices are in thousandths of the currency's unit a litre."""


def scaled(value: str | int, decimals: int, wanted: int) -> int:
    """`value` with `decimals` places as an integer with `wanted` ones, half rounded up."""
    if wanted >= decimals:
        factor: int = 10 ** (wanted - decimals)
        return int(value) * factor
    divisor: int = 10 ** (decimals - wanted)
    return (int(value) + divisor // 2) // divisor


def cut(value: str | int, decimals: int, wanted: int) -> tuple[int, bool]:
    """`value` with `decimals` places as an integer with `wanted` ones, rounded down; True if exact."""
    if wanted >= decimals:
        return int(value) * 10 ** (wanted - decimals), True
    result, rest = divmod(int(value), 10 ** (decimals - wanted))
    return result, rest == 0
