"""The road down to the stations, and those who fetch what HQ has booked."""

import sqlalchemy as sa
from alembic import op

from sync.hq.store.tables import Whole, blob, text, whole

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "down_stream",
        _of_station(),
        whole("issued_seq"),
        whole("sent_seq"),
        whole("obeyed_seq"),
        sqlite_strict=True,
    )
    op.create_table(
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
        sqlite_strict=True,
    )
    op.create_index("down_item_by_id", "down_item", ["station", "id"])
    unheard = sa.text("verdict IS NULL")
    op.create_index(
        "down_item_unheard",
        "down_item",
        ["station", "down_seq"],
        sqlite_where=unheard,
        postgresql_where=unheard,
    )
    op.create_table(
        "keys_document",
        whole("version", primary_key=True),
        blob("document"),
        whole("added_at_ms"),
        sqlite_strict=True,
    )
    op.create_table("station_key", _of_station(), blob("next_key"), whole("told_at_ms"), sqlite_strict=True)
    op.create_table(
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
        sqlite_strict=True,
    )
    op.create_table(
        "export_cursor",
        text("consumer", primary_key=True),
        _of_station(),
        whole("epoch", primary_key=True),
        text("stream", primary_key=True),
        whole("seq"),
        sqlite_strict=True,
    )


def _of_station() -> sa.Column[str]:
    return sa.Column("station", sa.Text, sa.ForeignKey("station.id"), primary_key=True)
