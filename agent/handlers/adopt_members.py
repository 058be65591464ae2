"""A full member snapshot from HQ, its signature checked, replaces the cache."""

import hashlib

from agent.clock import Instant
from agent.handlers.adoption import Adoption, report
from agent.handlers.site import Site
from agent.messages import snapshot
from agent.store.awards import Used
from agent.store.database import Transaction
from agent.store.members import Bucket, KnownMember, Member


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
    members = [_known_member(known, parsed) for known in parsed.members]
    for frozen in tx.members.replace_all(parsed.version, sha256, members, at.wall_ms):
        tx.notices.add(frozen, "MEMBER_FROZEN", 0, at.wall_ms)
    report("members", "", parsed.version, sha256, tx, at)
    return Adoption("", f"member snapshot version {parsed.version} adopted, {len(members)} members")


def _credential_of_two(parsed: snapshot.Snapshot) -> tuple[str, str] | None:
    owner: dict[str, str] = {}
    for member in parsed.members:
        for credential in member.credentials:
            first = owner.setdefault(credential, member.member)
            if first != member.member:
                return first, member.member
    return None


def _known_member(known: snapshot.Member, parsed: snapshot.Snapshot) -> KnownMember:
    member = Member(
        member=known.member,
        status=known.status,
        tier=known.tier,
        tier_valid_until=known.tier_valid_until,
        cohort=known.cohort,
        birthday=known.birthday,
        balance_minor=known.balance_minor,
        included_seq=known.included_seq,
        version=parsed.version,
        lapsed_through=parsed.lapsed_through,
        as_of_ms=parsed.issued_at_ms,
    )
    return KnownMember(
        member,
        credentials=tuple(dict.fromkeys(known.credentials)),
        buckets=tuple(Bucket(bucket.lapses_on, bucket.minor) for bucket in known.buckets),
        usage=tuple(
            (used.period, Used(used.minor, used.fills, used.volume_ml, used.amount_fen))
            for used in known.usage
        ),
        included_epoch=known.included_epoch,
    )
