"""Amounts, volumes, prices and meters as IFSF writes them: one byte says how many digits stand before the
point, then come the digits in BCD (devices.md 8, [cap]): `04 00 65 74 00` is 0065.7400."""

from dataclasses import dataclass

from drivers.ifsf.codec import is_bcd


@dataclass(frozen=True, slots=True)
class Figure:
    """All digits as sent, and how many of them stand behind the point."""

    digits: str
    decimals_count: int

    def scaled(self, wanted_decimals: int) -> tuple[int, bool]:
        """As an integer with `wanted_decimals`, rounded down; True if nothing was cut off."""
        if wanted_decimals >= self.decimals_count:
            return int(self.digits) * 10 ** (wanted_decimals - self.decimals_count), True
        value, rest = divmod(int(self.digits), 10 ** (self.decimals_count - wanted_decimals))
        return value, rest == 0


def parse_figure(data: bytes) -> Figure | None:
    """None if the digits are none, or the point is not within them."""
    digits = data[1:].hex()
    if len(data) < 2 or not is_bcd(data[1:]) or data[0] > len(digits):
        return None
    return Figure(digits, len(digits) - data[0])
