"""What a station did with rights it was lent, and what it gave on somebody else's account.

Grants: points.md 6. Each of these is said once, by the handler that closes, claims or overrides.
"""

from typing import Annotated, Literal

from pydantic import Field

from agent.messages.bodies import Body, Wall, Word
from agent.messages.snapshot import MemberId
from agent.messages.words import Code, Evidence, Id
from agent.points.values import Natural, Positive


class GrantStatement(Body):
    """Where a grant stands here: `spent_minor` and `left_minor`, `number` counting its statements.

    `closing`: nothing will be spent under it any more, so HQ may lend the rest again. For an entitlement
    (S-093, S-097), `entitlement` names it, and the figures count its units instead of points.
    """

    kind: Literal["grant.statement"]
    grant: Id
    grant_epoch: Positive
    number: Positive
    member: MemberId
    entitlement: Word = ""
    spent_minor: Natural
    left_minor: Natural
    late_minor: Natural = 0
    """Of what was spent, the part after the grant had lapsed at HQ: the programme's loss."""
    closing: bool = False
    code: Code = ""
    at_ms: Wall


class CompensationPending(Body):
    """A system fault spoiled a redemption: `minor` are promised, until HQ confirms or voids (S-038).

    `redemption` is the first of its chain; there is one compensation per chain.
    """

    kind: Literal["compensation.pending"]
    id: Id
    redemption: Id
    member: MemberId
    attempted_minor: Positive
    minor: Positive
    rate_bp: Natural
    code: Code
    at_ms: Wall


class AdvanceClaim(Body):
    """The station stood in for a partner's coupon: to be recovered from the partner (S-050)."""

    kind: Literal["advance.claim"]
    id: Id
    partner: Word
    serial: Word
    redemption: Word = ""
    member: Word = ""
    value_fen: Positive
    minor: Natural = 0
    attendant: Word
    code: Code
    evidence: Evidence = ()
    at_ms: Wall


class OverrideUsed(Body):
    """Somebody with that role decided otherwise than the rules; `approver` is the second person (S-052).

    `attendant` and `approver` are opaque staff ids, `about` a redemption, a case or a fact.
    """

    kind: Literal["override.used"]
    id: Id
    role: Word
    attendant: Word
    approver: Word = ""
    about: Word
    code: Code
    value_fen: Natural = 0
    minor: Natural = 0
    at_ms: Wall


class VoucherEntered(Body):
    """A numbered paper voucher of an outage was typed in: the fact at `of` was sold on it (S-167)."""

    kind: Literal["voucher.entered"]
    serial: Word
    of: Positive
    attendant: Word
    written_at_ms: Wall
    at_ms: Wall


class Payment(Body):
    """How the fact at `of` was paid: the split by tender, and what a bank needs to find it (S-089, S-113).

    `tenders`: (tender, fen) of the whole sale at the till: they make up the fact's money and `goods_fen`,
    what was sold beside a fuelling. `terminal`, `trace_number` and `retrieval_reference` are as the payment
    terminal printed them; never a card number. Sent where the POS knows more than one tender or a trace.
    """

    kind: Literal["payment"]
    of: Positive
    till: Word
    pos_sale_id: Word
    tenders: Annotated[tuple[tuple[Word, Natural], ...], Field(min_length=1, max_length=16)]
    goods_fen: Natural = 0
    terminal: Word = ""
    trace_number: Word = ""
    retrieval_reference: Word = ""
    at_ms: Wall
