"""`python -m tests.bench`: what the agent costs, as ratios measured on this machine in this run.

One JSON object per figure on stdout, progress and a summary on stderr. A figure beyond its limit is
said, not punished: the exit code is 0 whenever the measuring itself worked. tests/bench/README.md
says what bounds each figure.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.burst import burst
from tests.bench.evaluator import evaluator
from tests.bench.figure import Figure, say, summary
from tests.bench.footprint import Concentrators, Dispensers, Kind, footprint
from tests.bench.past import past
from tests.bench.startup import startup
from tests.bench.volume import volume
from tests.bench.wire import wire_to_durable


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: `FULL` takes five or six minutes, `QUICK` only shows that everything runs."""

    pairs: int
    wire_sales: int
    burst_sales: int
    sites: tuple[Kind, ...]
    seconds: float
    polled_sales: int
    started: int
    weighed_sales: int
    awards: int
    entries: tuple[int, int, int]
    later_sales: int


FULL = Size(
    pairs=5,
    wire_sales=40,
    burst_sales=800,
    sites=(Dispensers, Concentrators),
    seconds=10,
    polled_sales=64,
    started=7,
    weighed_sales=400,
    awards=2_000,
    entries=(10_000, 300_000, 1_000_000),
    later_sales=200,
)
QUICK = Size(
    pairs=1,
    wire_sales=3,
    burst_sales=40,
    sites=(Dispensers,),
    seconds=1,
    polled_sales=16,
    started=1,
    weighed_sales=100,
    awards=20,
    entries=(200, 400, 600),
    later_sales=2,
)

PARTS: dict[str, Callable[[Path, Size], Sequence[Figure]]] = {
    "wire": lambda place, size: wire_to_durable(place, pairs=size.pairs, sales=size.wire_sales),
    "burst": lambda place, size: [burst(place, pairs=size.pairs, sales=size.burst_sales)],
    "footprint": lambda place, size: footprint(
        place, size.sites, seconds=size.seconds, sales=size.polled_sales
    ),
    "startup": lambda place, size: [startup(place, pairs=size.started)],
    "volume": lambda place, size: volume(place, sales=size.weighed_sales),
    "award": lambda place, size: [evaluator(pairs=size.pairs, calls=size.awards)],
    "past": lambda place, size: past(place, size.entries, pairs=size.pairs, sales=size.later_sales),
}


def main() -> None:
    asked = _arguments()
    figures = list(_measured(asked.parts or list(PARTS), QUICK if asked.quick else FULL, asked.directory))
    say(summary(figures))


def _measured(parts: Sequence[str], size: Size, directory: Path | None) -> Iterator[Figure]:
    for part in parts:
        began_s = time.monotonic()
        say(f"{part} ...")
        with tempfile.TemporaryDirectory(prefix="forecourt-bench-", dir=directory) as place:
            for figure in PARTS[part](Path(place), size):
                sys.stdout.write(figure.line() + "\n")
                sys.stdout.flush()
                yield figure
        say(f"{part} took {time.monotonic() - began_s:.0f} s")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help="only these; all when none is named")
    parser.add_argument("--quick", action="store_true", help="as little as possible: does it run?")
    parser.add_argument("--directory", type=Path, help="on the disk to be measured; default: temporary files")
    asked = parser.parse_args()
    if unknown := [part for part in asked.parts if part not in PARTS]:
        parser.error(f"no part is called {unknown[0]}; there are: {', '.join(PARTS)}")
    return asked


if __name__ == "__main__":
    main()
