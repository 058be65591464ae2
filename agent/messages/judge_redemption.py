"""HQ's look at redemptions: whose points an item moves, and whether it follows from the one before it.

The hold and the capture are items of the same stream, so they always stand earlier (`item_at`).
"""

from typing import TypeVar

from pydantic import ValidationError

from agent.messages import redemption
from agent.messages.bodies import Body
from sync.hq.judging import MISMATCH, NOT_AN_ITEM, OK, Booked, ItemContext

URGENT = "urgent"
AboutHold = redemption.RedemptionFulfilling | redemption.RedemptionReleased | redemption.RedemptionInDoubt
AboutCapture = redemption.RedemptionDone | redemption.RedemptionReissued
B = TypeVar("B", bound=Body)

_KIND_OF: dict[type[Body], str] = {
    redemption.RedemptionAuthorised: "redemption.authorised",
    redemption.RedemptionCaptured: "redemption.captured",
}


def authorised(item: redemption.RedemptionAuthorised) -> Booked:
    """The parts of a hold are its whole, and rights under a grant name it."""
    whole = item.rights_minor + item.standin_minor == item.minor
    named = bool(item.grant) == (item.grant_epoch > 0)
    return Booked(item.id, item.member, 0, OK if whole and named else MISMATCH)


def captured(item: redemption.RedemptionCaptured, context: ItemContext) -> Booked:
    """Spent for good: of that hold, no more than was held, and every point from a lot (I10, I13)."""
    hold = _earlier(item.hold, context, redemption.RedemptionAuthorised)
    if hold is None or hold.id != item.id:
        return NOT_AN_ITEM
    attributed = not item.lots or sum(minor for _, minor, _ in item.lots) == item.minor
    whole = item.rights_minor + item.standin_minor == item.minor
    right = item.minor <= hold.minor and whole and attributed
    return Booked(item.id, hold.member, -item.minor, OK if right else MISMATCH)


def reversed_(item: redemption.RedemptionReversed, context: ItemContext) -> Booked:
    """Given back: no more than that capture took (I12)."""
    capture = _earlier(item.captured, context, redemption.RedemptionCaptured)
    hold = _earlier(capture.hold, context, redemption.RedemptionAuthorised) if capture else None
    if capture is None or hold is None or capture.id != item.id:
        return NOT_AN_ITEM
    entity = f"{item.id}/{item.reversal_no}"
    return Booked(entity, hold.member, item.minor, OK if item.minor <= capture.minor else MISMATCH)


def about_hold(item: AboutHold, context: ItemContext) -> Booked:
    hold = _earlier(item.hold, context, redemption.RedemptionAuthorised)
    if hold is None or hold.id != item.id:
        return NOT_AN_ITEM
    return Booked(item.id, hold.member, 0, OK)


def about_capture(item: AboutCapture, context: ItemContext) -> Booked:
    capture = _earlier(item.captured, context, redemption.RedemptionCaptured)
    if capture is None or capture.id != item.id:
        return NOT_AN_ITEM
    reissue = f"/{item.reissue_no}" if isinstance(item, redemption.RedemptionReissued) else ""
    return Booked(f"{item.id}{reissue}", None, 0, OK)


def _earlier(seq: int, context: ItemContext, model: type[B]) -> B | None:
    """The item at `seq` of the stream, if it stands before this one and is of that kind."""
    found = context.item_at(URGENT, seq) if context.stream == URGENT and seq < context.seq else None
    if found is None or found[0] != _KIND_OF[model]:
        return None
    try:
        return model.model_validate_json(found[1])
    except ValidationError:
        return None
