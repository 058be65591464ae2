"""The items a station sends up, as the exact bytes that are stored, hashed, signed and sent.

One lean item per verb: what both ends can derive (postings, award id, lot id, trace id) is never
sent. `of` is the ledger-stream sequence number of the fact that an item is about; the fact's id
is also the trace id of everything that follows from it. Absent fields have their default.
"""

from typing import Annotated, Literal

from pydantic import Field

from agent.points.award import ExplanationLine
from agent.points.inputs import AwardInputs, DateText, Evidence, TimeQuality
from agent.points.lean import LeanInputs
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
    written down, where that is a second or more. The order of the fields is the one that packs best: what
    stays the same at a nozzle stands together, and so do the numbers that never do.
    """

    kind: Literal["fuelling"]
    id: FactId
    evidence: Evidence
    time_quality: TimeQuality
    event_ms: Wall
    amount_fen: Natural
    totalizer_ml: Natural | None = None
    volume_ml: Natural
    unit_price_milli: Natural
    product: Word = ""
    nozzle: Word
    point: Word = ""
    device: Word
    sequence_no: Natural | None = None
    device_epoch: Positive = 1
    missed_ml: int = 0
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

    `inputs` are what the award was computed from, without what the fact says. `explanation`: the rules
    that made it, in order; see `steps`.
    """

    kind: Literal["award"]
    bundle: Word
    version: Positive
    member: Word
    of: Positive
    inputs: LeanInputs
    minor: Natural
    reason: Word = ""
    explanation: tuple[Word, ...] = ()
    repaid_minor: Natural = 0
    """Of `minor`, what went into a debt of the member's at once: an entry of its own in the ledger."""
    late_s: Natural = 0
    """Seconds until the points may be spent; 0 at once."""


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

    `minor` points of the award at ledger-stream seq `award` were taken back; both 0 without an award. The
    share is of what the award is worth, which is `corrected_minor` less than it gave: see `adjusted`.
    `lapsed_minor` of them had lapsed before: the member's balance falls by so much less.
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
    lapsed_minor: Natural = 0
    corrected_minor: Natural = 0
    at_ms: Wall


class Gap(Body):
    """Litres that passed a meter without a record: a fact without points.

    `totalizer_ml` is where the meter stood after them; `id` is made of the device, nozzle, incarnation
    and the two totalizers, so the same gap is never booked twice.
    """

    kind: Literal["gap"]
    id: FactId
    device: Word
    nozzle: Word
    point: Word = ""
    product: Word = ""
    volume_ml: Positive
    device_epoch: Positive = 1
    totalizer_ml: Natural
    event_ms: Wall
    clock: Word = "SYNCED"


class Draw(Body):
    """A fuelling that was no sale: a test draw, or fuel that went back into the tank. It earns nothing."""

    kind: Literal["draw"]
    of: Positive
    purpose: Literal["test", "return"]
    till: Word
    pos_sale_id: Word
    at_ms: Wall


class LotActivated(Body):
    """What was pending of the lot of the award at ledger-stream seq `of` may be spent now.

    `repaid_minor` of it went into a debt at once.
    """

    kind: Literal["lot.activated"]
    of: Positive
    minor: Positive
    repaid_minor: Natural = 0
    at_ms: Wall


class LotExpired(Body):
    """What remained of a lot at the end of business date `on` has lapsed; `of`: its `award` or `adjusted`."""

    kind: Literal["lot.expired"]
    of: Positive
    minor: Positive
    on: DateText
    at_ms: Wall


class LotHonoured(Body):
    """Points that lapsed on `lapses_on` while this station was dark still count here until `until`.

    `of`: the award's ledger-stream seq for a lot of this station; 0 for a bucket of HQ's snapshot.
    """

    kind: Literal["lot.honoured"]
    of: Natural = 0
    member: Word
    lapses_on: DateText
    until: DateText
    minor: Positive
    at_ms: Wall


class ReminderShown(Body):
    """A member was told, once per stage, that points lapse in at most `stage_days` days."""

    kind: Literal["reminder.shown"]
    member: Word
    lapses_on: DateText
    stage_days: Natural
    minor: Positive
    at_ms: Wall


class NoticeShown(Body):
    """A member was told of a decrease that they did not start."""

    kind: Literal["notice.shown"]
    member: Word
    code: Word
    minor: Natural = 0
    at_ms: Wall


class CouponUsed(Body):
    """A coupon was used up, for ever, by the award at ledger-stream seq `of`, of which its kind follows."""

    kind: Literal["coupon.used"]
    of: Positive
    serial: Word
    at_ms: Wall


class CouponIssued(Body):
    """After the award at ledger-stream seq `of` its member was given a coupon of the leased pool.

    `coupon` is its kind; it is valid from that day to `valid_until`.
    """

    kind: Literal["coupon.issued"]
    of: Positive
    serial: Word
    coupon: Word
    valid_until: DateText
    at_ms: Wall


class DailyClose(Body):
    """The ledger of one business date: entries `first_seq` to `last_seq`, `head` after them (hex).

    `opening_minor` is what members held before it; `issued_minor` to `goodwill_minor` moved in it;
    `pending_minor` to `debt_minor` (negative: owed) is what they hold after it. Trial balance: opening +
    issued - redeemed - expired + compensated + goodwill = pending + active + held + debt. `outstanding`:
    (ratio version, minor) of the lots, together pending + active + held; `frozen_minor` is the part of
    it that belongs to frozen members.
    """

    kind: Literal["daily.close"]
    date: DateText
    first_seq: Positive
    last_seq: Natural
    head: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    opening_minor: int
    issued_minor: int
    redeemed_minor: int
    expired_minor: int
    compensated_minor: int
    goodwill_minor: int
    pending_minor: int
    active_minor: int
    held_minor: int
    debt_minor: int
    frozen_minor: int
    outstanding: tuple[tuple[Natural, int], ...] = ()
    at_ms: Wall


class RulesState(Body):
    """A bundle went into another state of its life here; with the figures that were seen until then.

    SHADOW figures: `sales` judged beside the active bundle, `more` and `fewer` of them with other
    points, and the sums of both. Guardrail figures: `declined`, `mismatched`, `crashes`.
    """

    kind: Literal["rules.state"]
    bundle: Word
    version: Positive
    state: Literal["VERIFIED", "SHADOW", "ACTIVE", "RETIRED", "REJECTED"]
    reason: Word = ""
    sales: Natural = 0
    more: Natural = 0
    fewer: Natural = 0
    active_minor: Natural = 0
    candidate_minor: Natural = 0
    declined: Natural = 0
    mismatched: Natural = 0
    crashes: Natural = 0
    at_ms: Wall


class Adopted(Body):
    """A bundle, member snapshot or list of coupons was verified and taken in."""

    kind: Literal["adopted"]
    what: Literal["bundle", "members", "coupons"]
    name: Word = ""
    version: Natural
    sha256: Word
    at_ms: Wall
