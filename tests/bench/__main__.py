"""`python -m tests.bench`: what the agent costs, as ratios measured on this machine in this run.

One JSON object per figure on stdout, progress and a summary on stderr. A figure beyond its limit is
said, not punished: the exit code is 0 whenever the measuring itself worked. tests/bench/README.md
says what bounds each figure.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.burst import burst
from tests.bench.drain import drain
from tests.bench.drivers_hangup import hangup
from tests.bench.drivers_points32 import SITES, Forecourt, points32
from tests.bench.evaluator import evaluator
from tests.bench.figure import Figure, say, summary
from tests.bench.footprint import Concentrators, Dispensers, Kind, footprint
from tests.bench.ingest import ingest
from tests.bench.load import SERIES, Case, load
from tests.bench.past import past
from tests.bench.startup import startup
from tests.bench.volume import volume
from tests.bench.wire import wire_to_durable


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: `FULL` takes ten minutes or more, `QUICK` only shows that everything runs."""

    pairs: int
    wire_sales: int
    burst_sales: int
    sites: tuple[Kind, ...]
    seconds: float
    polled_sales: int
    forecourts: tuple[Forecourt, ...]
    hung_up: int
    started: int
    weighed_sales: int
    awards: int
    entries: tuple[int, int, int]
    later_sales: int
    drained_sales: int
    month_sales: int
    received_batches: int
    loads: tuple[Case, ...]
    load_seconds: float


FULL = Size(
    pairs=5,
    wire_sales=40,
    burst_sales=800,
    sites=(Dispensers, Concentrators),
    seconds=10,
    polled_sales=64,
    forecourts=SITES,
    hung_up=30,
    started=7,
    weighed_sales=400,
    awards=2_000,
    entries=(10_000, 300_000, 1_000_000),
    later_sales=200,
    drained_sales=10_000,
    month_sales=45_000,
    received_batches=120,
    loads=SERIES,
    load_seconds=5,
)
QUICK = Size(
    pairs=1,
    wire_sales=3,
    burst_sales=40,
    sites=(Dispensers,),
    seconds=1,
    polled_sales=16,
    forecourts=SITES[:1],
    hung_up=1,
    started=1,
    weighed_sales=100,
    awards=20,
    entries=(200, 400, 600),
    later_sales=2,
    drained_sales=200,
    month_sales=300,
    received_batches=20,
    loads=(Case("sqlite", 3, 1), Case("postgresql", 2, 2)),
    load_seconds=0.5,
)

PARTS: dict[str, Callable[[Path, Size], Iterable[Figure]]] = {
    "wire": lambda place, size: wire_to_durable(place, pairs=size.pairs, sales=size.wire_sales),
    "burst": lambda place, size: [burst(place, pairs=size.pairs, sales=size.burst_sales)],
    "footprint": lambda place, size: footprint(
        place, size.sites, seconds=size.seconds, sales=size.polled_sales
    ),
    "points32": lambda place, size: points32(place, size.forecourts, seconds=size.seconds),
    "hangup": lambda place, size: hangup(place, sales=size.hung_up),
    "startup": lambda place, size: [startup(place, pairs=size.started)],
    "volume": lambda place, size: volume(place, sales=size.weighed_sales),
    "award": lambda place, size: [evaluator(pairs=size.pairs, calls=size.awards)],
    "drain": lambda place, size: drain(
        place, pairs=size.pairs, sales=size.drained_sales, month_sales=size.month_sales
    ),
    "ingest": lambda place, size: [ingest(place, pairs=size.pairs, batches=size.received_batches)],
    "past": lambda place, size: past(place, size.entries, pairs=size.pairs, sales=size.later_sales),
    "load": lambda place, size: load(place, size.loads, seconds=size.load_seconds),
}


def main() -> None:
    asked = _arguments()
    figures = list(_measured(asked.parts or list(PARTS), _size(asked), asked.directory))
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


def _size(asked: argparse.Namespace) -> Size:
    size = QUICK if asked.quick else FULL
    if asked.stations or asked.workers:
        size = replace(size, loads=(Case("postgresql", asked.stations or 500, asked.workers or 1),))
    return replace(size, load_seconds=asked.seconds) if asked.seconds else size


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help="only these; all when none is named")
    parser.add_argument("--quick", action="store_true", help="as little as possible: does it run?")
    parser.add_argument("--directory", type=Path, help="on the disk to be measured; default: temporary files")
    parser.add_argument("--stations", type=int, help="load: one case on PostgreSQL with so many, instead")
    parser.add_argument("--workers", type=int, help="load: and with so many workers of headquarters")
    parser.add_argument("--seconds", type=float, help="load: how long each course of it is measured")
    asked = parser.parse_args()
    if unknown := [part for part in asked.parts if part not in PARTS]:
        parser.error(f"no part is called {unknown[0]}; there are: {', '.join(PARTS)}")
    return asked


if __name__ == "__main__":
    main()
