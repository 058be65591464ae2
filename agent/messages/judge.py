"""HQ's side of the contract: what an item means, and whether HQ computes the same (decisions.md 4).

The same `award` as at the station, on the inputs the station recorded. A difference is an alarm of
HQ's; the item is kept and acknowledged all the same, for it is what the station did.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from pydantic import ValidationError

from agent.messages import bodies, judge_link, judge_points, judge_redemption, redemption, rights, upkeep
from agent.messages.adjustments import Adjusted
from agent.messages.items import ITEMS, entity_of
from agent.points.award import award
from agent.points.inputs import AwardInputs
from agent.points.lean import fuel_line
from agent.points.refunds import reversal_minor
from agent.points.rules import Bundle
from agent.points.ruleset import ONE_BP
from sync.hq.judging import MISMATCH, NOT_AN_ITEM, OK, UNKNOWN_BUNDLE, Booked, ItemContext
from sync.hq.points import Waits

Bundles = Mapping[tuple[str, int], Bundle]
"""The bundles HQ has issued, by name and version."""

LEDGER = "ledger"
MOST_ROUNDED_FEN = 100
"""No station can be configured to bind a fuelling to a payment that differs by more."""
Fact = bodies.Fuelling | bodies.Basket | bodies.Correction
B = TypeVar("B", bound=bodies.Body)


def judge_with(bundles: Bundles) -> Callable[[ItemContext, str, bytes], Booked]:
    """The judge that the receiver is handed, knowing these bundles."""

    def judge(context: ItemContext, kind: str, body: bytes) -> Booked:
        model = MODELS.get(kind)
        if model is None:
            return NOT_AN_ITEM
        try:
            item = _read(model, body)
        except ValidationError:
            return NOT_AN_ITEM
        booked = _booked(kind, item, context, bundles)
        heard = judge_link.heard(item, context.station)
        change = judge_points.change(item, booked)
        return replace(booked, heard=heard, change=change) if heard or change else booked

    return judge


MODELS: dict[str, type[bodies.Body]] = {kind: item.model for kind, item in ITEMS.items()}


def _booked(kind: str, item: bodies.Body, context: ItemContext, bundles: Bundles) -> Booked:
    match item:
        case bodies.Correction():
            return _correction(item, context)
        case bodies.Award():
            return _award(item, context, bundles)
        case bodies.Claim() | bodies.Draw():
            fact = _fact(item.of, context)
            return Booked(fact.id, None, 0, OK) if fact else NOT_AN_ITEM
        case bodies.Refund():
            return _refund(item, context)
        case Adjusted():
            return _adjusted(item, context)
        case bodies.LotActivated():
            return _lot(item, 0, context)
        case bodies.LotExpired():
            return _lot(item, -item.minor, context)
        case upkeep.StationKey() if not judge_link.proves_itself(item, context.station):
            return NOT_AN_ITEM
        case bodies.DailyClose():
            return Booked(item.date, None, 0, OK if _balances(item) else MISMATCH)
        case rights.Payment():
            return _payment(item, context)
        case rights.VoucherEntered():
            return Booked(entity_of(kind, item), None, 0, OK) if _fact(item.of, context) else NOT_AN_ITEM
        case rights.CompensationPending():
            promised = item.attempted_minor * item.rate_bp // ONE_BP
            return Booked(item.redemption, item.member, 0, OK if item.minor <= promised else MISMATCH)
        case rights.GrantStatement():
            return Booked(entity_of(kind, item), item.member, 0, OK)
        case redemption.RedemptionAuthorised():
            return judge_redemption.authorised(item)
        case redemption.RedemptionCaptured():
            return judge_redemption.captured(item, context)
        case redemption.RedemptionReversed():
            return judge_redemption.reversed_(item, context)
        case (
            redemption.RedemptionFulfilling()
            | redemption.RedemptionReleased()
            | redemption.RedemptionInDoubt()
        ):
            return judge_redemption.about_hold(item, context)
        case redemption.RedemptionDone() | redemption.RedemptionReissued():
            return judge_redemption.about_capture(item, context)
        case _:
            return Booked(entity_of(kind, item), None, 0, OK)


def _award(item: bodies.Award, context: ItemContext, bundles: Bundles) -> Booked:
    fact = _fact(item.of, context)
    if fact is None:
        return NOT_AN_ITEM
    bundle = bundles.get((item.bundle, item.version))
    if bundle is None:
        return Booked(fact.id, item.member, item.minor, UNKNOWN_BUNDLE)
    inputs = _whole(item, fact, context)
    if inputs is None:
        return NOT_AN_ITEM
    ours = award(inputs, bundle)
    computed = (ours.minor, ours.reason, bodies.steps(ours.explanation))
    same = computed == (item.minor, item.reason, item.explanation)
    agrees = same and _agrees(inputs, fact) and _waits_as_ruled(item, bundle)
    return Booked(fact.id, item.member, item.minor, OK if agrees else MISMATCH)


def _waits_as_ruled(item: bodies.Award, bundle: Bundle) -> bool:
    """Delayed as the rules say; and only what may be spent at once repays a debt."""
    delay_s = bundle.activation.after_s if bundle.activation and item.minor else 0
    return item.late_s == delay_s and item.repaid_minor <= (0 if delay_s else item.minor)


def _whole(item: bodies.Award, fact: Fact, context: ItemContext) -> AwardInputs | None:
    """The inputs with what the fact says; corrected, it has new litres, and the product and time it had."""
    if isinstance(fact, bodies.Basket):
        return item.inputs.whole(None, fact.event_ms)
    first = fact if isinstance(fact, bodies.Fuelling) else _item(fact.of, context, bodies.Fuelling)
    if first is None:
        return None
    return item.inputs.whole(fuel_line(first.product, fact.volume_ml, fact.amount_fen), first.event_ms)


def _agrees(inputs: AwardInputs, fact: Fact) -> bool:
    """The inputs must be this fact's: its litres, its evidence and the quality of its time."""
    volume_ml = sum(line.volume_ml for line in inputs.lines)
    if isinstance(fact, bodies.Basket):
        return volume_ml == 0
    recorded = (fact.volume_ml, fact.evidence, fact.time_quality)
    return recorded == (volume_ml, inputs.evidence, inputs.time_quality)


def _payment(item: rights.Payment, context: ItemContext) -> Booked:
    """The tenders are the money of the fact and of what was sold beside it; a till may round the fuel's."""
    fact = _fact(item.of, context)
    if fact is None:
        return NOT_AN_ITEM
    paid_fen = sum(fen for _, fen in item.tenders) - item.goods_fen
    if isinstance(fact, bodies.Basket):
        right = paid_fen == sum(fen for *_, fen in fact.lines) and not item.goods_fen
    else:
        right = abs(paid_fen - fact.amount_fen) <= MOST_ROUNDED_FEN
    return Booked(entity_of("payment", item), None, 0, OK if right else MISMATCH)


def _refund(item: bodies.Refund, context: ItemContext) -> Booked:
    entity = f"{item.till}/{item.refund_id}"
    if item.award == 0:
        return Booked(entity, None, 0, OK if item.minor == 0 else MISMATCH)
    original = _item(item.award, context, bodies.Award)
    if original is None or not item.amount_fen <= item.refunded_fen <= item.total_fen:
        return NOT_AN_ITEM
    worth_minor = original.minor - item.corrected_minor
    if worth_minor < 0:
        return NOT_AN_ITEM
    before = worth_minor * (item.refunded_fen - item.amount_fen) // item.total_fen
    ours = reversal_minor(worth_minor, item.total_fen, item.refunded_fen, before)
    verdict = OK if ours == item.minor and item.lapsed_minor <= item.minor else MISMATCH
    change_minor = item.lapsed_minor - item.minor
    return Booked(
        entity, original.member, change_minor, verdict, change=_nothing_left(item, original, context)
    )


def _nothing_left(item: bodies.Refund, award: bodies.Award, context: ItemContext) -> Waits | None:
    """Of an award whose whole money was given back nothing waits any more, and nothing will say so."""
    over = award.late_s and item.refunded_fen == item.total_fen
    fact = _fact(award.of, context) if over else None
    return Waits(fact.id, 0) if fact else None


def _adjusted(item: Adjusted, context: ItemContext) -> Booked:
    """A correction is of an award of that member, and takes no more than it gave; nothing taken repays."""
    if item.cause == "correction":
        original = _item(item.of, context, bodies.Award)
        if original is None or original.member != item.member:
            return NOT_AN_ITEM
        right = max(0, -item.minor) + item.borne_minor <= original.minor
        right = right and bool(item.minor) != bool(item.borne_minor)
    else:
        right = item.minor != 0 and item.of == item.borne_minor == 0
        right = right and item.lapsed_minor == 0
    right = right and item.repaid_minor <= max(0, item.minor) and item.lapsed_minor <= max(0, -item.minor)
    change_minor = item.minor + item.lapsed_minor
    return Booked(item.command, item.member, change_minor, OK if right else MISMATCH)


def _lot(item: bodies.LotActivated | bodies.LotExpired, minor: int, context: ItemContext) -> Booked:
    """A lot is its award's: it cannot be of another member, nor more than was awarded, nor lapse at once."""
    if adjusted := _item(item.of, context, Adjusted):
        return _lot_of_adjustment(adjusted, item, minor)
    original = _item(item.of, context, bodies.Award)
    fact = _fact(original.of, context) if original else None
    if original is None or fact is None:
        return NOT_AN_ITEM
    if isinstance(item, bodies.LotActivated):
        in_order = original.late_s > 0 and item.repaid_minor <= item.minor
    else:
        in_order = item.on >= original.inputs.business_date
    right = in_order and item.minor <= original.minor
    return Booked(fact.id, original.member, minor, OK if right else MISMATCH)


def _lot_of_adjustment(
    adjusted: Adjusted, item: bodies.LotActivated | bodies.LotExpired, minor: int
) -> Booked:
    """What HQ gave may be spent at once, and lapses no earlier than HQ said."""
    lapsed = isinstance(item, bodies.LotExpired) and item.on >= adjusted.term_ends_on != ""
    right = lapsed and item.minor <= adjusted.minor
    return Booked(adjusted.command, adjusted.member, minor, OK if right else MISMATCH)


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
    found = context.item_at(LEDGER, seq)
    try:
        fact = _read(MODELS[found[0]], found[1]) if found and found[0] in MODELS else None
    except ValidationError:
        return None
    return fact if isinstance(fact, bodies.Fuelling | bodies.Basket | bodies.Correction) else None


def _item(seq: int, context: ItemContext, model: type[B]) -> B | None:
    found = context.item_at(LEDGER, seq)
    if found is None or MODELS.get(found[0]) is not model:
        return None
    try:
        item = _read(model, found[1])
    except ValidationError:
        return None
    return item if isinstance(item, model) else None


@lru_cache(maxsize=256)
def _read(model: type[bodies.Body], body: bytes) -> bodies.Body:
    """Raises `ValidationError`. An award comes soon after its fact, which need not be read again then."""
    return model.model_validate_json(body)
