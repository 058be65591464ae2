"""The tables of the road down, and of those who fetch what HQ has booked.

`down_stream` (one per station: the last number given, handed to the broker, consumed there),
`down_item` (signed and numbered, with what became of it), `keys_document` (lists of HQ's keys; version 1 is
what stations pin and never sent), `station_key` (the key a station signs with next),
`published_document` (which bytes a version has), `export_cursor` (how far a consumer is, per chain).
"""

import sqlalchemy as sa

from sync.hq.store.tables import Whole, blob, stream_key, table, text, whole


def _of_station() -> sa.Column[str]:
    return sa.Column("station", sa.Text, sa.ForeignKey("station.id"), primary_key=True)


down_stream = table("down_stream", _of_station(), whole("issued_seq"), whole("sent_seq"), whole("obeyed_seq"))

down_item = table(
    "down_item",
    _of_station(),
    whole("down_seq", primary_key=True),
    text("id"),
    text("kind"),
    blob("said"),
    blob("document"),
    whole("issued_at_ms"),
    whole("not_after_ms"),
    sa.Column("published_at_ms", Whole),
    sa.Column("verdict", sa.Text),
    sa.Column("applied_at_ms", Whole),
)
sa.Index("down_item_by_id", down_item.c.station, down_item.c.id)
_unheard = down_item.c.verdict.is_(None)
sa.Index(
    "down_item_unheard",
    *(down_item.c.station, down_item.c.down_seq),
    sqlite_where=_unheard,
    postgresql_where=_unheard,
)

keys_document = table(
    "keys_document", whole("version", primary_key=True), blob("document"), whole("added_at_ms")
)

station_key = table("station_key", _of_station(), blob("next_key"), whole("told_at_ms"))

published_document = table(
    "published_document",
    text("what", primary_key=True),
    text("name", primary_key=True),
    whole("version", primary_key=True),
    text("station", primary_key=True),
    text("sha256"),
    text("said_by"),
    text("programme"),
    sa.Column("document", sa.LargeBinary),
    whole("added_at_ms"),
    sa.Column("published_at_ms", Whole),
)

export_cursor = table("export_cursor", text("consumer", primary_key=True), *stream_key(), whole("seq"))
