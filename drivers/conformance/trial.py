"""One run: a station's bad day on one kind of wire, then what must hold after it."""

import gc
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, ModuleType

from drivers.conformance.cases import Case
from drivers.conformance.judges import SALES, judge_of
from drivers.conformance.world import World
from drivers.driver import Driver
from drivers.events import Fuelling
from drivers.faults import CLEAN, Faults

SILENCE_SLACK_MS = 1_000
NOISE_BYTES = 65_536
MEMORY_GROWTH_BYTES = 32_768


@dataclass(frozen=True, slots=True)
class Report:
    """What one run saw. `failures` are sentences that begin with a code from the package's docstring."""

    replay: str
    true_count: int
    reported_count: int
    repeated_count: int
    unavailable_count: int
    mishaps: tuple[str, ...]
    simulated_ms: int
    failures: tuple[str, ...]

    def explain(self) -> str:
        """The failures and the command that replays them, for an assertion message."""
        return "\n".join((*self.failures, f"replay: {self.replay}"))


def run(driver: Driver, case_name: str, case: Case, faults: Faults, seed: int) -> Report:
    """Try every promise of `case` once on one kind of wire. The same arguments give the same run."""
    replay = replay_of(driver, case_name, faults.name, seed)
    with noted(replay):
        rng = random.Random(f"{driver.name}/{case_name}/{faults.name}/{seed}")
        trial = _Trial(driver, World(case, faults, rng))
        trial.trouble()
        trial.calm()
        phases = []
        if driver.silence_ms and trial.judge.minds_silence:
            phases.append(trial.silence)
        if faults.noise_bp or faults == CLEAN:
            phases.append(trial.noise)
        for phase in (*phases, trial.judge_counters, trial.judge_flags):
            if not trial.failures:
                phase()
    till = trial.world.till
    return Report(
        replay=replay,
        true_count=trial.judge.true_count(),
        reported_count=till.reported_count,
        repeated_count=till.repeated_count,
        unavailable_count=till.unavailable_count,
        mishaps=tuple(trial.world.mishaps),
        simulated_ms=trial.world.now - trial.world.started,
        failures=tuple(sorted(trial.failures)),
    )


def replay_of(driver: Driver, case_name: str, what: str, seed: int) -> str:
    """The command that does the same again."""
    return f"python -m drivers.conformance {driver.name}/{case_name} {what} {seed}"


def unknown_flags(driver: Driver, booked: Iterable[Fuelling]) -> Iterator[str]:
    """What nobody could look up."""
    flags = {flag for fuelling in booked for flag in fuelling.flags}
    yield from (f"FLAG_UNKNOWN {flag}" for flag in flags - driver.flags)


@contextmanager
def noted(replay: str) -> Iterator[None]:
    """What is raised inside carries the command that replays it."""
    try:
        yield
    finally:
        if (error := sys.exception()) is not None:
            error.add_note(f"replay: {replay}")


class _Trial:
    """The phases, in the order in which `run` goes through them."""

    def __init__(self, driver: Driver, world: World) -> None:
        self._driver = driver
        self.world = world
        self.judge = judge_of(world)
        self.failures = world.failures

    def trouble(self) -> None:
        """Sales or requests on the bad wire, with crashes, power cuts and a pulled plug between them."""
        world = self.world
        mishaps: list[Callable[[], None] | None] = [
            world.we_crash,
            world.we_crash,
            world.device_loses_power,
            world.plug_is_pulled,
        ]
        mishaps += [None] * (SALES - len(mishaps))
        world.rng.shuffle(mishaps)
        for mishap in mishaps:
            self.judge.make_one()
            world.pass_time(world.rng.randrange(100, 2_500))
            if mishap is not None:
                mishap()

    def calm(self) -> None:
        """A clean wire and a willing till: everything arrives, and nothing that never was."""
        self.world.use_wires(CLEAN)
        self.world.till.unavailable_bp = 0
        self.judge.settle()
        self._wait_and_judge()

    def silence(self) -> None:
        """The device says nothing any more, then comes back."""
        world, limit_ms = self.world, self._driver.silence_ms + SILENCE_SLACK_MS
        world.pass_time(2 * SILENCE_SLACK_MS)
        world.silence_seen = False
        world.cut_wires()
        world.pass_time(limit_ms)
        if not world.silence_seen:
            self.failures.add(f"SILENCE_UNNOTICED after {limit_ms} ms")
        world.return_seen = False
        world.use_wires(CLEAN)
        self.judge.make_one()
        self._wait_and_judge()
        if not world.return_seen:
            self.failures.add("RETURN_UNNOTICED")

    def noise(self) -> None:
        """Any bytes: nothing raises, memory stays, and the next sale arrives all the same."""
        world = self.world
        world.till.unavailable_bp = 10_000
        world.cut_wires()
        world.feed_noise(NOISE_BYTES // 4)
        before_bytes = _deep_size_bytes(world.session)
        world.feed_noise(NOISE_BYTES)
        grown_bytes = _deep_size_bytes(world.session) - before_bytes
        if grown_bytes > MEMORY_GROWTH_BYTES:
            self.failures.add(f"MEMORY_GROWS by {grown_bytes} bytes over {NOISE_BYTES} bytes of noise")
        world.till.unavailable_bp = 0
        world.use_wires(CLEAN)
        world.pass_time(1_000)
        self.judge.make_after_noise()
        self._wait_and_judge()

    def judge_counters(self) -> None:
        if not self.world.session.counters().get("HEARD", 0):
            self.failures.add("HEARD_NOT_COUNTED: counters() must count valid frames under HEARD")

    def judge_flags(self) -> None:
        self.failures.update(unknown_flags(self._driver, self.world.till.durable.values()))

    def _wait_and_judge(self) -> None:
        self.world.wait_until(self.judge.all_arrived)
        self.failures.update(self.judge.failures())


def _deep_size_bytes(root: object) -> int:
    """Bytes of everything reachable from `root`, without code and without classes."""
    seen: set[int] = set()
    waiting: list[object] = [root]
    total_bytes = 0
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType | FunctionType):
            continue
        seen.add(id(thing))
        total_bytes += sys.getsizeof(thing)
        waiting += gc.get_referents(thing)
    return total_bytes
