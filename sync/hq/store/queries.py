"""Questions that readers and writers both ask."""

import sqlalchemy as sa

from sync.hq.store import tables
from sync.hq.store.rows import StreamKey


def of_chain(table: sa.Table, key: StreamKey) -> tuple[sa.ColumnElement[bool], ...]:
    c = table.c
    return (c.station == key.station, c.epoch == key.epoch, c.stream == key.stream)


def highest_epoch(connection: sa.Connection, station: str) -> int:
    query = sa.select(sa.func.max(tables.watermark.c.epoch)).where(tables.watermark.c.station == station)
    return connection.scalar(query) or 0


def mismatched(connection: sa.Connection, station: str, epoch: int) -> int:
    w = tables.watermark.c
    query = sa.select(sa.func.sum(w.mismatched)).where(w.station == station, w.epoch == epoch)
    return int(connection.scalar(query) or 0)
