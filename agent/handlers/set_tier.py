"""HQ gives a member another tier at once; the next delta or snapshot has the last word (feature S-054)."""

from agent.clock import Instant
from agent.handlers.site import Site
from agent.handlers.verdict import DONE, Verdict
from agent.messages.down import SetTier
from agent.store.database import Transaction
from sync.down import Down


def set_tier(body: SetTier, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """Reasons: MEMBER_UNKNOWN; UNKNOWN_TIER, which the rules in force do not have."""
    if tx.members.get(body.member) is None:
        return Verdict("MEMBER_UNKNOWN", "not in this station's snapshot")
    bundle = tx.bundles.in_force(at.wall_ms)
    if bundle is not None and body.tier not in bundle.tiers.order:
        return Verdict("UNKNOWN_TIER", f"the rules have {', '.join(bundle.tiers.order)}")
    tx.members.set_tier(body.member, body.tier, body.valid_until)
    return DONE
