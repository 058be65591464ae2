"""A throw-away PostgreSQL for tests and the bench: a cluster in a folder, reached by a socket in that folder.

It runs as the user `postgres` where we are root, as ourselves elsewhere, listens on no address (no port
that others might have) and ends with the block, by its own pid. Its files are synced as a real one's are,
unless `durable` is False.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PLACES = Path("/usr/lib/postgresql")
"""Debian keeps the programs of each version here, outside PATH."""
_START_S = 30.0


def programs() -> Path:
    """Where `initdb` and `postgres` are, of the newest version; without them a test fails."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = [each for each in _PLACES.glob("*/bin") if (each / "initdb").exists()]
    assert versions, "PostgreSQL is not installed: make needs"
    return max(versions, key=lambda each: int(each.parent.name))


@contextmanager
def cluster(folder: Path, *, durable: bool = True) -> Iterator[str]:
    """An empty database in a new folder below `folder`, as SQLAlchemy writes it: postgresql+psycopg://…"""
    bin_ = programs()
    place = Path(tempfile.mkdtemp(prefix="pg-", dir=folder))
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        folder.chmod(0o711)  # it must get through
        shutil.chown(place, user)
    quiet = {"cwd": place, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(
        [bin_ / "initdb", "-D", place / "db", "-U", "hq", "-A", "trust", "--no-sync", "-E", "UTF8"],
        user=user,
        check=True,
        **quiet,  # type: ignore[call-overload]
    )
    options = [f"fsync={'on' if durable else 'off'}", "listen_addresses=", f"unix_socket_directories={place}"]
    server = subprocess.Popen(
        [bin_ / "postgres", "-D", place / "db", *(part for each in options for part in ("-c", each))],
        user=user,
        **quiet,  # type: ignore[call-overload]
    )
    try:
        _wait_until_it_answers(bin_, place)
        yield f"postgresql+psycopg://hq@/postgres?host={place}"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
        shutil.rmtree(place)


def _wait_until_it_answers(bin_: Path, place: Path) -> None:
    until_s = time.monotonic() + _START_S
    ask = [bin_ / "pg_isready", "-q", "-h", place, "-U", "hq", "-d", "postgres"]
    while subprocess.run(ask, check=False).returncode != 0:
        assert time.monotonic() < until_s, "PostgreSQL did not come up"
        time.sleep(0.02)
