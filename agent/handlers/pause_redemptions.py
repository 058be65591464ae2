"""HQ stops redemptions at this station for a time; earning never pauses."""

from agent.clock import Instant
from agent.handlers.site import Site
from agent.handlers.verdict import DONE, Verdict
from agent.messages import down as said
from agent.store.database import Transaction
from agent.store.pauses import Pause
from sync.down import Down


def pause_redemptions(body: said.Pause, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """`until_ms` 0: they are taken again."""
    if body.until_ms:
        tx.pauses.pause_redemptions(Pause(body.until_ms, body.reason, at.wall_ms))
    else:
        tx.pauses.resume_redemptions()
    return DONE
