"""Which verb takes in which signed document, whichever way it came: `forecourt load`, an order, a broker."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from agent.clock import Instant
from agent.handlers.adopt_bundle import adopt_bundle
from agent.handlers.adopt_coupons import adopt_coupons
from agent.handlers.adopt_members import adopt_members
from agent.handlers.adopt_rollout import adopt_rollout
from agent.handlers.adoption import Adoption
from agent.handlers.site import Site
from agent.store.database import Transaction
from sync.signing import BUNDLE_TYPE, COUPONS_TYPE, MEMBERS_TYPE, ROLLOUT_TYPE, Signed

Adopter = Callable[[bytes, Transaction, Site, Instant], Adoption]

ADOPTERS: Mapping[str, Adopter] = MappingProxyType(
    {
        BUNDLE_TYPE: adopt_bundle,
        ROLLOUT_TYPE: adopt_rollout,
        MEMBERS_TYPE: adopt_members,
        COUPONS_TYPE: adopt_coupons,
    }
)
"""By the payload type that the signature covers."""


def adopt_document(signed: Signed, tx: Transaction, site: Site, at: Instant) -> Adoption:
    """Take in a document of one of these types, its signature checked."""
    return ADOPTERS[signed.payload_type](signed.payload, tx, site, at)
