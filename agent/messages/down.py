"""What HQ may tell one station, one model per kind; `sync/down.py` is the signed wrapping around them.

Whoever adds a kind gives it a model and a line in `KINDS`, a handler in `agent/handlers/obey_kinds.py`,
and a row in sync/README.md. A station that does not know a kind says so to HQ and goes on.
"""

from typing import Annotated, Literal, Self

from pydantic import Base64Bytes, Field, model_validator

from agent.messages.adjustments import MovedMinor
from agent.messages.bodies import FactId, Wall, Word
from agent.messages.snapshot import Bucket, CredentialHash, Day, Member, MemberId
from agent.messages.words import Id
from agent.points.values import MOST_MINOR, Name, Natural, Positive, Value

Text = Annotated[str, Field(max_length=240)]
Stream = Literal["urgent", "ledger", "service"]


class Document(Value):
    """A signed document of its own type (rules, rollout, members, coupons), as `forecourt load` takes it."""

    document: Base64Bytes


class MemberNotice(Value):
    """A decrease that a member did not start, at another station or at HQ: to be told once, wherever they
    come first (S-073)."""

    member: MemberId
    code: Literal["POINTS_LAPSED", "POINTS_TAKEN", "POINTS_CORRECTED"]
    minor: Positive
    at_ms: Wall


class MemberDelta(Value):
    """What changed since snapshot or delta `base` for the members who fuel here; `version` follows it.

    `members` are whole and replace what is known of them, `gone` are no longer known here. It is
    refused where `rules_from` is newer than the newest rules here: tiers and cohorts are theirs.
    `notices` are kept for members who are known here then; a freeze needs none.
    """

    base: Positive
    version: Positive
    issued_at_ms: Wall
    lapsed_through: Day = ""
    rules_from: Natural = 0
    members: Annotated[tuple[Member, ...], Field(max_length=500)] = ()
    gone: Annotated[tuple[MemberId, ...], Field(max_length=2000)] = ()
    notices: Annotated[tuple[MemberNotice, ...], Field(max_length=500)] = ()

    @model_validator(mode="after")
    def _members_are_listed_once(self) -> Self:
        names = [*(member.member for member in self.members), *self.gone]
        if len(set(names)) != len(names):
            raise ValueError("a member is listed twice")
        if self.version <= self.base:
            raise ValueError("a delta is newer than its base")
        return self


class HoldingAsk(Value):
    """What do you hold about this member? The answer is the item `member.holding`."""

    member: MemberId


class Grant(Value):
    """`minor` of a member's points may be spent here without asking, until `valid_until_ms`.

    A higher `epoch` of the same grant replaces the former; `buckets` say which points they are.
    """

    grant: Id
    epoch: Positive
    member: MemberId
    minor: Annotated[int, Field(ge=1, le=MOST_MINOR)]
    valid_until_ms: Wall
    buckets: Annotated[tuple[Bucket, ...], Field(max_length=40)] = ()

    @model_validator(mode="after")
    def _buckets_are_its_points(self) -> Self:
        if self.buckets and sum(bucket.minor for bucket in self.buckets) != self.minor:
            raise ValueError("its buckets are other points")
        return self


class GrantRecall(Value):
    """Spend no more under this grant and send its closing statement."""

    grant: Id
    epoch: Positive


class Adjust(Value):
    """Points given (or taken, negative) by HQ's decision, booked in this station's ledger.

    Given points lapse at the end of `lapses_on` ("" never), later where a pause of expiry lies before.
    What is taken comes from the member's lots here, the soonest to lapse first, and what they do not have
    is owed. `case` is what it was decided in.
    """

    member: MemberId
    minor: MovedMinor
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
    points given too little are always made up, with the term that the award has. It is refused once the
    sale was refunded in part: `adjust` does not look at the sale.
    """

    fact: FactId
    minor: MovedMinor
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
    """HQ's word on something that this station opened and may not close itself: `of` is its id.

    `member` is whose freeze it is; a freeze that is confirmed stays, one that is lifted or voided ends.
    """

    about: Literal["freeze", "redemption", "compensation", "advance"]
    of: Word
    member: MemberId | Literal[""] = ""
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

    @model_validator(mode="after")
    def _every_product_once(self) -> Self:
        if len({product for product, _ in self.prices}) != len(self.prices):
            raise ValueError("a product is listed twice")
        return self


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
    """Wordings of HQ's for what the slip and the till say of a reason code: code, language, text.

    The whole list: what it does not name is said in the agent's own words again. Values stand in braces,
    as in the agent's wording of the same code.
    """

    version: Positive
    texts: Annotated[tuple[tuple[Name, Literal["zh", "en"], Text], ...], Field(max_length=400)]

    @model_validator(mode="after")
    def _every_wording_once(self) -> Self:
        if len({(code, language) for code, language, _ in self.texts}) != len(self.texts):
            raise ValueError("a wording is listed twice")
        return self


class Revocations(Value):
    """Credentials that no longer name their member: the whole list, keyed hashes, and since when."""

    version: Positive
    credentials: Annotated[tuple[tuple[CredentialHash, Wall], ...], Field(max_length=1_500)]

    @model_validator(mode="after")
    def _every_credential_once(self) -> Self:
        if len({credential for credential, _ in self.credentials}) != len(self.credentials):
            raise ValueError("a credential is listed twice")
        return self


class CaseUpdate(Value):
    """How a case stands, for the staff here: who has it, what they do, when it will be done."""

    case: Id
    version: Positive
    state: Literal["OPEN", "ACKED", "IN_PROGRESS", "RESOLVED", "VERIFIED", "REOPENED"]
    owner: Word
    handler: Word = ""
    eta_ms: Wall = 0
    urgency: Literal["ordinary", "urgent", "extreme", "major", "systemic"] = "ordinary"
    fact: FactId | Literal[""] = ""
    zh: Text = ""
    en: Text = ""
    at_ms: Wall


KINDS: dict[str, type[Value]] = {
    "document": Document,
    "member.delta": MemberDelta,
    "member.holding.ask": HoldingAsk,
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
