"""What became of a signed document from HQ, and how HQ and the technician hear of it."""

from dataclasses import dataclass
from typing import Final, Literal

from agent.clock import Instant
from agent.messages import bodies
from agent.store.database import Transaction
from agent.store.outbox import SERVICE

MOST_STEPS: Final = 1_000_000
"""A version or serial further above the newest one is refused: it would lock out every one below it."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """`reason` "" if it was taken in (or was here already), else a code; `text` for the technician."""

    reason: str
    text: str


def refuse(reason: str, text: str, tx: Transaction, at: Instant) -> Adoption:
    """HQ signed it and it cannot be used: somebody should know, whoever brought it here."""
    tx.alarms.count(reason, "documents", at.wall_ms, text[:200])
    return Adoption(reason, text)


def report(
    what: Literal["bundle", "members", "coupons"],
    name: str,
    version: int,
    sha256: bytes,
    tx: Transaction,
    at: Instant,
) -> None:
    """Tell HQ that a document was taken in."""
    item = bodies.Adopted(
        kind="adopted",
        what=what,
        name=name,
        version=version,
        sha256=sha256.hex(),
        at_ms=at.wall_ms,
    )
    tx.outbox.put(SERVICE, "adopted", item.encoded(), at.wall_ms)
