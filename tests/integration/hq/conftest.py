"""Every test of HQ's database runs on both kinds: `hq_url` is an empty SQLite file, or one of PostgreSQL's.

PostgreSQL is a throw-away cluster of this run, started when the first test asks for it.
"""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
import sqlalchemy as sa

from tests.integration.hq.postgres import cluster
from tests.unit.hq.stand import Hq, Station


@pytest.fixture(scope="session")
def server() -> Iterator[sa.URL]:
    """A running PostgreSQL, not synced to the disk: no test here cuts the power."""
    with TemporaryDirectory(prefix="hq-pg-") as place, cluster(Path(place), durable=False) as url:
        yield sa.make_url(url)


_NUMBERS = count(1)


@pytest.fixture
def postgres_url(server: sa.URL) -> Iterator[str]:
    """A database of its own for each test."""
    name = f"hq_{next(_NUMBERS)}"
    with psycopg.connect(server.set(drivername="postgresql").render_as_string(), autocommit=True) as talk:
        talk.execute(f"create database {name}".encode())
        yield server.set(database=name).render_as_string()
        talk.execute(f"drop database {name} with (force)".encode())


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
