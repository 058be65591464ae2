"""Cards and codes that name nobody any more: HQ's whole list, newest version (features S-016, S-054)."""

from agent.clock import Instant
from agent.handlers.site import Site
from agent.handlers.verdict import DONE, Verdict
from agent.messages.down import Revocations
from agent.store.database import Transaction
from sync.down import Down


def take_revocations(body: Revocations, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """Reason: REVOCATIONS_OLD."""
    here = tx.catalogue.version("revocations")
    if body.version <= here:
        return Verdict("REVOCATIONS_OLD", f"version {here} is here")
    tx.revocations.replace_all(body.credentials)
    tx.catalogue.take("revocations", body.version, at.wall_ms)
    return DONE
