"""When headquarters was away for long: the slip says so, and headquarters is told once afterwards (S-182)."""

from agent.clock import Instant
from agent.handlers.site import Site
from agent.messages.upkeep import DelayReport
from agent.store.database import Transaction
from agent.store.outbox import LEDGER, SERVICE


def is_delayed(booked_at_ms: int, tx: Transaction, site: Site) -> bool:
    """Had something waited so long for headquarters that nobody could say when this would be confirmed?

    Judged as of the booking: who asks again later is told the same.
    """
    since_ms = tx.outbox.waiting_since_ms(LEDGER)
    return since_ms is not None and booked_at_ms - since_ms >= site.limits.delayed_after_ms


def end_darkness(tx: Transaction, site: Site, at: Instant) -> None:
    """Headquarters is heard again. A spell that was long is reported as it ends, so never twice.

    What headquarters makes of it (points for the wait, a coupon) is its own decision.
    """
    spell = tx.darkness.end(at.wall_ms)
    if spell is None or spell[1] - spell[0] < site.limits.delayed_after_ms:
        return
    delayed = tx.darkness.awards_within(spell)
    report = DelayReport(
        kind="delay.report",
        dark_from_ms=spell[0],
        dark_until_ms=spell[1],
        first_seq=delayed.first_seq,
        last_seq=delayed.last_seq,
        awards=delayed.awards,
        members=delayed.members,
        minor=delayed.minor,
        at_ms=at.wall_ms,
    )
    tx.outbox.put(SERVICE, report.kind, report.encoded(), at.wall_ms)
