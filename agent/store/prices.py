"""HQ's price tables, every version, and the prices that none of them named (feature S-108)."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Listed:
    """What the table in force says of a product, thousandths of the currency unit per litre; 0: nothing."""

    version: int
    unit_price_milli: int


_NEWEST = "SELECT coalesce(max(version), 0) FROM price_table"
_ADD_TABLE = "INSERT INTO price_table (version, valid_from_ms, received_at_ms) VALUES (?, ?, ?)"
_ADD_PRICE = "INSERT INTO price (version, product, unit_price_milli) VALUES (?, ?, ?)"
_AT = """
SELECT price_table.version, coalesce(price.unit_price_milli, 0)
FROM price_table LEFT JOIN price ON price.version = price_table.version AND price.product = ?
WHERE price_table.valid_from_ms <= ? ORDER BY price_table.version DESC LIMIT 1
"""
_ADD_UNLISTED = """
INSERT INTO unlisted_price (device_key, nozzle, version, unit_price_milli, first_fact_id)
VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""


class Prices:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def newest_version(self) -> int:
        """0 before the first table."""
        return int(self._connection.execute(_NEWEST).fetchone()[0])

    def add(self, version: int, valid_from_ms: int, prices: Iterable[tuple[str, int]], at_ms: int) -> None:
        """Keep a table: (product, thousandths per litre), each product once."""
        self._connection.execute(_ADD_TABLE, (version, valid_from_ms, at_ms))
        for product, unit_price_milli in prices:
            self._connection.execute(_ADD_PRICE, (version, product, unit_price_milli))

    def price_at(self, product: str, at_ms: int) -> Listed | None:
        """By the newest of the tables that are in force at wall time `at_ms`; None before the first."""
        row = self._connection.execute(_AT, (product, at_ms)).fetchone()
        return Listed(*row) if row else None

    def is_new(
        self, device_key: str, nozzle: str, version: int, unit_price_milli: int, fact_id: bytes
    ) -> bool:
        """Note that a nozzle sold at a price that table `version` does not name; True for the first time."""
        row = (device_key, nozzle, version, unit_price_milli, fact_id)
        return self._connection.execute(_ADD_UNLISTED, row).rowcount == 1
