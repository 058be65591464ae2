"""Redemptions: every step from the request to its one end, said by the till as it commits the step.

REQUESTED → DECLINED | STEP_UP → AUTHORISED → FULFILLING → CAPTURED → DONE → REVERSED, with RELEASED,
IN_DOUBT and REISSUED beside (points.md 5). A kind is a state. Stream `urgent`; `hold` and `captured` are
the seqs there of the authorisation and of the capture that an item is about, so that member and limits
follow from them. `entry_seq` is the entry it made in the station's ledger, whose order two streams
together do not tell. `of` is the fact's seq in the stream `ledger`, 0 without one.
"""

from typing import Annotated, Literal

from pydantic import Field

from agent.messages.bodies import Body, Wall, Word
from agent.messages.snapshot import MemberId
from agent.messages.words import Code, Evidence, FailureClass, Id, Ids
from agent.points.values import Natural, Positive

RewardKind = Literal["amount_off", "item", "wash", "partner", "rollback", "entitlement", "scene"]
Channel = Literal["", "slip", "display", "till", "app"]
Attempt = Annotated[int, Field(ge=1, le=100)]

LotUse = tuple[Word, Positive, Natural]
"""Where captured points came from: the lot (an award's seq in `ledger`, or HQ's name of a bucket), the
points in minor units, and the ratio version at which they were priced (S-032, S-047)."""


class RedemptionAuthorised(Body):
    """The hold: `minor` points may not be spent elsewhere from now on.

    `rights_minor` of it under grant `grant` of epoch `grant_epoch` or minted here, `standin_minor` on the
    station's own risk; together they are `minor`. `by` says who allowed it: HQ when it answered in time.
    `parts` are the redemptions of a scene, which succeed or fail together (S-184).
    """

    kind: Literal["redemption.authorised"]
    id: Id
    member: MemberId
    reward: Word
    reward_kind: RewardKind
    partner: Word = ""
    of: Natural = 0
    minor: Natural
    rights_minor: Natural = 0
    standin_minor: Natural = 0
    grant: Word = ""
    grant_epoch: Natural = 0
    by: Literal["hq", "station"]
    attempt_no: Attempt = 1
    parts: Ids = ()
    till: Word = ""
    entry_seq: Natural = 0
    lapses_at_ms: Wall
    at_ms: Wall


class RedemptionDeclined(Body):
    """No redemption: class, code, what caused it (outermost first), and what was offered instead.

    `attempt_no` counts failures of this member and reward in a row; a third one is diagnosed (S-026).
    """

    kind: Literal["redemption.declined"]
    id: Id
    member: MemberId
    reward: Word
    reward_kind: RewardKind
    partner: Word = ""
    minor: Natural
    failure_class: FailureClass
    code: Code
    causes: Annotated[tuple[Code, ...], Field(max_length=8)] = ()
    offered: Annotated[tuple[Word, ...], Field(max_length=4)] = ()
    evidence: Evidence = ()
    attempt_no: Attempt = 1
    case: Word = ""
    took_ms: Natural = 0
    at_ms: Wall


class RedemptionStepUp(Body):
    """A second proof was asked for; `attempt_no` of at most three, and what came of it (S-012, S-119)."""

    kind: Literal["redemption.step_up"]
    id: Id
    member: MemberId
    method: Literal["code", "pin", "plate"]
    attempt_no: Attempt
    outcome: Literal["asked", "passed", "failed", "locked"]
    at_ms: Wall


class RedemptionFulfilling(Body):
    """The goods are on their way, so a lost answer can no longer release the hold by itself."""

    kind: Literal["redemption.fulfilling"]
    id: Id
    hold: Positive
    at_ms: Wall


class RedemptionCaptured(Body):
    """Points spent: `minor` of the hold, the rest given back. `value_fen` is what they were worth.

    `rights_minor` and `standin_minor` as finally used; `lots` together are `minor`. `evidence` is why the
    till is sure: a totalizer, a delivery flag, a receipt. `took_ms` counts from the request (S-049).
    """

    kind: Literal["redemption.captured"]
    id: Id
    hold: Positive
    of: Natural = 0
    minor: Natural
    rights_minor: Natural = 0
    standin_minor: Natural = 0
    lots: Annotated[tuple[LotUse, ...], Field(max_length=100)] = ()
    value_fen: Natural = 0
    evidence: Evidence = ()
    took_ms: Natural = 0
    entry_seq: Natural = 0
    at_ms: Wall


class RedemptionDone(Body):
    """The member has what was bought: how, and how long after the capture it was handed over (S-043)."""

    kind: Literal["redemption.done"]
    id: Id
    captured: Positive
    channel: Channel = ""
    serial: Word = ""
    delivered_after_ms: Natural
    at_ms: Wall


class RedemptionReleased(Body):
    """The whole hold was given back, and why."""

    kind: Literal["redemption.released"]
    id: Id
    hold: Positive
    failure_class: FailureClass = ""
    code: Code
    evidence: Evidence = ()
    entry_seq: Natural = 0
    at_ms: Wall


class RedemptionInDoubt(Body):
    """A power cut or a lost answer in between: the hold stays until evidence or HQ settles it."""

    kind: Literal["redemption.in_doubt"]
    id: Id
    hold: Positive
    failure_class: FailureClass
    code: Code
    evidence: Evidence = ()
    at_ms: Wall


class RedemptionReissued(Body):
    """`voided` did not work and is void for ever; `serial` took its place, without a second debit (S-044)."""

    kind: Literal["redemption.reissued"]
    id: Id
    captured: Positive
    reissue_no: Annotated[int, Field(ge=1, le=2)]
    voided: Word
    serial: Word
    code: Code = ""
    at_ms: Wall


class RedemptionReversed(Body):
    """`minor` points went back to the lots they came from, with the goods or the refund `refund_id`."""

    kind: Literal["redemption.reversed"]
    id: Id
    captured: Positive
    minor: Positive
    reversal_no: Attempt = 1
    refund_id: Word = ""
    code: Code
    entry_seq: Natural = 0
    at_ms: Wall
