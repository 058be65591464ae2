"""What the station remembers of every meter and device clock between two fuellings."""

import sqlite3
from dataclasses import dataclass, fields
from operator import attrgetter


@dataclass(frozen=True, slots=True)
class Meter:
    """`wrong_scale_in_row` counts facts in a row whose arithmetic is off by exactly `wrong_scale_factor`.

    `unmetered_ml` passed since `totalizer_after_ml` by records that had no totalizer.
    """

    device_key: str
    nozzle: str
    device_epoch: int
    totalizer_after_ml: int | None
    last_fact_id: bytes
    wrong_scale_factor: int = 0
    wrong_scale_in_row: int = 0
    unmetered_ml: int = 0


_ROW = attrgetter(*(field.name for field in fields(Meter)))
_METER = """
SELECT device_key, nozzle, device_epoch, totalizer_after_ml, last_fact_id,
       wrong_scale_factor, wrong_scale_in_row, unmetered_ml
FROM meter WHERE device_key = ? AND nozzle = ?
"""
_KEEP = """
INSERT OR REPLACE INTO meter (device_key, nozzle, device_epoch, totalizer_after_ml, last_fact_id,
                              wrong_scale_factor, wrong_scale_in_row, unmetered_ml)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_OFFSET = "SELECT offset_ms FROM device_clock WHERE device_key = ?"
_KEEP_OFFSET = "INSERT OR REPLACE INTO device_clock (device_key, offset_ms, measured_at_ms) VALUES (?, ?, ?)"


class Meters:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, device_key: str, nozzle: str) -> Meter | None:
        row = self._connection.execute(_METER, (device_key, nozzle)).fetchone()
        return Meter(*row) if row else None

    def keep(self, meter: Meter) -> None:
        self._connection.execute(_KEEP, _ROW(meter))

    def clock_offset_ms(self, device_key: str) -> int | None:
        """Device clock minus ours at its last fuelling that we watched; None if never measured."""
        row = self._connection.execute(_OFFSET, (device_key,)).fetchone()
        return int(row[0]) if row else None

    def keep_clock_offset(self, device_key: str, offset_ms: int, at_ms: int) -> None:
        self._connection.execute(_KEEP_OFFSET, (device_key, offset_ms, at_ms))
