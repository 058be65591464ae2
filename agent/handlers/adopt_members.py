"""A full member snapshot from HQ, its signature checked, replaces the cache."""

import hashlib

from agent.clock import Instant
from agent.handlers.adoption import Adoption, report
from agent.handlers.membership import credential_of_two, known_member, note_changes
from agent.handlers.site import Site
from agent.messages import snapshot
from agent.store.database import Transaction


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
    if double := credential_of_two(parsed.members):
        return Adoption("CREDENTIAL_OF_TWO", f"members {double[0]} and {double[1]} share a credential")
    members = [
        known_member(told, parsed.version, parsed.issued_at_ms, parsed.lapsed_through)
        for told in parsed.members
    ]
    before = tx.members.all()
    tx.members.replace_all(parsed.version, sha256, members, at.wall_ms)
    note_changes(before, members, "", tx, at)
    report("members", "", parsed.version, sha256, tx, at)
    return Adoption("", f"member snapshot version {parsed.version} adopted, {len(members)} members")
