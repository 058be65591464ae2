"""Lists of HQ's keys, the keys that stations change to, and which bytes each published version has."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from sync.hq.store.down_tables import keys_document, published_document, station_key
from sync.hq.store.tables import station as stations

FOR_ALL = ""
"""Stands where a station's name stands, for a document that is the same at every station."""


@dataclass(frozen=True, slots=True)
class Edition:
    """One version of something that stations adopt; `station` is `FOR_ALL` where all have the same.

    `sha256` (hex) is of the signed payload. `said_by` is "" if HQ published it, else the station that
    was the first to say that it has it.
    """

    what: str
    name: str
    version: int
    station: str
    sha256: str
    said_by: str = ""


class DocumentVerbs:
    """Verbs and questions about keys and documents, in one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def key_lists(self, after_version: int = 0) -> list[tuple[int, bytes]]:
        """(version, document) of the lists above a version, in their order."""
        k = keys_document.c
        query = sa.select(k.version, k.document).where(k.version > after_version).order_by(k.version)
        return [(row.version, row.document) for row in self._connection.execute(query)]

    def add_key_list(self, version: int, document: bytes, at_ms: int) -> bool:
        """Keep the next list. False if that version is here already."""
        row = {"version": version, "document": document, "added_at_ms": at_ms}
        return self._inserted(keys_document, row)

    def next_key(self, station: str) -> bytes | None:
        """The key (32 bytes) with which the station said it will sign from now on."""
        query = sa.select(station_key.c.next_key).where(station_key.c.station == station)
        key: bytes | None = self._connection.scalar(query)
        return key

    def announce_key(self, station: str, key: bytes, at_ms: int) -> None:
        """The station will sign with this key; a later word replaces an earlier one."""
        self._connection.execute(station_key.delete().where(station_key.c.station == station))
        row = {"station": station, "next_key": key, "told_at_ms": at_ms}
        self._connection.execute(station_key.insert(), row)

    def promote_key(self, station: str, key: bytes) -> bool:
        """It has signed with its next key: that is its key now. False if another worker was first."""
        announced = (station_key.c.station == station, station_key.c.next_key == key)
        if self._connection.execute(station_key.delete().where(*announced)).rowcount == 0:
            return False
        change = stations.update().where(stations.c.id == station).values(public_key=key)
        self._connection.execute(change)
        return True

    def edition(self, what: str, name: str, version: int, station: str) -> Edition | None:
        d = published_document.c
        query = sa.select(d.what, d.name, d.version, d.station, d.sha256, d.said_by)
        query = query.where(d.what == what, d.name == name, d.version == version, d.station == station)
        row = self._connection.execute(query).one_or_none()
        return Edition(*row) if row else None

    def document(self, what: str, name: str, version: int) -> bytes | None:
        """What was published for all under this version; None if only its hash is known, or nothing."""
        d = published_document.c
        query = sa.select(d.document).where(d.what == what, d.name == name, d.version == version)
        found: bytes | None = self._connection.scalar(query.where(d.station == FOR_ALL))
        return found

    def add_edition(self, edition: Edition, document: bytes | None, at_ms: int, programme: str = "") -> bool:
        """Keep which bytes a version has; `document` is what the programme's stations find at the broker."""
        row = asdict(edition) | {"document": document, "programme": programme, "added_at_ms": at_ms}
        return self._inserted(published_document, row)

    def hand_out(self, edition: Edition, document: bytes, programme: str) -> None:
        """The programme's stations shall find at the broker what only its hash was known of."""
        d, e = published_document.c, edition
        here = (d.what == e.what, d.name == e.name, d.version == e.version, d.station == e.station)
        change = published_document.update().where(*here)
        values = {"document": document, "programme": programme, "published_at_ms": None, "said_by": ""}
        self._connection.execute(change.values(values))

    def retained(self) -> Sequence[tuple[str, bytes]]:
        """(programme, document) of the newest version for all, of each programme."""
        d = published_document.c
        query = sa.select(d.programme, d.document).where(d.document.is_not(None))
        rows = self._connection.execute(query.order_by(d.programme, d.version))
        return list({row.programme: row.document for row in rows}.items())

    def is_anything_unpublished(self) -> bool:
        return self._connection.scalar(_unpublished().limit(1)) is not None

    def claim_unpublished(self, at_ms: int) -> bool:
        """Whether something new for all was there; it counts as published from now on."""
        d = published_document.c
        change = published_document.update().where(d.document.is_not(None), d.published_at_ms.is_(None))
        return self._connection.execute(change.values(published_at_ms=at_ms)).rowcount > 0

    def _inserted(self, table: sa.Table, row: dict[str, object]) -> bool:
        try:
            with self._connection.begin_nested():
                self._connection.execute(table.insert(), row)
        except sa.exc.IntegrityError:  # another worker was first
            return False
        return True


def _unpublished() -> sa.Select[tuple[str]]:
    d = published_document.c
    return sa.select(d.what).where(d.document.is_not(None), d.published_at_ms.is_(None))
