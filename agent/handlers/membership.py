"""A member as HQ tells of them becomes a row here: only what they agreed to, and news of what they lost."""

from collections.abc import Iterable, Mapping, Sequence

from agent.clock import Instant
from agent.handlers.site import Site
from agent.language import Language
from agent.messages import snapshot
from agent.messages.privacy import ConsentPurged
from agent.messages.snapshot import Profile
from agent.store.awards import Used
from agent.store.database import Transaction
from agent.store.members import Bucket, KnownMember, Member
from agent.store.outbox import SERVICE

BIRTHDAY, PLACE = "birthday", "place"
"""Consents without which these values are never written: a birthday; where a member was last, and lives."""


def known_member(told: snapshot.Member, version: int, issued_at_ms: int, lapsed_through: str) -> KnownMember:
    """What is kept of a member of a snapshot or delta of this version."""
    member = Member(
        member=told.member,
        status=told.status,
        tier=told.tier,
        tier_valid_until=told.tier_valid_until,
        cohort=told.cohort,
        birthday=told.birthday if told.allows(BIRTHDAY) else None,
        balance_minor=told.balance_minor,
        included_seq=told.included_seq,
        version=version,
        lapsed_through=lapsed_through,
        as_of_ms=issued_at_ms,
        profile=_profile(told).model_dump_json(exclude_defaults=True),
    )
    return KnownMember(
        member,
        credentials=tuple(dict.fromkeys(told.credentials)),
        buckets=tuple(Bucket(bucket.lapses_on, bucket.minor) for bucket in told.buckets),
        usage=tuple(
            (used.period, Used(used.minor, used.fills, used.volume_ml, used.amount_fen))
            for used in told.usage
        ),
        included_epoch=told.included_epoch,
    )


def _profile(told: snapshot.Member) -> Profile:
    values = {name: getattr(told, name) for name in Profile.model_fields}
    if not told.allows(PLACE):
        values |= {"home_region": "", "last_seen": None}
    return Profile.model_construct(**values)


def profile_of(member: Member) -> Profile:
    return Profile.model_validate_json(member.profile)


def language_of(member: Member | None, site: Site) -> Language:
    """The member's, where a slip can be in it; else the station's."""
    locale = profile_of(member).locale if member is not None else ""
    match locale.partition("-")[0]:
        case "zh":
            return "zh"
        case "en":
            return "en"
        case _:
            return site.language


def credential_of_two(members: Iterable[snapshot.Member]) -> tuple[str, str] | None:
    """Two members of this list who share a credential; None if there are none."""
    owner: dict[str, str] = {}
    for member in members:
        for credential in member.credentials:
            first = owner.setdefault(credential, member.member)
            if first != member.member:
                return first, member.member
    return None


def note_changes(
    before: Mapping[str, Member], members: Sequence[KnownMember], command: str, tx: Transaction, at: Instant
) -> None:
    """What changed for members who were known: to be told of a freeze, and what is no longer allowed."""
    for known in members:
        now, former = known.member, before.get(known.member.member)
        if former is None:
            continue
        if (former.status, now.status) == ("ACTIVE", "FROZEN"):
            tx.notices.add(now.member, "MEMBER_FROZEN", 0, at.wall_ms)
        if (former.status, now.status) == ("FROZEN", "ACTIVE"):
            tx.notices.withdraw(now.member, "MEMBER_FROZEN")
        if now.profile != former.profile:
            _purge(former, now, command, tx, at)


def _purge(former: Member, now: Member, command: str, tx: Transaction, at: Instant) -> None:
    """The rows are replaced already: HQ gets the receipt of what is gone with a consent (S-062)."""
    old, new = profile_of(former), profile_of(now)
    withdrawn = tuple(sorted(set(old.consents) - set(new.consents)))
    if not withdrawn:
        return
    purged = {
        BIRTHDAY: former.birthday is not None,
        PLACE: bool(old.home_region) + (old.last_seen is not None),
    }
    item = ConsentPurged(
        kind="consent.purged",
        member=now.member,
        consent_version=max(1, new.consent_version),
        withdrawn=withdrawn,
        purged=tuple((consent, int(values)) for consent, values in purged.items() if consent in withdrawn),
        command=command,
        at_ms=at.wall_ms,
    )
    tx.outbox.put(SERVICE, "consent.purged", item.encoded(), at.wall_ms)
