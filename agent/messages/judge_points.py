"""What an item changes at HQ beside its member's balance: points that wait, holds and loans that end."""

from agent.messages import bodies, redemption
from agent.messages.rights import GrantStatement
from sync.hq.grants import CAPTURED, RELEASED
from sync.hq.judging import Booked
from sync.hq.points import Change, Settled, Stated, Waits


def change(item: bodies.Body, booked: Booked) -> Change | None:
    """None for most items, and for one of which HQ does not know whose points it is about."""
    if booked.member is None or booked.entity_id is None:
        return None
    match item:
        case bodies.Award() if item.late_s and item.minor:
            return Waits(booked.entity_id, item.minor)
        case bodies.LotActivated() | bodies.LotExpired():
            return Waits(booked.entity_id, 0)
        case redemption.RedemptionCaptured():
            return Settled(item.id, CAPTURED)
        case redemption.RedemptionReleased():
            return Settled(item.id, RELEASED)
        case GrantStatement() if not item.entitlement:
            return Stated(item.grant, item.grant_epoch, item.number, item.spent_minor, item.closing)
        case _:
            return booked.change
