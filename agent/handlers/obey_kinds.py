"""Which function obeys which kind of HQ's items. Whoever adds a kind adds its line here.

Each is `(body, tx, site, at, down) -> Verdict`: the body is of a model in `agent/messages/down.py`, and
signature, number and term were checked. One that refuses is taken back: its reason code is all it leaves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from agent.clock import Instant
from agent.handlers.adjust import adjust
from agent.handlers.adopt_document import adopt_document
from agent.handlers.apply_member_delta import apply_member_delta
from agent.handlers.cases import update_case
from agent.handlers.correction import correct_award
from agent.handlers.freeze import decide, freeze, unfreeze
from agent.handlers.hold_grant import hold_grant, recall_grant
from agent.handlers.pause_redemptions import pause_redemptions
from agent.handlers.renew_certificate import CertificateStore, renew_certificate
from agent.handlers.rotate_key import KeyRing, rotate_key
from agent.handlers.set_tier import set_tier
from agent.handlers.site import Site
from agent.handlers.take_catalogue import take_catalogue
from agent.handlers.take_notice import take_notice
from agent.handlers.take_prices import take_prices
from agent.handlers.take_revocations import take_revocations
from agent.handlers.tell_holding import tell_holding
from agent.handlers.verdict import DONE, Verdict
from agent.messages import down as said
from agent.store.database import Transaction
from sync.down import Down
from sync.refusal import Refusal
from sync.signing import Signed

Obey = Callable[[Any, Transaction, Site, Instant, Down], Verdict]
Handlers = Mapping[str, Obey]


@dataclass(frozen=True, slots=True)
class Doors:
    """What lies outside the database: who verifies documents inside an order, and the station's own keys."""

    verify: Callable[[bytes], Signed | Refusal]
    certificates: CertificateStore
    keys: KeyRing


def obedient(doors: Doors) -> Handlers:
    """Every kind that this station obeys."""

    def document(body: said.Document, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
        signed = doors.verify(body.document)
        if isinstance(signed, Refusal):
            return Verdict(signed.reason, signed.detail)
        adoption = adopt_document(signed, tx, site, at)
        return Verdict(adoption.reason, adoption.text)

    def rotate(body: said.Rotate, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
        return rotate_key(down.id, doors.keys, site.station, tx, at)

    def certificate(body: said.Certificate, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
        return renew_certificate(body, doors.certificates, site.station, at)

    return MappingProxyType({**BOOKS, "document": document, "rotate": rotate, "certificate": certificate})


def resend(body: said.Resend, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """The courier sends the rows after the commit, if they are still kept."""
    first = tx.outbox.first_resendable(body.stream)
    if not first or body.from_seq < first:
        return Verdict("RESEND_PRUNED", f"{body.stream}: the oldest that is kept is {first}")
    return DONE


BOOKS: Handlers = MappingProxyType(
    {
        "adjust": adjust,
        "case.update": update_case,
        "catalogue": take_catalogue,
        "correction": correct_award,
        "decision": decide,
        "freeze": freeze,
        "grant": hold_grant,
        "grant.recall": recall_grant,
        "member.delta": apply_member_delta,
        "member.holding.ask": tell_holding,
        "notice": take_notice,
        "pause": pause_redemptions,
        "price.table": take_prices,
        "resend": resend,
        "revocations": take_revocations,
        "set-tier": set_tier,
        "unfreeze": unfreeze,
    }
)
"""Kinds whose work is in the books alone, in alphabetical order."""

AFTERWARDS = frozenset({"resend"})
"""Kinds whose body is handed back, for what is done outside the database after the commit."""
