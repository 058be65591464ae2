"""Every kind of item that a station sends: its model, its stream, and what makes it one and the same.

`entity` names the fields that tell two items of a kind apart, for good: HQ counts the same one only
once per station, and raises an alarm where it comes with other bytes. Empty: the item is about no fact of
its own, or the judge says which (`agent/messages/judge.py`). A kind that no handler says yet is promised
to HQ all the same: its model's docstring says who will.
"""

from typing import Literal, NamedTuple

from agent.messages import (
    adjustments,
    bodies,
    goods,
    incident,
    privacy,
    redemption,
    rights,
    risk,
    service,
    upkeep,
)

Stream = Literal["urgent", "ledger", "service"]


class Item(NamedTuple):
    model: type[bodies.Body]
    stream: Stream
    entity: tuple[str, ...] = ()


ITEMS: dict[str, Item] = {
    "redemption.authorised": Item(redemption.RedemptionAuthorised, "urgent"),
    "redemption.declined": Item(redemption.RedemptionDeclined, "urgent", ("id",)),
    "redemption.step_up": Item(redemption.RedemptionStepUp, "urgent", ("id", "attempt_no", "outcome")),
    "redemption.fulfilling": Item(redemption.RedemptionFulfilling, "urgent"),
    "redemption.captured": Item(redemption.RedemptionCaptured, "urgent"),
    "redemption.done": Item(redemption.RedemptionDone, "urgent"),
    "redemption.released": Item(redemption.RedemptionReleased, "urgent"),
    "redemption.in_doubt": Item(redemption.RedemptionInDoubt, "urgent"),
    "redemption.reissued": Item(redemption.RedemptionReissued, "urgent"),
    "redemption.reversed": Item(redemption.RedemptionReversed, "urgent"),
    "grant.statement": Item(rights.GrantStatement, "urgent", ("grant", "grant_epoch", "number")),
    "compensation.pending": Item(rights.CompensationPending, "urgent", ("redemption",)),
    "risk.signal": Item(risk.RiskSignal, "urgent", ("id",)),
    "freeze.opened": Item(risk.FreezeOpened, "urgent", ("id",)),
    "freeze.changed": Item(risk.FreezeChanged, "urgent", ("id", "state")),
    "fraud.case": Item(risk.FraudCase, "urgent", ("id",)),
    "incident.opened": Item(incident.IncidentOpened, "urgent", ("id",)),
    "incident.updated": Item(incident.IncidentUpdated, "urgent", ("id", "update_no")),
    "incident.closed": Item(incident.IncidentClosed, "urgent", ("id",)),
    "security.incident": Item(incident.SecurityIncident, "urgent", ("id", "step_no")),
    "station.mode": Item(upkeep.StationMode, "urgent"),
    "applied": Item(upkeep.Applied, "urgent"),
    "down.refused": Item(upkeep.DownRefused, "urgent"),
    "station.key": Item(upkeep.StationKey, "urgent"),
    "certificate.request": Item(upkeep.CertificateRequest, "urgent"),
    "fuelling": Item(bodies.Fuelling, "ledger", ("id",)),
    "basket": Item(bodies.Basket, "ledger", ("id",)),
    "correction": Item(bodies.Correction, "ledger"),
    "award": Item(bodies.Award, "ledger"),
    "gap": Item(bodies.Gap, "ledger", ("id",)),
    "draw": Item(bodies.Draw, "ledger"),
    "claim": Item(bodies.Claim, "ledger"),
    "refund": Item(bodies.Refund, "ledger"),
    "payment": Item(rights.Payment, "ledger"),
    "adjusted": Item(adjustments.Adjusted, "ledger", ("command",)),
    "voucher.entered": Item(rights.VoucherEntered, "ledger", ("serial",)),
    "lot.activated": Item(bodies.LotActivated, "ledger"),
    "lot.expired": Item(bodies.LotExpired, "ledger"),
    "daily.close": Item(bodies.DailyClose, "ledger"),
    "lot.honoured": Item(bodies.LotHonoured, "service"),
    "reminder.shown": Item(bodies.ReminderShown, "service"),
    "notice.shown": Item(bodies.NoticeShown, "service"),
    "coupon.used": Item(bodies.CouponUsed, "service", ("serial",)),
    "coupon.issued": Item(bodies.CouponIssued, "service", ("serial",)),
    "rules.state": Item(bodies.RulesState, "service"),
    "adopted": Item(bodies.Adopted, "service"),
    "advance.claim": Item(rights.AdvanceClaim, "service", ("id",)),
    "override.used": Item(rights.OverrideUsed, "service", ("id",)),
    "reward.flagged": Item(risk.RewardFlagged, "service", ("id",)),
    "incident.digest": Item(incident.IncidentDigest, "service", ("month",)),
    "drill.report": Item(incident.DrillReport, "service", ("id",)),
    "trend.warning": Item(incident.TrendWarning, "service", ("id",)),
    "case.open": Item(service.CaseOpen, "service", ("case_id",)),
    "case.note": Item(service.CaseNote, "service", ("case_id", "note_no")),
    "case.context": Item(service.CaseContext, "service"),
    "support.bundle": Item(service.SupportBundle, "service", ("id",)),
    "consent.purged": Item(privacy.ConsentPurged, "service"),
    "member.holding": Item(privacy.MemberHolding, "service"),
    "odometer.read": Item(privacy.OdometerRead, "service"),
    "stock.level": Item(goods.StockLevel, "service"),
    "stock.surge": Item(goods.StockSurge, "service", ("id",)),
    "pool.level": Item(goods.PoolLevel, "service"),
    "pickup.scan": Item(goods.PickupScan, "service", ("parcel", "direction")),
    "delay.report": Item(upkeep.DelayReport, "service", ("dark_from_ms", "dark_until_ms")),
    "station.profile": Item(upkeep.StationProfile, "service"),
    "nozzle.state": Item(upkeep.NozzleState, "service"),
    "price.unlisted": Item(upkeep.PriceUnlisted, "service"),
    "backtest.report": Item(upkeep.BacktestReport, "service"),
}
"""In the order of their streams: what is urgent goes first."""


def entity_of(kind: str, item: bodies.Body) -> str | None:
    """What this item is about, as HQ keeps it; None if its fields alone do not say."""
    fields = ITEMS[kind].entity
    return "/".join(str(getattr(item, field)) for field in fields) if fields else None
