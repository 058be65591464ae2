"""The coupons that HQ signed for this station are taken in."""

import hashlib

from agent.clock import Instant
from agent.handlers.adoption import Adoption, report
from agent.handlers.site import Site
from agent.messages.coupons import parse_coupons
from agent.store.coupons import Coupon
from agent.store.database import Transaction


def adopt_coupons(payload: bytes, tx: Transaction, site: Site, at: Instant) -> Adoption:
    """Replace the coupons that are neither used nor given here by a list whose signature was checked."""
    parsed = parse_coupons(payload)
    if isinstance(parsed, str):
        return Adoption("COUPONS_MALFORMED", parsed)
    if (parsed.station, parsed.programme) != (site.station, site.programme):
        return Adoption("OTHER_STATION", f"these coupons are for {parsed.station} of {parsed.programme}")
    sha256 = hashlib.sha256(payload).digest()
    newest = tx.coupons.latest_document()
    if newest == (parsed.version, sha256):
        return Adoption("", f"coupons version {parsed.version} are here already")
    if newest is not None and parsed.version <= newest[0]:
        text = f"version {parsed.version} is not newer than {newest[0]}, which is here"
        return Adoption("COUPONS_ROLLBACK", text)
    held = [Coupon(c.serial, c.member, c.kind, c.valid_from, c.valid_until) for c in parsed.coupons]
    pool = [Coupon(c.serial, "", c.kind, "", c.valid_until) for c in parsed.pool]
    tx.coupons.replace_all(parsed.version, sha256, held, pool, at.wall_ms)
    report("coupons", "", parsed.version, sha256, tx, at)
    text = f"coupons version {parsed.version} adopted: {len(held)} held by members, {len(pool)} in the pool"
    return Adoption("", text)
