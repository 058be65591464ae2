"""Which bytes a version of rules, members or coupons has: HQ says it once, and sees who holds others."""

from sync.hq.store import Writing
from sync.hq.store.documents import Edition
from sync.refusal import Refusal


def publish(
    tx: Writing, edition: Edition, document: bytes | None, at_ms: int, programme: str = ""
) -> Refusal | None:
    """Put a version on record; a `document` is kept at the broker for the stations of the programme.

    Reason EDITION_TAKEN: this version has other bytes, here or at a station.
    """
    if tx.documents.add_edition(edition, document, at_ms, programme):
        return None
    held = tx.documents.edition(edition.what, edition.name, edition.version, edition.station)
    assert held is not None
    if held.sha256 != edition.sha256:
        where = f"{held.said_by} has" if held.said_by else "it was published with"
        text = f"{edition.what} {edition.name} {edition.version}: {where} {held.sha256[:16]}"
        return Refusal("EDITION_TAKEN", text, "give it a new version")
    if document is not None:
        tx.documents.hand_out(edition, document, programme)
    return None
