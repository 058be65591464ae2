"""The decimals of a device were set right: what its nozzle sold meanwhile is scaled anew and awarded.

The digits of a record never change, only what they mean. The first record whose arithmetic fits says
how raw volume and price are to be read; withheld facts are read the same way (decisions.md 2).
"""

from dataclasses import replace

from agent.clock import Instant
from agent.handlers.settle import settle
from agent.handlers.site import Site
from agent.messages import bodies, ids
from agent.points.units import amount_fits
from agent.store.database import Transaction
from agent.store.facts import Fact
from agent.store.outbox import LEDGER
from drivers.events import Fuelling


def correct_scale(right: Fuelling, device_key: str, tx: Transaction, site: Site, at: Instant) -> int:
    """Correct and award what was withheld at this nozzle; returns how many facts were corrected.

    A fact that does not fit even so stays withheld, and its alarm stays.
    """
    corrected = [
        fact
        for withheld in tx.facts.withheld_at(device_key, right.nozzle)
        if (fact := _scaled_like(right, withheld)) is not None
    ]
    for fact in corrected:
        _book(replace(fact, stream_seq=tx.outbox.next_seq(LEDGER)), fact.stream_seq, tx, at)
        _award(fact.fact_id, tx, site, at)
    return len(corrected)


def _scaled_like(right: Fuelling, withheld: Fact) -> Fact | None:
    """The fact read as `right` was, or None if the digits do not allow it."""
    raw_volume, _, raw_price, _ = withheld.raw.split("/")
    volume_ml = _scaled(raw_volume, right.raw.volume, right.volume_ml)
    price_milli = _scaled(raw_price, right.raw.unit_price, right.unit_price_milli)
    if volume_ml is None:
        return None
    if price_milli is None:  # a device that gives no price with the sale: the one it has now
        price_milli = right.unit_price_milli
    fits = amount_fits(
        volume_ml,
        price_milli,
        withheld.amount_fen,
        volume_step_ml=right.volume_step_ml,
        amount_step_fen=right.amount_step_fen,
    )
    return replace(withheld, volume_ml=volume_ml, unit_price_milli=price_milli) if fits else None


def _scaled(raw: str, like_raw: str, like: int) -> int | None:
    """`raw` in the scale in which `like_raw` means `like`."""
    if not (raw.isdecimal() and like_raw.isdecimal()) or int(like_raw) == 0:
        return None
    scaled, rest = divmod(int(raw) * like, int(like_raw))
    return None if rest else scaled


def _book(fact: Fact, of: int, tx: Transaction, at: Instant) -> None:
    item = bodies.Correction(
        kind="correction",
        id=ids.text(fact.fact_id),
        of=of,
        volume_ml=fact.volume_ml,
        amount_fen=fact.amount_fen,
        unit_price_milli=fact.unit_price_milli,
        evidence=fact.evidence,
        time_quality=fact.time_quality,
        at_ms=at.wall_ms,
    )
    tx.outbox.put(LEDGER, "correction", item.encoded(), at.wall_ms)
    tx.facts.correct(fact, at.wall_ms)


def _award(fact_id: bytes, tx: Transaction, site: Site, at: Instant) -> None:
    fact, binding = tx.facts.get(fact_id), tx.sales.binding(fact_id)
    assert fact is not None
    if binding is not None and binding.member:
        sale = tx.sales.get(binding.register, binding.pos_sale_id) if binding.pos_sale_id else None
        settle(binding, fact, sale, tx, site, at)
