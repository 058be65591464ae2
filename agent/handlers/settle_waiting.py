"""Facts that waited for something to come, and get their points now that it is here."""

from agent.clock import Instant
from agent.handlers.settle import settle
from agent.handlers.site import Site
from agent.store.database import Transaction


def settle_waiting(reason: str, tx: Transaction, site: Site, at: Instant) -> int:
    """Try every binding again that had no award because of `reason`; how many have one now."""
    settled = 0
    for binding in tx.sales.bindings_without_award(reason):
        fact = tx.facts.get(binding.fact_id)
        assert fact is not None
        sale = tx.sales.get(binding.register, binding.pos_sale_id) if binding.pos_sale_id else None
        answer = settle(binding, fact, sale, tx, site, at)
        settled += answer.points_minor is not None
    return settled
