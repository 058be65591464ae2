"""What a member allowed, what was deleted because they no longer do, and what is held of them.

Stream `service`. Said when a delta withdraws a consent, when HQ asks, and when a reading was allowed.
"""

from typing import Annotated, Literal

from pydantic import Field

from agent.messages.bodies import Body, Wall, Word
from agent.messages.snapshot import Consent, MemberId
from agent.messages.words import Id
from agent.points.values import Natural, Positive


class ConsentPurged(Body):
    """The receipt: `purged` values of what is no longer allowed are gone from this station (S-062)."""

    kind: Literal["consent.purged"]
    member: MemberId
    consent_version: Positive
    withdrawn: Annotated[tuple[Consent, ...], Field(min_length=1, max_length=32)]
    purged: Annotated[tuple[tuple[Word, Natural], ...], Field(max_length=32)]
    """(where, how many values)."""
    command: Word = ""
    at_ms: Wall


class MemberHolding(Body):
    """The answer to "what do you hold about this member?" (S-063): (what, how many, since when)."""

    kind: Literal["member.holding"]
    asked_by: Id
    """The downward item that asked."""
    member: MemberId
    consent_version: Natural = 0
    consents: Annotated[tuple[Consent, ...], Field(max_length=32)] = ()
    held: Annotated[tuple[tuple[Word, Natural, Wall], ...], Field(max_length=64)]
    as_of_ms: Wall


class OdometerRead(Body):
    """A mileage that the member allowed to be used; without that consent it is never written (S-077)."""

    kind: Literal["odometer.read"]
    of: Positive
    member: MemberId
    consent_version: Positive
    driven_kilometres: Natural
    at_ms: Wall
