"""(g) and (h): one station whose ledger grows, looked at when it is short, long and very long."""

import shutil
from pathlib import Path

from tests.bench.figure import Figure, say
from tests.bench.growth import growth
from tests.bench.history import History
from tests.bench.rig import site
from tests.bench.walk import walk


def past(directory: Path, entries: tuple[int, int, int], *, pairs: int, sales: int) -> list[Figure]:
    """Sales are measured at the short and the very long one; verify walks the long one, and accepts it."""
    short, long, very_long = entries
    here, path = site(award_on_fuelling=True), directory / "past.db"
    history = History(path, here)
    history.grow(short)
    young = shutil.copy(path, directory / "young.db"), history.now_ms
    history.grow(long)
    say(f"{long} entries are written")
    figures = walk(path, pairs=pairs)
    history.grow(very_long)
    say(f"{very_long} entries are written")
    history.close()
    return [*figures, *growth(young, (path, history.now_ms), here, sales=sales)]
