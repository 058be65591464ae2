"""What changed for the members who fuel here: tier, status, balance, usage, consents (feature S-016)."""

import hashlib

from agent.clock import Instant
from agent.handlers.membership import credential_of_two, known_member, note_changes
from agent.handlers.site import Site
from agent.handlers.verdict import DONE, Verdict
from agent.messages.down import MemberDelta
from agent.store.database import Transaction
from sync.down import Down


def apply_member_delta(body: MemberDelta, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """Reasons: DELTA_BASE (HQ sends a full snapshot, or the deltas between), RULES_MISSING,
    CREDENTIAL_OF_TWO."""
    newest = tx.members.latest_snapshot()
    here = newest[0] if newest else 0
    if body.base != here:
        return Verdict("DELTA_BASE", f"members are of version {here} here, the delta is to {body.base}")
    rules_here = max((stored.version for stored in tx.bundles.all_rows()), default=0)
    if body.rules_from > rules_here:
        return Verdict("RULES_MISSING", f"rules are of version {rules_here} here")
    if _credential_is_taken(body, tx):
        return Verdict("CREDENTIAL_OF_TWO", "two members share a credential")
    members = [
        known_member(told, body.version, body.issued_at_ms, body.lapsed_through) for told in body.members
    ]
    before = {told.member: member for told in body.members if (member := tx.members.get(told.member))}
    sha256 = hashlib.sha256(down.body_json).digest()
    tx.members.replace_some(body.version, body.base, sha256, members, body.gone, at.wall_ms)
    note_changes(before, members, down.id, tx, at)
    for notice in body.notices:
        if tx.members.get(notice.member) is not None:
            tx.notices.add(notice.member, notice.code, notice.minor, notice.at_ms)
    return DONE


def _credential_is_taken(body: MemberDelta, tx: Transaction) -> bool:
    """By another member of the delta, or by one whom it leaves as they are."""
    if credential_of_two(body.members):
        return True
    changed = {*(told.member for told in body.members), *body.gone}
    owners = (tx.members.owner(credential) for told in body.members for credential in told.credentials)
    return any(owner is not None and owner not in changed for owner in owners)
