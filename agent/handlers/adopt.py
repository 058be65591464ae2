"""Signed documents from HQ, already verified, are taken in: a rule bundle, a member snapshot."""

import hashlib
from dataclasses import dataclass
from zoneinfo import available_timezones

from agent.clock import Instant
from agent.handlers.settle import settle
from agent.handlers.site import Site
from agent.messages import bodies, snapshot
from agent.points.rules import Bundle, BundleRefused, parse_bundle
from agent.store.bundles import StoredBundle
from agent.store.database import Transaction
from agent.store.members import Member
from agent.store.outbox import SERVICE


@dataclass(frozen=True, slots=True)
class Adoption:
    """`reason` "" if it was taken in (or was here already), else a code; `text` for the technician."""

    reason: str
    text: str


def adopt_bundle(payload: bytes, tx: Transaction, site: Site, at: Instant) -> Adoption:
    """Store a bundle whose signature was checked; facts that waited for rules are settled now."""
    parsed = parse_bundle(payload, site.points_scale)
    if isinstance(parsed, BundleRefused):
        return Adoption(parsed.reason, f"{parsed.where}: {parsed.remedy}")
    if objection := _objection(parsed, site):
        return objection
    sha256 = hashlib.sha256(payload).digest()
    held = tx.bundles.hash_of(parsed.bundle, parsed.version)
    if held is not None:
        same = held == sha256
        text = f"bundle {parsed.bundle} version {parsed.version} is here already"
        return Adoption("" if same else "BUNDLE_CONFLICT", text + ("" if same else ", with other content"))
    if parsed.version <= tx.bundles.newest_version():
        newest = tx.bundles.newest_version()
        return Adoption(
            "BUNDLE_ROLLBACK", f"version {parsed.version} is not newer than {newest}, which is here"
        )
    stored = StoredBundle(parsed.bundle, parsed.version, sha256, parsed.effective_from_ms, payload)
    tx.bundles.add(stored, at.wall_ms)
    _report("bundle", parsed.bundle, parsed.version, sha256, tx, at)
    settled = _settle_waiting("NO_RULES", tx, site, at)
    return Adoption(
        "", f"bundle {parsed.bundle} version {parsed.version} adopted, {settled} waiting sales settled"
    )


def _objection(bundle: Bundle, site: Site) -> Adoption | None:
    """Sound rules that this station must not, or cannot yet, go by."""
    if bundle.program != site.programme:
        text = f"this bundle is for {bundle.program}, the station is in {site.programme}"
        return Adoption("OTHER_PROGRAMME", text)
    if bundle.timezone not in available_timezones():
        return Adoption("UNKNOWN_TIMEZONE", f"timezone: {bundle.timezone} is not in the time-zone database")
    if bundle.activation is not None and bundle.activation.after_s:
        text = 'activation.after: this version credits points at once; set it to "PT0S"'
        return Adoption("ACTIVATION_NOT_SUPPORTED", text)
    return None


def adopt_members(payload: bytes, tx: Transaction, site: Site, at: Instant) -> Adoption:
    """Replace the member cache by a full snapshot whose signature was checked."""
    parsed = snapshot.parse_snapshot(payload)
    if isinstance(parsed, str):
        return Adoption("SNAPSHOT_MALFORMED", parsed)
    if (parsed.station, parsed.programme) != (site.station, site.programme):
        return Adoption("OTHER_STATION", f"this snapshot is for {parsed.station} of {parsed.programme}")
    sha256 = hashlib.sha256(payload).digest()
    newest = tx.members.latest_snapshot()
    if newest == (parsed.version, sha256):
        return Adoption("", f"member snapshot version {parsed.version} is here already")
    if newest is not None and parsed.version <= newest[0]:
        return Adoption(
            "SNAPSHOT_ROLLBACK", f"version {parsed.version} is not newer than {newest[0]}, which is here"
        )
    if double := _credential_of_two(parsed):
        return Adoption("CREDENTIAL_OF_TWO", f"members {double[0]} and {double[1]} share a credential")
    members = [(_member(known, parsed), tuple(dict.fromkeys(known.credentials))) for known in parsed.members]
    tx.members.replace_all(parsed.version, sha256, members, at.wall_ms)
    _report("members", "", parsed.version, sha256, tx, at)
    return Adoption("", f"member snapshot version {parsed.version} adopted, {len(members)} members")


def _credential_of_two(parsed: snapshot.Snapshot) -> tuple[str, str] | None:
    owner: dict[str, str] = {}
    for member in parsed.members:
        for credential in member.credentials:
            first = owner.setdefault(credential, member.member)
            if first != member.member:
                return first, member.member
    return None


def _member(member: snapshot.Member, parsed: snapshot.Snapshot) -> Member:
    return Member(
        member=member.member,
        status=member.status,
        tier=member.tier,
        tier_valid_until=member.tier_valid_until,
        cohort=member.cohort,
        birthday=member.birthday,
        balance_minor=member.balance_minor,
        included_seq=member.included_seq,
        version=parsed.version,
        as_of_ms=parsed.issued_at_ms,
    )


def _report(what: str, name: str, version: int, sha256: bytes, tx: Transaction, at: Instant) -> None:
    item = bodies.Adopted(
        kind="adopted",
        what="bundle" if what == "bundle" else "members",
        name=name,
        version=version,
        sha256=sha256.hex(),
        at_ms=at.wall_ms,
    )
    tx.outbox.put(SERVICE, "adopted", item.encoded(), at.wall_ms)


def _settle_waiting(reason: str, tx: Transaction, site: Site, at: Instant) -> int:
    settled = 0
    for binding in tx.sales.bindings_without_award(reason):
        fact = tx.facts.get(binding.fact_id)
        assert fact is not None
        sale = tx.sales.get(binding.register, binding.pos_sale_id) if binding.pos_sale_id else None
        answer = settle(binding, fact, sale, tx, site, at)
        settled += answer.points_minor is not None
    return settled
