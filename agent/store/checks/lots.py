"""Lots: every one is replayed from its moves (I9 to I11), and members' lots hold what their accounts do."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from agent.points.ledger import EXPIRED
from agent.store.checks.finding import Finding

_LOTS = """
SELECT lot.lot_id, lot.member, lot.minor, lot.remaining_minor, lot.lapsed_minor, lot.state,
       lot.spendable_at_ms, coalesce(award.settled_at_ms, adjustment.adjusted_at_ms),
       iif(lot.source = 'award', 'award', 'goodwill')
FROM lot LEFT JOIN award ON award.award_id = lot.lot_id AND lot.source = 'award'
LEFT JOIN adjustment ON adjustment.adjustment_id = lot.lot_id AND lot.source = 'adjustment'
ORDER BY lot.lot_id
"""
_EVENTS = """
SELECT lot_move.lot_id AS lot_id, lot_move.seq AS seq, lot_move.minor AS moved, 0 AS lapsed,
       entry.kind AS kind, entry.ref = lot_move.lot_id AS own, entry.at_ms AS at_ms
FROM lot_move JOIN ledger_entry AS entry ON entry.seq = lot_move.seq
UNION ALL
SELECT entry.ref, entry.seq, 0, posting.minor, entry.kind, 1, entry.at_ms
FROM posting JOIN ledger_entry AS entry ON entry.seq = posting.seq WHERE posting.account = ?
UNION ALL
SELECT ref, seq, 0, 0, kind, 1, at_ms FROM ledger_entry WHERE kind = 'activation'
ORDER BY lot_id, seq
"""


@dataclass(slots=True)
class _Replay:
    """A lot as its entries leave it."""

    state: str = ""
    remaining_minor: int = 0
    lapsed_minor: int = 0

    def entry(self, kind: str, own: bool, moved: int, lapsed: int) -> str:
        """Apply what one entry did; returns what is wrong with it, or ""."""
        self.remaining_minor += moved
        self.lapsed_minor += lapsed
        match kind, own:
            case "activation", True if self.state == "pending":
                self.state = "active"
            case "expiry", True if moved == -lapsed < 0:
                self.state = "expired"
            case (("refund" | "correction"), True) if self.remaining_minor == 0:
                self.state = "expired" if self.lapsed_minor else "reversed"
            case (("refund" | "correction"), True):
                pass
            case (("refund" | "correction" | "redemption" | "repayment" | "adjustment"), _) if (
                moved < 0 and not lapsed
            ):
                self.state = self.state if self.remaining_minor else "exhausted"
            case "return", _ if moved > 0 and not lapsed:
                self.state = "pending" if self.state == "pending" else "active"
            case _:
                return f"an entry '{kind}' moved {moved}"
        return "" if self.remaining_minor >= 0 and self.lapsed_minor >= 0 else "more was taken than there was"


def check_lots(connection: sqlite3.Connection, balances: Counter[str]) -> Iterator[Finding]:
    events = groupby(connection.execute(_EVENTS, (EXPIRED,)), itemgetter(0))
    held: Counter[tuple[str, str]] = Counter()
    waiting = next(events, None)
    for row in connection.execute(_LOTS):
        lot_id, member, _, remaining_minor, _, state, *_ = row
        while waiting is not None and waiting[0] < lot_id:
            yield Finding("LOT_MOVES", f"lot {waiting[0].hex()}", "was moved and is not there")
            waiting = next(events, None)
        mine: list[Any] = []
        if waiting is not None and waiting[0] == lot_id:
            mine, waiting = list(waiting[1]), next(events, None)
        if wrong := _wrong(row, mine):
            yield Finding("LOT_STATE", f"lot {lot_id.hex()}", wrong)
        held[member, "pending" if state == "pending" else "active"] += remaining_minor
    while waiting is not None:
        yield Finding("LOT_MOVES", f"lot {waiting[0].hex()}", "was moved and is not there")
        waiting = next(events, None)
    yield from _members(held, balances)


def _wrong(row: tuple[Any, ...], events: list[Any]) -> str:
    _, _, minor, remaining_minor, lapsed_minor, state, spendable_at_ms, settled_at_ms, opened_by = row
    if not events or events[0][2] != minor or events[0][4:6] != (opened_by, 1):
        return f"its entry '{opened_by}' did not open it"
    opened_at_ms = events[0][6]
    if settled_at_ms != opened_at_ms:
        return f"it was given at {settled_at_ms}, its entry written at {opened_at_ms}"
    replay = _Replay("pending" if spendable_at_ms > opened_at_ms else "active", minor)
    for _, steps in groupby(events[1:], itemgetter(1)):
        entry = list(steps)
        moved, lapsed = sum(step[2] for step in entry), sum(step[3] for step in entry)
        if wrong := replay.entry(entry[0][4], bool(entry[0][5]), moved, lapsed):
            return f"ledger entry {entry[0][1]}: {wrong}"
    replayed = (replay.remaining_minor, replay.lapsed_minor, replay.state)
    if replayed != (remaining_minor, lapsed_minor, state):
        return f"{remaining_minor}, {lapsed_minor} lapsed, {state}; its moves say {replayed}"
    return ""


def _members(held: Counter[tuple[str, str]], balances: Counter[str]) -> Iterator[Finding]:
    """I9: what remains in a member's lots is what is pending, and active or held. I13: nothing that was
    not held was captured or released."""
    accounts: Counter[tuple[str, str]] = Counter()
    for account, minor in balances.items():
        owner, _, kind = account.rpartition(":")
        if kind == "held" and minor < 0:
            yield Finding("HELD", account, f"{-minor} more left it than was held")
        if owner.startswith("member:") and kind != "debt":
            accounts[owner.removeprefix("member:"), "pending" if kind == "pending" else "active"] += minor
    for member, kind in sorted(held.keys() | accounts.keys()):
        in_lots, in_accounts = held[member, kind], accounts[member, kind]
        if in_lots != in_accounts:
            detail = f"lots hold {in_lots}, accounts {in_accounts}"
            yield Finding("LOTS", f"member {member} {kind}", detail)
