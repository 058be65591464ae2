"""What a block says: read by its markers, never by place, and strictly, because its LRC is weak.

Digits come least significant first and are kept as text, most significant first. A lost zero changes no LRC:
so every field must have one of its known widths, and a length word, where there is one, must be right.
"""

from dataclasses import dataclass

LENGTH = 0xFF
"""Stands for "before the first marker": some blocks have their length there (devices.md 6)."""
VOLUME_PRESET, MONEY_PRESET, FILL_UP, PRICE_LEVEL_1, PRICE_LEVEL_2 = 0xF1, 0xF2, 0xF3, 0xF4, 0xF5
GRADE, PRICE, PUMP, VOLUME, MONEY, SPECIAL = 0xF6, 0xF7, 0xF8, 0xF9, 0xFA, 0xFE
_BARE = frozenset((VOLUME_PRESET, MONEY_PRESET, FILL_UP, PRICE_LEVEL_1, PRICE_LEVEL_2))
"""Markers that may stand in a sale without digits."""
_SALE_WIDTHS = frozenset(((6, 6, 4), (8, 8, 6)))
_TOTALS_WIDTHS = {8: 4, 12: 6}
_PRICE_LEVELS = frozenset(((), (PRICE_LEVEL_1,), (PRICE_LEVEL_1, PRICE_LEVEL_2)))
_PUMP_WORDS = 5
RUNNING_MONEY_WIDTHS = frozenset((6, 8))


@dataclass(frozen=True, slots=True)
class Field:
    """A marker and the low halves of the words behind it, in the order of the wire."""

    marker_code: int
    halves: bytes

    @property
    def digits(self) -> str | None:
        """Most significant first; None if there is none, or one that is no digit."""
        text = "".join(f"{half:X}" for half in reversed(self.halves))
        return text if text.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Sale:
    """The last sale of a pump, as its display shows it."""

    grade: str
    volume: str
    amount: str
    price: str

    @property
    def display(self) -> tuple[str, str, str]:
        """What stands until the next fuelling. A price may be programmed meanwhile, and the block names it by
        the same markers as the host does (F4 F7): whose price it shows then, nobody says."""
        return (self.grade, self.volume, self.amount)


@dataclass(frozen=True, slots=True)
class GradeTotals:
    """The totalizers of one grade."""

    grade: str
    volume: str
    amount: str


def fields(block: bytes) -> tuple[Field, ...]:
    """The contents of a whole block, in order."""
    found: list[tuple[int, bytearray]] = [(LENGTH, bytearray())]
    for word in block[1:-3]:
        if word >> 4 == 0xF:
            found.append((word, bytearray()))
        else:
            found[-1][1].append(word & 0x0F)
    return tuple(Field(marker, bytes(halves)) for marker, halves in found)


def has_right_length(block: bytes) -> bool:
    """False if the block says a length that it has not."""
    length = fields(block)[0].halves
    return not length or (len(length) == 1 and length[0] == (2 - len(block)) & 0x0F)


def sale(block: bytes) -> Sale | None:
    """The sale that `block` tells, None if it tells none."""
    found = {field.marker_code: field for field in fields(block)[1:] if field.marker_code not in _BARE}
    bare = [field for field in fields(block)[1:] if field.marker_code in _BARE]
    if {*found} - {PUMP} != {GRADE, PRICE, VOLUME, MONEY} or not has_right_length(block):
        return None
    if len(found) + len(bare) + 1 != len(fields(block)) or any(field.halves for field in bare):
        return None
    grade, volume, amount, price = (found[marker].digits for marker in (GRADE, VOLUME, MONEY, PRICE))
    if grade is None or volume is None or amount is None or price is None or len(grade) != 1:
        return None
    if PUMP in found and len(found[PUMP].halves) != _PUMP_WORDS:
        return None
    if (len(volume), len(amount), len(price)) not in _SALE_WIDTHS:
        return None
    return Sale(grade, volume, amount, price)


def totals(block: bytes) -> tuple[GradeTotals, ...]:
    """The totals of every grade that `block` tells, () if it tells none."""
    if not has_right_length(block):
        return ()
    groups: list[list[Field]] = []
    for field in fields(block)[1:]:
        if field.marker_code == GRADE:
            groups.append([])
        elif not groups:
            return ()
        groups[-1].append(field)
    found = [_grade_totals(group) for group in groups]
    known = tuple(each for each in found if each is not None)
    grades, widths = {each.grade for each in known}, {len(each.volume) for each in known}
    return known if len(widths) == 1 and len(grades) == len(found) else ()


def _grade_totals(group: list[Field]) -> GradeTotals | None:
    """Grade, volume, money, then up to two prices."""
    markers = tuple(field.marker_code for field in group)
    if markers[:3] != (GRADE, VOLUME, MONEY) or markers[3:] not in _PRICE_LEVELS:
        return None
    grade, volume, amount, *prices = (field.digits for field in group)
    if grade is None or volume is None or amount is None or len(grade) != 1 or len(volume) != len(amount):
        return None
    width = _TOTALS_WIDTHS.get(len(volume))
    if any(price is None or len(price) != width for price in prices):
        return None
    return GradeTotals(grade, volume, amount) if width else None
