"""Facts: fuellings and shop baskets as they happened. Written once, never changed."""

import sqlite3
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Literal

from agent.points.inputs import Evidence, TimeQuality


@dataclass(frozen=True, slots=True)
class Fact:
    """One row of `fact`; the fields stand in the order of the columns.

    `evidence`: "metered" if the totalizer moved by the volume, "recorded" if a numbered record
    carries it, "none" otherwise. `missed_ml`: litres that passed the meter before this fuelling
    without a record.
    """

    fact_id: bytes
    kind: Literal["fuelling", "basket"]
    point: str
    device_key: str
    nozzle: str
    product: str
    device_epoch: int
    sequence_no: int | None
    volume_ml: int
    amount_fen: int
    unit_price_milli: int
    totalizer_after_ml: int | None
    missed_ml: int
    evidence: Evidence
    event_time_ms: int
    time_quality: TimeQuality
    clock_quality: str
    device_time: str
    flags: str
    credential: str
    booked_at_ms: int
    stream_seq: int


_NAMES = tuple(field.name for field in fields(Fact))
_ROW = attrgetter(*_NAMES)  # `astuple` copies every value, which costs more than the statement
_COLUMNS = ", ".join(_NAMES)
_BY_ID = f"SELECT {_COLUMNS} FROM fact WHERE fact_id = ?"
_ADD = f"INSERT INTO fact ({_COLUMNS}) VALUES ({', '.join('?' * len(_NAMES))})"
_UNBOUND_AT_POINT = f"""
SELECT {_COLUMNS} FROM fact
WHERE kind = 'fuelling' AND point = ? AND event_time_ms >= ?
  AND NOT EXISTS (SELECT 1 FROM binding WHERE binding.fact_id = fact.fact_id)
ORDER BY event_time_ms, stream_seq
"""


class Facts:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, fact_id: bytes) -> Fact | None:
        row = self._connection.execute(_BY_ID, (fact_id,)).fetchone()
        return Fact(*row) if row else None

    def add(self, fact: Fact) -> None:
        self._connection.execute(_ADD, _ROW(fact))

    def unbound_at(self, point: str, since_ms: int) -> list[Fact]:
        """Fuellings of a point that no payment has claimed, oldest first."""
        return [Fact(*row) for row in self._connection.execute(_UNBOUND_AT_POINT, (point, since_ms))]
