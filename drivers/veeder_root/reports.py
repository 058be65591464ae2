"""What the text of a reply in computer form says, as its digits: one value per tank, delivery or alarm.

Two equal values were sent with the same digits, so readings can be compared. Each `parse_...` returns None
for a text that has another layout: devices.md 11, [cap] for i101 and i201, [one] for the others.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from drivers.veeder_root import codec

DELIVERING, LEAK_TEST, HEIGHT_INVALID = 1, 2, 4
"""Status bits of a tank."""

_TANK = re.compile(r"(\d\d)([ -~])([0-9A-F]{4})([0-9A-F]{2})")
_DELIVERIES = re.compile(r"(\d\d)([ -~])(\d\d)")
_DELIVERY = re.compile(r"(\d{10})(\d{10})([0-9A-F]{2})")
_ALARMS = re.compile(r"(\d\d)([0-9A-F]{2})")
_SYSTEM = re.compile(r"(?:\d{2}[0-9A-F]{2}\d{2})*")
_CODES = re.compile(r"(?:[0-9A-F]{2})*")
_FLOATS = re.compile(r"(?:[0-9A-F]{8})*")
NO_TANK = "00"


@dataclass(frozen=True, slots=True)
class Tank:
    """How a tank stands. `values`, eight hex digits each: volume, temperature-compensated volume, ullage,
    height, water, temperature, water volume; a console may give fewer, or none."""

    tank: str
    product: str
    status: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery. `values`: volume, compensated volume, water and temperature before, the same after,
    height before, height after."""

    tank: str
    product: str
    began: str
    over: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TankAlarms:
    """The alarms of a tank that are active, two digits each."""

    tank: str
    alarms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SystemAlarm:
    """One active alarm of the console: category, kind, and the tank or sensor."""

    category: str
    alarm: str
    number: str


Block = Tank | Delivery | TankAlarms | SystemAlarm


def parse(function: str, text: str) -> Sequence[Block] | None:
    """What the text of an answer to `function` says; None for a function or layout that is not known here."""
    parse_text = _PARSERS.get(function)
    return parse_text(text) if parse_text else None


def parse_inventory(text: str) -> tuple[Tank, ...] | None:
    """i201: per tank TT, product, status of four hex digits, count of values, values."""
    tanks, at = [], 0
    while at < len(text):
        found = _TANK.match(text, at)
        if found is None:
            return None
        values = _floats(text, found.end(), int(found[4], 16))
        if values is None or found[1] == NO_TANK:
            return None
        tanks.append(Tank(found[1], found[2], found[3], values))
        at = found.end() + 8 * len(values)
    return tuple(tanks)


def parse_deliveries(text: str) -> tuple[Delivery, ...] | None:
    """i202 and i20C: per tank TT, product, how many; per delivery begin, end, count of values, values."""
    deliveries: list[Delivery] = []
    at = 0
    while at < len(text):
        head = _DELIVERIES.match(text, at)
        if head is None or head[1] == NO_TANK:
            return None
        at = head.end()
        for _ in range(int(head[3])):
            found = _DELIVERY.match(text, at)
            values = _floats(text, found.end(), int(found[3], 16)) if found else None
            if found is None or values is None:
                return None
            deliveries.append(Delivery(head[1], head[2], found[1], found[2], values))
            at = found.end() + 8 * len(values)
    return tuple(deliveries)


def parse_alarms(text: str) -> tuple[TankAlarms, ...] | None:
    """i205: per tank TT, count (hex), so many alarms of two digits."""
    tanks, at = [], 0
    while at < len(text):
        found = _ALARMS.match(text, at)
        if found is None:
            return None
        digits = text[found.end() : found.end() + 2 * int(found[2], 16)]
        if len(digits) != 2 * int(found[2], 16) or not _CODES.fullmatch(digits):
            return None
        tanks.append(TankAlarms(found[1], tuple(digits[i : i + 2] for i in range(0, len(digits), 2))))
        at = found.end() + len(digits)
    return tuple(tanks)


def parse_system(text: str) -> tuple[SystemAlarm, ...] | None:
    """i101: AANNTT for each active alarm."""
    if not _SYSTEM.fullmatch(text):
        return None
    return tuple(
        SystemAlarm(text[i : i + 2], text[i + 2 : i + 4], text[i + 4 : i + 6]) for i in range(0, len(text), 6)
    )


def _floats(text: str, at: int, floats: int) -> tuple[str, ...] | None:
    digits = text[at : at + 8 * floats]
    if len(digits) != 8 * floats or not _FLOATS.fullmatch(digits):
        return None
    return tuple(digits[i : i + 8] for i in range(0, len(digits), 8))


_PARSERS: Mapping[str, Callable[[str], Sequence[Block] | None]] = {
    codec.INVENTORY: parse_inventory,
    codec.DELIVERIES: parse_deliveries,
    codec.LAST_DELIVERY: parse_deliveries,
    codec.ALARMS: parse_alarms,
    codec.SYSTEM: parse_system,
}
