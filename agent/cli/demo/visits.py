"""Who comes to the station in the demo, in an order that a seed decides."""

import random
from dataclasses import dataclass
from enum import StrEnum

from drivers.events import BasketLine, Credential, CredentialKind

PRICES_MILLI = {"1": 7850, "2": 8350, "3": 7520, "4": 9310}
"""Unit price by point, as its sign says."""

GRADES = {"1": "petrol-92", "2": "petrol-95", "3": "diesel-0", "4": "petrol-98"}
STRANGER = Credential(CredentialKind.CARD, "NOT-KNOWN-HERE")
_TIERS = ("basic", "gold", "basic", "platinum", "basic", "diamond")
_SHOWN = (
    lambda n: Credential(CredentialKind.CARD, f"CARD-{n:04d}"),
    lambda n: Credential(CredentialKind.PHONE_CODE, f"80246{n:03d}"),
    lambda n: Credential(CredentialKind.PLATE, f"云A·{n:05d}"),
)
MEMBERS = tuple((f"m-{n:04d}", _TIERS[n % len(_TIERS)], _SHOWN[n % len(_SHOWN)](n)) for n in range(24))
"""Opaque id, tier, and what the member shows: as many as keep most below the day's cap."""


class Manner(StrEnum):
    """How a customer pays and identifies."""

    WITH_PAYMENT = "member card at payment"
    BEFORE = "member shown before fuelling"
    NOBODY = "no member"
    LATE = "identified after payment"
    AMBIGUOUS = "two equal fuellings, the cashier chooses"
    REFUND = "partly refunded"
    SHOP_ONLY = "shop only"
    MIXED = "fuel and shop"
    STRANGER = "member not known at this station"


@dataclass(frozen=True, slots=True)
class Visit:
    pos_sale_id: str
    manner: Manner
    credential: Credential
    volume_ml: int
    amount_fen: int
    lines: tuple[BasketLine, ...] = ()

    @property
    def fuellings(self) -> int:
        return {Manner.AMBIGUOUS: 2, Manner.SHOP_ONLY: 0}.get(self.manner, 1)

    @property
    def baskets(self) -> int:
        return 1 if self.manner is Manner.SHOP_ONLY else 0


_MUST_COME = {
    "1": (Manner.LATE, Manner.SHOP_ONLY),
    "2": (Manner.NOBODY, Manner.STRANGER),
    "3": (Manner.AMBIGUOUS, Manner.MIXED),
    "4": (Manner.REFUND, Manner.BEFORE),
}
"""Everybody who shows something comes while the link still stands; see `play.py` for what follows."""

_USUAL = (Manner.WITH_PAYMENT, Manner.WITH_PAYMENT, Manner.BEFORE, Manner.NOBODY, Manner.MIXED)


def visits(point: str, count: int, rng: random.Random) -> list[Visit]:
    """`count` visits to one point: the special ones first, then the usual mixture."""
    special = _MUST_COME[point][:count]
    manners = [*special, *(rng.choice(_USUAL) for _ in range(count - len(special)))]
    return [_visit(point, number, manner, rng) for number, manner in enumerate(manners)]


def _visit(point: str, number: int, manner: Manner, rng: random.Random) -> Visit:
    price_milli = PRICES_MILLI[point]
    volume_ml = rng.randrange(500, 6_000) * 10
    amount_fen = (volume_ml * price_milli + 5_000) // 10_000
    credential = STRANGER if manner is Manner.STRANGER else rng.choice(MEMBERS)[2]
    shop = manner in (Manner.SHOP_ONLY, Manner.MIXED)
    lines = (BasketLine("water", 2_000, 600), BasketLine("snack", 1_000, rng.randrange(5, 60) * 100))
    return Visit(
        pos_sale_id=f"{point}-{number:04d}",
        manner=manner,
        credential=credential,
        volume_ml=volume_ml,
        amount_fen=amount_fen,
        lines=lines if shop else (),
    )
