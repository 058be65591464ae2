"""A rule bundle from HQ, its signature checked, is taken in: it begins its life here (see `lifecycle`)."""

from zoneinfo import available_timezones

from agent.clock import Instant
from agent.handlers import lifecycle, rule_slots
from agent.handlers.adoption import MOST_STEPS, Adoption, refuse, report
from agent.handlers.settle_waiting import settle_waiting
from agent.handlers.site import Site
from agent.messages import bodies
from agent.points import soundness
from agent.points.refusal import BundleRefused
from agent.points.rules import Bundle, parse_bundle
from agent.store.bundles import StoredBundle
from agent.store.database import Transaction
from agent.store.outbox import SERVICE


def adopt_bundle(payload: bytes, tx: Transaction, site: Site, at: Instant) -> Adoption:
    """Take in a bundle whose signature was checked, as the candidate or at once as the active one.

    A bundle without [rollout], and a station's first, is ACTIVE when its effective_from has come; facts
    that waited for rules are settled then. A staged one is judged in shadow first. It takes the place
    of a candidate that was still waiting. A refusal changes nothing and is counted as an alarm.
    """
    parsed = parse_bundle(payload, site.points_scale)
    if isinstance(parsed, BundleRefused):
        return refuse(parsed.reason, f"{parsed.where}: {parsed.remedy}", tx, at)
    if parsed.program != site.programme:
        text = f"this bundle is for {parsed.program}, the station is in {site.programme}"
        return refuse("OTHER_PROGRAMME", text, tx, at)
    lifecycle.take_effect(tx, site, at)  # what is due is the predecessor
    if known := _known_already(parsed, tx):
        return refuse(known.reason, known.text, tx, at) if known.reason else known
    if old := _out_of_order(parsed, tx):
        return refuse(old.reason, old.text, tx, at)
    if unsound := _unsound(parsed, payload, tx, site):
        _tell_unsound(parsed, unsound.reason, tx, at)
        return refuse(unsound.reason, unsound.text, tx, at)
    state, settled = _enter(parsed, payload, tx, site, at)
    text = f"{_named(parsed)} adopted: {state}, {settled} waiting sales settled"
    return Adoption("", text)


def _known_already(parsed: Bundle, tx: Transaction) -> Adoption | None:
    """I21: (bundle, version) has one hash for ever; and what was taken back never returns."""
    held = tx.bundles.hash_of(parsed.bundle, parsed.version)
    if held is None:
        return None
    stored = tx.bundles.get(parsed.version)
    assert stored is not None
    if held.hex() != parsed.sha256:
        return Adoption("BUNDLE_CONFLICT", f"{_named(parsed)} is here already, with other content")
    if stored.state == "REJECTED":
        text = f"{_named(parsed)} was taken back here ({stored.reason}): issue a higher version"
        return Adoption("BUNDLE_REJECTED", text)
    return Adoption("", f"{_named(parsed)} is here already")


def _out_of_order(parsed: Bundle, tx: Transaction) -> Adoption | None:
    newest = tx.bundles.newest_version()
    if parsed.version <= newest:
        text = f"version {parsed.version} is not newer than {newest}, which is here"
        return Adoption("BUNDLE_ROLLBACK", text)
    if newest and parsed.version - newest > MOST_STEPS:
        text = f"version {parsed.version} is more than {MOST_STEPS} above {newest}: number bundles in order"
        return Adoption("VERSION_JUMP", text)
    if tx.bundles.was_withdrawn(parsed.version):
        return Adoption("BUNDLE_WITHDRAWN", f"{_named(parsed)} was withdrawn: issue a higher version")
    return None


def _unsound(parsed: Bundle, payload: bytes, tx: Transaction, site: Site) -> Adoption | None:
    """Rules that would do harm here; the rule and its line are named."""
    if parsed.timezone not in available_timezones():
        return Adoption("UNKNOWN_TIMEZONE", f"timezone: {parsed.timezone} is not in the time-zone database")
    active = tx.bundles.active()
    found = soundness.objection(
        parsed,
        payload.decode(),
        products_sold=sorted({place.product for place in site.places.values() if place.product}),
        predecessor=tx.bundles.parsed(active.version) if active else None,
    )
    return Adoption(found.reason, f"{found.where}: {found.remedy}") if found else None


def _enter(parsed: Bundle, payload: bytes, tx: Transaction, site: Site, at: Instant) -> tuple[str, int]:
    """Returns the state that the bundle has now, and how many waiting sales it settled."""
    sha256 = bytes.fromhex(parsed.sha256)
    report("bundle", parsed.bundle, parsed.version, sha256, tx, at)
    rule_slots.enter(
        StoredBundle(
            bundle=parsed.bundle,
            version=parsed.version,
            sha256=sha256,
            effective_from_ms=parsed.effective_from_ms,
            body=payload,
            received_at_ms=at.wall_ms,
            state="VERIFIED",
            state_at_ms=at.wall_ms,
        ),
        *(tx, at),
    )
    if lifecycle.take_effect(tx, site, at):
        return "ACTIVE", settle_waiting("NO_RULES", tx, site, at)
    if tx.bundles.active() is None:
        return "VERIFIED", 0
    rule_slots.judge_in_shadow(parsed.version, tx, at)
    return "SHADOW", 0


def _tell_unsound(parsed: Bundle, reason: str, tx: Transaction, at: Instant) -> None:
    item = bodies.RulesState(
        kind="rules.state",
        bundle=parsed.bundle,
        version=parsed.version,
        state="REJECTED",
        reason=reason,
        at_ms=at.wall_ms,
    )
    tx.outbox.put(SERVICE, "rules.state", item.encoded(), at.wall_ms)


def _named(parsed: Bundle) -> str:
    return f"bundle {parsed.bundle} version {parsed.version}"
