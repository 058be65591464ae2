"""Fuel that was no sale: a test draw, or fuel that went back into the tank. Bound like a sale, never awarded.

Only the tender says so, so where points are given at the end of the fuelling nobody can tell (feature S-165).
"""

from agent.clock import Instant
from agent.handlers.settle import settle
from agent.handlers.site import Site
from agent.messages import bodies
from agent.store.database import Transaction
from agent.store.facts import Fact
from agent.store.outbox import LEDGER
from agent.store.sales import Binding, PosSale
from drivers.events import Answer

TEST_DRAW, RETURNED_TO_TANK = "TEST_DRAW", "RETURNED_TO_TANK"
DRAWS = frozenset({TEST_DRAW, RETURNED_TO_TANK})
"""Reasons of bindings that stay without a member and without points."""


def draw_reason(sale: PosSale, site: Site) -> str:
    """Why this is no sale, or "" if it is one."""
    if sale.tender in site.test_tenders:
        return TEST_DRAW
    return RETURNED_TO_TANK if sale.tender in site.return_tenders else ""


def bind_draw(reason: str, fact: Fact, sale: PosSale, tx: Transaction, site: Site, at: Instant) -> Answer:
    """Bind the fact to nobody. Shop goods rung up so earn nothing either; HQ sees their tender."""
    binding = Binding(fact.fact_id, sale.register, sale.pos_sale_id, "", "", reason, at.wall_ms)
    tx.sales.bind(binding)
    if fact.kind == "fuelling":
        item = bodies.Draw(
            kind="draw",
            of=fact.stream_seq,
            purpose="test" if reason == TEST_DRAW else "return",
            till=sale.register,
            pos_sale_id=sale.pos_sale_id,
            at_ms=at.wall_ms,
        )
        tx.outbox.put(LEDGER, "draw", item.encoded(), at.wall_ms)
    return settle(binding, fact, sale, tx, site, at)
