"""Every test of HQ's database runs on both kinds: `hq_url` is an empty SQLite file, or one of PostgreSQL's.

PostgreSQL is a throw-away cluster of this run, on a socket in a folder of its own: no port that others
might have. It is started when the first test asks for it and ended by its own pid.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.integration.hq.road import wait_until
from tests.unit.hq.stand import Hq, Station

DEBIAN = Path("/usr/lib/postgresql")


def program(name: str) -> str | None:
    """Where it is: on the path, or where Debian keeps the newest version's."""
    places = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return shutil.which(name) or (str(places[-1]) if places else None)


@pytest.fixture(scope="session")
def postgres_folder() -> Iterator[Path]:
    """The folder with the socket of a running server; its user is `hq`, its first database `postgres`."""
    initdb, server, psql = program("initdb"), program("postgres"), program("psql")
    if not (initdb and server and psql):
        pytest.skip("PostgreSQL is not installed: make needs")
    pytest.importorskip("psycopg")
    folder = Path(tempfile.mkdtemp(prefix="hq-pg-"))
    user = None
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = "postgres"
        shutil.chown(folder, user)
    made = [initdb, "-D", folder / "db", "-U", "hq", "-A", "trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(made, user=user, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    process = subprocess.Popen(
        [server, "-D", folder / "db", "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
        user=user,
        cwd=folder,
        stderr=subprocess.DEVNULL,
    )
    probe = [psql, "-h", folder, "-U", "hq", "-d", "postgres", "-c", "select 1"]
    try:
        wait_until(lambda: subprocess.run(probe, capture_output=True).returncode == 0)
        yield folder
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        shutil.rmtree(folder)


_NUMBERS = count(1)


@pytest.fixture
def postgres_url(postgres_folder: Path) -> Iterator[str]:
    """A database of its own for each test."""
    import psycopg

    name = f"hq_{next(_NUMBERS)}"
    with psycopg.connect(host=str(postgres_folder), user="hq", dbname="postgres", autocommit=True) as server:
        server.execute(f"create database {name}".encode())
        yield f"postgresql+psycopg://hq@/{name}?host={postgres_folder}"
        server.execute(f"drop database {name} with (force)".encode())


@pytest.fixture(params=["sqlite", "postgresql"])
def hq_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of HQ's, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/hq.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def open_hq(hq_url: str) -> Iterator[Callable[..., Hq]]:
    """Opens as many workers on the database as wanted, and closes them."""
    opened: list[Hq] = []

    def open_one(*stations: Station) -> Hq:
        opened.append(Hq(hq_url, *stations))
        return opened[-1]

    yield open_one
    for hq in opened:
        hq.store.close()
