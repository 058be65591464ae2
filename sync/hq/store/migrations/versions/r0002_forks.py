"""Where a new epoch parted from a former one, heads on the way, and how often HQ computed otherwise."""

import sqlalchemy as sa
from alembic import op

from sync.hq.store.tables import blob, text, whole

revision = "0002"
down_revision = "0001"

_COUNT_MISMATCHED = sa.text(
    "UPDATE watermark SET mismatched = (SELECT count(*) FROM item i WHERE i.station = watermark.station"
    " AND i.epoch = watermark.epoch AND i.stream = watermark.stream"
    " AND i.kind = 'award' AND i.verdict = 'mismatch')"
)


def upgrade() -> None:
    for name in ("fork_seq", "fork_epoch", "mismatched"):
        op.add_column("watermark", whole(name, server_default=sa.text("0")))
    op.execute(_COUNT_MISMATCHED)
    op.create_table(
        "landmark",
        sa.Column("station", sa.Text, sa.ForeignKey("station.id"), primary_key=True),
        whole("epoch", primary_key=True),
        text("stream", primary_key=True),
        whole("seq", primary_key=True),
        blob("head"),
        sqlite_strict=True,
    )
