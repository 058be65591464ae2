"""Signed documents from HQ: DSSE envelopes around rule bundles, rollouts, members, coupons (decisions.md 9).

The one door to securesystemslib, which is imported when first needed. The signature covers the
payload type and the exact payload bytes: verify first, parse after. Keys are counted, not
signatures, and a key's id is derived from the key, so one key cannot count under two names.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sync.keys import PublicKey, SigningKey
from sync.refusal import Refusal

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

CONTENT_TYPE = "application/vnd.dsse+json"
"""Of a message that is a DSSE envelope, whatever is in it."""
BUNDLE_TYPE = "application/vnd.forecourt.bundle+toml"
MEMBERS_TYPE = "application/vnd.forecourt.members+json"
ROLLOUT_TYPE = "application/vnd.forecourt.rollout+json"
COUPONS_TYPE = "application/vnd.forecourt.coupons+json"
KEYS_TYPE = "application/vnd.forecourt.keys+json"
DOWN_TYPE = "application/vnd.forecourt.down+json"
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
"""A member snapshot of some 50,000 members; a larger file is refused before it is parsed."""


def sign_document(payload_type: str, payload: bytes, *keys: SigningKey) -> bytes:
    """A DSSE envelope as JSON, with one signature of each key."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]

    assert keys
    envelope = Envelope(payload, payload_type, {})
    for key in keys:
        private = Ed25519PrivateKey.from_private_bytes(key.seed)
        envelope.sign(CryptoSigner(private, _library_key(key.public)))
    return json.dumps(envelope.to_dict(), separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed: the exact bytes, and as what."""

    payload_type: str
    payload: bytes


def open_document(
    document: bytes, payload_type: str, trusted: Iterable[PublicKey], threshold: int = 1
) -> bytes | Refusal:
    """The payload, if `threshold` different trusted keys signed it as this type.

    Reasons: DOCUMENT_TOO_LARGE, DOCUMENT_MALFORMED, DOCUMENT_TYPE, DOCUMENT_UNTRUSTED.
    """
    opened = open_one_of(document, (payload_type,), trusted, threshold)
    return opened if isinstance(opened, Refusal) else opened.payload


def open_one_of(
    document: bytes, payload_types: Collection[str], trusted: Iterable[PublicKey], threshold: int = 1
) -> Signed | Refusal:
    """The payload and which of these types it was signed as; reasons as of `open_document`."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import FormatError, VerificationError

    assert threshold >= 1
    if len(document) > MAX_DOCUMENT_BYTES:
        return Refusal("DOCUMENT_TOO_LARGE", f"{len(document)} bytes")
    try:
        envelope = Envelope.from_dict(json.loads(document))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, FormatError) as error:
        return Refusal("DOCUMENT_MALFORMED", f"not a DSSE envelope: {type(error).__name__}", _ASK_HQ)
    if envelope.payload_type not in payload_types:
        seen, known = str(envelope.payload_type)[:80], ", ".join(payload_types)
        return Refusal("DOCUMENT_TYPE", f"it is {seen!r}, not {known}", _ASK_HQ)
    keys = {key.key_id: _library_key(key) for key in trusted}
    if len(keys) < threshold:
        return Refusal(
            "DOCUMENT_UNTRUSTED",
            f"{len(keys)} different keys pinned, {threshold} needed",
            "see hq.public_keys",
        )
    try:
        envelope.verify(list(keys.values()), threshold)
    except VerificationError as error:
        return Refusal("DOCUMENT_UNTRUSTED", str(error), "compare hq.public_keys with HQ's signing keys")
    return Signed(envelope.payload_type, bytes(envelope.payload))


_ASK_HQ = "ask HQ for the file again"


def _library_key(key: PublicKey) -> "SSlibKey":
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(key.raw), keyid=key.key_id)
