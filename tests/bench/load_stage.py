"""The stage of the load: mosquitto, headquarters' workers as they are started in earnest, the database.

And whose processor time went where: of each of them, with what its children took.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import sqlalchemy as sa
from psycopg import sql

from sync.broker import start_broker
from sync.hq.store import HqStore
from sync.keys import SigningKey, write_key
from tests.bench.load_supply import Supply
from tests.bench.rig import BUNDLE, MORNING_MS

HQ_KEY = SigningKey(b"H" * 32)
_ROOT = Path(__file__).parents[2]
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes of a whole database, of its table of items with indexes, and of the log that was ever written.

    SQLite does not tell the latter two.
    """

    everything: int
    of_items: int = 0
    logged: int = 0


@dataclass(frozen=True, slots=True)
class Stage:
    """What stands: broker and database (URLs), what the latter held at first, the processes of each part."""

    url: str
    database: str
    at_first: Held
    pids: dict[str, Sequence[int]]

    def processor_s(self) -> dict[str, float]:
        """Seconds of processor since each part began; `stations` is this process."""
        took = {part: sum(map(_with_children_s, pids)) for part, pids in self.pids.items()}
        return took | {"stations": time.process_time()}


@contextmanager
def stage(directory: Path, server: str | None, workers: int, known: Sequence[Supply]) -> Iterator[Stage]:
    """So many workers on a new database of `server`, or on a SQLite file where there is none."""
    directory.mkdir()
    database = f"sqlite:///{directory}/hq.db" if server is None else _new_database(server, directory.name)
    _introduce(database, known)
    at_first = bytes_held(database)
    key = directory / "hq.key"
    write_key(key, HQ_KEY)
    with ExitStack() as undo:
        broker = undo.enter_context(start_broker("mosquitto", directory / "broker"))
        ours = [undo.enter_context(_worker(database, broker.url, key)) for _ in range(workers)]
        assert broker.pid is not None
        pids: dict[str, Sequence[int]] = {"broker": [broker.pid], "workers": ours}
        if server is not None:
            pids["database"] = [_postmaster(server)]
        yield Stage(broker.url, database, at_first, pids)


def bytes_held(database: str) -> Held:
    url = sa.make_url(database)
    if url.get_backend_name() == "sqlite":
        file = Path(str(url.database))
        return Held(sum(each.stat().st_size for each in file.parent.glob(f"{file.name}*")))
    with psycopg.connect(_plain(database)) as connection:
        query = """SELECT pg_database_size(current_database()), pg_total_relation_size('item'),
            pg_current_wal_lsn() - '0/0'"""
        row = connection.execute(query).fetchone()
    assert row is not None
    return Held(*map(int, row))


def items_held(database: str) -> int:
    engine = sa.create_engine(database)
    with engine.connect() as connection:
        held: int = connection.scalars(sa.text("SELECT count(*) FROM item")).one()
    engine.dispose()
    return held


def _new_database(server: str, name: str) -> str:
    with psycopg.connect(_plain(server), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return sa.make_url(server).set(database=name).render_as_string()


def _introduce(database: str, known: Sequence[Supply]) -> None:
    store = HqStore(database)
    try:
        for one in known:
            assert store.add_station(one.station, one.key.public.raw, MORNING_MS)
    finally:
        store.close()


@contextmanager
def _worker(database: str, broker: str, key: Path) -> Iterator[int]:
    """`forecourt hq serve`, subscribed; its pid."""
    command = [sys.executable, "-m", "agent.cli", "hq", "serve", "--db", database, "--broker", broker]
    command += ["--key", str(key), "--bundle", str(BUNDLE)]
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        assert said.startswith("HQ ready"), said
        yield process.pid
        assert process.poll() is None, "a worker ended by itself"
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def _postmaster(server: str) -> int:
    folder = sa.make_url(server).query["host"]
    return int((Path(str(folder)) / "db" / "postmaster.pid").read_text().split()[0])


def _with_children_s(pid: int) -> float:
    """What ended children took is in their parent's account; those that live have their own."""
    children = [each for each in _processes() if _stat(each)[1:2] == [str(pid)]]
    return _own_s(pid) + sum(map(_own_s, children))


def _processes() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _own_s(pid: int) -> float:
    """User and system time of a process and of its children that ended; 0 for one that is gone."""
    return sum(map(int, _stat(pid)[11:15])) / _TICKS_PER_S


def _stat(pid: int) -> list[str]:
    """/proc/PID/stat from the state on (proc(5), field 3); nothing for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg:", "postgresql:")
