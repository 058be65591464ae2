"""A member says who they are after paying, while there is still no award (decisions.md 3)."""

from dataclasses import replace

from agent.clock import Instant
from agent.handlers.credentials import why_refused
from agent.handlers.draws import DRAWS, draw_reason
from agent.handlers.settle import claim, settle
from agent.handlers.site import Site
from agent.handlers.told import Told, refused
from agent.handlers.wording import said
from agent.store.database import Transaction
from agent.store.sales import PosSale
from drivers.events import Answer, MemberIdentified, Outcome


def identify_late(event: MemberIdentified, tx: Transaction, site: Site, at: Instant) -> Told:
    """Give the sale its member: at once if its fuelling is known, else when that arrives.

    A draw has none: refused with the reason of its binding.
    """
    credential = site.credential_key.hash(event.credential)
    if credential is None:
        return refused(site, why_refused(event.credential))
    if tx.revocations.is_revoked(credential, at.wall_ms):
        return refused(site, "CREDENTIAL_REVOKED")
    sale = tx.sales.get(event.register, event.pos_sale_id)
    if sale is None:
        return refused(site, "SALE_UNKNOWN")
    if sale.state == "UNBOUND" or at.wall_ms - sale.paid_at_ms > site.limits.late_identification_ms:
        return refused(site, "TOO_LATE")
    if sale.state == "BOUND":
        return _identify_bound(sale, credential, tx, site, at)
    if reason := draw_reason(sale, site):
        return refused(site, reason)
    if sale.credential and sale.credential != credential:
        return refused(site, "ALREADY_AWARDED")
    tx.sales.move_on(replace(sale, credential=credential), sale.state)
    text = said(site, "WAITING")
    return Told(Answer(Outcome.WAITING, durable=True, reason="NO_FUELLING_YET", text=text))


def _identify_bound(sale: PosSale, credential: str, tx: Transaction, site: Site, at: Instant) -> Told:
    assert sale.fact_id is not None
    fact, binding = tx.facts.get(sale.fact_id), tx.sales.binding(sale.fact_id)
    assert fact is not None
    assert binding is not None
    if binding.reason in DRAWS:
        return refused(site, binding.reason)
    member = tx.members.with_credential(credential)
    if award := tx.awards.of_fact(fact.fact_id):
        if member is None or award.member != member.member:
            return refused(site, "ALREADY_AWARDED")
        return Told(replace(settle(binding, fact, sale, tx, site, at), outcome=Outcome.REPEATED))
    if (
        binding.member
        and binding.reason != "MEMBER_CLOSED"
        and (member is None or member.member != binding.member)
    ):
        return refused(site, "ALREADY_AWARDED")
    if binding.reason == "MEMBER_UNKNOWN":
        return refused(site, "CLAIM_WITH_HQ")
    if member is None:
        unknown = tx.sales.identify(binding, "", credential, "MEMBER_UNKNOWN")
        return Told(claim(unknown, fact, sale, tx, site, at))
    identified = tx.sales.identify(binding, member.member, credential, "")
    return Told(settle(identified, fact, sale, tx, site, at))
