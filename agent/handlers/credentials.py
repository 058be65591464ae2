"""What a member shows becomes a keyed hash in the first line of a handler; the raw value goes nowhere else.

"k1:" + base64url(HMAC-SHA256(programme key, kind ‖ 0x00 ‖ value)[:16]), the value in NFKC, upper
case, without separators (decisions.md 5). The programme's key lives outside the database.
"""

import hashlib
import hmac
import re
import unicodedata
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

from drivers.events import Credential

_SEPARATORS = re.compile(r"[\s\-_.·•/]+")


@dataclass(frozen=True, slots=True)
class CredentialKey:
    """The programme-wide HMAC key and its id, which allows rotation."""

    secret: bytes = field(repr=False)
    key_id: str = "k1"

    def hash(self, credential: Credential) -> str | None:
        """The stored form; None for what must not be taken, see `why_refused`."""
        value = normalised(credential.value)
        if not value or is_payment_card(value):
            return None
        message = credential.kind.value.encode() + b"\x00" + value.encode()
        digest = hmac.new(self.secret, message, hashlib.sha256).digest()
        return f"{self.key_id}:{urlsafe_b64encode(digest[:16]).rstrip(b'=').decode()}"


def why_refused(credential: Credential) -> str:
    """The reason code for a credential without a stored form."""
    return "PAYMENT_CARD_REFUSED" if is_payment_card(normalised(credential.value)) else "CREDENTIAL_EMPTY"


def normalised(value: str) -> str:
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", value).upper())


def is_payment_card(value: str) -> bool:
    """13 to 19 digits that pass the Luhn check (PCI: we never touch a card number)."""
    if not (13 <= len(value) <= 19 and value.isascii() and value.isdigit()):
        return False
    doubled = (2 * int(digit) for digit in value[-2::-2])
    total = sum(int(digit) for digit in value[-1::-2]) + sum(d - 9 if d > 9 else d for d in doubled)
    return total % 10 == 0
