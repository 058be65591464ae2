"""What HQ may tell one station, one model per kind; `sync/down.py` is the signed wrapping around them.

Whoever adds a kind gives it a model and a line in `KINDS`, a handler in `agent/handlers/obey_kinds.py`,
and a row in sync/README.md. A station that does not know a kind says so to HQ and goes on.
"""

from typing import Annotated, Literal, Self

from pydantic import Base64Bytes, Field, model_validator

from agent.messages.bodies import FactId, Wall, Word
from agent.messages.snapshot import Bucket, Day, Member, MemberId, Minor
from agent.points.values import Name, Natural, Positive, Value

Text = Annotated[str, Field(max_length=240)]
Stream = Literal["urgent", "ledger", "service"]


class Document(Value):
    """A signed document of its own type (rules, rollout, members, coupons), as `forecourt load` takes it."""

    document: Base64Bytes


class MemberDelta(Value):
    """What changed since snapshot or delta `base` for the members who fuel here; `version` follows it.

    `members` are whole and replace what is known of them, `gone` are no longer known here. It is
    refused where `rules_from` is newer than the newest rules here: tiers and cohorts are theirs.
    """

    base: Positive
    version: Positive
    issued_at_ms: Wall
    lapsed_through: Day = ""
    rules_from: Natural = 0
    members: Annotated[tuple[Member, ...], Field(max_length=500)] = ()
    gone: Annotated[tuple[MemberId, ...], Field(max_length=2000)] = ()

    @model_validator(mode="after")
    def _members_are_listed_once(self) -> Self:
        names = [*(member.member for member in self.members), *self.gone]
        if len(set(names)) != len(names):
            raise ValueError("a member is listed twice")
        if self.version <= self.base:
            raise ValueError("a delta is newer than its base")
        return self


class Grant(Value):
    """`minor` of a member's points may be spent here without asking, until `valid_until_ms`.

    A higher `epoch` of the same grant replaces the former; `buckets` say which points they are.
    """

    grant: Word
    epoch: Positive
    member: MemberId
    minor: Positive
    valid_until_ms: Wall
    buckets: Annotated[tuple[Bucket, ...], Field(max_length=40)] = ()


class GrantRecall(Value):
    """Spend no more under this grant and send its closing statement."""

    grant: Word
    epoch: Positive


class Adjust(Value):
    """Points given (or taken, negative) by HQ's decision, booked in this station's ledger.

    Given points lapse at the end of `lapses_on` ("" never). `case` is what it was decided in.
    """

    member: MemberId
    minor: Minor
    reason: Name
    lapses_on: Day = ""
    case: Word = ""

    @model_validator(mode="after")
    def _moves_something(self) -> Self:
        if self.minor == 0:
            raise ValueError("an adjustment of nothing")
        return self


class Correction(Value):
    """An award here was wrong by our fault: `minor` more (or fewer) points belong to the fact `fact`.

    `borne_by` "programme": what was given too much stays with the member and is booked to goodwill;
    points given too little are always made up.
    """

    fact: FactId
    minor: Minor
    reason: Name
    borne_by: Literal["member", "programme"] = "programme"

    @model_validator(mode="after")
    def _moves_something(self) -> Self:
        if self.minor == 0:
            raise ValueError("a correction of nothing")
        return self


class Freeze(Value):
    """From now on the member's points cannot be spent here; earning goes on."""

    member: MemberId
    reason: Name
    case: Word = ""


class Unfreeze(Value):
    """The member's points may be spent again."""

    member: MemberId
    reason: Name
    case: Word = ""


class Decision(Value):
    """HQ's word on something that this station opened and may not close itself."""

    about: Literal["freeze", "redemption", "compensation", "advance", "lot.honoured"]
    of: Word
    outcome: Literal["confirmed", "voided", "lifted", "captured", "released"]
    reason: Name
    decided_at_ms: Wall


class SetTier(Value):
    """Another tier until HQ's next word on the member; `valid_until` "" without end."""

    member: MemberId
    tier: Name
    valid_until: Day = ""
    reason: Name


class Resend(Value):
    """Send the rows of a stream again from `from_seq` on, as far as they are still kept."""

    stream: Stream
    from_seq: Positive


class Rotate(Value):
    """Make a new signing key, tell HQ, and sign with it once HQ has it."""


class Certificate(Value):
    """HQ's answer to `certificate.request`: the station's new certificate and what it descends from (PEM)."""

    chain: Annotated[str, Field(max_length=16_000)]


class Pause(Value):
    """No redemptions here until `until_ms` (0: they are taken again). Earning never pauses."""

    what: Literal["redemptions"]
    until_ms: Wall
    reason: Name


class PriceTable(Value):
    """What each product costs per litre, in thousandths of the currency unit, from `valid_from_ms` on."""

    version: Positive
    valid_from_ms: Wall
    prices: Annotated[tuple[tuple[Name, Positive], ...], Field(max_length=100)]


class NoticeToStation(Value):
    """Maintenance, fuel price policy: for staff or customers, between two times. Empty texts end it."""

    notice: Word
    version: Positive
    audience: Literal["staff", "customers"]
    from_ms: Wall
    until_ms: Wall
    zh: Text
    en: Text


class Catalogue(Value):
    """Wordings of HQ's for what the slip and the till say of a reason code: code, language, text."""

    version: Positive
    texts: Annotated[tuple[tuple[Name, Literal["zh", "en"], Text], ...], Field(max_length=400)]


class Revocations(Value):
    """Credentials that no longer name their member: the whole list, keyed hashes, and since when."""

    version: Positive
    credentials: Annotated[tuple[tuple[Word, Wall], ...], Field(max_length=1_500)]


class CaseUpdate(Value):
    """How a case stands, for the staff here: who has it, what they do, when it will be done."""

    case: Word
    version: Positive
    state: Literal["OPEN", "ACKED", "IN_PROGRESS", "RESOLVED", "VERIFIED", "REOPENED"]
    owner: Word
    handler: Word = ""
    eta_ms: Wall = 0
    urgency: Literal["ordinary", "urgent", "major", "systemic"] = "ordinary"
    fact: FactId | Literal[""] = ""
    zh: Text = ""
    en: Text = ""
    at_ms: Wall


KINDS: dict[str, type[Value]] = {
    "document": Document,
    "member.delta": MemberDelta,
    "grant": Grant,
    "grant.recall": GrantRecall,
    "adjust": Adjust,
    "correction": Correction,
    "freeze": Freeze,
    "unfreeze": Unfreeze,
    "decision": Decision,
    "set-tier": SetTier,
    "resend": Resend,
    "rotate": Rotate,
    "certificate": Certificate,
    "pause": Pause,
    "price.table": PriceTable,
    "notice": NoticeToStation,
    "catalogue": Catalogue,
    "revocations": Revocations,
    "case.update": CaseUpdate,
}
