"""The words that several families of items share: ids, codes, levels and measures.

No word here can hold a person: no name, no telephone number, no plate (features.md S-061, S-066).
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Of a redemption, grant, freeze, case, incident, command …: opaque to everybody but its maker."""
Code = Annotated[str, Field(pattern=r"^([A-Z][A-Z0-9_]{0,39})?$")]
"""A stable reason code; "" where there is none."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PublicKeyText = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
"""32 bytes, base64url without padding."""

FailureClass = Literal["", "PAYMENT", "LEDGER", "DEVICE", "RULE", "RISK", "NETWORK", "OPERATOR"]
"""What kind of thing went wrong (S-023); "" where nothing did."""
Severity = Literal["L1", "L2", "L3", "L4"]
"""L1 a question of use … L4 a fault of the system (S-111)."""
Mode = Literal["ONLINE", "DEGRADED", "OFFLINE", "SAFE"]
Urgency = Literal["ordinary", "urgent", "extreme", "major", "systemic"]
"""How soon somebody must answer, each with a deadline of its own (S-083, S-132)."""

Measure = tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")], int]
"""What was measured, its unit last in the name, and how much: ("implied_speed_kmh", 420)."""
Evidence = Annotated[tuple[Measure, ...], Field(max_length=32)]
Ids = Annotated[tuple[Id, ...], Field(max_length=100)]

_TELEPHONE_OR_IDENTITY = re.compile(r"\d[\d \-]{9,}\d")
_PLATE = re.compile(r"[\u4e00-\u9fff]\s?[A-Za-z][\s·.-]?[A-Za-z0-9]{5,6}(?![A-Za-z0-9])")


def _names_nobody(text: str) -> str:
    if _TELEPHONE_OR_IDENTITY.search(text) or _PLATE.search(text):
        raise ValueError("a telephone number, an identity number or a plate does not belong here")
    return text


Note = Annotated[str, Field(max_length=500), AfterValidator(_names_nobody)]
"""A sentence that staff typed. Long numbers and plates are refused; ids have fields of their own."""
