"""Upgrade: does HQ's database of every former schema become one of this, once, and keep what it held?"""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from sync.hq.store import HqStore, HqStoreError, down_tables, member_tables, tables
from sync.hq.store.database import SCHEMA_VERSION
from sync.hq.store.migrations import bring_up
from tests.unit.hq.stand import Hq, Station, award, fuelling

Opener = Callable[..., Hq]


def make_former(url: str, version: int, *, with_alembic: bool = False) -> None:
    """The tables of a former schema, as the revisions make them; the first two knew no alembic."""
    from alembic import command
    from alembic.config import Config

    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        folder = Path(tables.__file__).with_name("migrations")
        config.set_main_option("script_location", str(folder))
        command.upgrade(config, f"{version:04}")
        connection.execute(tables.schema.insert(), {"version": version})
        if not with_alembic:
            connection.exec_driver_sql("drop table alembic_version")
    engine.dispose()


def described(url: str) -> dict[str, object]:
    """Tables, columns, keys and indexes, as the database itself tells them."""
    engine = sa.create_engine(url)
    inspector = sa.inspect(engine)
    found: dict[str, object] = {}
    for name in inspector.get_table_names():
        columns = [
            (c["name"], str(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(name)
        ]
        keys = inspector.get_pk_constraint(name)["constrained_columns"]
        foreign = [(f["constrained_columns"], f["referred_table"]) for f in inspector.get_foreign_keys(name)]
        indexes = sorted(
            (str(i["name"]), i["column_names"], i["unique"]) for i in inspector.get_indexes(name)
        )
        found[name] = (columns, keys, foreign, indexes)
    engine.dispose()
    return found


@pytest.fixture
def empty_url(hq_url: str, tmp_path: Path) -> str:
    """A second empty database of the same kind."""
    if hq_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path}/other.db"
    base, _, rest = hq_url.partition("?")
    name = f"{base.rpartition('/')[2]}_other"
    server = sa.create_engine(hq_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"create database {name}")
    server.dispose()
    return f"{base.rpartition('/')[0]}/{name}?{rest}"


def test_the_revisions_come_to_the_tables_that_the_program_uses(hq_url: str) -> None:
    assert down_tables.down_item.metadata is member_tables.opening.metadata is tables.metadata
    HqStore(hq_url).close()
    engine = sa.create_engine(hq_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, tables.metadata) == []
    engine.dispose()


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
@pytest.mark.parametrize("create", [True, False])
def test_every_former_schema_becomes_this_one(
    hq_url: str, empty_url: str, version: int, create: bool
) -> None:
    make_former(hq_url, version, with_alembic=version > 2)
    HqStore(hq_url, create=create).close()
    HqStore(empty_url).close()
    assert described(hq_url) == described(empty_url)
    engine = sa.create_engine(hq_url)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(tables.schema.c.version)) == SCHEMA_VERSION
    engine.dispose()
    HqStore(hq_url, create=False).close()


def test_tables_of_a_newer_program_are_left_alone(hq_url: str) -> None:
    HqStore(hq_url).close()
    engine = sa.create_engine(hq_url)
    with engine.begin() as connection:
        connection.execute(tables.schema.update().values(version=SCHEMA_VERSION + 1))
    before = described(hq_url)
    with pytest.raises(HqStoreError, match=f"have version {SCHEMA_VERSION + 1}, this program knows"):
        HqStore(hq_url)
    assert described(hq_url) == before
    engine.dispose()


def test_an_upgrade_that_fails_leaves_everything_as_it_was(
    hq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_former(hq_url, 2)
    before = described(hq_url)

    def fail(connection: sa.Connection, version: int | None) -> int:
        bring_up(connection, version)
        raise RuntimeError("the power went away")

    monkeypatch.setattr("sync.hq.store.database.bring_up", fail)
    with pytest.raises(RuntimeError, match="the power went away"):
        HqStore(hq_url)
    assert described(hq_url) == before
    monkeypatch.undo()
    HqStore(hq_url).close()
    assert "member_account" in described(hq_url)


@pytest.mark.parametrize("version", [None, 1, 2])
def test_several_workers_that_start_at_once_bring_it_up_once(
    open_hq: Opener, hq_url: str, version: int | None
) -> None:
    if version:
        make_former(hq_url, version)
    failures: list[BaseException] = []
    together = threading.Barrier(4)

    def start() -> None:
        try:
            together.wait(20)
            open_hq()
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    engine = sa.create_engine(hq_url)
    with engine.connect() as connection:
        assert list(connection.scalars(sa.select(tables.schema.c.version))) == [SCHEMA_VERSION]
    engine.dispose()


def test_what_was_booked_before_makes_the_accounts(open_hq: Opener, hq_url: str) -> None:
    station = Station()
    station.write(fuelling("f1"), award("a1", of=1), award("wrong", of=1, minor=7), b"rubbish")
    first = open_hq(station)
    first.take(station, station.seal(1, 4))
    _take_back_to_1(hq_url)
    hq = open_hq()
    with hq.store.read() as tx:
        account = tx.members.account("m1")
        assert account is not None
        assert (account.balance_minor, account.pending_minor) == (1_007, 0)
        assert [(one.station, one.minor, one.moves) for one in tx.members.visits("m1")] == [
            (station.name, 1_007, 2)
        ]
        assert tx.members.imbalances() == []
    assert hq.store.chains(station.name).mismatched(1) == 1
    restored = station.restored(2, kept=4, watermark=2)
    reply = hq.hello(restored)
    assert reply is not None
    assert [one.seq for one in reply.streams] == [0, 2, 0]


def _take_back_to_1(url: str) -> None:
    """What came after the first schema, removed; the watermark's head stays."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        first = {"hq_schema", "station", "item", "waiting", "watermark", "alarm"}
        for name in set(sa.inspect(connection).get_table_names()) - first:
            connection.exec_driver_sql(f"drop table {name}")
        for column in ("fork_seq", "fork_epoch", "mismatched"):
            connection.exec_driver_sql(f"alter table watermark drop column {column}")
        connection.execute(tables.schema.update().values(version=1))
    engine.dispose()
