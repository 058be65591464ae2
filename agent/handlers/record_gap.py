"""Litres that passed a meter without a record: a fact of their own, and never points (feature S-165)."""

from agent.clock import Instant
from agent.handlers.metering import Gap
from agent.handlers.site import Place, Site
from agent.messages import bodies, ids
from agent.store.database import Transaction
from agent.store.facts import Fact
from agent.store.outbox import LEDGER


def record_gap(
    gap: Gap,
    device_key: str,
    nozzle: str,
    epoch: int,
    place: Place,
    noticed_at_ms: int,
    tx: Transaction,
    site: Site,
    at: Instant,
) -> None:
    """Book the gap, once. All that is known of its time is that it was over at `noticed_at_ms`."""
    gap_id = ids.gap_id(
        *(site.station, device_key, nozzle, epoch), before_ml=gap.before_ml, after_ml=gap.after_ml
    )
    if tx.facts.get(gap_id):
        return
    fact = Fact(
        fact_id=gap_id,
        kind="gap",
        point=place.point,
        device_key=device_key,
        nozzle=nozzle,
        product=place.product,
        device_epoch=epoch,
        sequence_no=None,
        volume_ml=gap.volume_ml,
        amount_fen=0,
        unit_price_milli=0,
        totalizer_after_ml=gap.after_ml,
        missed_ml=0,
        evidence="none",
        event_time_ms=noticed_at_ms,
        time_quality="estimated",
        clock_quality=at.quality,
        device_time="",
        raw="",
        flags="",
        credential="",
        booked_at_ms=at.wall_ms,
        stream_seq=tx.outbox.next_seq(LEDGER),
    )
    tx.facts.add(fact)
    item = bodies.Gap(
        kind="gap",
        id=ids.text(gap_id),
        device=device_key,
        nozzle=nozzle,
        point=place.point,
        product=place.product,
        volume_ml=gap.volume_ml,
        device_epoch=epoch,
        totalizer_ml=gap.after_ml,
        event_ms=noticed_at_ms,
        clock=at.quality,
    )
    tx.outbox.put(LEDGER, "gap", item.encoded(), at.wall_ms)
