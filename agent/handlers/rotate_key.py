"""Another signing key for the station: made here, told to headquarters, used once headquarters has it.

The old key signs the envelope that carries the new one, and the new key signs the item's proof: only
who holds both can rotate. Headquarters believes both until the first message that the new one signed.
"""

import base64
from typing import Protocol

from agent.clock import Instant
from agent.handlers.verdict import DONE, Verdict
from agent.messages.upkeep import StationKey
from agent.store.database import Transaction
from sync.keys import SigningKey
from sync.outbox import URGENT

PROOF_CONTEXT = b"forecourt/station-key/1\n"
KIND = "station.key"


class KeyRing(Protocol):
    """The station's key and its next one; what it is told is on disk when it returns."""

    @property
    def is_ours(self) -> bool:
        """Whether the key is a file of the state directory and not a credential of the service."""

    def next_key(self) -> SigningKey | None: ...

    def make_next(self) -> SigningKey: ...

    def switch(self) -> None: ...


def rotate_key(command: str, ring: KeyRing, station: str, tx: Transaction, at: Instant) -> Verdict:
    """Obey `rotate`, down item `command`. Told twice, it is the same next key.

    Reasons: KEY_IS_CREDENTIAL, KEY_NOT_STORED (the disk did not take it).
    """
    if not ring.is_ours:
        return Verdict("KEY_IS_CREDENTIAL", "the installer gave the key to the service: replace it there")
    try:
        following = ring.next_key() or ring.make_next()
    except OSError as error:
        return Verdict("KEY_NOT_STORED", error.strerror or "")
    _tell(following, command, station, tx, at)
    return DONE


def finish_rotation(ring: KeyRing, station: str, tx: Transaction, at: Instant) -> SigningKey | None:
    """Switch to the next key if headquarters has acknowledged it, and return it; None: nothing changed."""
    following = ring.next_key()
    if following is None:
        return None
    told_at = tx.outbox.last_seq_of(URGENT, KIND)
    if told_at is None:  # the database is a copy from before the rotation
        _tell(following, "", station, tx, at)
        return None
    if tx.outbox.watermark(URGENT).seq < told_at:
        return None
    try:
        ring.switch()
    except OSError:  # headquarters believes both: the next round tries again
        return None
    return following


def proof_text(station: str, public_key: str) -> bytes:
    """What the new key signs: whose key it is to be."""
    return PROOF_CONTEXT + f"{station}\n{public_key}".encode()


def _tell(key: SigningKey, command: str, station: str, tx: Transaction, at: Instant) -> None:
    text = key.public.text
    item = StationKey(
        kind="station.key",
        key=text,
        proof=base64.b64encode(key.sign(proof_text(station, text))).decode(),
        command=command,
        at_ms=at.wall_ms,
    )
    tx.outbox.put(URGENT, KIND, item.encoded(), at.wall_ms)
