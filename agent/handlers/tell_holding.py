"""HQ asks what this station holds about a member, for the member who asked (feature S-063).

The answer counts rows and says since when; what is in them stays here. It is given for whoever is no longer
known too: sales stay in the books when their member goes.
"""

from agent.clock import Instant
from agent.handlers.membership import profile_of
from agent.handlers.site import Site
from agent.handlers.verdict import DONE, Verdict
from agent.messages.down import HoldingAsk
from agent.messages.privacy import MemberHolding
from agent.store.database import Transaction
from agent.store.outbox import SERVICE
from sync.down import Down


def tell_holding(body: HoldingAsk, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """It has no reasons of its own: nothing held is an answer."""
    member = tx.members.get(body.member)
    profile = profile_of(member) if member is not None else None
    item = MemberHolding(
        kind="member.holding",
        asked_by=down.id,
        member=body.member,
        consent_version=profile.consent_version if profile else 0,
        consents=profile.consents if profile else (),
        held=tuple(tx.holdings.about(body.member)),
        as_of_ms=at.wall_ms,
    )
    tx.outbox.put(SERVICE, item.kind, item.encoded(), at.wall_ms)
    return DONE
