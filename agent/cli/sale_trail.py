"""Everything that is kept about one sale, found by any of its names."""

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.cli.exits import Exit
from agent.cli.render import fail

if TYPE_CHECKING:
    from agent.store.adjustments import StoredAdjustment
    from agent.store.awards import StoredAward
    from agent.store.facts import Fact
    from agent.store.lots import StoredLot
    from agent.store.reading import Connection, RefundRow
    from agent.store.sales import Binding, PosSale

LEDGER = "ledger"
CODE_LENGTH = 11
"""Of a slip's code without its hyphens."""


@dataclass(frozen=True, slots=True)
class Trail:
    """What is kept about one sale. `fact` None: no fuelling was found for it."""

    fact: "Fact | None"
    sale: "PosSale | None"
    binding: "Binding | None"
    award: "StoredAward | None"
    lot: "StoredLot | None"
    refunds: "tuple[RefundRow, ...]"
    corrections: "tuple[StoredAdjustment, ...]"
    watermark: int
    points_scale: int

    @property
    def reason(self) -> str:
        """Why there are no points, a code of `wording`; "" where points were given."""
        if self.award is not None:
            return self.award.reason
        if self.binding is not None:
            return self.binding.reason or "WAITING"
        if self.sale is not None:
            return "CHOOSE" if self.sale.state == "AMBIGUOUS" else "WAITING"
        return "GAP" if self.fact is not None and self.fact.kind == "gap" else "UNPAID"


def find(connection: "Connection", identity: str, *, json_output: bool = False) -> Trail:
    """By a fact's id, REGISTER/SALE, SALE, or the code of a slip; the command ends if it is none."""
    from agent.messages import ids
    from agent.store import reading
    from agent.store.sales import Sales

    fact_id = ids.from_text(identity)
    trail = _trail(connection, fact_id, None) if fact_id else None
    if trail is not None and trail.fact is not None:
        return trail
    register, slash, pos_sale_id = identity.rpartition("/")
    named = [(register, pos_sale_id)] if slash else reading.sales_named(connection, identity)
    if len(named) > 1:
        ways = ", ".join(f"{one}/{identity}" for one, _ in named)
        fail(Exit.REFUSED, "SALE_OF_SEVERAL", f"say which: {ways}", json_output=json_output)
    sale = Sales(connection).get(*named[0]) if named else None
    if sale is not None:
        return _trail(connection, sale.fact_id, sale)
    return _trail(connection, _with_code(connection, identity, json_output=json_output), None)


def _with_code(connection: "Connection", identity: str, *, json_output: bool) -> bytes:
    from agent.messages import ids
    from agent.store import tracing

    typed = identity.replace("-", "").replace(" ", "")
    prefix = ids.fact_prefix(identity)
    if prefix is None and len(typed) == CODE_LENGTH and typed.isalnum():
        text = f"{identity}: one of its characters is wrong; compare it with the slip"
        fail(Exit.REFUSED, "CODE_MISTYPED", text, json_output=json_output)
    found = tracing.fact_with_code(connection, prefix) if prefix else []
    if len(found) > 1:
        ways = ", ".join(ids.text(fact_id) for fact_id in found)
        fail(Exit.REFUSED, "SALE_OF_SEVERAL", f"say which: {ways}", json_output=json_output)
    if not found:
        text = f"no fact and no sale is called {identity}; `forecourt sale list` shows what there is"
        fail(Exit.REFUSED, "SALE_UNKNOWN", text, json_output=json_output)
    return found[0]


def _trail(connection: "Connection", fact_id: bytes | None, sale: "PosSale | None") -> Trail:
    from agent.store import reading
    from agent.store.adjustments import Adjustments
    from agent.store.awards import Awards
    from agent.store.facts import Facts
    from agent.store.lots import Lots
    from agent.store.outbox import OutboxReader
    from agent.store.sales import Sales

    sales = Sales(connection)
    binding = sales.binding(fact_id) if fact_id else None
    if sale is None and binding is not None and binding.pos_sale_id:
        sale = sales.get(binding.register, binding.pos_sale_id)
    award = Awards(connection).of_fact(fact_id) if fact_id else None
    return Trail(
        fact=Facts(connection).get(fact_id) if fact_id else None,
        sale=sale,
        binding=binding,
        award=award,
        lot=Lots(connection).of(award.award_id) if award else None,
        refunds=tuple(reading.refunds_of(connection, sale.register, sale.pos_sale_id)) if sale else (),
        corrections=tuple(Adjustments(connection).of_fact(fact_id)) if fact_id else (),
        watermark=OutboxReader(connection).watermark(LEDGER),
        points_scale=points_scale(connection),
    )


def points_scale(connection: "Connection") -> int:
    """Minor units of one point: the same in every bundle of a programme. 1 before the first bundle."""
    from agent.store import reading

    body = reading.newest_bundle(connection)
    return int(tomllib.loads(body.decode())["points_scale"]) if body else 1
