"""Facts: fuellings and shop baskets as they happened. Written once, never changed.

A correction stands beside its fact: what is read here has the corrected quantities, and the item
that told HQ of them, in place of the first ones.
"""

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
    kind: Literal["fuelling", "basket", "gap"]
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
    raw: str
    flags: str
    credential: str
    booked_at_ms: int
    stream_seq: int


_NAMES = tuple(field.name for field in fields(Fact))
_ROW = attrgetter(*_NAMES)  # `astuple` copies every value, which costs more than the statement
_COLUMNS = ", ".join(_NAMES)
_CORRECTED = {
    "volume_ml": "coalesce(correction.volume_ml, fact.volume_ml)",
    "unit_price_milli": "coalesce(correction.unit_price_milli, fact.unit_price_milli)",
    "flags": (
        "iif(correction.fact_id IS NULL, fact.flags, replace(fact.flags, 'WRONG_SCALE', 'SCALE_CORRECTED'))"
    ),
    "stream_seq": "coalesce(correction.stream_seq, fact.stream_seq)",
}
_READ = ", ".join(_CORRECTED.get(name, f"fact.{name}") for name in _NAMES)
_FROM = "FROM fact LEFT JOIN correction ON correction.fact_id = fact.fact_id"
_BY_ID = f"SELECT {_READ} {_FROM} WHERE fact.fact_id = ?"
_ADD = f"INSERT INTO fact ({_COLUMNS}) VALUES ({', '.join('?' * len(_NAMES))})"
_UNBOUND_AT_POINT = f"""
SELECT {_READ} {_FROM}
WHERE fact.kind = 'fuelling' AND fact.point = ? AND fact.event_time_ms >= ?
  AND NOT EXISTS (SELECT 1 FROM binding WHERE binding.fact_id = fact.fact_id)
ORDER BY fact.event_time_ms, fact.stream_seq
"""
_WITHHELD_AT = f"""
SELECT {_READ} {_FROM} LEFT JOIN binding ON binding.fact_id = fact.fact_id
WHERE correction.fact_id IS NULL AND fact.device_key = ? AND fact.nozzle = ?
  AND (binding.reason = 'WRONG_SCALE' OR fact.flags LIKE '%WRONG_SCALE%')
ORDER BY fact.stream_seq
"""
_CORRECT = """
INSERT INTO correction (fact_id, volume_ml, unit_price_milli, corrected_at_ms, stream_seq)
VALUES (?, ?, ?, ?, ?)
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

    def withheld_at(self, device_key: str, nozzle: str) -> list[Fact]:
        """Facts of a nozzle that wait for its decimals to be set right, oldest first."""
        return [Fact(*row) for row in self._connection.execute(_WITHHELD_AT, (device_key, nozzle))]

    def correct(self, corrected: Fact, at_ms: int) -> None:
        """Keep the quantities and the item of `corrected` beside its fact, once."""
        self._connection.execute(
            _CORRECT,
            (
                *(corrected.fact_id, corrected.volume_ml, corrected.unit_price_milli),
                *(at_ms, corrected.stream_seq),
            ),
        )
