"""HQ's price tables, and the alarm where a dispenser sells at a price they do not name (S-108)."""

from agent.clock import Instant
from agent.handlers.metering import WRONG_SCALE
from agent.handlers.site import Site
from agent.handlers.verdict import DONE, Verdict
from agent.messages.down import PriceTable
from agent.messages.upkeep import PriceUnlisted
from agent.store.database import Transaction
from agent.store.facts import Fact
from agent.store.outbox import SERVICE
from sync.down import Down


def take_prices(body: PriceTable, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """Keep a table beside the former ones. Reason: PRICES_OLD."""
    newest = tx.prices.newest_version()
    if body.version <= newest:
        return Verdict("PRICES_OLD", f"version {newest} is here")
    tx.prices.add(body.version, body.valid_from_ms, body.prices, at.wall_ms)
    return DONE


def compare_price(fact: Fact, tx: Transaction, at: Instant) -> None:
    """Count a fuelling at an unlisted price; HQ is told of the first one of its nozzle, price and table.

    Nothing is held up by it. A nozzle whose decimals are in doubt says no price, nor does one that nobody
    configured say a product.
    """
    if not fact.product or not fact.unit_price_milli or WRONG_SCALE in fact.flags.split():
        return
    listed = tx.prices.price_at(fact.product, fact.event_time_ms)
    if listed is None or listed.unit_price_milli == fact.unit_price_milli:
        return
    detail = f"{fact.unit_price_milli} instead of {listed.unit_price_milli or 'no listed price'}"
    tx.alarms.count("PRICE_UNLISTED", f"{fact.device_key}/{fact.nozzle}", at.wall_ms, detail)
    if tx.prices.is_new(fact.device_key, fact.nozzle, listed.version, fact.unit_price_milli, fact.fact_id):
        item = PriceUnlisted(
            kind="price.unlisted",
            of=fact.stream_seq,
            point=fact.point,
            nozzle=fact.nozzle,
            product=fact.product,
            unit_price_milli=fact.unit_price_milli,
            listed_price_milli=listed.unit_price_milli,
            table_version=listed.version,
            at_ms=at.wall_ms,
        )
        tx.outbox.put(SERVICE, "price.unlisted", item.encoded(), at.wall_ms)
