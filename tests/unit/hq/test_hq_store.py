"""Unit: does HQ's database open, refuse and report as it says?"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sync.hq.store import HqStore, HqStoreError
from tests.unit.hq.stand import NOW_MS, Hq, Station, award, fuelling

FIRST_SCHEMA = (Path(__file__).parent / "schema_1.sql").read_text(encoding="utf-8")


def test_a_reading_command_does_not_make_a_database(tmp_path: Path) -> None:
    with pytest.raises(HqStoreError, match="no HQ database at"):
        HqStore(f"sqlite:///{tmp_path}/typo.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("create table other (a)")
    with pytest.raises(HqStoreError, match="holds no HQ tables"):
        HqStore(f"sqlite:///{tmp_path}/other.db", create=False)


def test_tables_of_another_version_are_refused(tmp_path: Path) -> None:
    HqStore(f"sqlite:///{tmp_path}/hq.db").close()
    with closing(sqlite3.connect(tmp_path / "hq.db", isolation_level=None)) as file:
        file.execute("update hq_schema set version = 99")
    with pytest.raises(HqStoreError, match="have version 99"):
        HqStore(f"sqlite:///{tmp_path}/hq.db")


@pytest.mark.parametrize("create", [True, False])
def test_a_database_of_the_first_schema_is_brought_up_and_goes_on(tmp_path: Path, create: bool) -> None:
    """It holds two epochs, an award in each that was judged otherwise, and seq 8 of epoch 1 that waits."""
    with closing(sqlite3.connect(tmp_path / "hq.db", isolation_level=None)) as file:
        file.executescript(FIRST_SCHEMA)
    HqStore(f"sqlite:///{tmp_path}/hq.db", create=create).close()
    station = Station(epoch=2)
    station.write(fuelling("f1"), award("a1", of=1), fuelling("g3"), award("g4", of=3, minor=1))
    hq = Hq(tmp_path / "hq.db", station)
    assert [hq.store.chains(station.name).mismatched(epoch) for epoch in (1, 2, 3)] == [1, 1, 0]
    restored = station.restored(3, kept=4, watermark=3)
    reply = hq.hello(restored)
    assert reply is not None
    assert [one.seq for one in reply.streams if one.stream == "ledger"] == [3]
    restored.write(award("late", of=3))
    ack = hq.take(restored, restored.seal(4, 5))
    assert ack is not None
    assert (ack.seq, ack.mismatched) == (5, 0)
    assert hq.totals(station) == {
        "award duplicate": 2,
        "award mismatch": 2,
        "award ok": 3,
        "fuelling duplicate": 1,
        "fuelling ok": 4,
    }
    hq.store.close()


def test_an_empty_database_of_the_first_schema_becomes_one_of_this(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "hq.db", isolation_level=None)) as file:
        file.executescript(FIRST_SCHEMA)
        for table in ("item", "waiting", "watermark", "alarm", "station"):
            file.execute(f"delete from {table}")
    HqStore(f"sqlite:///{tmp_path}/fresh.db").close()
    HqStore(f"sqlite:///{tmp_path}/hq.db").close()
    assert _columns(tmp_path / "hq.db") == _columns(tmp_path / "fresh.db")


def _columns(path: Path) -> list[tuple[object, ...]]:
    query = """
        select t.name, c.name, c.type, c."notnull", c.dflt_value, c.pk, (select version from hq_schema)
        from pragma_table_list t join pragma_table_info(t.name) c where t.type = 'table' order by 1, 2
    """
    with closing(sqlite3.connect(path)) as file:
        return file.execute(query).fetchall()


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(HqStoreError, match="must be a file"):
        HqStore("sqlite://")


def test_the_file_is_strict_and_written_for_power_cuts(tmp_path: Path) -> None:
    store = HqStore(f"sqlite:///{tmp_path}/hq.db")
    with store.write() as tx:
        tx.alarm("", "TRIED", "", NOW_MS)
        assert tx._connection.exec_driver_sql("pragma synchronous").scalar() == 2, "FULL"
        assert tx._connection.exec_driver_sql("pragma journal_mode").scalar() == "wal"
    with closing(sqlite3.connect(tmp_path / "hq.db")) as file:
        tables = file.execute("select name, strict from pragma_table_list where schema = 'main'").fetchall()
    assert {name for name, _ in tables} >= {"station", "item", "waiting", "watermark", "alarm"}
    loose = {name for name, strict in tables if not (strict or name.startswith("sqlite_"))}
    assert loose == {"alembic_version"}, "this one is made by alembic"
    store.close()


def test_a_writing_transaction_holds_others_off_from_its_beginning(tmp_path: Path) -> None:
    store = HqStore(f"sqlite:///{tmp_path}/hq.db")
    with closing(sqlite3.connect(tmp_path / "hq.db", timeout=0, isolation_level=None)) as other:
        with store.write(), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("begin immediate")
        other.execute("begin immediate")
        assert store.stations() == (), "reading waits for nobody"
        other.execute("rollback")
    store.close()


def test_a_block_that_raises_leaves_nothing(tmp_path: Path) -> None:
    store = HqStore(f"sqlite:///{tmp_path}/hq.db")

    def fail() -> None:
        with store.write() as tx:
            tx.alarm("", "TRIED", "", NOW_MS)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.alarms() == ()
    store.close()


def test_a_known_station_is_not_given_another_key_in_passing(tmp_path: Path) -> None:
    store = HqStore(f"sqlite:///{tmp_path}/hq.db")
    station = Station()
    assert store.add_station(station.name, station.key.public.raw, NOW_MS)
    assert store.add_station(station.name, station.key.public.raw, NOW_MS + 1)
    assert not store.add_station(station.name, b"x" * 32, NOW_MS + 2)
    assert store.public_key(station.name) == station.key.public.raw
    [line] = store.stations()
    assert (line.station, line.added_at_ms, line.state) == (station.name, NOW_MS, None)
    store.close()


def test_alarms_are_counted_in_one_line_that_a_terminal_can_show(tmp_path: Path) -> None:
    store = HqStore(f"sqlite:///{tmp_path}/hq.db")
    for n in range(3):
        with store.write() as tx:
            tx.alarm("cn-0001", "TRIED", f"{n}\x1b[2J\x00\ud800" + "x" * 1_000, NOW_MS + n)
    [line] = store.alarms()
    assert (line.count, line.first_at_ms, line.last_at_ms) == (3, NOW_MS, NOW_MS + 2)
    assert line.detail.startswith("2?[2J??x")
    assert len(line.detail) == 300
    store.close()


def test_reconcile_sums_by_kind_and_verdict_over_all_epochs(tmp_path: Path) -> None:
    first, second = Station(), Station(epoch=2)
    first.write(fuelling("f1"), award("a1", of=1), b"rubbish")
    second.write(fuelling("f2", amount_fen=5_000), award("a2", of=1, minor=499))
    hq = Hq(tmp_path / "hq.db", first)
    hq.take(first, first.seal(1, 3))
    hq.hello(second)
    hq.take(second, second.seal(1, 2))
    report = hq.store.reconcile(first.name)
    assert report is not None
    assert [(t.kind, t.verdict, t.counted, t.items, t.minor) for t in report.totals] == [
        ("?", "malformed", False, 1, 0),
        ("award", "mismatch", True, 1, 499),
        ("award", "ok", True, 1, 1_000),
        ("fuelling", "ok", True, 2, 0),
    ]
    assert (report.items("fuelling"), report.items("award"), report.minor("award")) == (2, 2, 1_499)
    assert (report.verdicts("mismatch"), report.verdicts("malformed")) == (1, 1)
    ledgers = [(s.epoch, s.watermark) for s in report.streams if s.stream == "ledger"]
    assert ledgers == [(1, 3), (2, 2)]
    assert hq.store.reconcile("xx-9999") is None
    hq.store.close()


def test_a_state_that_a_broker_says_again_is_as_old_as_it_was(tmp_path: Path) -> None:
    """Brokers hand retained states to every worker that starts."""
    store = HqStore(f"sqlite:///{tmp_path}/hq.db")
    assert store.add_station("cn-0001", b"k" * 32, NOW_MS)
    for state, at_ms in ((b"up", 1), (b"up", 2), (b"down", 3), (b"down", 4)):
        with store.write() as tx:
            tx.set_state("cn-0001", state, NOW_MS + at_ms)
        [line] = store.stations()
        assert (line.state, line.state_at_ms) == (state, NOW_MS + {1: 1, 2: 1, 3: 3, 4: 3}[at_ms])
    store.close()
