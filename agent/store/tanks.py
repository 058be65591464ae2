"""What gauges said of the tanks, and how far it is explained by what was booked."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, fields
from operator import attrgetter


@dataclass(frozen=True, slots=True)
class Level:
    """How a tank stood when its gauge was last asked."""

    volume_ml: int
    is_delivering: bool
    read_at_ms: int


@dataclass(frozen=True, slots=True)
class Window:
    """Since when the tanks of a product are compared with its facts; in the order of the columns.

    Volumes are of all its tanks together; what the last three are, `judge` in the handler says.
    """

    product: str
    opened_at_ms: int
    opened_ml: int
    judged_at_ms: int
    last_ml: int
    lowest_ml: int = 0
    missing_since_ms: int | None = None
    missing_ml: int = 0


_ROW = attrgetter(*(field.name for field in fields(Window)))
_LEVEL = "SELECT volume_ml, is_delivering, read_at_ms FROM tank_level WHERE device_key = ? AND tank = ?"
_KEEP_LEVEL = """
INSERT OR REPLACE INTO tank_level (device_key, tank, volume_ml, is_delivering, read_at_ms)
VALUES (?, ?, ?, ?, ?)
"""
_WINDOW = """
SELECT product, opened_at_ms, opened_ml, judged_at_ms, last_ml, lowest_ml, missing_since_ms, missing_ml
FROM tank_window WHERE product = ?
"""
_KEEP_WINDOW = """
INSERT OR REPLACE INTO tank_window (product, opened_at_ms, opened_ml, judged_at_ms, last_ml, lowest_ml,
                                    missing_since_ms, missing_ml)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_CLOSE = "DELETE FROM tank_window WHERE product = ?"
_BOOKED = """
SELECT coalesce(sum(coalesce(correction.volume_ml, fact.volume_ml)), 0)
FROM fact LEFT JOIN correction ON correction.fact_id = fact.fact_id
WHERE fact.kind <> 'basket' AND fact.product = ? AND fact.booked_at_ms > ? AND fact.booked_at_ms <= ?
"""
_ADD_DELIVERY = """
INSERT INTO tank_delivery (device_key, tank, raw, start_volume_ml, end_volume_ml, heard_at_ms)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""


class Tanks:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def keep_level(self, device_key: str, tank: str, level: Level) -> None:
        row = (device_key, tank, level.volume_ml, level.is_delivering, level.read_at_ms)
        self._connection.execute(_KEEP_LEVEL, row)

    def levels(self, tanks: Iterable[tuple[str, str]]) -> list[Level | None]:
        """The levels of (device key, tank), None for one that was never read."""
        rows = [self._connection.execute(_LEVEL, tank).fetchone() for tank in tanks]
        return [Level(row[0], bool(row[1]), row[2]) if row else None for row in rows]

    def window(self, product: str) -> Window | None:
        row = self._connection.execute(_WINDOW, (product,)).fetchone()
        return Window(*row) if row else None

    def keep_window(self, window: Window) -> None:
        self._connection.execute(_KEEP_WINDOW, _ROW(window))

    def close_window(self, product: str) -> None:
        self._connection.execute(_CLOSE, (product,))

    def booked_ml(self, product: str, since_ms: int, until_ms: int) -> int:
        """Fuellings, and litres that passed a meter without a record, booked after `since_ms` and by
        `until_ms`."""
        return int(self._connection.execute(_BOOKED, (product, since_ms, until_ms)).fetchone()[0])

    def add_delivery(
        self,
        device_key: str,
        tank: str,
        raw: str,
        start_volume_ml: int | None,
        end_volume_ml: int | None,
        heard_at_ms: int,
    ) -> bool:
        """False if this delivery is known."""
        row = (device_key, tank, raw, start_volume_ml, end_volume_ml, heard_at_ms)
        return self._connection.execute(_ADD_DELIVERY, row).rowcount == 1
