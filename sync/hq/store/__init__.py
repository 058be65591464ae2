"""HQ's database, and the only folder that knows SQLAlchemy.

One schema serves SQLite (the default: one file, WAL, synchronous FULL) and PostgreSQL; a database of a
former schema is brought up when it is opened. A writing transaction begins IMMEDIATE on SQLite and
locks the station's row on PostgreSQL, so that several workers may take batches of one station.
"""

from sync.hq.store.database import HqStore, HqStoreError
from sync.hq.store.members import Account, Imbalance, Moved
from sync.hq.store.openings import OpeningLine
from sync.hq.store.rights import Authorisation
from sync.hq.store.rows import Arrival, Chain, Chains, ItemRow, Mark, Span, StreamKey
from sync.hq.store.writing import LANDMARK_EVERY, Writing

__all__ = [
    "LANDMARK_EVERY",
    "Account",
    "Arrival",
    "Authorisation",
    "Chain",
    "Chains",
    "HqStore",
    "HqStoreError",
    "Imbalance",
    "ItemRow",
    "Mark",
    "Moved",
    "OpeningLine",
    "Span",
    "StreamKey",
    "Writing",
]
