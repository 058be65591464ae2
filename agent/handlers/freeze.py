"""HQ stops a member's spending here, or lets it go on; earning never stops (I24, features S-011, S-054)."""

from agent.clock import Instant
from agent.handlers.site import Site
from agent.handlers.verdict import DONE, Verdict
from agent.messages.down import Decision, Freeze, Unfreeze
from agent.store.database import Transaction
from sync.down import Down


def freeze(body: Freeze, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """Until `unfreeze`, or HQ's next word on the member. Reasons: MEMBER_UNKNOWN, MEMBER_CLOSED."""
    return _freeze(body.member, tx, at)


def unfreeze(body: Unfreeze, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """Reasons as for `freeze`; who is not frozen stays as they are."""
    return _unfreeze(body.member, tx, at)


def decide(body: Decision, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """What HQ decided about a freeze. Of all else that may be decided, nothing is open at this station:
    DECISION_UNKNOWN. A freeze is confirmed, lifted or voided; any other word: DECISION_ODD."""
    if body.about != "freeze":
        return Verdict("DECISION_UNKNOWN", f"no {body.about} {body.of} is open here")
    if body.outcome == "confirmed":
        return _freeze(body.member, tx, at)
    if body.outcome in ("lifted", "voided"):
        return _unfreeze(body.member, tx, at)
    return Verdict("DECISION_ODD", f"a freeze cannot be {body.outcome}")


def _freeze(name: str, tx: Transaction, at: Instant) -> Verdict:
    member = tx.members.get(name)
    if member is None:
        return Verdict("MEMBER_UNKNOWN", "not in this station's snapshot")
    if member.status == "CLOSED":
        return Verdict("MEMBER_CLOSED", "a closed membership has nothing to freeze")
    if member.status == "ACTIVE":
        tx.members.set_status(name, "FROZEN")
        was_waiting = tx.notices.withdraw(name, "MEMBER_UNFROZEN")
        if not was_waiting:
            tx.notices.add(name, "MEMBER_FROZEN", 0, at.wall_ms)
    return DONE


def _unfreeze(name: str, tx: Transaction, at: Instant) -> Verdict:
    """Who was not told of the freeze need not be told of its end."""
    member = tx.members.get(name)
    if member is None:
        return Verdict("MEMBER_UNKNOWN", "not in this station's snapshot")
    if member.status == "CLOSED":
        return Verdict("MEMBER_CLOSED", "a closed membership stays closed")
    if member.status == "FROZEN":
        tx.members.set_status(name, "ACTIVE")
        if not tx.notices.withdraw(name, "MEMBER_FROZEN"):
            tx.notices.add(name, "MEMBER_UNFROZEN", 0, at.wall_ms)
    return DONE
