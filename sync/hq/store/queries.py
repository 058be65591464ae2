"""Questions that readers and writers both ask."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from sync.hq.store import tables
from sync.hq.store.rows import Chain, Chains, Mark, StreamKey


def of_chain(table: sa.Table, key: StreamKey) -> tuple[sa.ColumnElement[bool], ...]:
    c = table.c
    return (c.station == key.station, c.epoch == key.epoch, c.stream == key.stream)


def chains(connection: sa.Connection, station: str) -> Chains:
    """All of a station's, one question: each turn to the server costs as much as what it asks."""
    rows = connection.execute(_CHAINS, {"station": station})
    return Chains(Chain(epoch, stream, Mark(seq, head), *more) for epoch, stream, seq, head, *more in rows)


def _chains() -> sa.Select[Any]:
    w, a = tables.watermark.c, tables.waiting.c
    behind = sa.exists().where(a.station == w.station, a.epoch == w.epoch, a.stream == w.stream)
    query = sa.select(w.epoch, w.stream, w.seq, w.head, w.mismatched, behind)
    return query.where(w.station == sa.bindparam("station"))


_CHAINS = _chains()


def upsert(
    connection: sa.Connection, table: sa.Table, add: tuple[str, ...] = (), put: tuple[str, ...] = ()
) -> sa.Insert:
    """Insert a row, or change the one with its key: `add` is added to what is there, `put` replaces it.

    With neither, a row that is there stays as it is.
    """
    return _upsert(connection.dialect.name, table, add, put)


@cache
def _upsert(dialect: str, table: sa.Table, add: tuple[str, ...], put: tuple[str, ...]) -> sa.Insert:
    """Made once: making it takes longer than the database takes for it."""
    statement = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return _on_conflict(statement, table, add, put)


def _on_conflict(
    statement: postgresql.Insert | sqlite.Insert, table: sa.Table, add: Iterable[str], put: Iterable[str]
) -> sa.Insert:
    key = [column.name for column in table.primary_key]
    if not add and not put:
        return statement.on_conflict_do_nothing(index_elements=key)
    new = statement.excluded
    changed = {name: table.c[name] + new[name] for name in add} | {name: new[name] for name in put}
    return statement.on_conflict_do_update(index_elements=key, set_=changed)


def upsert_all(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, object]],
    add: tuple[str, ...] = (),
    put: tuple[str, ...] = (),
) -> None:
    """`upsert` of many rows with the same columns, each key once; locked in their order.

    PostgreSQL gets them as one statement with a list for each column: a row of its own costs three times
    as much at either end.
    """
    if not rows:
        return
    if connection.dialect.name != "postgresql":
        connection.execute(upsert(connection, table, add, put), rows)
        return
    names = tuple(rows[0])
    lists = {name: [row[name] for row in rows] for name in names}
    connection.execute(_upsert_lists(table, names, add, put), lists)


@cache
def _upsert_lists(
    table: sa.Table, names: tuple[str, ...], add: tuple[str, ...], put: tuple[str, ...]
) -> sa.Insert:
    given = sa.select(*unnested(table, names).c)
    return _on_conflict(postgresql.insert(table).from_select(names, given), table, add, put)


def unnested(table: sa.Table, names: Iterable[str]) -> sa.TableValuedAlias:
    """Rows of some of a table's columns, from a list bound to each one's name. PostgreSQL only."""
    columns = [table.c[name] for name in names]
    lists = [sa.cast(sa.bindparam(c.name), postgresql.ARRAY(c.type)) for c in columns]
    given = sa.func.unnest(*lists).table_valued(*(sa.column(c.name, c.type) for c in columns), name="given")
    return given.render_derived()
