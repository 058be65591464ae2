"""Ids derived from what happened: the same fact can never have two (decisions.md 2).

Every field is length-prefixed (two bytes, big endian) so that no two different lists of fields
hash alike. Both ends derive these; of them only a fact's id is ever sent.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

_FUELLING, _BASKET, _AWARD = b"\x00", b"\x02", b"\x03"


def fuelling_id(
    station: str,
    device_key: str,
    nozzle: str,
    device_epoch: int,
    sequence_no: int | None,
    *,
    totalizer_after: str,
    volume: str,
    amount: str,
    unit_price: str,
) -> bytes:
    """16 bytes from the raw digits as the device gave them; no clock of ours is in it."""
    sequence = "-" if sequence_no is None else str(sequence_no)
    return _hash(
        _FUELLING,
        (
            station,
            device_key,
            nozzle,
            str(device_epoch),
            sequence,
            totalizer_after,
            volume,
            amount,
            unit_price,
        ),
    )


def basket_id(station: str, register: str, pos_sale_id: str) -> bytes:
    return _hash(_BASKET, (station, register, pos_sale_id))


def award_id(programme: str, fact_id: bytes) -> bytes:
    return _hash(_AWARD, (programme, fact_id.hex(), "award"))


def text(identity: bytes) -> str:
    """An id as 22 characters of base64url, as people and messages carry it."""
    return urlsafe_b64encode(identity).rstrip(b"=").decode()


def from_text(written: str) -> bytes | None:
    """The 16 bytes, or None if this is no id."""
    try:
        identity = urlsafe_b64decode(written + "==")
    except ValueError:
        return None
    return identity if len(identity) == 16 and text(identity) == written else None


def _hash(kind: bytes, parts: tuple[str, ...]) -> bytes:
    digest = hashlib.sha256(kind)
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(2, "big") + encoded)
    return digest.digest()[:16]
