"""The ledger: its chain, that rows and caches say what the hashed bytes say, and the closes of its days.

One pass over three cursors that run side by side in the order of the entries; nothing is held but the
balances. Re-making an entry's bytes from its rows costs less than reading the bytes.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from agent.store.checks.finding import Finding, Step
from agent.store.closes import Holdings, close_of, figures_text, movements_of
from agent.store.forks import LEDGER_CHAIN
from sync.chain import GENESIS, next_head

_ENTRIES = "SELECT seq, kind, ref, at_ms, body, head FROM ledger_entry ORDER BY seq"
_POSTINGS = "SELECT seq, account, minor FROM posting ORDER BY seq"
_MOVES = "SELECT seq, minor FROM lot_move ORDER BY +seq"  # sorting them is faster than going by the index
_MOVED_BY_RATIO = """
SELECT lot.ratio_version, sum(lot_move.minor) FROM lot_move JOIN lot ON lot.lot_id = lot_move.lot_id
WHERE lot_move.seq > ? AND lot_move.seq <= ? GROUP BY lot.ratio_version
"""
_ACCOUNTS = "SELECT account, minor FROM account"
_CLOSES = """
SELECT business_date, first_seq, last_seq, head, figures, closed_at_ms FROM daily_close
ORDER BY business_date
"""
_FORKS = "SELECT seq, head, epoch FROM fork WHERE chain = ? ORDER BY seq"
_MEMBERS = "SELECT member, included_seq, included_minor FROM member"
_INCLUDED = "SELECT coalesce(sum(minor), 0) FROM posting WHERE account IN (?, ?, ?) AND seq <= ?"

_CHANGED = "its bytes or its place were changed"
_SPENDABLE = frozenset({"pending", "active", "held"})
_END: tuple[Any, ...] = (1 << 63, 0, 0)
"""After the last row of a cursor."""


class LedgerWalk:
    """I1, I2, I10, I18, I20 and the daily closes; then `balances` are those that the entries make."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._slots: dict[str, list[Any]] = {}
        self._by_class: dict[str, list[int]] = {}
        self._closes = _Closes(connection)
        self._forks = {
            seq: (bytes(head), epoch) for seq, head, epoch in connection.execute(_FORKS, (LEDGER_CHAIN,))
        }
        self._places = self._forks.keys() | self._closes.ends
        self.last_seq = 0

    @property
    def balances(self) -> Counter[str]:
        return Counter({account: slot[0] for account, slot in self._slots.items()})

    def run(self, step: Step) -> Iterator[Finding]:
        yield from self._entries(step)
        yield from self._closes.left_over()
        for seq, (_, epoch) in self._forks.items():
            if seq > self.last_seq:
                yield Finding("FORK", f"epoch {epoch}", f"parts from entry {seq}, which is not there")
        yield from self._caches()
        yield from self._watermarks()

    def _entries(self, step: Step) -> Iterator[Finding]:
        """Everything that one look at each entry can tell. Long and flat, because it runs a million times."""
        head, chain_is_sound, slots = GENESIS, True, self._slots
        postings, moves = iter(self._connection.execute(_POSTINGS)), iter(self._connection.execute(_MOVES))
        posting, move = next(postings, _END), next(moves, _END)
        yield from self._at(0, GENESIS)
        for seq, kind, ref, at_ms, body, stored in self._connection.execute(_ENTRIES):
            step()
            if seq != self.last_seq + 1:
                yield Finding("LEDGER_GAP", f"ledger entry {seq}", f"follows {self.last_seq}")
            self.last_seq = seq
            head = next_head(head, body)
            if head != stored:
                if chain_is_sound:
                    yield Finding("LEDGER_CHAIN", f"ledger entry {seq}", _CHANGED)
                head, chain_is_sound = stored, False
            total = spendable = 0
            made = ""
            while posting[0] <= seq:
                at, account, minor = posting
                posting = next(postings, _END)
                if at < seq:
                    yield Finding("LEDGER_ROWS", f"posting {at} {account}", "there is no such entry")
                    continue
                slot = slots.get(account) or self._slot(account)
                slot[0] += minor
                slot[1][0] += minor
                total += minor
                if slot[2]:
                    spendable += minor
                made = f',["{account}",{minor}]{made}'
            said = f'{{"seq":{seq},"kind":"{kind}","ref":"{ref.hex()}","at_ms":{at_ms},"postings":['
            if f"{said}{made[1:]}]}}".encode() != body and not _same_in_another_order(said, made, body):
                yield Finding("LEDGER_ROWS", f"ledger entry {seq}", "its rows say something else")
            if total:
                yield Finding("LEDGER_SUM", f"ledger entry {seq}", f"its postings sum to {total}")
            while move[0] <= seq:
                at, minor = move
                move = next(moves, _END)
                if at < seq:
                    yield Finding("LOT_MOVES", f"ledger entry {at}", "moved a lot and is not there")
                    continue
                spendable -= minor
            if spendable:
                yield Finding("LOT_MOVES", f"ledger entry {seq}", f"{spendable} of it are in no lot")
            if seq in self._places:
                yield from self._at(seq, stored)
        for at, *what in (posting, move):
            if at != _END[0]:
                yield Finding("LEDGER_ROWS", f"row {at} {what[0]}", "there is no such entry")

    def _slot(self, account: str) -> list[Any]:
        """balance, [sum of its class], whether lots must account for it"""
        name = account.rpartition(":")[2] if account.startswith("member:") else account
        slot = [0, self._by_class.setdefault(name, [0]), name in _SPENDABLE]
        self._slots[account] = slot
        return slot

    def _at(self, seq: int, head: bytes) -> Iterator[Finding]:
        """What other tables say of this place in the ledger."""
        yield from self._closes.at(seq, head, self._by_class)
        if seq in self._forks and self._forks[seq][0] != head:
            yield Finding("FORK", f"epoch {self._forks[seq][1]}", f"another head at ledger entry {seq}")

    def _caches(self) -> Iterator[Finding]:
        """I2: the balances are those of the postings."""
        stored = dict(self._connection.execute(_ACCOUNTS))
        balances = self.balances
        for account in sorted(balances.keys() | stored.keys()):
            if balances[account] != stored.get(account):
                detail = f"{stored.get(account)}, postings say {balances[account]}"
                yield Finding("ACCOUNT_CACHE", account, detail)

    def _watermarks(self) -> Iterator[Finding]:
        """I20: what HQ's balance includes of ours is what we had posted by then."""
        for member, included_seq, included_minor in self._connection.execute(_MEMBERS).fetchall():
            if included_seq > self.last_seq:
                detail = f"HQ has entries up to {included_seq}, here it ends at {self.last_seq}"
                yield Finding("WATERMARK", f"member {member}", detail)
                continue
            accounts = (f"member:{member}:{kind}" for kind in ("active", "pending", "debt"))
            posted = self._connection.execute(_INCLUDED, (*accounts, included_seq)).fetchone()[0]
            if posted != included_minor:
                yield Finding("WATERMARK", f"member {member}", f"{included_minor}, postings say {posted}")


def _same_in_another_order(said: str, made: str, body: bytes) -> bool:
    """Postings have no order in their table; in the bytes they stand as they were made."""
    pieces = made[1:].split(",[")
    if len(pieces) == 2 and f"{said}[{pieces[1]},{pieces[0]}]}}".encode() == body:
        return True
    try:
        in_order = [f'["{account}",{minor}]' for account, minor in json.loads(body)["postings"]]
    except (ValueError, TypeError, KeyError):
        return False
    of_rows = [piece if piece.startswith("[") else f"[{piece}" for piece in pieces]
    return sorted(in_order) == sorted(of_rows) and f"{said}{','.join(in_order)}]}}".encode() == body


class _Closes:
    """Every business date's range begins where the one before ended, with these heads and figures."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._rows = connection.execute(_CLOSES).fetchall()
        self.ends = {row[2] for row in self._rows}
        self._next = 0
        self._before: Counter[str] = Counter()
        self._by_ratio: Counter[int] = Counter()
        self._ratios_up_to = 0

    def at(self, seq: int, head: bytes, by_class: dict[str, list[int]]) -> Iterator[Finding]:
        """The closes that end with entry `seq`, given the sums up to there."""
        while self._next < len(self._rows) and self._rows[self._next][2] == seq:
            sums = Counter({name: total[0] for name, total in by_class.items()})
            moved = self._connection.execute(_MOVED_BY_RATIO, (self._ratios_up_to, seq))
            self._by_ratio.update(dict(moved.fetchall()))
            self._ratios_up_to = seq
            yield from self._check(self._rows[self._next], head, sums)
            self._before = sums
            self._next += 1

    def left_over(self) -> Iterator[Finding]:
        for row in self._rows[self._next :]:
            yield Finding(
                "DAILY_CLOSE", row[0], f"ends with ledger entry {row[2]}, out of order or not there"
            )

    def _check(self, row: tuple[Any, ...], head: bytes, sums: Counter[str]) -> Iterator[Finding]:
        business_date, first_seq, last_seq, stored_head, text, _ = row
        if first_seq != (self._rows[self._next - 1][2] + 1 if self._next else 1):
            yield Finding(
                "DAILY_CLOSE", business_date, f"begins with entry {first_seq}, not where the last ended"
            )
        if self._next and not _follows(business_date, self._rows[self._next - 1][0]):
            yield Finding("DAILY_CLOSE", business_date, "the date before it is missing")
        if stored_head != head:
            yield Finding("DAILY_CLOSE", business_date, f"another head after entry {last_seq}")
        try:
            stored = close_of(row)
        except (ValueError, TypeError, KeyError, AttributeError):
            yield Finding("DAILY_CLOSE", business_date, "its figures cannot be read")
            return
        moved = Counter(sums)
        moved.subtract(self._before)
        holdings = Holdings(
            pending_minor=sums["pending"],
            active_minor=sums["active"],
            held_minor=sums["held"],
            debt_minor=sums["debt"],
            frozen_minor=stored.holdings.frozen_minor,
            outstanding=tuple(sorted((version, minor) for version, minor in self._by_ratio.items() if minor)),
        )
        if text != figures_text(movements_of(moved), holdings):
            yield Finding("DAILY_CLOSE", business_date, "the ledger gives other figures")


def _follows(later: str, earlier: str) -> bool:
    try:
        return date.fromisoformat(later) - date.fromisoformat(earlier) == timedelta(days=1)
    except ValueError:
        return False
