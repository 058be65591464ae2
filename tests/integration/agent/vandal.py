"""A technician with root and a SQL shell: one change of the books, of any kind, drawn by chance.

Foreign keys, checks and triggers do not stop them, and they keep every index sound.
"""

import random
import sqlite3
from dataclasses import dataclass

from tests.integration.agent.station_history import Station, opened

TABLES: dict[str, tuple[str, ...]] = {
    "ledger_entry": ("seq", "kind", "ref", "at_ms", "body", "head"),
    "posting": ("seq", "account", "minor"),
    "lot": (
        *("lot_id", "member", "minor", "remaining_minor", "lapsed_minor", "state", "earned_on"),
        *("spendable_at_ms", "term_ends_on", "lapses_on", "honoured_until", "ratio_version", "source"),
    ),
    "adjustment": (
        *("adjustment_id", "command", "cause", "member", "minor", "borne_minor", "fact_id", "term_ends_on"),
        *("reason", "case_id", "adjusted_at_ms", "stream_seq"),
    ),
    "lot_move": ("lot_id", "seq", "minor"),
    "award": (
        *("fact_id", "award_id", "member", "bundle", "version", "minor", "reason", "inputs", "result"),
        *("settled_at_ms", "stream_seq"),
    ),
    "refund": ("register", "refund_id", "pos_sale_id", "fact_id", "amount_fen", "minor", "refunded_at_ms"),
    "account": ("account", "minor"),
    "usage": ("member", "period", "minor", "fills", "volume_ml", "amount_fen"),
    "outbox": ("stream", "seq", "kind", "at_ms", "body", "head"),
    "daily_close": ("business_date", "first_seq", "last_seq", "head", "figures", "closed_at_ms"),
    "bundle": (
        *("bundle", "version", "sha256", "effective_from_ms", "body", "received_at_ms", "state"),
        *("state_at_ms", "reason", "activated_at_ms"),
    ),
}
"""Every column of the books but `bundle.in_force_from_ms`, see test_verify_mutations."""

_KEYS = {
    "posting": ("account", "seq"),
    "lot_move": ("lot_id", "seq"),
    "account": ("account",),
    "usage": ("member", "period"),
    "outbox": ("stream", "seq"),
    "daily_close": ("business_date",),
}
_WORDS = (
    "award",
    "refund",
    "expiry",
    "active",
    "pending",
    "expired",
    "exhausted",
    "reversed",
    "m-gold",
    "m-basic",
)


@dataclass
class Vandal:
    """One change from one seed; `did` says what it was."""

    station: Station
    seed: int

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.did = ""

    def strike(self) -> sqlite3.Connection:
        """The database after the change."""
        kinds = (self.edit, self.edit, self.edit, self.edit, self.delete, self.swap, self.cut, self.put_back)
        while True:
            connection = self.station.copy()
            before = connection.total_changes
            try:
                self.rng.choice(kinds)(connection)
            except sqlite3.IntegrityError:
                connection.close()  # two rows would have one key: they try something else
                continue
            if connection.total_changes > before:
                return connection
            connection.close()

    def edit(self, connection: sqlite3.Connection) -> None:
        table = self.rng.choice(list(TABLES))
        self.edit_column(connection, table, self.rng.choice(TABLES[table]))

    def edit_column(self, connection: sqlite3.Connection, table: str, column: str) -> None:
        """Another value in one row."""
        key, row = self._row(connection, table)
        [(old,)] = connection.execute(f"SELECT {column} FROM {table} WHERE {key}", row)
        others = [value for (value,) in connection.execute(f"SELECT DISTINCT {column} FROM {table}")]
        new = self._other(old, others)
        self.did = f"{table}.{column} where {key} {row}: {old!r:.60} -> {new!r:.60}"
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {key}", (new, *row))

    def delete(self, connection: sqlite3.Connection) -> None:
        table = self.rng.choice(list(TABLES))
        key, row = self._row(connection, table)
        if table == "outbox":  # the oldest may go: HQ has it
            [(first,)] = connection.execute("SELECT min(seq) FROM outbox WHERE stream = ?", row[:1])
            if row[1] == first:
                return
        self.did = f"delete from {table} where {key} {row}"
        connection.execute(f"DELETE FROM {table} WHERE {key}", row)

    def swap(self, connection: sqlite3.Connection) -> None:
        """Two rows exchange everything but their keys, where that changes anything."""
        table = self.rng.choice([name for name in TABLES if name != "bundle"])
        columns = [name for name in TABLES[table] if name not in _KEYS.get(table, TABLES[table][:1])]
        names = ", ".join(columns)
        places = [self._row(connection, table) for _ in range(2)]
        one, other = (
            connection.execute(f"SELECT {names} FROM {table} WHERE {key}", row).fetchone()
            for key, row in places
        )
        if one == other:
            return
        self.did = f"swap in {table}: {places}"
        assigned = ", ".join(f"{name} = ?" for name in columns)
        if table == "award":  # award_id is unique
            key, row = places[0]
            connection.execute(f"UPDATE award SET award_id = zeroblob(16) WHERE {key}", row)
            places, one, other = places[::-1], other, one
        for (key, row), values in zip(places, (other, one), strict=True):
            connection.execute(f"UPDATE {table} SET {assigned} WHERE {key}", (*values, *row))

    def cut(self, connection: sqlite3.Connection) -> None:
        """The tail of a chain goes, with everything that hangs on it."""
        cut_ledger(connection, self.rng.randint(1, 5)) if self.rng.random() < 0.5 else cut_stream(
            connection, self.rng.choice(("ledger", "service")), self.rng.randint(1, 5)
        )
        self.did = "the tail cut"

    def put_back(self, connection: sqlite3.Connection) -> None:
        """The whole file as it was some time ago."""
        image = self.rng.choice(self.station.old)
        connection.deserialize(image)
        connection.execute("UPDATE station SET created_at_ms = created_at_ms")
        self.did = f"an old file of {len(image)} bytes put back"

    def _row(self, connection: sqlite3.Connection, table: str) -> tuple[str, tuple[object, ...]]:
        names = _KEYS.get(table, ("rowid",))
        rows = connection.execute(
            f"SELECT {', '.join(names)} FROM {table} ORDER BY 1, {len(names)}"
        ).fetchall()
        return " AND ".join(f"{name} = ?" for name in names), self.rng.choice(rows)

    def _other(self, old: object, others: list[object]) -> object:
        """Anything of the same type that is not the old value: a little off, or somebody else's."""
        different = [value for value in others if value != old]
        if different and self.rng.random() < 0.4:
            return self.rng.choice(different)
        match old:
            case int():
                return old + self.rng.choice((-1, 1)) * self.rng.choice((1, 7, 100, 86_400_000))
            case bytes() if old:
                at = self.rng.randrange(len(old))
                return old[:at] + bytes([old[at] ^ (1 << self.rng.randrange(8))]) + old[at + 1 :]
            case str() if old:
                at = self.rng.randrange(len(old))
                digit = old[at].isdecimal()
                return (
                    old[:at]
                    + (str((int(old[at]) + 1) % 10) if digit else chr(ord(old[at]) ^ 1))
                    + old[at + 1 :]
                )
            case _:
                return self.rng.randbytes(16) if old is None else self.rng.choice(_WORDS)


def cut_ledger(connection: sqlite3.Connection, entries: int) -> None:
    """The last entries, and all that would tell of them: postings, moves, lots and balances in order."""
    (first,) = connection.execute("SELECT max(seq) - ? FROM ledger_entry", (entries - 1,)).fetchone()
    connection.execute("DELETE FROM posting WHERE seq >= ?", (first,))
    connection.execute("DELETE FROM lot_move WHERE seq >= ?", (first,))
    connection.execute("DELETE FROM ledger_entry WHERE seq >= ?", (first,))
    connection.execute("DELETE FROM account")
    connection.execute("INSERT INTO account SELECT account, sum(minor) FROM posting GROUP BY account")
    connection.execute("DELETE FROM lot WHERE lot_id NOT IN (SELECT lot_id FROM lot_move)")


def cut_stream(connection: sqlite3.Connection, stream: str, rows: int) -> None:
    connection.execute(
        "DELETE FROM outbox WHERE stream = ? AND seq > (SELECT max(seq) - ? FROM outbox WHERE stream = ?)",
        (stream, rows, stream),
    )


def flipped(station: Station, bit: int) -> sqlite3.Connection:
    """The file with one bit turned round."""
    image = bytearray(station.image)
    image[bit // 8] ^= 1 << bit % 8
    return opened(bytes(image))
