"""The tables of members and of what HQ has promised of their points, on the metadata of `tables`.

`member_account` is opening balance plus every counted item, moved in the transaction that keeps the
items; `member_station` says how much of that came from where, `pending_lot` what of it waits. Rights:
`rights_grant` (lent to a station), `authorisation` (held for a redemption HQ allowed or declined).
"""

import sqlalchemy as sa

from sync.hq.store.tables import Whole, table, text, whole

ZERO = sa.text("0")
NOTHING = sa.text("''")
ACTIVE = sa.text("'ACTIVE'")


def maybe_when(name: str) -> sa.Column[int]:
    """Milliseconds UTC; null until it happens."""
    return sa.Column(name, Whole)


member_account = table(
    "member_account",
    text("member", primary_key=True),
    whole("balance_minor", server_default=ZERO),
    whole("pending_minor", server_default=ZERO),
    text("status", server_default=ACTIVE),
    text("tier", server_default=NOTHING),
    whole("version", server_default=ZERO),
)

member_station = table(
    "member_station",
    text("member", primary_key=True),
    text("station", primary_key=True),
    whole("minor"),
    whole("moves"),
    whole("last_at_ms"),
)
sa.Index("member_stations_by_station", member_station.c.station)

pending_lot = table(
    "pending_lot",
    text("station", primary_key=True),
    text("lot", primary_key=True),
    text("member", index=True),
    whole("minor"),
)

credential = table("credential", text("hash", primary_key=True), text("member", index=True))

opening = table(
    "opening",
    text("member", primary_key=True),
    whole("minor"),
    whole("as_of_ms"),
    text("buckets"),
    text("file"),
    whole("line"),
)

opening_file = table(
    "opening_file",
    text("file", primary_key=True),
    whole("lines"),
    whole("lines_done"),
    whole("started_at_ms"),
    maybe_when("done_at_ms"),
)

rights_grant = table(
    "rights_grant",
    text("id", primary_key=True),
    whole("epoch", primary_key=True),
    text("station"),
    text("member", index=True),
    whole("minor"),
    whole("spent_minor", server_default=ZERO),
    whole("statement_no", server_default=ZERO),
    whole("valid_until_ms"),
    whole("issued_at_ms"),
    maybe_when("recalled_at_ms"),
    maybe_when("closed_at_ms"),
)

authorisation = table(
    "authorisation",
    text("station", primary_key=True),
    text("redemption", primary_key=True),
    text("member", index=True),
    whole("minor"),
    whole("held_minor"),
    whole("rights_minor"),
    text("grant_id"),
    whole("grant_epoch"),
    text("state"),
    text("code"),
    whole("balance_minor"),
    whole("at_ms"),
    maybe_when("settled_at_ms"),
)

asked = table(
    "asked",
    text("station", primary_key=True),
    text("nonce", primary_key=True),
    text("member"),
    text("code"),
    whole("at_ms"),
)

allowance = table(
    "allowance",
    text("station", primary_key=True),
    text("method", primary_key=True),
    whole("left_milli"),
    whole("at_ms"),
)
