"""The items a station sends up, as the exact bytes that are stored, hashed, signed and sent.

One lean item per verb: what both ends can derive (postings, award id, lot id, trace id) is never
sent. `of` is the ledger-stream sequence number of the fact that an item is about; the fact's id
is also the trace id of everything that follows from it. Absent fields have their default.
"""

from typing import Annotated, Literal

from pydantic import Field

from agent.points.award import ExplanationLine
from agent.points.inputs import AwardInputs, Evidence, TimeQuality
from agent.points.values import MAX_INTEGER, Natural, Positive, Value

Word = Annotated[str, Field(max_length=128)]
Flags = Annotated[str, Field(max_length=1024)]
"""Reason codes, space separated: a record may be odd in every way at once, and is booked all the same."""
FactId = Annotated[str, Field(min_length=22, max_length=22)]
Wall = Annotated[int, Field(ge=0, le=MAX_INTEGER)]

BodyLine = tuple[Word, Natural, Natural]
"""A shop line: product, quantity in thousandths, amount in fen."""


def steps(explanation: tuple[ExplanationLine, ...]) -> tuple[str, ...]:
    """An award's explanation on the wire: the rules that made it, in order, or what was done without one.

    How much each of them moved follows from the rules and the inputs, so it is never sent.
    """
    return tuple(line.rule or line.kind for line in explanation if line.kind != "rounding")


class Body(Value):
    """An item of a stream. `encoded()` is what goes into the outbox, verbatim."""

    def encoded(self) -> bytes:
        return self.model_dump_json(exclude_defaults=True).encode()


class Fuelling(Body):
    """A fuelling as booked. `missed_ml` passed the meter before it without a record.

    It happened at `event_ms`, as sure as `time_quality` says; `booked_late_ms` is how much later it was
    written down, where that is a second or more. What stays the same at a nozzle stands together, and
    product, volume and amount as in an award's inputs: said again, they cost next to nothing in a batch.
    """

    kind: Literal["fuelling"]
    id: FactId
    device: Word
    nozzle: Word
    point: Word = ""
    product: Word = ""
    volume_ml: Natural
    amount_fen: Natural
    unit_price_milli: Natural
    device_epoch: Positive = 1
    sequence_no: Natural | None = None
    totalizer_ml: Natural | None = None
    missed_ml: int = 0
    evidence: Evidence
    time_quality: TimeQuality
    event_ms: Wall
    booked_late_ms: int = 0
    clock: Word = "SYNCED"
    flags: Flags = ""
    credential: Word = ""


class Correction(Body):
    """A fact whose device was set to wrong decimals, scaled anew: `id` is the fact's, `of` its item.

    From here on these quantities count, and an award is about this item.
    """

    kind: Literal["correction"]
    id: FactId
    of: Positive
    volume_ml: Natural
    amount_fen: Natural
    unit_price_milli: Natural
    evidence: Evidence
    time_quality: TimeQuality
    at_ms: Wall


class Basket(Body):
    """A shop-only sale."""

    kind: Literal["basket"]
    id: FactId
    till: Word
    pos_sale_id: Word
    tender: Word
    lines: tuple[BodyLine, ...]
    event_ms: Wall
    clock: Word = "SYNCED"
    credential: Word = ""


class Award(Body):
    """Points for a fact, with everything needed to compute them again bit for bit.

    `explanation`: the rules that made it, in order; see `steps`.
    """

    kind: Literal["award"]
    of: Positive
    member: Word
    bundle: Word
    version: Positive
    inputs: AwardInputs
    minor: Natural
    reason: Word = ""
    explanation: tuple[Word, ...] = ()


class Claim(Body):
    """A paid fact of somebody this station does not know: HQ resolves the credential and awards."""

    kind: Literal["claim"]
    of: Positive
    credential: Word
    bundle: Word = ""
    version: Natural = 0
    inputs: AwardInputs | None = None


class Refund(Body):
    """Money given back: `refunded_fen` of `total_fen` until now, this refund included.

    `minor` points of the award at ledger-stream seq `award` were taken back; both 0 without an award.
    """

    kind: Literal["refund"]
    of: Natural = 0
    award: Natural = 0
    till: Word
    refund_id: Word
    pos_sale_id: Word
    amount_fen: Positive
    refunded_fen: Positive
    total_fen: Natural
    minor: Natural = 0
    at_ms: Wall


class Adopted(Body):
    """A bundle or member snapshot was verified and taken in."""

    kind: Literal["adopted"]
    what: Literal["bundle", "members"]
    name: Word = ""
    version: Natural
    sha256: Word
    at_ms: Wall
