"""HQ's side of the contract: what an item means, and whether HQ computes the same (decisions.md 4).

The same `award` as at the station, on the inputs the station recorded. A difference is an alarm of
HQ's; the item is kept and acknowledged all the same, for it is what the station did.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from agent.messages import bodies
from agent.points.award import award
from agent.points.refunds import reversal_minor
from agent.points.rules import Bundle
from sync.hq.judging import MISMATCH, NOT_AN_ITEM, OK, UNKNOWN_BUNDLE, Booked, ItemContext

Bundles = Mapping[tuple[str, int], Bundle]
"""The bundles HQ has issued, by name and version."""

LEDGER = "ledger"
Fact = bodies.Fuelling | bodies.Basket | bodies.Correction
B = TypeVar("B", bound=BaseModel)


def judge_with(bundles: Bundles) -> Callable[[ItemContext, str, bytes], Booked]:
    """The judge that the receiver is handed, knowing these bundles."""

    def judge(context: ItemContext, kind: str, body: bytes) -> Booked:
        model = MODELS.get(kind)
        if model is None:
            return NOT_AN_ITEM
        try:
            item = model.model_validate_json(body)
        except ValidationError:
            return NOT_AN_ITEM
        return _booked(item, context, bundles)

    return judge


MODELS: dict[str, type[BaseModel]] = {
    "fuelling": bodies.Fuelling,
    "basket": bodies.Basket,
    "correction": bodies.Correction,
    "gap": bodies.Gap,
    "draw": bodies.Draw,
    "award": bodies.Award,
    "claim": bodies.Claim,
    "refund": bodies.Refund,
    "lot.activated": bodies.LotActivated,
    "lot.expired": bodies.LotExpired,
    "lot.honoured": bodies.LotHonoured,
    "reminder.shown": bodies.ReminderShown,
    "notice.shown": bodies.NoticeShown,
    "coupon.used": bodies.CouponUsed,
    "coupon.issued": bodies.CouponIssued,
    "daily.close": bodies.DailyClose,
    "rules.state": bodies.RulesState,
    "adopted": bodies.Adopted,
}


def _booked(item: BaseModel, context: ItemContext, bundles: Bundles) -> Booked:
    match item:
        case bodies.Fuelling() | bodies.Basket() | bodies.Gap():
            return Booked(item.id, None, 0, OK)
        case bodies.Correction():
            return _correction(item, context)
        case bodies.Award():
            return _award(item, context, bundles)
        case bodies.Claim() | bodies.Draw():
            fact = _fact(item.of, context)
            return Booked(fact.id, None, 0, OK) if fact else NOT_AN_ITEM
        case bodies.Refund():
            return _refund(item, context)
        case bodies.LotActivated():
            return _lot(item, 0, context)
        case bodies.LotExpired():
            return _lot(item, -item.minor, context)
        case bodies.CouponUsed() | bodies.CouponIssued():
            return Booked(item.serial, None, 0, OK)
        case bodies.DailyClose():
            return Booked(item.date, None, 0, OK if _balances(item) else MISMATCH)
        case _:
            return Booked(None, None, 0, OK)


def _award(item: bodies.Award, context: ItemContext, bundles: Bundles) -> Booked:
    fact = _fact(item.of, context)
    if fact is None:
        return NOT_AN_ITEM
    bundle = bundles.get((item.bundle, item.version))
    if bundle is None:
        return Booked(fact.id, item.member, item.minor, UNKNOWN_BUNDLE)
    ours = award(item.inputs, bundle)
    computed = (ours.minor, ours.reason, bodies.steps(ours.explanation))
    same = computed == (item.minor, item.reason, item.explanation)
    agrees = same and _agrees(item, fact) and _waits_as_ruled(item, bundle)
    return Booked(fact.id, item.member, item.minor, OK if agrees else MISMATCH)


def _waits_as_ruled(item: bodies.Award, bundle: Bundle) -> bool:
    """Delayed as the rules say; and only what may be spent at once repays a debt."""
    delay_s = bundle.activation.after_s if bundle.activation and item.minor else 0
    return item.late_s == delay_s and item.repaid_minor <= (0 if delay_s else item.minor)


def _agrees(item: bodies.Award, fact: Fact) -> bool:
    """The inputs must be this fact's: its litres, its evidence and the quality of its time."""
    volume_ml = sum(line.volume_ml for line in item.inputs.lines)
    if isinstance(fact, bodies.Basket):
        return volume_ml == 0
    recorded = (fact.volume_ml, fact.evidence, fact.time_quality)
    return recorded == (volume_ml, item.inputs.evidence, item.inputs.time_quality)


def _refund(item: bodies.Refund, context: ItemContext) -> Booked:
    entity = f"{item.till}/{item.refund_id}"
    if item.award == 0:
        return Booked(entity, None, 0, OK if item.minor == 0 else MISMATCH)
    original = _item(item.award, context, bodies.Award)
    if original is None or not item.amount_fen <= item.refunded_fen <= item.total_fen:
        return NOT_AN_ITEM
    before = original.minor * (item.refunded_fen - item.amount_fen) // item.total_fen
    ours = reversal_minor(original.minor, item.total_fen, item.refunded_fen, before)
    return Booked(entity, original.member, -item.minor, OK if ours == item.minor else MISMATCH)


def _lot(item: bodies.LotActivated | bodies.LotExpired, minor: int, context: ItemContext) -> Booked:
    """A lot is its award's: it cannot be of another member, nor more than was awarded, nor lapse at once."""
    original = _item(item.of, context, bodies.Award)
    fact = _fact(original.of, context) if original else None
    if original is None or fact is None:
        return NOT_AN_ITEM
    if isinstance(item, bodies.LotActivated):
        in_order = original.late_s > 0 and item.repaid_minor <= item.minor
    else:
        in_order = item.on >= original.inputs.local.business_date
    right = in_order and item.minor <= original.minor
    return Booked(fact.id, original.member, minor, OK if right else MISMATCH)


def _balances(close: bodies.DailyClose) -> bool:
    """Trial balance: what members hold came from somewhere, and the lots hold what the accounts do."""
    given = (
        close.issued_minor
        - close.redeemed_minor
        - close.expired_minor
        + close.compensated_minor
        + close.goodwill_minor
    )
    spendable = close.pending_minor + close.active_minor + close.held_minor
    lots = sum(minor for _, minor in close.outstanding)
    follows = close.first_seq <= close.last_seq + 1
    return follows and close.opening_minor + given == spendable + close.debt_minor and lots == spendable


def _correction(item: bodies.Correction, context: ItemContext) -> Booked:
    """It must be about that fact, and leave the money as it was."""
    fact = _item(item.of, context, bodies.Fuelling)
    if fact is None or fact.id != item.id:
        return NOT_AN_ITEM
    return Booked(item.id, None, 0, OK if fact.amount_fen == item.amount_fen else MISMATCH)


def _fact(seq: int, context: ItemContext) -> Fact | None:
    return (
        _item(seq, context, bodies.Fuelling)
        or _item(seq, context, bodies.Basket)
        or _item(seq, context, bodies.Correction)
    )


def _item(seq: int, context: ItemContext, model: type[B]) -> B | None:
    found = context.item_at(LEDGER, seq)
    if found is None or MODELS.get(found[0]) is not model:
        return None
    try:
        return model.model_validate_json(found[1])
    except ValidationError:
        return None
