"""HQ's signed word on how many stations a rule bundle is for, and whether it is taken back."""

import hashlib
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from agent.points.values import Name, Natural, Positive, Value

BUCKETS = 100


class Rollout(Value):
    """`percent` of the stations take `version` of the programme's bundle; none and never if `withdrawn`.

    `rollout` is the id in the bundle's own [rollout]. `serial` rises with every document of the
    programme: an older one that comes again says nothing. It says nothing after `not_after_ms` either.
    """

    schema_: Literal["rollout/1"] = Field(alias="schema")
    programme: Name
    serial: Positive
    rollout: Name
    version: Positive
    percent: Annotated[int, Field(ge=0, le=100)]
    withdrawn: bool = False
    issued_at_ms: Natural
    not_after_ms: Natural

    @model_validator(mode="after")
    def _it_is_valid_for_a_while(self) -> Self:
        if self.not_after_ms <= self.issued_at_ms:
            raise ValueError("not_after_ms must be later than issued_at_ms")
        return self


def parse_rollout(payload: bytes) -> Rollout | str:
    """The document, or one line saying where it is wrong."""
    try:
        return Rollout.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'document'}: {first['msg']}"


def bucket(station: str, rollout: str) -> int:
    """Where a station stands in a rollout, 0 to 99: it takes part once the percentage is above that.

    It never moves within one rollout, so whoever is in at 5 % is in at 20 %; another rollout id deals
    anew, so it is not always the same stations that go first.
    """
    digest = hashlib.sha256()
    for part in (station, rollout):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(2, "big") + encoded)
    return int.from_bytes(digest.digest()[:8], "big") % BUCKETS
