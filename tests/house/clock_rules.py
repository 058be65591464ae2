"""House rules about time and chance (decisions.md 11): read in one place, passed in everywhere else."""

import ast
from collections.abc import Iterator

from tests.house.sources import Source, dotted_uses

ALLOWED = ("agent/clock.py", "agent/identity.py", "agent/app/__init__.py")

_READS_OF_TIME = (
    "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns "
    "thread_time thread_time_ns clock_gettime clock_gettime_ns localtime gmtime ctime asctime strftime"
)
CLOCKS = frozenset(
    {
        *(f"time.{name}" for name in _READS_OF_TIME.split()),
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
    }
)

_SEEDED = frozenset({"random.Random"})
_CHANCE_ROOTS = ("random.", "secrets.")
_CHANCE = frozenset({"os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7"})


def clocks_and_chance(source: Source) -> Iterator[str]:
    """Reads of a clock, draws of chance, and generators without a seed outside the places for them."""
    if source.path in ALLOWED:
        return
    for node, name in dotted_uses(source.tree):
        if name in CLOCKS:
            yield source.at(node, f"reads a clock: {name}")
        elif name in _CHANCE or (name.startswith(_CHANCE_ROOTS) and not name.startswith(tuple(_SEEDED))):
            yield source.at(node, f"draws chance: {name}")
    for call in ast.walk(source.tree):
        if isinstance(call, ast.Call) and not call.args and not call.keywords and _is_generator(call, source):
            yield source.at(call, "a generator without a seed: random.Random()")


def _is_generator(call: ast.Call, source: Source) -> bool:
    return any(node is call.func and name in _SEEDED for node, name in dotted_uses(source.tree))
