"""`make fuzz`: a million inputs into every parser of every driver, two processes at a time.

`python -m tests.property.drivers.fuzz --inputs 50000 companytec` does fewer, of one driver;
`python -m tests.property.drivers.fuzz companytec/tag session 7 5000` one batch again, as a failure prints it.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import cycle, islice

from drivers import catalogue
from tests.property.drivers.fuzzing import TARGETS, Tally, run_batch

INPUTS = 1_000_000
BATCH = 5_000
DEARER = {"belief": 10}
"""A whole world moves between two of its inputs: a tenth as many."""
PROCESSES = 2
Job = tuple[str, str, str, int, int]


def jobs_of(name: str, target: str, inputs: int, batch: int = BATCH) -> Iterator[Job]:
    """Batches for one parser, its driver's cases in turn, each with a seed of its own."""
    cases = catalogue.conformance_cases(name)
    batches = max(len(cases), -(-inputs // batch // DEARER.get(target, 1)))
    for seed, case_name in enumerate(islice(cycle(cases), batches), start=1):
        yield name, case_name, target, seed, batch


class Progress:
    """What was done, by parser, on one line each."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._done: Counter[tuple[str, str]] = Counter()
        self._excused: Counter[tuple[str, str]] = Counter()

    def add(self, job: Job, tally: Tally, last: bool) -> None:
        parser = job[0], job[2]
        self._done[parser] += tally.inputs
        self._excused[parser] += tally.excused_count
        if last:
            chance = f", {self._excused[parser]} frames right by chance" if self._excused[parser] else ""
            took_s = time.monotonic() - self._began_s
            sys.stdout.write(
                f"{took_s:6.0f} s  {'.'.join(parser):24} {self._done[parser]:9,} inputs{chance}\n"
            )
            sys.stdout.flush()


def fuzz(names: Sequence[str], inputs: int) -> None:
    """Everything; the first failure ends it."""
    progress = Progress()
    jobs = [job for name in names for target in TARGETS for job in jobs_of(name, target, inputs)]
    left = Counter((job[0], job[2]) for job in jobs)
    with ProcessPoolExecutor(PROCESSES) as pool:
        try:
            for job, tally in _in_turn(pool, jobs):
                left[job[0], job[2]] -= 1
                progress.add(job, tally, last=left[job[0], job[2]] == 0)
        finally:
            pool.shutdown(cancel_futures=True)


def _in_turn(pool: ProcessPoolExecutor, jobs: Sequence[Job]) -> Iterator[tuple[Job, Tally]]:
    """A few jobs ahead, so that a failure ends the run at once."""
    waiting = iter(jobs)
    running: dict[Future[Tally], Job] = {}
    while True:
        for job in islice(waiting, 2 * PROCESSES - len(running)):
            running[pool.submit(run_batch, *job)] = job
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future.result()


def main(arguments: Sequence[str]) -> int:
    if len(arguments) == 4 and arguments[1] in TARGETS:
        place, target, seed, inputs = arguments
        sys.stdout.write(f"{run_batch(*place.split('/', 1), target, int(seed), int(inputs))}\n")
        return 0
    parser = argparse.ArgumentParser(prog="python -m tests.property.drivers.fuzz")
    parser.add_argument("--inputs", type=int, default=INPUTS, help="for each parser (default: a million)")
    parser.add_argument("drivers", nargs="*", default=[*catalogue.names(), "blueprint"])
    given = parser.parse_args(arguments)
    fuzz(given.drivers, given.inputs)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
