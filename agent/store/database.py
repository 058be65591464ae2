"""The writing connection, its transactions, and what an error of the disk means.

One connection in one process writes: the SQLite of Debian 12 can corrupt a WAL that two
connections write or checkpoint at once (reliability.md, finding 4). A commit that returned is on
the disk: `synchronous=FULL`, with the pragmas in the order that also survives a file system that
forgets an unlink (finding 5).
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar

from agent.clock import Instant
from agent.store import heads, migrations
from agent.store.adjustments import Adjustments
from agent.store.alarms import Alarms
from agent.store.awards import Awards
from agent.store.bundles import Bundles
from agent.store.cases import Cases
from agent.store.catalogue import Catalogue
from agent.store.closes import Closes
from agent.store.coupons import Coupons
from agent.store.darkness import Darkness
from agent.store.down import DownItems
from agent.store.facts import Facts
from agent.store.forks import Forks
from agent.store.grants import Grants
from agent.store.heads import Damaged, Heads
from agent.store.holdings import Holdings
from agent.store.ledger import Ledger
from agent.store.line_usuals import LineUsuals
from agent.store.lots import Lots
from agent.store.members import Members
from agent.store.meters import Meters
from agent.store.notices import Notices
from agent.store.outbox import OutboxWriter
from agent.store.pauses import Pauses
from agent.store.presentations import Presentations
from agent.store.prices import Prices
from agent.store.revocations import Revocations
from agent.store.runs import Runs
from agent.store.sales import Sales
from agent.store.station_notices import StationNotices
from agent.store.tanks import Tanks
from agent.store.trust import TrustLists

T = TypeVar("T")

_PRAGMAS = (
    "PRAGMA synchronous=EXTRA",  # before WAL: the old journal's deletion must be durable
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cell_size_check=ON",
    "PRAGMA temp_store=MEMORY",
)


class StoreFull(Exception):
    """No space left: this change was taken back, nothing else is lost. A refusal, not a fault."""


class StoreBroken(Exception):
    """The disk failed. What SQLite says after a failed write or sync means nothing: end the process."""


class PromiseBroken(Exception):
    """A row would have broken a constraint: a mistake of the verb that wrote it, which was taken back."""


class StoreMismatch(Exception):
    """The file belongs to another station or programme than the configuration names."""


def is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


class Transaction:
    """One open transaction, seen as the table families; valid until the block that opened it ends."""

    def __init__(self, connection: sqlite3.Connection, bundles: Bundles) -> None:
        self.facts = Facts(connection)
        self.meters = Meters(connection)
        self.tanks = Tanks(connection)
        self.sales = Sales(connection)
        self.presentations = Presentations(connection)
        self.members = Members(connection)
        self.holdings = Holdings(connection)
        self.bundles = bundles
        self.awards = Awards(connection)
        self.coupons = Coupons(connection)
        self.adjustments = Adjustments(connection)
        self.lots = Lots(connection)
        self.ledger = Ledger(connection)
        self.closes = Closes(connection)
        self.grants = Grants(connection)
        self.pauses = Pauses(connection)
        self.prices = Prices(connection)
        self.revocations = Revocations(connection)
        self.catalogue = Catalogue(connection)
        self.notices = Notices(connection)
        self.station_notices = StationNotices(connection)
        self.cases = Cases(connection)
        self.outbox = OutboxWriter(connection)
        self.forks = Forks(connection)
        self.darkness = Darkness(connection)
        self.runs = Runs(connection)
        self.alarms = Alarms(connection)
        self.line_usuals = LineUsuals(connection)
        self.down = DownItems(connection)
        self.trust = TrustLists(connection)
        self._connection = connection

    def attempt(self, verb: Callable[[], T], is_kept: Callable[[T], bool]) -> T:
        """Run a part of a verb, and take back all it wrote unless `is_kept` says otherwise of its answer.

        Raises `PromiseBroken` where the rows would contradict each other; that is taken back too.
        """
        kept = False
        self._connection.execute("SAVEPOINT attempt")
        try:
            answer = verb()
            kept = is_kept(answer)
        except sqlite3.IntegrityError as error:
            raise PromiseBroken(str(error)) from error
        finally:
            if self._connection.in_transaction:  # a full disk may have ended the whole transaction
                if not kept:
                    self._connection.execute("ROLLBACK TO attempt")
                    self.forget()
                self._connection.execute("RELEASE attempt")
        return answer

    def forget(self) -> None:
        """A change was taken back: nothing that is remembered between verbs may stem from it."""
        self.bundles.forget()
        self.catalogue.forget()
        self.outbox.forget()
        self.forks.forget()


class Store:
    """The station's database, open for writing. Used by one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._families = Transaction(connection, Bundles(connection))

    @classmethod
    def open(
        cls,
        path: Path,
        station: str,
        programme: str,
        at: Instant,
        connect: Callable[[Path], sqlite3.Connection] | None = None,
    ) -> Self:
        """Open or make the file; raises `SchemaError`, `StoreMismatch` or `StoreBroken`."""
        try:
            connection = (connect or _connect)(path)
        except sqlite3.Error as error:
            raise StoreBroken(f"{path}: {error}") from error
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            migrations.migrate(connection, path, at.wall_ms, migrations.shipped())
            _claim(connection, station, programme, at)
        except sqlite3.Error as error:
            connection.close()
            raise StoreBroken(f"{path}: {error}") from error
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """BEGIN IMMEDIATE … COMMIT. When the block is left without an exception it is on the disk."""
        with _disk_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._families
                self._connection.execute("COMMIT")
            except BaseException:
                self._families.forget()
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """One verb inside a transaction: an exception takes back this verb alone."""
        with _disk_errors():
            self._connection.execute("SAVEPOINT verb")
            try:
                yield
            except BaseException:
                if self._connection.in_transaction:  # a full disk may have ended the whole transaction
                    self._connection.execute("ROLLBACK TO verb")
                    self._connection.execute("RELEASE verb")
                self._families.forget()
                raise
            self._connection.execute("RELEASE verb")

    @property
    def epoch(self) -> int:
        """The incarnation of this file: 1 at first, raised by `Forks.raise_epoch`."""
        return self._families.forks.epoch

    def heads(self) -> Heads:
        """The ends of all chains, as committed: what belongs into the heads file after a commit."""
        return heads.of(self._connection)

    def compare(self, kept: Heads | Damaged | None) -> str:
        """Whether this database has everything that the heads file saw: "" or a reason, see `heads`."""
        return heads.compare(kept, self._connection)

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def newest_at_ms(self) -> int:
        """The latest wall time that was written: a clock below it cannot be right. 0 in a new file."""
        return int(self._connection.execute(_NEWEST).fetchone()[0])

    def close(self) -> None:
        self._connection.close()


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # a broken promise of our own code, not of the disk
    except sqlite3.Error as error:
        if is_full(error):
            raise StoreFull(str(error)) from error
        raise StoreBroken(str(error)) from error


def _connect(path: Path) -> sqlite3.Connection:
    """A connection without Python's hidden transactions; only the thread that made it may use it."""
    return sqlite3.connect(path, isolation_level=None)


_NEWEST = "SELECT coalesce(max(at_ms), 0) FROM outbox"
_CLAIM = "SELECT station, programme FROM station"
_FIRST_CLAIM = """
INSERT INTO station (only_row, station, programme, epoch, created_at_ms) VALUES (1, ?, ?, 1, ?)
"""


def _claim(connection: sqlite3.Connection, station: str, programme: str, at: Instant) -> None:
    """The first start writes whose file this is; later starts must be the same station's."""
    row = connection.execute(_CLAIM).fetchone()
    if row is None:
        connection.execute(_FIRST_CLAIM, (station, programme, at.wall_ms))
    elif row != (station, programme):
        raise StoreMismatch(f"this database belongs to station {row[0]} of programme {row[1]}")
