"""The tables of HQ's database, the same on SQLite and on PostgreSQL.

`station`, `item` (everything up to each watermark, judged), `waiting` (signed items that came before
their neighbour), `watermark` (one chain: how far, where it parted from a former one, how often HQ
computed otherwise), `landmark` (heads on the way), `alarm`.
"""

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()
Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def table(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(name, metadata, *parts, sqlite_strict=True)


def whole(name: str, **options: Any) -> sa.Column[int]:
    return sa.Column(name, Whole, nullable=False, autoincrement=False, **options)


def text(name: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, **options)


def blob(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def stream_key() -> tuple[sa.Column[str], sa.Column[int], sa.Column[str]]:
    return (
        sa.Column("station", sa.Text, sa.ForeignKey("station.id"), primary_key=True),
        whole("epoch", primary_key=True),
        text("stream", primary_key=True),
    )


schema = table("hq_schema", whole("version", primary_key=True))

station = table(
    "station",
    text("id", primary_key=True),
    blob("public_key"),
    whole("added_at_ms"),
    sa.Column("state", sa.LargeBinary),
    sa.Column("state_at_ms", Whole),
)

item = table(
    "item",
    *stream_key(),
    whole("seq", primary_key=True),
    text("kind"),
    sa.Column("entity_id", sa.Text),
    sa.Column("member", sa.Text),
    whole("minor"),
    text("verdict"),
    whole("counted"),
    blob("body"),
    blob("leaf"),
    whole("received_at_ms"),
)
counts = item.c.counted == 1
sa.Index(
    "one_item_per_entity",
    *(item.c.station, item.c.kind, item.c.entity_id),
    unique=True,
    sqlite_where=counts,
    postgresql_where=counts,
)

waiting = table(
    "waiting",
    *stream_key(),
    whole("seq", primary_key=True),
    blob("head_before"),
    blob("body"),
    blob("leaf"),
)

SINCE_2 = (
    whole("fork_seq", server_default=sa.text("0")),
    whole("fork_epoch", server_default=sa.text("0")),
    whole("mismatched", server_default=sa.text("0")),
)
watermark = table("watermark", *stream_key(), whole("seq"), blob("head"), whole("at_ms"), *SINCE_2)

landmark = table("landmark", *stream_key(), whole("seq", primary_key=True), blob("head"))

alarm = table(
    "alarm",
    text("station", primary_key=True),
    text("code", primary_key=True),
    text("detail"),
    whole("first_at_ms"),
    whole("last_at_ms"),
    whole("count"),
)
