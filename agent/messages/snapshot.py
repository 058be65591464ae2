"""The member snapshot HQ signs for one station: who fuels there, nothing that names a person."""

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from agent.points.inputs import Birthday
from agent.points.values import MAX_INTEGER, Name, Natural, Positive, Value

MemberId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
CredentialHash = Annotated[str, Field(pattern=r"^k[0-9]+:[A-Za-z0-9_-]{22}$")]
Minor = Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)]
Day = Annotated[str, Field(pattern=r"^(\d{4}-\d{2}-\d{2})?$")]


class Member(Value):
    """One member. `balance_minor` includes everything of this station up to ledger seq `included_seq`."""

    member: MemberId
    credentials: tuple[CredentialHash, ...] = ()
    status: Literal["ACTIVE", "FROZEN", "CLOSED"] = "ACTIVE"
    tier: Name
    tier_valid_until: Day = ""
    cohort: Annotated[str, Field(max_length=64)] = ""
    birthday: Birthday | None = None
    balance_minor: Minor = 0
    included_epoch: Natural = 1
    included_seq: Natural = 0


class Snapshot(Value):
    """A full snapshot: members not in it are no longer known here."""

    schema_: Literal["members/1"] = Field(alias="schema")
    station: str
    programme: str
    version: Positive
    issued_at_ms: Natural
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
