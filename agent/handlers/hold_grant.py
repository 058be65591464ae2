"""HQ lends this station rights over a member's points, and takes them back (points.md 6).

A grant ends by recall, by its time, or by its next epoch; each end is told to HQ once more than needed
rather than not at all, for HQ lends the rest again only then.
"""

from agent.clock import ClockQuality, Instant
from agent.handlers.site import Site
from agent.handlers.verdict import DONE, Verdict
from agent.messages import down as said
from agent.messages.rights import GrantStatement
from agent.points.rights import Grant, GrantState
from agent.store.database import Transaction
from agent.store.grants import StoredGrant
from sync.down import Down
from sync.outbox import URGENT

AT_ONCE = 200
"""Grants that end in one transaction: what is left over ends half a minute later."""


def hold_grant(body: said.Grant, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """Reasons: MEMBER_UNKNOWN, GRANT_EPOCH_OLD, GRANT_OVER, GRANT_OF_ANOTHER (its id is another member's).

    A clock that nobody believes takes it in, and lets nothing be spent under it.
    """
    if tx.members.get(body.member) is None:
        return Verdict("MEMBER_UNKNOWN", "not in this station's snapshot")
    if at.quality is not ClockQuality.UNTRUSTED and body.valid_until_ms <= at.wall_ms:
        return Verdict("GRANT_OVER", "its time is over")
    former = tx.grants.newest(body.grant)
    if former is not None:
        if former.grant.member != body.member:
            return Verdict("GRANT_OF_ANOTHER", "this grant is another member's")
        if body.epoch <= former.grant.epoch:
            return Verdict("GRANT_EPOCH_OLD", f"epoch {former.grant.epoch} is here")
        if former.grant.state is GrantState.ACTIVE:
            _close(former, GrantState.SETTLED, "REPLACED", tx, at)
    grant = Grant(body.grant, body.epoch, body.member, body.minor, 0, body.valid_until_ms, GrantState.ACTIVE)
    tx.grants.add(grant, tuple((bucket.lapses_on, bucket.minor) for bucket in body.buckets), at.wall_ms)
    return DONE


def recall_grant(body: said.GrantRecall, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """One that has ended already is stated once more. Reasons: GRANT_UNKNOWN, GRANT_EPOCH_OLD."""
    held = tx.grants.newest(body.grant)
    if held is None or held.grant.epoch < body.epoch:
        return Verdict("GRANT_UNKNOWN", "this epoch of the grant never came here")
    if held.grant.epoch > body.epoch:
        return Verdict("GRANT_EPOCH_OLD", f"epoch {held.grant.epoch} is here")
    ended = held.grant.state if held.grant.state is not GrantState.ACTIVE else GrantState.SETTLED
    _close(held, ended, "RECALLED", tx, at)
    return DONE


def end_grants(tx: Transaction, at: Instant) -> None:
    """Those whose time is over: called now and then. By a doubtful clock none ends, and none counts."""
    if at.quality is ClockQuality.UNTRUSTED:
        return
    for over in tx.grants.over(at.wall_ms, AT_ONCE):
        _close(over, GrantState.EXPIRED, "EXPIRED", tx, at)


def _close(held: StoredGrant, state: GrantState, code: str, tx: Transaction, at: Instant) -> None:
    number = held.statements + 1
    tx.grants.close(held.grant, state, number, at.wall_ms)
    item = GrantStatement(
        kind="grant.statement",
        grant=held.grant.grant,
        grant_epoch=held.grant.epoch,
        number=number,
        member=held.grant.member,
        spent_minor=held.grant.spent_minor,
        left_minor=held.grant.left_minor,
        closing=True,
        code=code,
        at_ms=at.wall_ms,
    )
    tx.outbox.put(URGENT, "grant.statement", item.encoded(), at.wall_ms)
