"""A fuelling becomes a fact: always, odd or not, and never twice (decisions.md 2, 3)."""

from agent.clock import Instant
from agent.handlers import bind_sale, metering
from agent.handlers.correct_scale import correct_scale
from agent.handlers.credentials import why_refused
from agent.handlers.event_time import EventTime, clock_offset_ms, event_time
from agent.handlers.metering import Metering
from agent.handlers.record_gap import record_gap
from agent.handlers.site import Place, Site
from agent.handlers.take_prices import compare_price
from agent.handlers.told import Seen, Told
from agent.messages import bodies, ids
from agent.store.database import Transaction
from agent.store.facts import Fact
from agent.store.outbox import LEDGER
from drivers.events import Answer, DeviceTime, Fuelling, HandOver, Notice, Outcome, RawDigits

UNCONFIGURED = Place(point="", product="")

REMEMBERED_EPOCHS = 32
"""A meter that is reset more often than a device keeps records is broken; the look back stays bounded."""

SAID_FROM_MS = 1_000
"""A fuelling written down sooner after its end than this is not late."""


def record_fuelling(
    fuelling: Fuelling, line: str, seen: Seen, tx: Transaction, site: Site, at: Instant
) -> Told:
    """Book the fact, give it the member who was presented, and bind it if its payment already waits.

    Litres that passed before it without a record are booked first, as a fact of their own.
    """
    credential = site.credential_key.hash(fuelling.credential) if fuelling.credential else ""
    device_key = site.devices.get((line, fuelling.address), f"{line}:{fuelling.address}")
    meter = tx.meters.get(device_key, fuelling.nozzle)
    epoch = metering.device_epoch(fuelling, meter)
    fact_id = _fact_id(fuelling, device_key, epoch, site)
    known = _heard_before(fact_id, fuelling, device_key, epoch, tx, site)
    if known is not None:
        return Told(Answer(Outcome.REPEATED, durable=True, fact_id=ids.text(known.fact_id)))

    metered = metering.metering(fuelling, meter, epoch)
    odd, scale = metering.arithmetic(fuelling)
    place = site.places.get((device_key, fuelling.nozzle), UNCONFIGURED)
    was_withheld = metering.withholds(meter)
    meter = metering.next_meter(fuelling, meter, device_key, epoch, fact_id, bool(odd), scale)
    withheld = (metering.WRONG_SCALE,) if metering.withholds(meter) else ()
    large = metering.size(fuelling, site.limits.largest_fill_ml)
    oddities = _oddities(place, fuelling, credential)
    flags = (*fuelling.flags, *metered.flags, *odd, *withheld, *large, *oddities)
    when = event_time(fuelling.device_time, seen, tx.meters.clock_offset_ms(device_key), site.zone)
    if metered.gap and not metering.is_wrong_scale(metered.gap, fuelling, scale):
        where = (device_key, fuelling.nozzle, epoch, place)
        record_gap(metered.gap, *where, when.at_ms, tx, site, at)
    fact = _fact(fact_id, fuelling, device_key, place, metered, when, flags, credential or "", tx, at)
    _book(fact, tx)
    compare_price(fact, tx, at)
    tx.meters.keep(meter)
    if was_withheld and not odd:
        correct_scale(fuelling, device_key, tx, site, at)
    _learn_clock(fuelling, seen, device_key, tx, site)
    for flag in flags:
        tx.alarms.count(flag, f"{device_key}/{fuelling.nozzle}", at.wall_ms, ids.text(fact.fact_id))
    notices = _attach(fact, tx, site, at) if place.point else ()
    return Told(Answer(Outcome.DONE, durable=True, fact_id=ids.text(fact.fact_id)), notices)


def _heard_before(
    fact_id: bytes, fuelling: Fuelling, device_key: str, epoch: int, tx: Transaction, site: Site
) -> Fact | None:
    """The fact of this very record, if it was booked before.

    A device that keeps numbered records may be read again from further back: then the totalizer
    goes back too, and the record is looked for in the incarnations before.
    """
    if known := tx.facts.get(fact_id):
        return known
    if fuelling.hand_over is not HandOver.BUFFERED:
        return None
    earlier = (
        tx.facts.get(_fact_id(fuelling, device_key, former, site))
        for former in range(epoch - 1, max(0, epoch - 1 - REMEMBERED_EPOCHS), -1)
    )
    return next((fact for fact in earlier if fact), None)


def _fact_id(fuelling: Fuelling, device_key: str, epoch: int, site: Site) -> bytes:
    raw = fuelling.raw
    return ids.fuelling_id(
        *(site.station, device_key, fuelling.nozzle, epoch, fuelling.sequence_no),
        totalizer_after=raw.totalizer_after,
        volume=raw.volume,
        amount=raw.amount,
        unit_price=raw.unit_price,
    )


def _oddities(place: Place, fuelling: Fuelling, credential: str | None) -> tuple[str, ...]:
    unmapped = ("UNMAPPED_NOZZLE",) if place is UNCONFIGURED else ()
    if fuelling.credential is None or credential is not None:
        return unmapped
    return (*unmapped, why_refused(fuelling.credential))


def _fact(
    fact_id: bytes,
    fuelling: Fuelling,
    device_key: str,
    place: Place,
    metered: Metering,
    when: EventTime,
    flags: tuple[str, ...],
    credential: str,
    tx: Transaction,
    at: Instant,
) -> Fact:
    return Fact(
        fact_id=fact_id,
        kind="fuelling",
        point=place.point,
        device_key=device_key,
        nozzle=fuelling.nozzle,
        product=place.product,
        device_epoch=metered.device_epoch,
        sequence_no=fuelling.sequence_no,
        volume_ml=fuelling.volume_ml,
        amount_fen=fuelling.amount_fen,
        unit_price_milli=fuelling.unit_price_milli,
        totalizer_after_ml=fuelling.totalizer_after_ml,
        missed_ml=metered.missed_ml,
        evidence=metered.evidence,
        event_time_ms=when.at_ms,
        time_quality=when.quality,
        clock_quality=at.quality,
        device_time=_as_given(fuelling.device_time),
        raw=_digits(fuelling.raw),
        flags=" ".join(flags),
        credential=credential,
        booked_at_ms=at.wall_ms,
        stream_seq=tx.outbox.next_seq(LEDGER),
    )


def _digits(raw: RawDigits) -> str:
    return "/".join((raw.volume, raw.amount, raw.unit_price, raw.totalizer_after))


def _as_given(time: DeviceTime | None) -> str:
    if time is None:
        return ""
    year = "----" if time.year is None else f"{time.year:04d}"
    seconds = "" if time.second is None else f":{time.second:02d}"
    return f"{year}-{time.month:02d}-{time.day:02d} {time.hour:02d}:{time.minute:02d}{seconds}"


def _book(fact: Fact, tx: Transaction) -> None:
    tx.facts.add(fact)
    late_ms = fact.booked_at_ms - fact.event_time_ms
    item = bodies.Fuelling(
        kind="fuelling",
        id=ids.text(fact.fact_id),
        device=fact.device_key,
        nozzle=fact.nozzle,
        point=fact.point,
        product=fact.product,
        device_epoch=fact.device_epoch,
        sequence_no=fact.sequence_no,
        volume_ml=fact.volume_ml,
        amount_fen=fact.amount_fen,
        unit_price_milli=fact.unit_price_milli,
        totalizer_ml=fact.totalizer_after_ml,
        missed_ml=fact.missed_ml,
        evidence=fact.evidence,
        event_ms=fact.event_time_ms,
        time_quality=fact.time_quality,
        clock=fact.clock_quality,
        booked_late_ms=late_ms if late_ms >= SAID_FROM_MS else 0,
        flags=fact.flags,
        credential=fact.credential,
    )
    stream_seq = tx.outbox.put(LEDGER, "fuelling", item.encoded(), fact.booked_at_ms)
    assert stream_seq == fact.stream_seq


def _learn_clock(fuelling: Fuelling, seen: Seen, device_key: str, tx: Transaction, site: Site) -> None:
    if fuelling.device_time is None or seen.ended_at_ms is None:
        return
    offset_ms = clock_offset_ms(fuelling.device_time, seen.ended_at_ms, site.zone)
    if offset_ms is not None:
        tx.meters.keep_clock_offset(device_key, offset_ms, seen.ended_at_ms)


def _attach(fact: Fact, tx: Transaction, site: Site, at: Instant) -> tuple[Notice, ...]:
    ended_ms = fact.event_time_ms
    lifted_since_ms = ended_ms - site.limits.fuelling_max_age_ms
    alive_since_ms = ended_ms - site.limits.presentation_ms
    tx.presentations.use(fact.point, fact.fact_id, ended_ms, lifted_since_ms, alive_since_ms)
    if fact.point in site.award_on_fuelling:
        bind_sale.bind_without_pos(fact, tx, site, at)
        return ()
    return bind_sale.bind_waiting(fact, tx, site, at)
