"""(e) What a sale weighs: bytes on the wire to HQ, and bytes written to the disk (flash wears out).

Sales of a busy day through the real handlers, each verb in its own transaction as on a normal day;
their outbox rows as the courier seals them, in the MQTT 5 packets that paho makes of them. Counted
is the PUBLISH packet; TCP, TLS, PUBACK and HQ's ack come on top and are shared by a batch.
"""

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median

from agent.clock import Instant
from agent.handlers import dispatch
from agent.handlers.site import Site
from agent.handlers.told import Seen
from agent.store import reading
from agent.store.database import Store
from agent.store.outbox import LEDGER, OutboxReader
from sync.envelope import MAX_ITEMS
from sync.keys import SigningKey
from sync.mqtt import Outgoing, _publish_properties
from sync.outbox import OutboxRow
from sync.speech import Speech, Vitals
from sync.steps import Batch
from tests.bench.figure import Figure, rounded
from tests.bench.rig import BETWEEN_SALES_MS, MORNING_MS, Customers, Sale, site, stock

ITEMS_PER_SALE = 2
SETTLED_AFTER = 100
"""Sales before the counting begins, so that the first pages of every table are there."""


def volume(directory: Path, *, sales: int) -> list[Figure]:
    here, path = site(), directory / "volume.db"
    store = Store.open(path, here.station, here.programme, Instant(MORNING_MS))
    stock(store, here, MORNING_MS)
    customers = Customers(random.Random(20_260_708))
    _book(store, here, customers.take(SETTLED_AFTER))
    before = _written()
    size_before = path.stat().st_size
    _book(store, here, customers.take(sales))
    after = _written()
    store.close()
    with closing(reading.connect(path)) as connection:
        on_the_wire = _on_the_wire(OutboxReader(connection), here)
    return [*on_the_wire, _on_the_disk(before, after, path.stat().st_size - size_before, sales)]


def _book(store: Store, here: Site, sales: list[Sale]) -> None:
    """Times with milliseconds as they come: what repeats too neatly would be packed too well."""
    rng = random.Random(1)
    for sale in sales:
        ended_ms = (
            MORNING_MS + int(sale.paid.pos_sale_id) * BETWEEN_SALES_MS + rng.randrange(BETWEEN_SALES_MS)
        )
        heard_ms = ended_ms + rng.randrange(20, 400)
        paid_ms = heard_ms + rng.randrange(20_000, 90_000)
        for at_ms, line, event in ((heard_ms, sale.line, sale.fuelling), (paid_ms, "pos", sale.paid)):
            with store.transaction() as tx, store.savepoint():
                told = dispatch.handle(event, line, Seen(at_ms, ended_ms), tx, here, Instant(at_ms))
        assert told.answer.points_minor is not None, told


def _on_the_wire(outbox: OutboxReader, here: Site) -> list[Figure]:
    speech = Speech(
        here.station, outbox, SigningKey.generate(), lambda: MORNING_MS, lambda: Vitals("0", "SYNCED")
    )
    rows = outbox.rows(LEDGER, 0, 1_000_000)
    full = [_packet_bytes(speech, outbox, batch) for batch in _batches(rows, MAX_ITEMS)]
    together = [_packet_bytes(speech, outbox, batch) for batch in _batches(rows, ITEMS_PER_SALE)]
    apart = [_packet_bytes(speech, outbox, batch) for batch in _batches(rows, 1)]
    stored = sum(len(row.body) for row in rows) / len(rows) * ITEMS_PER_SALE
    per_sale = ITEMS_PER_SALE * median(full) / MAX_ITEMS
    alone = median(together)
    return [
        Figure(
            "bytes_per_sale_in_a_full_batch",
            per_sale,
            80,
            ratio=per_sale / stored,
            details={
                "unit": "bytes of PUBLISH per sale; ratio to its two items as stored",
                "items_per_batch": MAX_ITEMS,
                "sales_per_batch": MAX_ITEMS // ITEMS_PER_SALE,
                "packet_bytes": rounded(median(full)),
                "stored_item_bytes_per_sale": rounded(stored),
            },
        ),
        Figure(
            "bytes_of_a_sale_alone",
            alone,
            500,
            ratio=alone / stored,
            details={
                "unit": "bytes of one PUBLISH with fuelling and award; ratio to the items as stored",
                "in_two_packets": rounded(2 * sum(apart) / len(apart)),
                "largest": max(together),
            },
        ),
    ]


def _batches(rows: list[OutboxRow], items: int) -> Iterator[list[OutboxRow]]:
    for first in range(0, len(rows) - items + 1, items):
        yield rows[first : first + items]


def _packet_bytes(speech: Speech, outbox: OutboxReader, rows: list[OutboxRow]) -> int:
    head = outbox.head_at(LEDGER, rows[0].seq - 1)
    assert head is not None
    return _publish_bytes(
        speech.envelope(Batch(0, LEDGER, rows[0].seq, tuple(row.body for row in rows), head))
    )


def _publish_bytes(message: Outgoing) -> int:
    """MQTT 5, 3.3: type, remaining length (1 to 4 bytes), topic, packet id, properties, payload."""
    remaining = 2 + len(message.topic.encode()) + 2 + len(_publish_properties(message).pack())  # type: ignore[no-untyped-call]
    remaining += len(message.payload)
    return 1 + (remaining.bit_length() + 6) // 7 + remaining


def _on_the_disk(before: dict[str, int], after: dict[str, int], grown: int, sales: int) -> Figure:
    """`wchar`: what SQLite handed to write(2), log and checkpoints; every byte of it is synced later."""
    written = (after["wchar"] - before["wchar"]) / sales
    return Figure(
        "bytes_written_to_disk_per_sale",
        written,
        None,
        ratio=written * sales / grown,
        details={
            "unit": "bytes given to write(2) (wchar); ratio to the growth of the database",
            "write_bytes": rounded((after["write_bytes"] - before["write_bytes"]) / sales),
            "database_growth_bytes": rounded(grown / sales),
            "gb_a_year_at_1000_sales_a_day": rounded(written * 365_000 / 1e9),
            "sales": sales,
        },
    )


def _written() -> dict[str, int]:
    lines = Path("/proc/self/io").read_text().splitlines()
    return {name: int(value) for name, value in (line.split(":") for line in lines)}
