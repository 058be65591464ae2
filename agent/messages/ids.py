"""Ids derived from what happened: the same fact can never have two (decisions.md 2).

Every field is length-prefixed (two bytes, big endian) so that no two different lists of fields
hash alike. Both ends derive these; of them only a fact's id is ever sent.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

_FUELLING, _BASKET, _AWARD, _GAP, _ADJUSTMENT = b"\x00", b"\x02", b"\x03", b"\x04", b"\x05"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TYPED = str.maketrans("OIL", "011", "- ")


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


def gap_id(
    station: str, device_key: str, nozzle: str, device_epoch: int, *, before_ml: int, after_ml: int
) -> bytes:
    """Litres without a record, by where the meter stood before and after them."""
    return _hash(_GAP, (station, device_key, nozzle, str(device_epoch), str(before_ml), str(after_ml)))


def award_id(programme: str, fact_id: bytes) -> bytes:
    return _hash(_AWARD, (programme, fact_id.hex(), "award"))


def adjustment_id(station: str, command: str) -> bytes:
    """Of what HQ's item `command` does to a member's points here, and of the lot that it opens."""
    return _hash(_ADJUSTMENT, (station, command))


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


def slip_code(fact_id: bytes) -> str:
    """What a customer's slip shows of a fact: the id's first 50 bits and a check character, "7K3Q9-ZDM2P-C".

    Crockford's base 32: no I, L, O, U. The check character is of the same alphabet: a sum over the field
    of 32 elements, where each place has a weight of its own, so that any one wrong character and any two
    exchanged neighbours are noticed. (ISO 7064 MOD 37,36 misses some exchanges, and its O and I would be
    read as 0 and 1.)
    """
    number = int.from_bytes(fact_id[:7]) >> 6
    values = [number >> shift & 31 for shift in range(45, -1, -5)]
    written = "".join(_CROCKFORD[value] for value in (*values, _checked(values)))
    return f"{written[:5]}-{written[5:10]}-{written[10]}"


def fact_prefix(code: str) -> tuple[bytes, bytes] | None:
    """The lowest and the highest id that have this code; None if no slip can have shown it.

    As people type it: lower case, O for 0, I or L for 1, with or without hyphens and blanks.
    """
    typed = code.upper().translate(_TYPED)
    if len(typed) != 11 or not set(typed) <= set(_CROCKFORD):
        return None
    *values, check = (_CROCKFORD.index(character) for character in typed)
    if _checked(values) != check:
        return None
    number = 0
    for value in values:
        number = number << 5 | value
    first = number << 78
    return first.to_bytes(16), (first | (1 << 78) - 1).to_bytes(16)


def _checked(values: list[int]) -> int:
    """The sum of value x 2^place in GF(32) modulo x^5 + x^2 + 1, the check character's place being 0."""
    total = 0
    for value in values:
        doubled = (total ^ value) << 1
        total = doubled ^ 0b100101 if doubled & 32 else doubled
    return total


def _hash(kind: bytes, parts: tuple[str, ...]) -> bytes:
    digest = hashlib.sha256(kind)
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(2, "big") + encoded)
    return digest.digest()[:16]
