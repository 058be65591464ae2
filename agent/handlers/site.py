"""What the handlers know of this station: fixed at start, from configuration and keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from agent.handlers.credentials import CredentialKey

Language = Literal["zh", "en"]


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a nozzle stands and what flows through it."""

    point: str
    product: str


@dataclass(frozen=True, slots=True)
class TankPlace:
    """What a gauge's tank holds; above `tolerance_ml` what left it without a sale raises an alarm."""

    id: str
    product: str
    tolerance_ml: int


@dataclass(frozen=True, slots=True)
class Limits:
    """decisions.md 3. Ages in milliseconds. What is larger or more often than the last two is flagged.

    `delayed_after_ms`: a slip says so when something has waited longer for HQ.
    """

    amount_tolerance_fen: int = 1
    fuelling_max_age_ms: int = 1_800_000
    presentation_ms: int = 300_000
    late_identification_ms: int = 1_800_000
    delayed_after_ms: int = 3_600_000
    largest_fill_ml: int = 1_000_000
    fills_a_day: int = 6


@dataclass(frozen=True, slots=True)
class Site:
    """`devices`: (line, address) → device key; `places`: (device key, nozzle) → point and product; `tanks`:
    (device key, tank as its gauge numbers it) → what is in it.

    `award_on_fuelling`: points without a POS, where the end of the fuelling settles.
    `points_scale`: minor units of one point, fixed for the life of the programme. `test_tenders` and
    `return_tenders`: what the POS says instead of a tender when the fuel was no sale. `region`:
    administrative code where pauses of expiry may hold, "" for none. `refuses_redemptions`: asked before
    points are spent; true while the disk is nearly full (facts go on being booked). `wordings`: (reason
    code, language) → headquarters' own text for it, as of this event.
    """

    station: str
    programme: str
    zone: ZoneInfo
    language: Language
    credential_key: CredentialKey = field(repr=False)
    devices: dict[tuple[str, str], str]
    places: dict[tuple[str, str], Place]
    tanks: Mapping[tuple[str, str], TankPlace] = field(default_factory=dict)
    award_on_fuelling: frozenset[str] = frozenset()
    limits: Limits = Limits()
    points_scale: int = 100
    test_tenders: frozenset[str] = frozenset({"test"})
    return_tenders: frozenset[str] = frozenset({"return-to-tank"})
    region: str = ""
    refuses_redemptions: Callable[[], bool] = field(default=_never, repr=False)
    wordings: Mapping[tuple[str, str], str] = field(default_factory=dict, repr=False)

    @property
    def points(self) -> frozenset[str]:
        return frozenset(place.point for place in self.places.values())
