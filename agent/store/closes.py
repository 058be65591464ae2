"""The ledger of one business date, closed: its range, the head after it, what moved, what is outstanding."""

import json
import sqlite3
from collections import Counter
from dataclasses import asdict, dataclass

from agent.points.ledger import COMPENSATION, EXPIRED, GOODWILL, ISSUED, REDEEMED
from agent.store.ledger import Ledger
from sync.chain import GENESIS

Outstanding = tuple[tuple[int, int], ...]
"""(ratio version, minor units in lots), by version; lots without any do not appear"""


@dataclass(frozen=True, slots=True)
class Movements:
    """What a range of the ledger moved, minor units. Issued - redeemed - expired + compensated + goodwill
    of everything so far is what members hold."""

    issued_minor: int = 0
    redeemed_minor: int = 0
    expired_minor: int = 0
    compensated_minor: int = 0
    goodwill_minor: int = 0


@dataclass(frozen=True, slots=True)
class Holdings:
    """What members hold after an entry, minor units. `debt_minor` <= 0; `frozen_minor`: the part of
    pending, active and held points that belonged to frozen members when it was asked."""

    pending_minor: int = 0
    active_minor: int = 0
    held_minor: int = 0
    debt_minor: int = 0
    frozen_minor: int = 0
    outstanding: Outstanding = ()


@dataclass(frozen=True, slots=True)
class Close:
    """One row of `daily_close`. `business_date`: 'YYYY-MM-DD'; `last_seq` = `first_seq` - 1 if nothing
    happened; `head`: 32 bytes, after `last_seq`."""

    business_date: str
    first_seq: int
    last_seq: int
    head: bytes
    movements: Movements
    holdings: Holdings
    closed_at_ms: int


_COLUMNS = "business_date, first_seq, last_seq, head, figures, closed_at_ms"
_LATEST = f"SELECT {_COLUMNS} FROM daily_close ORDER BY business_date DESC LIMIT 1"
_ADD = f"INSERT INTO daily_close ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
_LAST_BEFORE = "SELECT seq FROM ledger_entry WHERE at_ms < ? ORDER BY seq DESC LIMIT 1"
_HEAD = "SELECT head FROM ledger_entry WHERE seq = ?"
_BODIES = "SELECT body FROM ledger_entry WHERE seq BETWEEN ? AND ?"
_ACCOUNTS = "SELECT account, minor FROM account WHERE account LIKE 'member:%'"
_FROZEN = "SELECT member FROM member WHERE status = 'FROZEN'"
_OUTSTANDING = (
    "SELECT ratio_version, sum(remaining_minor) FROM lot WHERE remaining_minor > 0 GROUP BY ratio_version"
)
_MOVED_LATER = """
SELECT lot.ratio_version, sum(lot_move.minor) FROM lot_move JOIN lot ON lot.lot_id = lot_move.lot_id
WHERE lot_move.seq > ? GROUP BY lot.ratio_version
"""


class Closes:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def latest(self) -> Close | None:
        row = self._connection.execute(_LATEST).fetchone()
        return close_of(row) if row else None

    def add(self, close: Close) -> None:
        figures = figures_text(close.movements, close.holdings)
        row = (close.business_date, close.first_seq, close.last_seq, close.head, figures, close.closed_at_ms)
        self._connection.execute(_ADD, row)

    def last_seq_before(self, at_ms: int) -> int:
        """The last ledger entry written before wall time `at_ms`; 0 if there is none."""
        row = self._connection.execute(_LAST_BEFORE, (at_ms,)).fetchone()
        return int(row[0]) if row else 0

    def head_at(self, seq: int) -> bytes:
        """The ledger's head after entry `seq`, which must be there (GENESIS at 0)."""
        return bytes(self._connection.execute(_HEAD, (seq,)).fetchone()[0]) if seq else GENESIS

    def figures(self, first_seq: int, last_seq: int) -> Movements:
        """What the entries of this range moved."""
        return movements_of(self._sums(first_seq, last_seq))

    def holdings(self, up_to_seq: int) -> Holdings:
        """What members held after entry `up_to_seq`: what they hold now, without what came later."""
        later = self._sums(up_to_seq + 1, Ledger(self._connection).tip()[0])
        held = Counter(dict(self._connection.execute(_ACCOUNTS)))
        held.subtract({account: minor for account, minor in later.items() if account.startswith("member:")})
        lots = Counter(dict(self._connection.execute(_OUTSTANDING)))
        lots.subtract(dict(self._connection.execute(_MOVED_LATER, (up_to_seq,))))
        frozen = {row[0] for row in self._connection.execute(_FROZEN)}
        return holdings_of(held, lots, frozen)

    def _sums(self, first_seq: int, last_seq: int) -> Counter[str]:
        sums: Counter[str] = Counter()
        for (body,) in self._connection.execute(_BODIES, (first_seq, last_seq)):
            for account, minor in json.loads(body)["postings"]:
                sums[account] += minor
        return sums


def movements_of(sums: Counter[str]) -> Movements:
    """From the sums of the programme's accounts."""
    return Movements(
        issued_minor=-sums[ISSUED],
        redeemed_minor=sums[REDEEMED],
        expired_minor=sums[EXPIRED],
        compensated_minor=-sums[COMPENSATION],
        goodwill_minor=-sums[GOODWILL],
    )


def holdings_of(accounts: Counter[str], lots: Counter[int], frozen: set[str]) -> Holdings:
    """From the balances of the members' accounts and what lots hold by ratio version."""
    by_class: Counter[str] = Counter()
    frozen_minor = 0
    for account, minor in accounts.items():
        _, member, kind = account.split(":")
        by_class[kind] += minor
        if kind != "debt" and member in frozen:
            frozen_minor += minor
    return Holdings(
        pending_minor=by_class["pending"],
        active_minor=by_class["active"],
        held_minor=by_class["held"],
        debt_minor=by_class["debt"],
        frozen_minor=frozen_minor,
        outstanding=tuple(sorted((version, minor) for version, minor in lots.items() if minor)),
    )


def figures_text(movements: Movements, holdings: Holdings) -> str:
    """Both as they are stored: one JSON object in the order of the fields."""
    return json.dumps(asdict(movements) | asdict(holdings), separators=(",", ":"))


def close_of(row: tuple[str, int, int, bytes, str, int]) -> Close:
    """From a row of `daily_close`."""
    business_date, first_seq, last_seq, head, text, closed_at_ms = row
    figures = json.loads(text)
    outstanding = tuple((version, minor) for version, minor in figures.pop("outstanding"))
    movements = Movements(**{name: figures.pop(name) for name in Movements.__slots__})
    holdings = Holdings(**figures, outstanding=outstanding)
    return Close(business_date, first_seq, last_seq, head, movements, holdings, closed_at_ms)
