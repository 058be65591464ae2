"""The member snapshot HQ signs for one station: who fuels there, nothing that names a person."""

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from agent.points.inputs import Birthday
from agent.points.values import MAX_INTEGER, Name, Natural, Positive, Value

MemberId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
CredentialHash = Annotated[str, Field(pattern=r"^k[0-9]+:[A-Za-z0-9_-]{22}$")]
Minor = Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)]
Consent = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
"""One thing that may be used: "odometer", "birthday", "habits"."""
Day = Annotated[str, Field(pattern=r"^(\d{4}-\d{2}-\d{2})?$")]


class Bucket(Value):
    """The part of a balance that is worth something up to and including `lapses_on` ("" for ever)."""

    lapses_on: Day = ""
    minor: Positive


class PeriodUsage(Value):
    """What the member has earned and bought in a business day (YYYY-MM-DD) or month (YYYY-MM), anywhere.

    It includes everything of this station up to `included_seq`.
    """

    period: Annotated[str, Field(pattern=r"^\d{4}-\d{2}(-\d{2})?$")]
    minor: Natural = 0
    fills: Natural = 0
    volume_ml: Natural = 0
    amount_fen: Natural = 0


class Progress(Value):
    """How far it is to the next tier: what qualifies so far, and what it takes (S-096, S-154)."""

    tier: Name
    volume_ml: Natural = 0
    needed_ml: Natural = 0
    amount_fen: Natural = 0
    needed_fen: Natural = 0


class LastSeen(Value):
    """Where and when the member was last, at any station but this one (S-012)."""

    station: Annotated[str, Field(min_length=1, max_length=32)]
    region: Annotated[str, Field(max_length=32)] = ""
    at_ms: Natural


class Profile(Value):
    """What is known of a member besides points; nothing in it names a person (I26).

    `consents` are what may be used, as agreed in `consent_version`; `terms_version` is 0 for who has not
    enrolled. `privileges` are (name, how often still: 0 without limit), `features` what this member tries
    first. A station keeps all of it, as one JSON text.
    """

    locale: Annotated[str, Field(pattern=r"^([a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2})?$")] = ""
    terms_version: Natural = 0
    consent_version: Natural = 0
    consents: Annotated[tuple[Consent, ...], Field(max_length=32)] = ()
    member_class: Annotated[str, Field(max_length=64)] = ""
    privileges: Annotated[tuple[tuple[Name, Natural], ...], Field(max_length=32)] = ()
    features: Annotated[tuple[Name, ...], Field(max_length=32)] = ()
    progress: Progress | None = None
    home_region: Annotated[str, Field(max_length=32)] = ""
    last_seen: LastSeen | None = None
    risk: Literal["", "low", "raised", "high"] = ""

    def allows(self, consent: str) -> bool:
        """True if it was agreed to, or if nobody has asked this member yet (`consent_version` 0)."""
        return not self.consent_version or consent in self.consents


class Member(Profile):
    """One member. `balance_minor` includes everything of this station up to ledger seq `included_seq`.

    `buckets` say when how much of the balance lapses; what they do not name does not lapse.
    """

    member: MemberId
    credentials: tuple[CredentialHash, ...] = ()
    status: Literal["ACTIVE", "FROZEN", "CLOSED"] = "ACTIVE"
    tier: Name
    tier_valid_until: Day = ""
    cohort: Annotated[str, Field(max_length=64)] = ""
    birthday: Birthday | None = None
    balance_minor: Minor = 0
    buckets: Annotated[tuple[Bucket, ...], Field(max_length=200)] = ()
    usage: Annotated[tuple[PeriodUsage, ...], Field(max_length=8)] = ()
    included_epoch: Natural = 1
    included_seq: Natural = 0


class Snapshot(Value):
    """A full snapshot: members not in it are no longer known here.

    What lapsed on a day up to `lapsed_through` is out of every balance already; "" says nothing of it.
    Points that HQ honours beyond their day stay in the bucket of that day, and `lapsed_through` below it.
    """

    schema_: Literal["members/1"] = Field(alias="schema")
    station: str
    programme: str
    version: Positive
    issued_at_ms: Natural
    lapsed_through: Day = ""
    members: tuple[Member, ...]

    @model_validator(mode="after")
    def _members_are_listed_once(self) -> Self:
        if len({member.member for member in self.members}) != len(self.members):
            raise ValueError("a member is listed twice")
        return self


def parse_snapshot(payload: bytes) -> Snapshot | str:
    """The snapshot, or one line saying where it is wrong (without the value: it may be a person's)."""
    try:
        return Snapshot.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
