"""How many rows of each table are about one member, and since when: for who asks what is held (S-063).

Every statement follows an index, but for the outbox: that is read through, and holds what HQ has not
acknowledged and some days besides.
"""

import sqlite3
from typing import NamedTuple

from agent.points.ledger import active, debt, held, pending


class Holding(NamedTuple):
    """`rows` of the table `what`, the oldest written at `since_ms` (wall); 0 where its rows have no time."""

    what: str
    rows: int
    since_ms: int


_AS_OF = "(SELECT as_of_ms FROM member WHERE member = :member)"
_FACTS = """
SELECT fact_id FROM award WHERE member = :member
UNION SELECT fact_id FROM binding WHERE reason <> '' AND member = :member
"""
_LOTS = """
SELECT award_id FROM award WHERE member = :member
UNION ALL SELECT adjustment_id FROM adjustment WHERE member = :member
"""
_ACCOUNTS = ":active, :pending, :held, :debt"

STATEMENTS = {
    "member": "SELECT count(*), min(as_of_ms) FROM member WHERE member = :member",
    "credential": f"SELECT count(*), {_AS_OF} FROM credential WHERE member = :member",
    "bucket": f"SELECT count(*), {_AS_OF} FROM bucket WHERE member = :member",
    "usage_elsewhere": f"SELECT count(*), {_AS_OF} FROM usage_elsewhere WHERE member = :member",
    "usage": "SELECT count(*), 0 FROM usage WHERE member = :member",
    "fact": f"SELECT count(*), min(event_time_ms) FROM fact WHERE fact_id IN ({_FACTS})",
    "binding": f"""
SELECT count(*), min(bound_at_ms) FROM binding WHERE member = :member AND fact_id IN ({_FACTS})
""",
    "pos_sale": f"""
SELECT count(*), min(paid_at_ms) FROM pos_sale WHERE (register, pos_sale_id) IN
    (SELECT register, pos_sale_id FROM binding WHERE fact_id IN ({_FACTS}) AND member = :member)
""",
    "presentation": f"""
SELECT count(*), min(presented_at_ms) FROM presentation
WHERE fact_id IS NOT NULL AND fact_id IN ({_FACTS})
""",
    "award": "SELECT count(*), min(settled_at_ms) FROM award WHERE member = :member",
    "lot": f"SELECT count(*), 0 FROM lot WHERE lot_id IN ({_LOTS})",
    "adjustment": "SELECT count(*), min(adjusted_at_ms) FROM adjustment WHERE member = :member",
    "refund": """
SELECT count(*), min(refunded_at_ms) FROM refund
WHERE fact_id IN (SELECT fact_id FROM award WHERE member = :member)
""",
    "posting": f"""
SELECT count(*), min(at_ms) FROM posting JOIN ledger_entry ON ledger_entry.seq = posting.seq
WHERE account IN ({_ACCOUNTS})
""",
    "account": f"SELECT count(*), 0 FROM account WHERE account IN ({_ACCOUNTS})",
    "coupon": "SELECT count(*), min(issued_at_ms) FROM coupon WHERE member = :member",
    "rights_grant": "SELECT count(*), min(granted_at_ms) FROM rights_grant WHERE member = :member",
    "reminder": "SELECT count(*), min(shown_at_ms) FROM reminder WHERE member = :member",
    "notice": "SELECT count(*), min(at_ms) FROM notice WHERE member = :member",
    "outbox": "SELECT count(*), min(at_ms) FROM outbox WHERE instr(body, :said) > 0",
}
"""Table → (how many rows are about `:member`, when the oldest was written or null)."""


class Holdings:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def about(self, member: str) -> list[Holding]:
        """Tables that hold anything about this member, known here or not."""
        wanted = {
            "member": member,
            "active": active(member),
            "pending": pending(member),
            "held": held(member),
            "debt": debt(member),
            "said": f'"member":"{member}"'.encode(),
        }
        found = []
        for what, statement in STATEMENTS.items():
            rows, since_ms = self._connection.execute(statement, wanted).fetchone()
            if rows:
                found.append(Holding(what, rows, since_ms or 0))
        return found
