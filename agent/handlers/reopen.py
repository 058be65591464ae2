"""What a start finds: whether the database is the one that was left (points.md 9.12, reliability.md S5)."""

from agent.clock import Instant
from agent.handlers import lifecycle
from agent.handlers.site import Site
from agent.store.database import Transaction
from agent.store.heads import LEDGER_CUT, LEDGER_FORKED

OTHER_HISTORY = frozenset({LEDGER_CUT, LEDGER_FORKED})


def reopen(reason: str, seen_epoch: int, boot: str, tx: Transaction, site: Site, at: Instant) -> None:
    """Begin a run. `reason` is what comparing with the heads file gave, `seen_epoch` the epoch in that file,
    `boot` which start of the machine it is.

    A file that was put back, or whose tail was cut, would use its numbers twice: it goes on as a new
    incarnation. Earning never stops for it; HQ and the technician are told.
    """
    if reason in OTHER_HISTORY:
        epoch = tx.forks.raise_epoch(at.wall_ms, beyond=seen_epoch)
        tx.outbox.forget()
        tx.alarms.count(reason, "database", at.wall_ms, f"went on as epoch {epoch}")
    elif reason:
        tx.alarms.count(reason, "database", at.wall_ms)
    lifecycle.note_start(boot, tx, site, at)
