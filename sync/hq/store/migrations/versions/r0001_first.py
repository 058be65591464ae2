"""Stations, their items, and how far each chain is held."""

import sqlalchemy as sa
from alembic import op

from sync.hq.store.tables import Whole, blob, text, whole

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table("hq_schema", whole("version", primary_key=True), sqlite_strict=True)
    op.create_table(
        "station",
        text("id", primary_key=True),
        blob("public_key"),
        whole("added_at_ms"),
        sa.Column("state", sa.LargeBinary),
        sa.Column("state_at_ms", Whole),
        sqlite_strict=True,
    )
    op.create_table(
        "item",
        *_chain(),
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
        sqlite_strict=True,
    )
    op.create_index(
        "one_item_per_entity",
        "item",
        ["station", "kind", "entity_id"],
        unique=True,
        sqlite_where=sa.text("counted = 1"),
        postgresql_where=sa.text("counted = 1"),
    )
    op.create_table(
        "waiting",
        *_chain(),
        whole("seq", primary_key=True),
        blob("head_before"),
        blob("body"),
        blob("leaf"),
        sqlite_strict=True,
    )
    op.create_table("watermark", *_chain(), whole("seq"), blob("head"), whole("at_ms"), sqlite_strict=True)
    op.create_table(
        "alarm",
        text("station", primary_key=True),
        text("code", primary_key=True),
        text("detail"),
        whole("first_at_ms"),
        whole("last_at_ms"),
        whole("count"),
        sqlite_strict=True,
    )


def _chain() -> tuple[sa.Column[str], sa.Column[int], sa.Column[str]]:
    station = sa.Column("station", sa.Text, sa.ForeignKey("station.id"), primary_key=True)
    return station, whole("epoch", primary_key=True), text("stream", primary_key=True)
