"""POS sales, the bindings that join them with facts and members, and refunds."""

import json
import sqlite3
from dataclasses import dataclass, replace

ShopLine = tuple[str, int, int]
"""product, quantity in thousandths, amount in fen"""


@dataclass(frozen=True, slots=True)
class PosSale:
    """What the cashier sold, and how far it has found its fuelling.

    States: CANDIDATE (no fuelling fits yet), AMBIGUOUS (several do), BOUND, UNBOUND (waited long
    enough; it stays a fact of the POS without points).
    """

    register: str
    pos_sale_id: str
    point: str
    fuel_amount_fen: int
    tender: str
    lines: tuple[ShopLine, ...]
    credential: str
    state: str
    fact_id: bytes | None
    paid_at_ms: int
    refunded_fen: int = 0

    @property
    def total_fen(self) -> int:
        return self.fuel_amount_fen + sum(amount_fen for _, _, amount_fen in self.lines)

    def paid_less_a_rest(self, fuelled_fen: int, tolerance_fen: int) -> bool:
        """True if a fuelling of this amount is what was paid for but a prepayment's rest that went back."""
        kept_fen = self.fuel_amount_fen - self.refunded_fen
        return kept_fen > 0 and abs(fuelled_fen - kept_fen) <= tolerance_fen

    def fits(self, fuelled_fen: int, tolerance_fen: int) -> bool:
        """True if a waiting sale may have paid for a fuelling of this amount.

        What went back meanwhile was not fuelled, or was for goods where there are any: the POS does not say.
        """
        if self.paid_less_a_rest(fuelled_fen, tolerance_fen):
            return True
        goods_fen = self.total_fen - self.fuel_amount_fen
        is_for_goods = self.refunded_fen <= goods_fen
        return is_for_goods and abs(fuelled_fen - self.fuel_amount_fen) <= tolerance_fen

    def same_sale(self, other: "PosSale") -> bool:
        """True if `other` is the same sale heard again, not another one under a used id."""
        return self._what_was_sold() == other._what_was_sold()

    def _what_was_sold(self) -> tuple[object, ...]:
        return (self.point, self.fuel_amount_fen, self.tender, self.lines)


@dataclass(frozen=True, slots=True)
class Binding:
    """Fact + payment + member. `member` is "" while nobody is known, then `reason` says why."""

    fact_id: bytes
    register: str
    pos_sale_id: str
    member: str
    credential: str
    reason: str
    bound_at_ms: int


@dataclass(frozen=True, slots=True)
class Refund:
    register: str
    refund_id: str
    pos_sale_id: str
    fact_id: bytes | None
    amount_fen: int
    minor: int
    refunded_at_ms: int


_SALE_COLUMNS = """
register, pos_sale_id, point, fuel_amount_fen, tender, lines, credential, state,
fact_id, paid_at_ms, refunded_fen
"""
_SALE = f"SELECT {_SALE_COLUMNS} FROM pos_sale WHERE register = ? AND pos_sale_id = ?"
_ADD_SALE = f"INSERT INTO pos_sale ({_SALE_COLUMNS}, total_fen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_WAITING_AT = f"""
SELECT {_SALE_COLUMNS} FROM pos_sale
WHERE state IN ('CANDIDATE', 'AMBIGUOUS') AND point = ? AND paid_at_ms >= ?
ORDER BY paid_at_ms, register, pos_sale_id
"""
_LAPSED = f"""
SELECT {_SALE_COLUMNS} FROM pos_sale
WHERE state IN ('CANDIDATE', 'AMBIGUOUS') AND paid_at_ms < ? ORDER BY paid_at_ms LIMIT 100
"""
_MOVE_ON = "UPDATE pos_sale SET state = ?, fact_id = ?, credential = ? WHERE register = ? AND pos_sale_id = ?"
_ADD_REFUNDED = "UPDATE pos_sale SET refunded_fen = refunded_fen + ? WHERE register = ? AND pos_sale_id = ?"
_BINDING = """
SELECT fact_id, register, pos_sale_id, member, credential, reason, bound_at_ms FROM binding WHERE fact_id = ?
"""
_ADD_BINDING = """
INSERT INTO binding (fact_id, register, pos_sale_id, member, credential, reason, bound_at_ms)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_WITHOUT_AWARD = """
SELECT fact_id, register, pos_sale_id, member, credential, reason, bound_at_ms FROM binding
WHERE reason = ? AND reason <> ''
  AND NOT EXISTS (SELECT 1 FROM award WHERE award.fact_id = binding.fact_id)
ORDER BY rowid
"""
_IDENTIFY = "UPDATE binding SET member = ?, credential = ?, reason = ? WHERE fact_id = ?"
_REFUND = """
SELECT register, refund_id, pos_sale_id, fact_id, amount_fen, minor, refunded_at_ms
FROM refund WHERE register = ? AND refund_id = ?
"""
_ADD_REFUND = """
INSERT INTO refund (register, refund_id, pos_sale_id, fact_id, amount_fen, minor, refunded_at_ms)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_REVERSED = "SELECT coalesce(sum(minor), 0) FROM refund WHERE fact_id = ?"
_REFUNDED = "SELECT coalesce(sum(amount_fen), 0) FROM refund WHERE fact_id = ?"


class Sales:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, register: str, pos_sale_id: str) -> PosSale | None:
        row = self._connection.execute(_SALE, (register, pos_sale_id)).fetchone()
        return _sale(row) if row else None

    def add(self, sale: PosSale) -> None:
        self._connection.execute(
            _ADD_SALE,
            (
                *(sale.register, sale.pos_sale_id, sale.point, sale.fuel_amount_fen, sale.tender),
                json.dumps(sale.lines, ensure_ascii=False, separators=(",", ":")),
                *(
                    sale.credential,
                    sale.state,
                    sale.fact_id,
                    sale.paid_at_ms,
                    sale.refunded_fen,
                    sale.total_fen,
                ),
            ),
        )

    def waiting_at(self, point: str, since_ms: int) -> list[PosSale]:
        """Sales of a point that look for their fuelling, oldest first."""
        return [_sale(row) for row in self._connection.execute(_WAITING_AT, (point, since_ms))]

    def lapsed(self, before_ms: int) -> list[PosSale]:
        """At most 100 sales that have waited for a fuelling since before `before_ms`."""
        return [_sale(row) for row in self._connection.execute(_LAPSED, (before_ms,))]

    def move_on(self, sale: PosSale, state: str, *, fact_id: bytes | None = None) -> PosSale:
        """Write the sale's new state (and its credential as given in `sale`)."""
        moved = replace(sale, state=state, fact_id=fact_id)
        self._connection.execute(
            _MOVE_ON, (state, fact_id, moved.credential, moved.register, moved.pos_sale_id)
        )
        return moved

    def binding(self, fact_id: bytes) -> Binding | None:
        row = self._connection.execute(_BINDING, (fact_id,)).fetchone()
        return Binding(*row) if row else None

    def bindings_without_award(self, reason: str) -> list[Binding]:
        """Bindings that wait for points because of `reason`, oldest first."""
        return [Binding(*row) for row in self._connection.execute(_WITHOUT_AWARD, (reason,))]

    def bind(self, binding: Binding) -> None:
        self._connection.execute(
            _ADD_BINDING,
            (
                *(binding.fact_id, binding.register, binding.pos_sale_id),
                *(binding.member, binding.credential, binding.reason, binding.bound_at_ms),
            ),
        )

    def identify(self, binding: Binding, member: str, credential: str, reason: str) -> Binding:
        self._connection.execute(_IDENTIFY, (member, credential, reason, binding.fact_id))
        return replace(binding, member=member, credential=credential, reason=reason)

    def refund(self, register: str, refund_id: str) -> Refund | None:
        row = self._connection.execute(_REFUND, (register, refund_id)).fetchone()
        return Refund(*row) if row else None

    def add_refund(self, refund: Refund) -> None:
        self._connection.execute(
            _ADD_REFUND,
            (
                *(refund.register, refund.refund_id, refund.pos_sale_id, refund.fact_id),
                *(refund.amount_fen, refund.minor, refund.refunded_at_ms),
            ),
        )
        self._connection.execute(_ADD_REFUNDED, (refund.amount_fen, refund.register, refund.pos_sale_id))

    def rest_fen(self, sale: PosSale) -> int:
        """What went back of a bound sale before it found its fact; 0 for a sale that has none."""
        if sale.fact_id is None or not sale.refunded_fen:
            return 0
        return sale.refunded_fen - int(self._connection.execute(_REFUNDED, (sale.fact_id,)).fetchone()[0])

    def reversed_minor(self, fact_id: bytes) -> int:
        """Points of this fact's award that refunds have taken back so far."""
        return int(self._connection.execute(_REVERSED, (fact_id,)).fetchone()[0])


def _sale(row: tuple[object, ...]) -> PosSale:
    register, pos_sale_id, point, fuel_fen, tender, lines, *rest = row
    shop = tuple((product, quantity, amount) for product, quantity, amount in json.loads(str(lines)))
    return PosSale(register, pos_sale_id, point, fuel_fen, tender, shop, *rest)  # type: ignore[arg-type]  # column order
