"""Members over all stations, what they brought along, and what HQ has promised of their points."""

import sqlalchemy as sa
from alembic import op

from sync.hq.store.tables import Whole, text, whole

revision = "0003"
down_revision = "0002"

_ZERO = sa.text("0")

_FROM_ITEMS = (
    sa.text(
        "INSERT INTO member_station (member, station, minor, moves, last_at_ms)"
        " SELECT member, station, sum(minor), count(*), max(received_at_ms) FROM item"
        " WHERE counted = 1 AND member IS NOT NULL GROUP BY member, station"
    ),
    sa.text(
        "INSERT INTO member_account (member, balance_minor)"
        " SELECT member, sum(minor) FROM member_station GROUP BY member"
    ),
)
"""Pending points of awards that came before this revision are not known: they count as spendable."""


def upgrade() -> None:
    _members()
    _openings()
    _rights()
    _questions()
    for statement in _FROM_ITEMS:
        op.execute(statement)


def _members() -> None:
    op.create_table(
        "member_account",
        text("member", primary_key=True),
        whole("balance_minor", server_default=_ZERO),
        whole("pending_minor", server_default=_ZERO),
        text("status", server_default=sa.text("'ACTIVE'")),
        text("tier", server_default=sa.text("''")),
        whole("version", server_default=_ZERO),
        sqlite_strict=True,
    )
    op.create_table(
        "member_station",
        text("member", primary_key=True),
        text("station", primary_key=True),
        whole("minor"),
        whole("moves"),
        whole("last_at_ms"),
        sqlite_strict=True,
    )
    op.create_index("member_stations_by_station", "member_station", ["station"])
    op.create_table(
        "pending_lot",
        text("station", primary_key=True),
        text("lot", primary_key=True),
        text("member"),
        whole("minor"),
        sqlite_strict=True,
    )
    op.create_index("ix_pending_lot_member", "pending_lot", ["member"])
    op.create_table("credential", text("hash", primary_key=True), text("member"), sqlite_strict=True)
    op.create_index("ix_credential_member", "credential", ["member"])


def _openings() -> None:
    op.create_table(
        "opening",
        text("member", primary_key=True),
        whole("minor"),
        whole("as_of_ms"),
        text("buckets"),
        text("file"),
        whole("line"),
        sqlite_strict=True,
    )
    op.create_table(
        "opening_file",
        text("file", primary_key=True),
        whole("lines"),
        whole("lines_done"),
        whole("started_at_ms"),
        sa.Column("done_at_ms", Whole),
        sqlite_strict=True,
    )


def _rights() -> None:
    op.create_table(
        "rights_grant",
        text("id", primary_key=True),
        whole("epoch", primary_key=True),
        text("station"),
        text("member"),
        whole("minor"),
        whole("spent_minor", server_default=_ZERO),
        whole("statement_no", server_default=_ZERO),
        whole("valid_until_ms"),
        whole("issued_at_ms"),
        sa.Column("recalled_at_ms", Whole),
        sa.Column("closed_at_ms", Whole),
        sqlite_strict=True,
    )
    op.create_index("ix_rights_grant_member", "rights_grant", ["member"])
    op.create_table(
        "authorisation",
        text("station", primary_key=True),
        text("redemption", primary_key=True),
        text("member"),
        whole("minor"),
        whole("held_minor"),
        whole("rights_minor"),
        text("grant_id"),
        whole("grant_epoch"),
        text("state"),
        text("code"),
        whole("balance_minor"),
        whole("at_ms"),
        sa.Column("settled_at_ms", Whole),
        sqlite_strict=True,
    )
    op.create_index("ix_authorisation_member", "authorisation", ["member"])


def _questions() -> None:
    op.create_table(
        "asked",
        text("station", primary_key=True),
        text("nonce", primary_key=True),
        text("member"),
        text("code"),
        whole("at_ms"),
        sqlite_strict=True,
    )
    op.create_table(
        "allowance",
        text("station", primary_key=True),
        text("method", primary_key=True),
        whole("left_milli"),
        whole("at_ms"),
        sqlite_strict=True,
    )
